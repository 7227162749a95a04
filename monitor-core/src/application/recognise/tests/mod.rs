//! Recognisers on bytes that are built by the protocols' specifications.

mod families;

use super::*;
use crate::random::Random;

/// What a payload of these ports is.
fn detect(transport: Transport, bytes: &[u8], ports: (u16, u16)) -> Option<Application> {
    recognise(transport, &Sight::of(bytes, ports))
}

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
    assert!(
        words.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    );
}

#[test]
fn noise_is_hardly_ever_taken_for_something() {
    let mut random = Random(17);
    let mut taken = Vec::new();
    for _ in 0..10_000 {
        let bytes: Vec<u8> = (0..random.below(120)).map(|_| random.bits() as u8).collect();
        taken.extend(detect(Transport::Tcp, &bytes, (1, 2)));
        taken.extend(detect(Transport::Udp, &bytes, (1, 2)));
    }
    assert!(taken.len() <= 1, "{taken:?}");
}
