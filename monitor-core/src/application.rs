//! Which protocol a flow speaks, by its first bytes.
//!
//! Only signatures that nothing else writes by accident are here: what cannot be told for sure is left to
//! the port. RTP, uTP and others without a mark of their own are not guessed.

use monitor_common::abi::Transport;

use crate::parse::http::{self, Begin, Dialect};
use crate::record::Carrier;

/// Declares the applications with their words.
macro_rules! applications {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// An application protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Application {
            $($(#[$doc])* $name,)+
        }

        impl Application {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word in records and labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

applications! {
    /// TLS over TCP, whatever it carries.
    Tls = "tls",
    /// TLS over datagrams.
    Dtls = "dtls",
    /// QUIC, whatever it carries.
    Quic = "quic",
    /// HTTP/1.x in clear text.
    Http = "http",
    /// HTTP/2 in clear text.
    Http2 = "http2",
    /// The WebSocket protocol in clear text.
    WebSocket = "websocket",
    /// DNS.
    Dns = "dns",
    /// DNS over TLS: unreadable, but by port, protocol name and server recognised for what it is.
    Dot = "dot",
    /// DNS over HTTPS, likewise.
    Doh = "doh",
    /// DNS over QUIC, likewise.
    Doq = "doq",
    /// Multicast DNS.
    Mdns = "mdns",
    /// Link-local multicast name resolution.
    Llmnr = "llmnr",
    /// Secure shell.
    Ssh = "ssh",
    /// Mail transfer.
    Smtp = "smtp",
    /// Mail access.
    Imap = "imap",
    /// Mail retrieval.
    Pop3 = "pop3",
    /// File transfer, its control connection.
    Ftp = "ftp",
    /// Remote desktop.
    Rdp = "rdp",
    /// Remote framebuffer, known as VNC.
    Rfb = "rfb",
    /// The database's frontend protocol.
    Postgresql = "postgresql",
    /// The database's protocol, `MariaDB`'s too.
    Mysql = "mysql",
    /// The store's serialization protocol.
    Redis = "redis",
    /// Message queue of things.
    Mqtt = "mqtt",
    /// Message queue of enterprises.
    Amqp = "amqp",
    /// Time.
    Ntp = "ntp",
    /// Host configuration, of IPv4.
    Dhcp = "dhcp",
    /// Peers of `BitTorrent`, and their distributed hash table.
    BitTorrent = "bittorrent",
    /// Session traversal.
    Stun = "stun",
    /// `WireGuard`.
    WireGuard = "wireguard",
    /// Session initiation.
    Sip = "sip",
    /// Streaming control.
    Rtsp = "rtsp",
    /// Windows' file sharing.
    Smb = "smb",
    /// Discovery of `UPnP`.
    Ssdp = "ssdp",
}

/// Resolvers that speak DNS over HTTPS under a name of their own: these names and all below them. A name
/// under which other pages are served too is not here.
const RESOLVERS: [&str; 16] = [
    "cloudflare-dns.com",
    "dns.adguard-dns.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.google",
    "dns.mullvad.net",
    "dns.nextdns.io",
    "dns.quad9.net",
    "dns.sb",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "doh.cleanbrowsing.org",
    "doh.opendns.com",
    "doh.pub",
    "one.one.one.one",
    "unfiltered.adguard-dns.com",
];

/// Port of DNS over TLS (RFC 7858) and over QUIC (RFC 9250).
const DNS_OVER_TLS: u16 = 853;

impl Application {
    /// What a hello begins: DNS in it is known by the server's port, by the protocol's name (RFC 7301) or, over
    /// HTTPS, by the resolver's.
    pub fn of_hello(carrier: Carrier, name: &[u8], alpn: &[Box<[u8]>], port: u16) -> Self {
        let offers = |protocol: &[u8]| alpn.iter().any(|name| **name == *protocol);
        let resolver = || {
            RESOLVERS.iter().any(|known| {
                name.len().checked_sub(known.len()).is_some_and(|at| {
                    let (below, end) = name.split_at(at);
                    end.eq_ignore_ascii_case(known.as_bytes()) && (below.is_empty() || below.ends_with(b"."))
                })
            })
        };
        match carrier {
            Carrier::Tcp if port == DNS_OVER_TLS || offers(b"dot") => Self::Dot,
            Carrier::Quic if port == DNS_OVER_TLS || offers(b"doq") => Self::Doq,
            Carrier::Tcp | Carrier::Quic if (offers(b"h2") || offers(b"h3")) && resolver() => Self::Doh,
            Carrier::Tcp => Self::Tls,
            Carrier::Dtls => Self::Dtls,
            Carrier::Quic => Self::Quic,
        }
    }

    /// The application that a registered service name means, where the wire's word for it is another: one
    /// application is not to have two names.
    pub fn of_service(service: &str) -> Option<Self> {
        Some(match service {
            "domain" => Self::Dns,
            "bootps" | "bootpc" => Self::Dhcp,
            "ms-wbt-server" => Self::Rdp,
            "microsoft-ds" => Self::Smb,
            "rfb" => Self::Rfb,
            "submission" => Self::Smtp,
            _ => return None,
        })
    }
}

/// What a payload says. `ports` of sender and receiver only support what the bytes say.
pub fn detect(transport: Transport, bytes: &[u8], ports: (u16, u16)) -> Option<Application> {
    match transport {
        Transport::Tcp => stream(bytes),
        Transport::Udp => datagram(bytes, ports),
        _ => None,
    }
}

/// The first bytes of a direction of a stream.
fn stream(bytes: &[u8]) -> Option<Application> {
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
fn datagram(bytes: &[u8], (from, to): (u16, u16)) -> Option<Application> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A datagram of the given length that begins with something.
    fn padded(begin: &[u8], length: usize) -> Vec<u8> {
        let mut bytes = begin.to_vec();
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn streams_are_told_by_their_first_bytes() {
        use Application as A;
        for (bytes, expected) in [
            (&b"\x16\x03\x01\x02\x00\x01"[..], Some(A::Tls)),
            (b"\x16\x03\x01\x02\x00\x0b", None),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Some(A::Ssh)),
            (b"GET / HTTP/1.1\r\n", Some(A::Http)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(A::Http2)),
            (b"220 mx.example.org ESMTP ready\r\n", Some(A::Smtp)),
            (b"EHLO client\r\n", Some(A::Smtp)),
            (b"220 (vsFTPd 3.0.3)\r\n", Some(A::Ftp)),
            (b"220 hello\r\n", None),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Some(A::Imap)),
            (b"+OK POP3 server ready\r\n", Some(A::Pop3)),
            (b"+OK\r\n", None),
            (b"OPTIONS sip:x SIP/2.0\r\n", Some(A::Sip)),
            (b"DESCRIBE rtsp://x RTSP/1.0\r\n", Some(A::Rtsp)),
            (b"*1\r\n$4\r\nPING\r\n", Some(A::Redis)),
            (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Some(A::Postgresql)),
            (b"\x00\x00\x00\x13\x00\x03\x00\x00user\x00me\x00\x00\x00", None),
            (b"\x00\x00\x00\x11\x00\x03\x00\x00user\x00me\x00\x00", Some(A::Postgresql)),
            (b"\x09\x00\x00\x00\x0a8.0.33\x00\x01", Some(A::Mysql)),
            (b"\x10\x10\x00\x04MQTT\x04\x02", Some(A::Mqtt)),
            (b"\x10\x90\x01\x00\x04MQTT\x04\x02", Some(A::Mqtt)),
            (b"\x13BitTorrent protocol", Some(A::BitTorrent)),
            (b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", Some(A::Rdp)),
            (b"\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x01\x00", None),
            (b"\x00\x00\x00\x54\xfeSMB", Some(A::Smb)),
            (b"RFB 003.008\n", Some(A::Rfb)),
            (b"AMQP\x00\x00\x09\x01", Some(A::Amqp)),
            (b"", None),
            (b"\x00", None),
        ] {
            assert_eq!(detect(Transport::Tcp, bytes, (40_000, 1)), expected, "{bytes:?}");
        }
    }

    #[test]
    fn datagrams_are_told_by_their_bytes() {
        use Application as A;
        let mut dhcp = padded(&[1], 300);
        dhcp[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        let ntp = padded(&[0x23], 48);
        for (bytes, port, expected) in [
            (padded(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], 20), 3478, Some(A::Stun)),
            (padded(&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42], 20), 3478, None),
            (padded(&[0x16, 0xfe, 0xfd], 100), 4433, Some(A::Dtls)),
            (padded(&[1], 148), 51_820, Some(A::WireGuard)),
            (padded(&[1], 149), 51_820, None),
            (dhcp, 67, Some(A::Dhcp)),
            (ntp.clone(), 123, Some(A::Ntp)),
            (ntp, 124, None),
            (b"d1:ad2:id20:".to_vec(), 6881, Some(A::BitTorrent)),
            (b"M-SEARCH * HTTP/1.1\r\n".to_vec(), 1900, Some(A::Ssdp)),
            (b"INVITE sip:x SIP/2.0\r\n".to_vec(), 5060, Some(A::Sip)),
            (b"GET / HTTP/1.1\r\n".to_vec(), 80, None),
        ] {
            assert_eq!(detect(Transport::Udp, &bytes, (40_000, port)), expected, "{bytes:?}");
        }
        assert_eq!(detect(Transport::Sctp, b"SSH-2.0-x\r\n", (1, 22)), None);
    }

    #[test]
    fn words_are_unique_and_can_be_labels() {
        let words: std::collections::HashSet<_> = Application::ALL.iter().map(|a| a.as_str()).collect();
        assert_eq!(words.len(), Application::ALL.len());
        assert!(words.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
    }

    #[test]
    fn noise_is_hardly_ever_taken_for_something() {
        let mut random = Random(17);
        let mut taken = 0;
        for _ in 0..50_000 {
            let bytes: Vec<u8> = (0..random.below(120)).map(|_| random.bits() as u8).collect();
            taken += usize::from(detect(Transport::Tcp, &bytes, (1, 2)).is_some());
            taken += usize::from(detect(Transport::Udp, &bytes, (1, 2)).is_some());
        }
        assert!(taken <= 1, "{taken}");
    }

    #[test]
    fn dns_that_cannot_be_read_is_known_by_port_protocol_and_resolver() {
        let of = |carrier, name: &str, alpn: &[&str], port| {
            let alpn: Vec<Box<[u8]>> = alpn.iter().map(|name| name.as_bytes().into()).collect();
            Application::of_hello(carrier, name.as_bytes(), &alpn, port).as_str()
        };
        assert_eq!(of(Carrier::Tcp, "resolver.example", &[], 853), "dot");
        assert_eq!(of(Carrier::Tcp, "resolver.example", &["dot"], 443), "dot");
        assert_eq!(of(Carrier::Quic, "resolver.example", &["doq"], 853), "doq");
        assert_eq!(of(Carrier::Tcp, "DNS.google", &["h2", "http/1.1"], 443), "doh");
        assert_eq!(of(Carrier::Quic, "mozilla.cloudflare-dns.com", &["h3"], 443), "doh");
        assert_eq!(of(Carrier::Tcp, "notdns.google", &["h2"], 443), "tls");
        assert_eq!(of(Carrier::Quic, "www.example.org", &["h3"], 443), "quic");
        assert_eq!(of(Carrier::Dtls, "www.example.org", &[], 853), "dtls");
    }
}
