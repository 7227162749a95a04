//! The header with which a proxy says for whom it opens a connection (`HAProxy`'s PROXY protocol, versions 1 and 2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest header of version 1, with its end (2.1).
const LINE_MAX: usize = 107;

/// Longest header of version 2 that is believed: addresses, and some kilobytes of extensions.
const BINARY_MAX: usize = 16 + 4096;

/// The mark of version 2 (2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What stands at the begin of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// No header.
    No,
    /// There are too few bytes to tell.
    Unclear,
    /// A header.
    Header {
        /// Its bytes: what follows is the connection's own.
        length: usize,
        /// Address and port of the client, if it says.
        source: Option<(IpAddr, u16)>,
    },
}

/// Reads the header at the begin of a stream.
pub fn read(bytes: &[u8]) -> Read {
    if bytes.starts_with(b"PROXY ") {
        return line(bytes);
    }
    if bytes.starts_with(SIGNATURE) {
        return binary(bytes);
    }
    Read::No
}

/// Version 1: words between single spaces.
fn line(bytes: &[u8]) -> Read {
    let head = bytes.get(..LINE_MAX.min(bytes.len())).unwrap_or_default();
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_MAX { Read::Unclear } else { Read::No };
    };
    let Some(text) = head.get(6..end).and_then(|text| std::str::from_utf8(text).ok()) else {
        return Read::No;
    };
    let mut words = text.split(' ');
    let family = words.next();
    let source = match family {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
            let port = words.nth(1).and_then(|word| word.parse().ok());
            match (address, port) {
                (Some(address), Some(port)) if address.is_ipv4() == (family == Some("TCP4")) => {
                    Some((address, port))
                }
                _ => return Read::No,
            }
        }
        _ => return Read::No,
    };
    Read::Header { length: end + 2, source }
}

/// Version 2: a signature, version and command, family and transport, a length, addresses.
fn binary(bytes: &[u8]) -> Read {
    let [command, family, high, low, rest @ ..] = bytes.get(SIGNATURE.len()..).unwrap_or_default() else {
        return Read::Unclear;
    };
    let inner = usize::from(u16::from_be_bytes([*high, *low]));
    let length = 16 + inner;
    if command >> 4 != 2 || command & 15 > 1 || length > BINARY_MAX {
        return Read::No;
    }
    let Some(addresses) = rest.get(..inner) else { return Read::Unclear };
    // A health check of the proxy itself (LOCAL) speaks for nobody.
    let source = if *command == 0x20 {
        None
    } else {
        match (family >> 4, addresses) {
            (1, [a, b, c, d, _, _, _, _, high, low, ..]) => {
                Some((Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low])))
            }
            (2, addresses) => {
                addresses.first_chunk::<16>().zip(addresses.get(32..34)).map(|(source, port)| {
                    (
                        Ipv6Addr::from(*source).into(),
                        port.iter().fold(0, |port, byte| port << 8 | u16::from(*byte)),
                    )
                })
            }
            _ => None,
        }
    };
    Read::Header { length, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_the_client_is() {
        let header = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET / HTTP/1.1\r\n";
        let source = Some(("192.0.2.1".parse().unwrap(), 56_324));
        assert_eq!(read(header), Read::Header { length: 45, source });
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Read::Header { length: 15, source: None });
        assert_eq!(read(b"PROXY TCP4 192.0.2.1"), Read::Unclear);
        for wrong in [
            &b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"[..],
            b"PROXY TCP5 1 2 3 4\r\n",
            b"POST / HTTP/1.1\r\n",
        ] {
            assert_eq!(read(wrong), Read::No, "{wrong:?}");
        }
        assert_eq!(read(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat()), Read::No);
    }

    #[test]
    fn a_binary_header_says_who_the_client_is() {
        let mut header =
            [SIGNATURE.as_slice(), &[0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb]]
                .concat();
        header.extend_from_slice(b"\x16\x03\x01");
        let source = Some(("192.0.2.1".parse().unwrap(), 56_324));
        assert_eq!(read(&header), Read::Header { length: 28, source });
        assert_eq!(read(&header[..20]), Read::Unclear);
        header[12] = 0x20;
        assert_eq!(read(&header), Read::Header { length: 28, source: None });
        header[12] = 0x31;
        assert_eq!(read(&header), Read::No);
    }
}
