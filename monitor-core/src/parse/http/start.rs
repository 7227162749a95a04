//! Request lines and status lines (RFC 9112, 3 and 4).

/// Which methods make a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The registered ones and a few that are met: anything else is no HTTP.
    #[default]
    Known,
    /// Any token: for ports that are configured to speak something like HTTP.
    Any,
}

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// A request or status line, as far as it is there.
    Message,
    /// The connection preface of HTTP/2 (RFC 9113, 3.4).
    Http2,
    /// They are too few to tell.
    Unclear,
    /// Something else.
    Other,
}

/// Methods of the IANA registry "HTTP Methods", of `UPnP` and of caches.
const METHODS: [&str; 52] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "OPTIONS",
    "CONNECT",
    "DELETE",
    "PATCH",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "LABEL",
    "LINK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "ORDERPATCH",
    "QUERY",
    "REBIND",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "M-SEARCH",
    "POLL",
    "BCOPY",
    "BMOVE",
    "BDELETE",
    "BPROPFIND",
    "BPROPPATCH",
    "PURGE",
    "BAN",
    "CCM_POST",
];

/// Longest method that is taken for one.
const METHOD_MAX: usize = 32;

/// What responses begin with.
const STATUS: &[u8] = b"HTTP/1.";

/// What a client of HTTP/2 begins with, up to where a request line of HTTP/1.x would go on differently.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The method and whether it was ended by a space; `None` if it can be none.
fn method(bytes: &[u8], dialect: Dialect) -> Option<(&[u8], bool)> {
    let token = bytes.iter().take(METHOD_MAX + 1).take_while(|byte| is_token(**byte)).count();
    let (method, rest) = bytes.split_at(token);
    let ended = rest.first() == Some(&b' ');
    if token == 0 || token > METHOD_MAX || !(ended || rest.is_empty()) {
        return None;
    }
    let known = match dialect {
        Dialect::Any => method.iter().any(u8::is_ascii_alphabetic),
        Dialect::Known if ended => METHODS.iter().any(|known| known.as_bytes() == method),
        Dialect::Known => METHODS.iter().any(|known| known.as_bytes().starts_with(method)),
    };
    known.then_some((method, ended))
}

/// A method that is known, by its name.
pub fn known_method(name: &str) -> Option<&'static str> {
    METHODS.iter().copied().find(|known| *known == name)
}

/// Bytes of a token (RFC 9110, 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Empty lines that may stand before the first request (RFC 9112, 2.2).
const EMPTY_LINES: usize = 2;

/// What `bytes` begin with. Looks at a limited number of them, except for the end of the first line.
pub fn begins(bytes: &[u8], dialect: Dialect) -> Begin {
    let mut bytes = bytes;
    for _ in 0..EMPTY_LINES {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    if bytes == b"\r" {
        return Begin::Unclear;
    }
    if bytes.is_empty() {
        return Begin::Unclear;
    }
    let shared = |with: &[u8]| bytes.iter().zip(with).take_while(|(a, b)| a == b).count();
    if shared(PREFACE) == PREFACE.len() {
        return Begin::Http2;
    }
    if shared(STATUS) == bytes.len().min(STATUS.len()) {
        return if bytes.len() < STATUS.len() { Begin::Unclear } else { Begin::Message };
    }
    if shared(PREFACE) == bytes.len() {
        return Begin::Unclear;
    }
    let Some((found, ended)) = method(bytes, dialect) else { return Begin::Other };
    if !ended {
        return Begin::Unclear;
    }
    let rest = bytes.get(found.len() + 1..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => match request(bytes.get(..found.len() + 1 + end).unwrap_or_default(), false, dialect) {
            Some(_) => Begin::Message,
            None => Begin::Other,
        },
        // A target may be long; control characters cannot be part of it.
        None if rest.iter().take(256).any(|byte| *byte < b' ' && *byte != b'\r') => Begin::Other,
        None if rest.is_empty() => Begin::Unclear,
        None => Begin::Message,
    }
}

/// A request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Option<Version>,
}

/// A version of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) minor: u8,
}

impl Version {
    /// As records have it.
    pub(super) const fn as_str(self) -> &'static str {
        match self.minor {
            0 => "1.0",
            1 => "1.1",
            _ => "1.x",
        }
    }
}

/// The version after `HTTP/`.
fn version(bytes: &[u8]) -> Option<Version> {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => {
            Some(Version { minor: minor - b'0' })
        }
        _ => None,
    }
}

/// Reads a request line. `cut`: its end is missing, so its version is not known.
pub(super) fn request(line: &[u8], cut: bool, dialect: Dialect) -> Option<RequestLine<'_>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (method, true) = method(line, dialect)? else { return None };
    let rest = line.get(method.len() + 1..)?;
    if cut {
        return Some(RequestLine { method, target: rest, version: None });
    }
    // Targets of careless clients hold spaces: the version is what follows the last one.
    let rest = rest.trim_ascii_end();
    let space = rest.iter().rposition(|byte| *byte == b' ')?;
    let (target, last) = rest.split_at(space);
    let version = version(last.get(1..)?)?;
    Some(RequestLine { method, target: target.trim_ascii(), version: Some(version) })
}

/// Reads a status line: version and status.
pub(super) fn status(line: &[u8]) -> Option<(Version, u16)> {
    let (head, rest) = line.split_at_checked(8)?;
    let version = version(head)?;
    let digits = rest.trim_ascii_start();
    let (code, after) = digits.split_first_chunk::<3>()?;
    let ends = after.first().is_none_or(|byte| !byte.is_ascii_digit());
    let status = code
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0')))?;
    (rest.first() == Some(&b' ') && ends).then_some((version, status))
}

/// The authority of a target in absolute form (RFC 9112, 3.2.2) and the path that follows it.
pub(super) fn absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = target.iter().take(16).position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    let rest = rest.strip_prefix(b"://")?;
    if scheme.is_empty() || !scheme.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // User information is no part of the name, and secret.
    let host = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    Some((authority.get(host..)?, path))
}

/// The path without query and fragment.
pub(super) fn path(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}
