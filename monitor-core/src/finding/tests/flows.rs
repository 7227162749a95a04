//! Findings of whole flows, as a capture gives them.

use monitor_common::{
    abi::{Direction, hook_flags},
    wire::Link,
};

use crate::{
    label::FindingKind::{self, *},
    offline::{Frame, Session, SessionConfig},
    parse::tls::tests::conversation_12,
    record::AnyRecord,
};

/// 2026-01-01.
const NOW: u64 = 1_767_225_600_000_000_000;

/// What is found in a connection to a port: who sends (`true`: the client) what, each in one segment.
fn found(port: u16, time: u64, talk: &[(bool, Vec<u8>)]) -> Vec<(FindingKind, String)> {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    let mut seq = [1_000_u32, 9_000];
    let empty = Vec::new();
    let all = [(true, 2, &empty), (false, 0x12, &empty)]
        .into_iter()
        .chain(talk.iter().map(|(client, bytes)| (*client, 0x18, bytes)));
    for (number, (client, flags, bytes)) in all.enumerate() {
        let (me, other) = if client { (0, 1) } else { (1, 0) };
        let ports = if client { [40_000, port] } else { [port, 40_000] };
        let mut packet = vec![0x45, 0];
        packet.extend((40 + bytes.len() as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1 + me as u8, 10, 0, 0, 1 + other as u8]);
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet.extend(seq[me].to_be_bytes());
        packet.extend(seq[other].to_be_bytes());
        packet.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
        packet.extend(bytes);
        seq[me] = seq[me].wrapping_add(bytes.len() as u32 + u32::from(flags & 2 != 0));
        let frame = Frame {
            bytes: &packet,
            link: Link::Ip,
            length: packet.len() as u32,
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            time: time + number as u64 * 1_000_000,
            number: number as u64 + 1,
            way: None,
            file: 0,
        };
        session.packet(&frame, &mut records);
    }
    session.finish(&mut records);
    let told = session.payloads().protocols().findings.iter().sum::<u64>();
    assert_eq!(told, records.iter().filter(|r| matches!(r, AnyRecord::Finding(_))).count() as u64);
    records
        .into_iter()
        .filter_map(|record| match record {
            AnyRecord::Finding(finding) => {
                assert_eq!(finding.identity.server_port, port);
                Some((finding.kind, finding.detail.as_str().to_owned()))
            }
            _ => None,
        })
        .collect()
}

fn kinds(found: &[(FindingKind, String)]) -> Vec<FindingKind> {
    found.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn credentials_of_http_are_told_once_a_flow() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWxpY2U6aHVudGVyMg==\r\n\r\n".to_vec();
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    let talk = [(true, request.clone()), (false, response.clone()), (true, request), (false, response)];
    assert_eq!(found(8080, NOW, &talk), [(CleartextCredentials, "http basic".to_owned())]);
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    assert_eq!(found(8080, NOW, &[(true, plain)]), []);
    let proxy = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nProxy-Authorization: Bearer x.y\r\n\r\n".to_vec();
    assert_eq!(found(3128, NOW, &[(true, proxy)]), [(CleartextCredentials, "http bearer".to_owned())]);
}

#[test]
fn credentials_of_a_server_that_greets_are_told_on_any_port() {
    let talk = [
        (false, b"220 ProFTPD FTP server ready\r\n".to_vec()),
        (true, b"USER alice\r\n".to_vec()),
        (false, b"331 Password required\r\n".to_vec()),
        (true, b"PASS hunter2\r\n".to_vec()),
        (false, b"230 Logged in\r\n".to_vec()),
    ];
    assert_eq!(found(2121, NOW, &talk), [(CleartextCredentials, "ftp".to_owned())]);
}

#[test]
fn a_certificate_is_judged_at_the_time_of_the_packet() {
    let valid = conversation_12(&["www.example.com"], [2020, 2040]);
    assert_eq!(kinds(&found(443, NOW, &valid)), [CertificateSelfSigned]);
    let expired = conversation_12(&["www.example.com"], [2020, 2025]);
    assert_eq!(kinds(&found(443, NOW, &expired)), [CertificateExpired, CertificateSelfSigned]);
    let early = conversation_12(&["www.example.com"], [2030, 2040]);
    assert_eq!(kinds(&found(443, NOW, &early)), [CertificateNotYetValid, CertificateSelfSigned]);
}

#[test]
fn a_certificate_for_another_name_is_told_with_the_name_that_was_asked_for() {
    let other = conversation_12(&["example.org", "*.www.example.com"], [2020, 2040]);
    let found_in = found(8443, NOW, &other);
    assert_eq!(kinds(&found_in), [CertificateSelfSigned, CertificateNameMismatch]);
    assert_eq!(found_in[1].1, "www.example.com");
    let star = conversation_12(&["*.EXAMPLE.com"], [2020, 2040]);
    assert_eq!(kinds(&found(8443, NOW, &star)), [CertificateSelfSigned]);
    let many: Vec<String> = (0..100).map(|n| format!("n{n}.example.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(kinds(&found(8443, NOW, &conversation_12(&many, [2020, 2040]))), [CertificateSelfSigned]);
}

#[test]
fn what_a_server_chooses_is_judged_and_not_what_a_client_offers() {
    let hello = conversation_12(&["a"], [2020, 2040]).swap_remove(0).1;
    let answer = |version: [u8; 2], suite: u16| {
        let mut body = version.to_vec();
        body.extend([5; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        let mut out = vec![22, 3, 1];
        out.extend((body.len() as u16 + 4).to_be_bytes());
        out.extend([2, 0]);
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    };
    let talk = |version, suite| [(true, hello.clone()), (false, answer(version, suite))];
    let old = [(OldTls, "TLSv1.0".to_owned())];
    assert_eq!(found(443, NOW, &talk([3, 1], 0xc013)), old);
    assert_eq!(found(443, NOW, &talk([3, 3], 0xc02f)), []);
    let weak = [(WeakCipher, "TLS_RSA_WITH_RC4_128_SHA".to_owned())];
    assert_eq!(found(443, NOW, &talk([3, 3], 5)), weak);
    assert_eq!(kinds(&found(443, NOW, &talk([3, 0], 3))), [OldTls, WeakCipher]);
    assert_eq!(found(443, NOW, &[(true, hello.clone())]), []);
}
