//! Values of header fields.

/// A host without its port: `example.org:8080`, `[2001:db8::1]:80`.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // An IPv6 address without brackets has several colons and no port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// What a value of the fields Authorization and Proxy-Authorization carries, if whoever reads it can use
/// it, or try passwords against it (RFC 9110, 11.6.2).
pub fn http_scheme(value: &[u8]) -> Option<&'static str> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = value.split_at(end);
    if credentials.trim_ascii().is_empty() {
        return None;
    }
    [("basic", "http basic"), ("digest", "http digest"), ("bearer", "http bearer")]
        .into_iter()
        .find_map(|(name, detail)| scheme.eq_ignore_ascii_case(name.as_bytes()).then_some(detail))
}
