use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::{
    label::{FanoutKind, FindingKind, TcpState},
    record::{
        FanoutRecord, FindingRecord, FlowRecord, Identity, NameSource, Peer, Protocol, TcpTraffic, Text,
        Time, Traffic as Sent,
        tests::{full, small},
    },
};

fn ip(last: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + last))
}

fn flow(client: u32, server: u32, port: u16, state: TcpState, bytes: u64) -> FlowRecord {
    FlowRecord {
        identity: Identity {
            transport: Protocol(6),
            client_ip: ip(client),
            server_ip: ip(server),
            server_port: port,
            ..small().identity
        },
        state: Some(state),
        sent: Sent {
            packets: 1,
            bytes,
            tcp: Some(TcpTraffic { syn: 1, ..TcpTraffic::default() }),
            ..Sent::default()
        },
        ..small()
    }
}

fn report(flows: impl IntoIterator<Item = FlowRecord>) -> Report {
    let mut report = Report::default();
    flows.into_iter().for_each(|flow| report.record(&AnyRecord::Flow(Box::new(flow))));
    report
}

#[test]
fn names_are_summed_below_their_domain_and_the_nameless_stay_apart() {
    let named = |name: &str, domain: Option<&str>, source| FlowRecord {
        name: Some(Text::from(name)),
        domain: domain.map(Text::from),
        name_source: Some(source),
        ..flow(1, 2, 443, TcpState::Closed, 100)
    };
    let report = report([
        named("a.example.com", Some("example.com"), NameSource::Sni),
        named("b.example.com", Some("example.com"), NameSource::Dns),
        named("localhost", None, NameSource::Http),
        flow(1, 9, 443, TcpState::Closed, 50),
    ]);
    let domains: Vec<_> = report.traffic.domains.sorted();
    let domains: Vec<_> = domains.iter().map(|(d, s)| (d.as_ref().map(Text::as_str), s.weight())).collect();
    assert_eq!(domains, [(Some("example.com"), 200), (Some("localhost"), 100), (None, 50)]);
    let example = report.traffic.domains.get(&Some(Text::from("example.com"))).unwrap();
    assert_eq!(
        (&*example.sources, &*example.addresses),
        (&[NameSource::Sni, NameSource::Dns][..], &[ip(2)][..])
    );
    assert!(report.traffic.names.get(&(None, Label::Server(ip(9)))).is_some());
    assert_eq!((report.traffic.bytes, report.traffic.named_bytes), (350, 300));
}

#[test]
fn who_opened_and_who_closed_is_told_apart_from_refusals() {
    let ended = |state, by| FlowRecord { closed_by: Some(by), ..flow(1, 2, 80, state, 60) };
    let report = report([
        ended(TcpState::Closed, Peer::Client),
        ended(TcpState::Closed, Peer::Server),
        ended(TcpState::Reset, Peer::Server),
        ended(TcpState::Refused, Peer::Server),
    ]);
    let (client, server) =
        (report.traffic.endpoints.get(&ip(1)).unwrap(), report.traffic.endpoints.get(&ip(2)).unwrap());
    assert_eq!((client.opened, client.closed, client.reset), (4, 1, 0));
    assert_eq!((server.accepted, server.closed, server.reset), (4, 1, 1));
    assert_eq!((report.tcp.client_ended, report.tcp.server_ended), ((1, 0), (1, 1)));
    assert_eq!((report.tcp.attempts, report.tcp.established), (4, 2));
}

#[test]
fn scanners_stand_before_the_busy_and_the_usual() {
    let mut flows = Vec::new();
    for host in 10..40 {
        flows.push(flow(1, host, 22, TcpState::SynSent, 60));
        flows.push(flow(3, host, 443, TcpState::Closed, 60));
    }
    flows.extend((1..60).map(|port| flow(2, 9, port, TcpState::Refused, 60)));
    flows.extend((4..9).map(|client| flow(client, 9, 443, TcpState::Closed, 60)));
    let report = report(flows);
    let ranked: Vec<_> =
        report.sources.ranked(&report.findings).iter().take(4).map(|(ip, _, b)| (*ip, *b)).collect();
    assert_eq!(
        ranked,
        [
            (ip(1), Behaviour::HostScan),
            (ip(2), Behaviour::PortScan),
            (ip(3), Behaviour::FanOut),
            (ip(4), Behaviour::Usual)
        ]
    );
    assert_eq!(report.sources.distribution(), [5, 0, 3, 0, 0, 0]);
}

#[test]
fn a_whole_record_reaches_every_table() {
    let report = report([FlowRecord { state: Some(TcpState::Closed), ..full() }]);
    assert_eq!(report.tcp.segments.retransmissions, 4);
    assert_eq!(
        (report.tcp.established, report.tcp.server_rtt.count(), report.tcp.client_rtt.count()),
        (1, 1, 0)
    );
    assert_eq!(report.traffic.services.sorted().first().unwrap().1.from_wire, 1);
}

#[test]
fn any_number_of_keys_is_bounded_and_sums_stay_exact() {
    let n = 60_000;
    let report = report((0..n).map(|i| FlowRecord {
        name: Some(Text::from(format!("n{i}.example{i}.com").as_str())),
        domain: Some(Text::from(format!("example{i}.com").as_str())),
        ..flow(i, n + i, (i % 60_000) as u16, TcpState::SynSent, 10)
    }));
    let traffic = &report.traffic;
    assert!(traffic.domains.len() < 20_000 && traffic.conversations.len() < 20_000);
    assert!(report.sources.all.len() < 20_000);
    let kept: u64 = traffic.domains.iter().map(|(_, s)| s.weight()).sum();
    assert_eq!(kept + traffic.domains.rest().weight(), traffic.bytes);
}

#[test]
fn findings_are_summed_by_what_and_where_and_fanouts_keep_the_most() {
    let mut report = Report::default();
    let identity = small().identity;
    let finding = |detail: &str| FindingRecord {
        time: Time(0),
        identity: identity.clone(),
        kind: FindingKind::OldTls,
        detail: Text::from(detail),
    };
    let fanout = |count| FanoutRecord {
        time: Time(0),
        source: ip(1),
        kind: FanoutKind::Hosts,
        count,
        window_seconds: 60.0,
    };
    for record in [finding("TLSv1.0"), finding("TLSv1.1"), finding("TLSv1.0")] {
        report.record(&AnyRecord::Finding(Box::new(record)));
    }
    for record in [fanout(50), fanout(200), fanout(100)] {
        report.record(&AnyRecord::Fanout(Box::new(record)));
    }
    let findings = &report.findings;
    assert_eq!(findings.all.sorted().iter().map(|(_, n)| **n).collect::<Vec<_>>(), [2, 1]);
    assert!(
        findings.has(FindingKind::OldTls, "TLSv1.1") && !findings.has(FindingKind::WeakCipher, "TLSv1.1")
    );
    assert_eq!(findings.fanouts.get(&(ip(1), FanoutKind::Hosts)), Some(&Most(200)));
}

#[test]
fn a_probe_without_syn_is_no_attempt_and_breaks_nothing_off() {
    let reset = flow(1, 2, 3390, TcpState::Reset, 54);
    let probe = FlowRecord {
        sent: Sent { tcp: Some(TcpTraffic { fin: 1, ..TcpTraffic::default() }), ..reset.sent.clone() },
        ..reset.clone()
    };
    let tcp = report([reset, probe]).tcp;
    assert_eq!((tcp.flows, tcp.attempts, tcp.state(TcpState::Reset)), (2, 1, 1));
}

#[test]
fn a_hello_that_is_asked_for_again_is_one_handshake() {
    use crate::record::{Carrier, TlsRecord};
    let hello = |retry| {
        AnyRecord::Tls(Box::new(TlsRecord {
            carrier: Carrier::Tcp,
            version: Some("TLSv1.3".into()),
            cipher: Some("TLS_AES_128_GCM_SHA256".into()),
            hello_retry: Some(retry),
            ..crate::record::tests::hello()
        }))
    };
    let mut report = Report::default();
    report.record(&hello(true));
    report.record(&hello(false));
    let tls = &report.tls;
    assert_eq!((tls.hellos, tls.answered, tls.retried), (1, 1, 1));
    for table in [&tls.versions, &tls.ciphers, &tls.ja4] {
        assert_eq!(table.iter().map(|(_, n)| n).sum::<u64>(), 1);
    }
}

#[test]
fn a_retransmitted_query_is_no_unanswered_one() {
    let message = |response: bool, retransmission: bool, latency: Option<f64>| {
        AnyRecord::Dns(Box::new(crate::record::DnsRecord {
            response,
            rcode: response.then_some(0),
            retransmission,
            latency_seconds: latency,
            ..crate::record::tests::query("a.example")
        }))
    };
    let mut report = Report::default();
    for record in [
        message(false, false, None),
        message(false, true, None),
        message(true, false, Some(1.2)),
        message(true, false, None),
    ] {
        report.record(&record);
    }
    let dns = &report.dns;
    assert_eq!((dns.queries, dns.retransmissions, dns.responses, dns.unanswered()), (1, 1, 2, 0));
    assert_eq!(dns.names.iter().map(|(_, name)| name.unanswered()).sum::<u64>(), 0);
}
