//! Who may ask for a page that has no password, on an address that only this host reaches.
//!
//! A web site can give its own name the address 127.0.0.1 (DNS rebinding); the reader's browser then lets the
//! site's scripts read what is served there, as if it were the site's own. The name that the browser asks for
//! gives it away. Where there is a password the browser has none to send; where the address is open to others, a
//! warning says so, and names of this host are any that its network gives it.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// Whether a request names this host: by address, as `localhost`, by its own name or by one that was set.
pub(super) fn is_ours(headers: &HeaderMap, host: &str, more: &[String]) -> bool {
    let mut named = headers.get_all(HOST).iter();
    match (named.next(), named.next()) {
        // Browsers always send one.
        (None, _) => true,
        (Some(value), None) => value.to_str().is_ok_and(|value| is_known(value, host, more)),
        (Some(_), Some(_)) => false,
    }
}

/// Whether a page of another site asks, as browsers say it (Fetch Metadata; Fetch, 3.2). To follow a link here is no
/// such question: the page that has it learns nothing. `more`: names that were set, such as that of a proxy.
pub(super) fn is_cross_site(headers: &HeaderMap, more: &[String]) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let follows = said("sec-fetch-mode") == Some("navigate") && said("sec-fetch-dest") == Some("document");
    if follows {
        return false;
    }
    if matches!(said("sec-fetch-site"), Some("cross-site" | "same-site")) {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    // `null` is the origin of pages that hide theirs.
    let Some((_, from)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return true;
    };
    let own = said(HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(from));
    !own && !more.iter().any(|name| name.eq_ignore_ascii_case(without_port(from)))
}

fn is_known(value: &str, host: &str, more: &[String]) -> bool {
    let name = without_port(value);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is = |other: &str| !other.is_empty() && name.eq_ignore_ascii_case(other);
    let local = name.len() > ".localhost".len()
        && name
            .get(name.len() - ".localhost".len()..)
            .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"));
    is("localhost") || local || is(host) || more.iter().any(|name| is(name)) || is_address(name)
}

/// `name:port` and `[address]:port` without the port.
fn without_port(value: &str) -> &str {
    match value.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            // An address of IPv6 without brackets has no port.
            if name.contains(':') && !name.ends_with(']') { value } else { name }
        }
        _ => value,
    }
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_this_host_pass_and_others_do_not() {
        let more = ["weir.example.org".to_owned()];
        for name in [
            "localhost",
            "LOCALHOST:10058",
            "weir.localhost",
            "127.0.0.1",
            "127.0.0.1:10058",
            "[::1]:10058",
            "[::1]",
            "::1",
            "10.0.0.1:80",
            "server1:10058",
            "weir.example.org",
            "localhost.",
        ] {
            assert!(is_known(name, "server1", &more), "{name}");
        }
        for name in [
            "attacker.example",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example:10058",
            "notlocalhost",
            "",
            ":10058",
            ".localhost",
            "server12",
            "weir.example.org.attacker.example",
            "1.2.3",
            "x",
        ] {
            assert!(!is_known(name, "server1", &more), "{name}");
        }
        assert!(!is_known("x", "", &[]) && !is_known("", "", &[]));
    }

    #[test]
    fn pages_of_other_sites_are_told_from_our_own_and_from_links() {
        let asks = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:10058".parse().unwrap());
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            is_cross_site(&headers, &["weir.example.org".to_owned()])
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://localhost:10058")],
            &[("origin", "https://weir.example.org")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        ] {
            assert!(!asks(own), "{own:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("origin", "http://localhost:3000")],
            &[("origin", "https://attacker.example")],
            &[("origin", "null")],
        ] {
            assert!(asks(other), "{other:?}");
        }
    }

    #[test]
    fn one_name_or_none() {
        let mut headers = HeaderMap::new();
        assert!(is_ours(&headers, "", &[]));
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(is_ours(&headers, "", &[]));
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(!is_ours(&headers, "", &[]));
    }
}
