//! The protocols that most flows speak.

use super::Application;
use crate::parse::http::{self, Begin, Dialect};

/// The first bytes of a direction of a stream.
pub(super) fn stream(bytes: &[u8]) -> Option<Application> {
    match bytes {
        [0x16, 3, 0..=4, _, _, 1 | 2, ..] => return Some(Application::Tls),
        [b'S', b'S', b'H', b'-', b'1' | b'2', b'.', ..] => return Some(Application::Ssh),
        [b'R', b'F', b'B', b' ', b'0', b'0', ..] => return Some(Application::Rfb),
        [b'A', b'M', b'Q', b'P', 0..=3, ..] => return Some(Application::Amqp),
        [19, rest @ ..] if rest.starts_with(b"BitTorrent protocol") => return Some(Application::BitTorrent),
        [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => return Some(Application::Smb),
        _ => {}
    }
    match http::begins(bytes, Dialect::Known) {
        Begin::Message => return Some(Application::Http),
        Begin::Http2 => return Some(Application::Http2),
        Begin::Unclear | Begin::Other => {}
    }
    text(bytes).or_else(|| binary(bytes))
}

/// Protocols that speak in lines.
fn text(bytes: &[u8]) -> Option<Application> {
    // A greeting is short; what is looked for stands near its begin.
    let head = bytes.get(..bytes.len().min(256)).unwrap_or_default();
    let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let has = |word: &[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let begins = |word: &[u8]| line.get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word));
    if (line.starts_with(b"220 ") || line.starts_with(b"220-")) && line.len() < head.len() {
        return match (has(b"SMTP"), has(b"FTP")) {
            (true, _) => Some(Application::Smtp),
            (false, true) => Some(Application::Ftp),
            _ => None,
        };
    }
    if begins(b"EHLO ") || begins(b"LHLO ") || begins(b"HELO ") {
        return Some(Application::Smtp);
    }
    if begins(b"* OK") && (has(b"IMAP") || has(b"CAPABILITY")) {
        return Some(Application::Imap);
    }
    if begins(b"+OK") && (has(b"POP") || line.ends_with(b">")) {
        return Some(Application::Pop3);
    }
    let words = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    if begins(b"SIP/2.0 ") || words == b"SIP/2.0" {
        return Some(Application::Sip);
    }
    if begins(b"RTSP/1.0 ") || words == b"RTSP/1.0" {
        return Some(Application::Rtsp);
    }
    // A command as an array of strings, as every client sends it.
    match head {
        [b'*', b'1'..=b'9', b'\r', b'\n', b'$', b'0'..=b'9', ..] => Some(Application::Redis),
        _ => None,
    }
}

/// Protocols that speak in binary messages.
fn binary(bytes: &[u8]) -> Option<Application> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match bytes {
        // TPKT with a connection request or confirm of X.224 that negotiates security (MS-RDPBCGR, 2.2.1).
        [3, 0, high, low, _, 0xe0 | 0xd0, _, _, _, _, _, rest @ ..]
            if u32::from(u16::from_be_bytes([*high, *low])) == length
                && (rest.starts_with(b"Cookie: mstshash=")
                    || matches!(rest, [1..=3, _, 8, 0, _, _, _, _])) =>
        {
            Some(Application::Rdp)
        }
        // SSLRequest, GSSENCRequest, CancelRequest; else the start-up of version 3.
        [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30] | [0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, ..] => {
            Some(Application::Postgresql)
        }
        [0, 0, high, low, 0, 3, 0, 0 | 2, rest @ ..]
            if u32::from(u16::from_be_bytes([*high, *low])) == length && rest.ends_with(&[0, 0]) =>
        {
            Some(Application::Postgresql)
        }
        // The greeting: length, number 0, version 10, the server's version as text.
        [l0, l1, l2, 0, 10, b'0'..=b'9', rest @ ..]
            if u32::from_le_bytes([*l0, *l1, *l2, 0]).checked_add(4) == Some(length)
                && rest.iter().take(64).any(|byte| *byte == 0) =>
        {
            Some(Application::Mysql)
        }
        // CONNECT: remaining length of one or two bytes, then the protocol's name.
        [0x10, _, rest @ ..] => {
            let named = |rest: &[u8]| rest.starts_with(b"\0\x04MQTT") || rest.starts_with(b"\0\x06MQIsdp");
            (named(rest) || rest.get(1..).is_some_and(named)).then_some(Application::Mqtt)
        }
        _ => None,
    }
}

/// A datagram.
pub(super) fn datagram(bytes: &[u8], (from, to): (u16, u16)) -> Option<Application> {
    let has_port = |port: u16| from == port || to == port;
    let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied();
    match bytes {
        [0x14..=0x17, 0xfe, 0xfd | 0xff, ..] if bytes.len() >= 13 => Some(Application::Dtls),
        // The magic cookie (RFC 8489, 5), a length that fits.
        [0x00..=0x3f, _, high, low, 0x21, 0x12, 0xa4, 0x42, ..]
            if usize::from(u16::from_be_bytes([*high, *low])) + 20 == bytes.len() =>
        {
            Some(Application::Stun)
        }
        // Initiation, response and cookie have their lengths.
        [1, 0, 0, 0, ..] if bytes.len() == 148 && !has_port(53) => Some(Application::WireGuard),
        [2, 0, 0, 0, ..] if bytes.len() == 92 && !has_port(53) => Some(Application::WireGuard),
        // BOOTP with the magic cookie of RFC 2131, 3.
        [1 | 2, ..] if word(236) == Some([0x63, 0x82, 0x53, 0x63]) => Some(Application::Dhcp),
        // Versions 1 to 4, a mode, and the port.
        [first, ..]
            if has_port(123)
                && bytes.len() >= 48
                && matches!(first >> 3 & 7, 1..=4)
                && matches!(first & 7, 1..=5) =>
        {
            Some(Application::Ntp)
        }
        _ if bytes.starts_with(b"d1:ad2:id20:") || bytes.starts_with(b"d1:rd2:id20:") => {
            Some(Application::BitTorrent)
        }
        _ if bytes.starts_with(b"M-SEARCH * HTTP/1.1\r\n") || bytes.starts_with(b"NOTIFY * HTTP/1.1\r\n") => {
            Some(Application::Ssdp)
        }
        _ => match text(bytes) {
            Some(Application::Sip) => Some(Application::Sip),
            _ => None,
        },
    }
}
