//! Words from the wire as values of labels.

use super::OTHER;
use crate::parse::{dns::RecordType, http};

/// The word of the list that equals a text.
fn one_of(text: &str, known: &[&'static str]) -> &'static str {
    known.iter().copied().find(|word| *word == text).unwrap_or(OTHER)
}

/// A version of TLS, as `parse::tls` names it.
pub(super) fn tls_version(name: &str) -> &'static str {
    one_of(
        name,
        &["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0", "SSLv3", "SSLv2", "DTLSv1.0", "DTLSv1.2", "DTLSv1.3"],
    )
}

/// A version of QUIC, as `parse::quic` names it: of the drafts and of Google's those that captures hold.
pub(super) fn quic_version(name: &str) -> &'static str {
    one_of(
        name,
        &[
            "v1", "v2", "draft-22", "draft-23", "draft-24", "draft-25", "draft-27", "draft-28", "draft-29",
            "draft-32", "draft-33", "draft-34", "mvfst-01", "mvfst-02", "mvfst-0e", "Q039", "Q043", "Q044",
            "Q046", "Q050", "T050", "T051",
        ],
    )
}

/// A protocol that is negotiated in TLS: of IANA's registry those that are in use.
pub(super) fn alpn(name: &str) -> &'static str {
    one_of(
        name,
        &[
            "h2",
            "http/1.1",
            "h3",
            "http/1.0",
            "h2c",
            "h3-29",
            "hq-interop",
            "spdy/3.1",
            "dot",
            "doq",
            "ftp",
            "imap",
            "pop3",
            "mqtt",
            "postgresql",
            "stun.turn",
            "webrtc",
            "xmpp-client",
            "xmpp-server",
            "acme-tls/1",
            "smb",
            "irc",
            "sip/2",
            "ntske/1",
        ],
    )
}

/// A type of DNS by its mnemonic.
pub(super) fn qtype(name: &str) -> &'static str {
    RecordType::registered(name).unwrap_or(OTHER)
}

/// A response code by its mnemonic (IANA, DNS RCODEs).
pub const fn rcode(code: u16) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        23 => "BADCOOKIE",
        _ => OTHER,
    }
}

/// A method of HTTP.
pub(super) fn method(name: &str) -> &'static str {
    http::known_method(name).unwrap_or(OTHER)
}

/// The class of a status (RFC 9110, 15).
pub(super) const fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => OTHER,
    }
}
