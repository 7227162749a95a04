use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::{
    random::Random,
    record::{DnsKind, FindingRecord, Id, Identity, NamedIdentity, Protocol, Question, Text, Time},
};

pub(crate) fn identity() -> Identity {
    Identity {
        id: Id(1),
        transport: Protocol(6),
        client_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        client_port: 40_000,
        server_ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
        server_port: 443,
        interface: None,
        owned: None,
    }
}

fn tls() -> TlsRecord {
    TlsRecord {
        time: Time(1),
        identity: identity(),
        carrier: Carrier::Tcp,
        server_name: Some("www.example.org".into()),
        alpn: vec!["h2".into(), "http/1.1".into()],
        ech: false,
        versions: Vec::new(),
        groups: Vec::new(),
        key_shares: Vec::new(),
        ja4: "t13".into(),
        quic_version: None,
        version: Some("TLSv1.3".into()),
        cipher: None,
        group: None,
        resumed: None,
        hello_retry: Some(false),
        alert: None,
        answer_seconds: Some(0.02),
    }
}

fn dns(qtype: &str, rcode: Option<u16>) -> DnsRecord {
    DnsRecord {
        time: Time(1),
        identity: NamedIdentity(identity()),
        kind: DnsKind::Dns,
        id: 7,
        response: rcode.is_some(),
        opcode: 0,
        rcode,
        truncated: false,
        questions: vec![Question { name: "example.org".into(), r#type: qtype.into() }],
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds: rcode.map(|_| 0.004),
        retransmission: false,
    }
}

fn http(method: Option<&str>, status: Option<u16>) -> HttpRecord {
    HttpRecord {
        time: Time(1),
        identity: identity(),
        method: method.map(Text::from),
        host: None,
        uri: None,
        status,
        version: None,
        content_type: None,
        response_seconds: status.map(|_| 0.1),
        request_index: None,
        persistent: None,
    }
}

#[test]
fn a_handshake_counts_by_what_was_offered_and_answered() {
    let mut totals = ProtocolTotals::default();
    totals.observe(&AnyRecord::Tls(Box::new(tls())));
    totals.observe(&AnyRecord::Tls(Box::new(TlsRecord {
        server_name: None,
        ech: true,
        alpn: Vec::new(),
        version: None,
        answer_seconds: None,
        ..tls()
    })));
    totals.observe(&AnyRecord::Tls(Box::new(TlsRecord { alert: Some("x".into()), version: None, ..tls() })));
    let counts = &totals.tls_handshakes;
    assert_eq!(counts.get(["tcp", "TLSv1.3", "h2", "present", "false", "answered"]), 1);
    assert_eq!(counts.get(["tcp", NONE, NONE, "absent", "true", "unanswered"]), 1);
    assert_eq!(counts.get(["tcp", NONE, "h2", "present", "false", "alert"]), 1);
    assert_eq!(counts.iter().count(), 3);
    assert_eq!(totals.tls_handshake_seconds.count(), 2);
    assert_eq!(totals.quic_connections.iter().count(), 0);
}

#[test]
fn a_connection_that_needs_two_hellos_is_one_connection_and_one_handshake() {
    let mut totals = ProtocolTotals::default();
    let quic = || TlsRecord { carrier: Carrier::Quic, quic_version: Some("v1".into()), ..tls() };
    totals.observe(&AnyRecord::Tls(Box::new(TlsRecord { hello_retry: Some(true), ..quic() })));
    totals.observe(&AnyRecord::Tls(Box::new(quic())));
    totals.google_quic(u32::from_be_bytes(*b"Q043"));
    totals.google_quic(u32::from_be_bytes(*b"Q999"));
    let counts = &totals.quic_connections;
    assert_eq!([counts.get(["v1"]), counts.get(["Q043"]), counts.get([OTHER])], [1, 1, 1]);
    let result = |word| totals.tls_handshakes.get(["quic", "TLSv1.3", "h2", "present", "false", word]);
    assert_eq!(result("answered"), 1);
    assert_eq!(totals.tls_handshakes.iter().map(|(_, n)| n).sum::<u64>(), 1);
    assert_eq!(totals.tls_hello_retries.get(["quic"]), 1);
    assert_eq!(totals.tls_handshake_seconds.count(), 1);
}

#[test]
fn messages_of_dns_count_by_type_and_code() {
    let mut totals = ProtocolTotals::default();
    for record in [dns("HTTPS", None), dns("HTTPS", Some(3)), dns("65500", None), dns("A", Some(4000))] {
        totals.observe(&AnyRecord::Dns(Box::new(record)));
    }
    totals.observe(&AnyRecord::Dns(Box::new(DnsRecord { questions: Vec::new(), ..dns("A", None) })));
    assert_eq!(totals.dns_queries.get(["dns", "HTTPS"]), 1);
    assert_eq!(totals.dns_queries.get(["dns", OTHER]), 1);
    assert_eq!(totals.dns_queries.get(["dns", NONE]), 1);
    assert_eq!(totals.dns_responses.get(["dns", "HTTPS", "NXDOMAIN"]), 1);
    assert_eq!(totals.dns_responses.get(["dns", "A", OTHER]), 1);
    assert_eq!(totals.dns_latency_seconds.count(), 2);
}

#[test]
fn messages_of_http_count_by_method_and_class() {
    let mut totals = ProtocolTotals::default();
    for (method, status) in [(Some("GET"), None), (Some("BREW"), None), (None, Some(204)), (None, Some(999))]
    {
        totals.observe(&AnyRecord::Http(Box::new(http(method, status))));
    }
    assert_eq!([totals.http_requests.get(["GET"]), totals.http_requests.get([OTHER])], [1, 1]);
    assert_eq!([totals.http_responses.get(["2xx"]), totals.http_responses.get([OTHER])], [1, 1]);
    assert_eq!(totals.http_response_seconds.count(), 2);
}

#[test]
fn failures_and_findings_count_by_what_they_are() {
    let mut totals = ProtocolTotals::default();
    totals.fail("quic", "sealed");
    let finding = FindingRecord {
        time: Time(1),
        identity: identity(),
        kind: FindingKind::OldTls,
        detail: "TLSv1.0".into(),
    };
    totals.observe(&AnyRecord::Finding(Box::new(finding)));
    assert_eq!(totals.failures.get(["quic", "sealed"]), 1);
    assert_eq!(totals.findings[FindingKind::OldTls.index()], 1);
    assert_eq!(totals.findings.iter().sum::<u64>(), 1);
}

#[test]
fn words_that_anyone_chose_never_become_labels() {
    let mut random = Random(5);
    let mut totals = ProtocolTotals::default();
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(12)).map(|_| random.bits() as u8).collect();
        let text = Text::new(&bytes);
        totals.observe(&AnyRecord::Http(Box::new(http(Some(text.as_str()), None))));
        totals.observe(&AnyRecord::Dns(Box::new(dns(text.as_str(), Some(random.bits() as u16)))));
        totals.observe(&AnyRecord::Tls(Box::new(TlsRecord {
            alpn: vec![text.clone()],
            version: Some(text.clone()),
            quic_version: Some(text),
            carrier: random.of(&[Carrier::Tcp, Carrier::Dtls, Carrier::Quic]),
            ..tls()
        })));
    }
    assert_eq!(totals.http_requests.iter().count(), 1);
    assert!(totals.dns_responses.iter().count() <= 14);
    assert_eq!(totals.tls_handshakes.iter().count(), 3);
    assert_eq!(totals.quic_connections.iter().count(), 1);
}
