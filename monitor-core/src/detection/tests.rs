//! Each kind at two speeds, and just below its threshold; and what looks like it and is none.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::{
    application::Application,
    record::{DnsKind, DnsRecord, HttpRecord, Id, Identity, NamedIdentity, Question, Text, Time},
};

const SECOND: u64 = 1_000_000_000;
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

fn host(n: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + 1 + n * 2).into()
}

fn contact(n: u32, start: u64) -> Contact {
    Contact {
        id: Id(u64::from(n) + 1),
        transport: Transport::Tcp,
        client: CLIENT,
        server: SERVER,
        port: 443,
        start,
        end: start + SECOND / 10,
        outcome: Outcome::Success,
        probe: None,
        sent: Volume { packets: 6, bytes: 900, payload: 600 },
        received: Volume { packets: 6, bytes: 2000, payload: 1700 },
        name: None,
        application: None,
    }
}

/// What is detected of contacts: kind and detail of each that began.
fn of_contacts(
    config: DetectionConfig,
    contacts: impl IntoIterator<Item = Contact>,
) -> Vec<(&'static str, String)> {
    let mut detector = Detector::new(config);
    for contact in contacts {
        detector.flow(contact);
    }
    begun(&mut detector)
}

fn begun(detector: &mut Detector) -> Vec<(&'static str, String)> {
    detector.finish();
    let all = detector.take(0);
    let (ends, begins): (Vec<_>, Vec<_>) = all.into_iter().partition(|record| record.until.is_some());
    assert_eq!(begins.len(), ends.len(), "each has an end");
    begins.into_iter().map(|record| (record.kind.as_str(), record.detail.as_str().to_owned())).collect()
}

fn default() -> DetectionConfig {
    DetectionConfig::default()
}

fn port_scan(ports: u32, gap: u64) -> Vec<Contact> {
    (0..ports)
        .map(|n| Contact { port: n as u16 + 1, outcome: Outcome::Failure, ..contact(n, u64::from(n) * gap) })
        .collect()
}

#[test]
fn ports_that_fail_are_a_scan_fast_and_slow_and_not_below_the_threshold() {
    let scan = [("scan", "ports tcp".to_owned())];
    assert_eq!(of_contacts(default(), port_scan(1000, SECOND / 1000)), scan);
    assert_eq!(of_contacts(default(), port_scan(40, 80 * SECOND)), scan);
    assert_eq!(of_contacts(default(), port_scan(31, SECOND)), []);
    assert_eq!(of_contacts(default(), port_scan(31, 200 * SECOND)), []);
}

#[test]
fn hosts_that_fail_are_a_scan_and_those_that_answer_are_work() {
    let hosts = |failed: u32, succeeded: u32, gap: u64| {
        let all = failed + succeeded;
        of_contacts(
            default(),
            (0..all).map(|n| {
                let outcome = if n * failed / all == (n + 1) * failed / all {
                    Outcome::Success
                } else {
                    Outcome::Failure
                };
                Contact {
                    server: host(n),
                    port: 22,
                    outcome,
                    sent: Volume::default(),
                    ..contact(n, u64::from(n) * gap)
                }
            }),
        )
    };
    let scan = [("scan", "hosts tcp".to_owned())];
    assert_eq!(hosts(100, 0, SECOND / 100), scan);
    assert_eq!(hosts(30, 5, 60 * SECOND), scan);
    assert_eq!(hosts(15, 0, SECOND), []);
    // A busy client of which every fourth contact fails.
    assert_eq!(hosts(100, 300, SECOND / 10), []);
}

#[test]
fn probes_without_a_connection_are_scans_of_their_own_kind() {
    for probe in ["ports fin", "ports null", "ports xmas"] {
        let probes = |ports| {
            port_scan(ports, SECOND).into_iter().map(|c| Contact {
                outcome: Outcome::Unknown,
                probe: Some(probe),
                ..c
            })
        };
        assert_eq!(of_contacts(default(), probes(60)), [("scan", probe.to_owned())]);
        assert_eq!(of_contacts(default(), probes(31)), []);
    }
    // What goes on from before a capture is none.
    let leftovers = port_scan(60, SECOND).into_iter().map(|c| Contact { outcome: Outcome::Unknown, ..c });
    assert_eq!(of_contacts(default(), leftovers), []);
}

#[test]
fn echoes_without_data_to_many_hosts_are_a_scan_and_a_traceroute_is_none() {
    let echoes = |hosts: u32, bytes: u64, outcome| {
        of_contacts(
            default(),
            (0..hosts).map(|n| Contact {
                transport: Transport::Icmp,
                server: host(n),
                port: 0,
                outcome,
                sent: Volume { packets: 1, bytes, payload: 0 },
                ..contact(n, u64::from(n) * SECOND)
            }),
        )
    };
    let scan = [("scan", "hosts icmp".to_owned())];
    assert_eq!(echoes(17, 28, Outcome::Success), scan);
    assert_eq!(echoes(15, 28, Outcome::Success), []);
    assert_eq!(echoes(40, 84, Outcome::Failure), scan);
    assert_eq!(echoes(40, 84, Outcome::Success), []);
    // Errors about datagrams.
    assert_eq!(echoes(40, 56, Outcome::Failure), []);
    let traceroute = (0..90).map(|n| Contact {
        transport: Transport::Udp,
        port: 33_434 + n as u16,
        outcome: Outcome::Failure,
        ..contact(n, u64::from(n) * SECOND)
    });
    assert_eq!(of_contacts(default(), traceroute), []);
}

fn sessions(count: u32, gap: u64, received: impl Fn(u32) -> u64) -> Vec<(&'static str, String)> {
    of_contacts(
        DetectionConfig { beacon: BeaconConfig { enabled: false, ..BeaconConfig::default() }, ..default() },
        (0..count).map(|n| Contact {
            port: 22,
            application: Some(Application::Ssh),
            received: Volume { packets: 12, bytes: 3000, payload: received(n) },
            // Tools try four at a time.
            ..contact(n, u64::from(n / 4) * 4 * gap + u64::from(n % 4) * gap / 50)
        }),
    )
}

#[test]
fn sessions_alike_with_a_login_are_guesses_and_varied_or_regular_ones_are_not() {
    let guessing = [("password_guessing", "ssh".to_owned())];
    assert_eq!(sessions(60, SECOND / 5, |n| 2500 + u64::from(n % 3)), guessing);
    assert_eq!(sessions(25, 20 * SECOND, |_| 2500), guessing);
    assert_eq!(sessions(19, SECOND, |_| 2500), []);
    // People who work, and a check of health.
    assert_eq!(sessions(60, SECOND, |n| 2500 + u64::from(n * n * 37 % 9000)), []);
    let checks = (0..60).map(|n| Contact {
        port: 22,
        application: Some(Application::Ssh),
        ..contact(n, u64::from(n) * 10 * SECOND)
    });
    assert!(of_contacts(default(), checks).iter().all(|(kind, _)| *kind != "password_guessing"));
}

#[test]
fn one_service_is_guessed_at_from_many_sources() {
    let many = |count: u32| {
        of_contacts(
            default(),
            (0..count).map(|n| Contact {
                client: host(n % 12),
                port: 22,
                application: Some(Application::Ssh),
                ..contact(n, u64::from(n) * SECOND / 3 + u64::from(n % 5) * SECOND / 7)
            }),
        )
    };
    assert_eq!(many(120), [("password_guessing", "ssh".to_owned())]);
    assert_eq!(many(50), []);
}

fn identity(id: u64) -> Identity {
    let key = monitor_common::abi::FlowKey::default();
    Identity {
        client_ip: CLIENT,
        server_ip: SERVER,
        client_port: 40_000,
        server_port: 53,
        ..Identity::new(Id(id), &key, monitor_common::abi::Side::Lower, "")
    }
}

#[test]
fn http_that_is_refused_again_and_again_is_guessing() {
    let refused = |count: u64, status: u16| {
        let mut detector = Detector::new(default());
        for n in 0..count {
            let record = HttpRecord {
                time: Time(n * SECOND),
                identity: identity(n + 1),
                method: None,
                host: None,
                uri: None,
                status: Some(status),
                version: None,
                content_type: None,
                response_seconds: None,
                request_index: None,
                persistent: None,
            };
            detector.message(&AnyRecord::Http(Box::new(record)), n * SECOND);
        }
        begun(&mut detector)
    };
    assert_eq!(refused(25, 401), [("password_guessing", "http".to_owned())]);
    assert_eq!(refused(19, 401), []);
    assert_eq!(refused(100, 200), []);
}

#[test]
fn connections_at_an_interval_are_a_beacon_with_jitter_too_and_those_of_people_are_none() {
    let connections = |count: u32, period: u64, jitter: u64| {
        of_contacts(
            default(),
            (0..count).map(|n| Contact {
                server: host(1),
                ..contact(n, u64::from(n) * period + u64::from(n * 7 % 5) * jitter / 4)
            }),
        )
    };
    let beacon = [("beacon", "tcp".to_owned())];
    assert_eq!(connections(40, 60 * SECOND, 0), beacon);
    assert_eq!(connections(20, 5 * SECOND, SECOND / 2), beacon);
    assert_eq!(connections(15, 60 * SECOND, 0), []);
    let people = (0..60).map(|n| Contact {
        sent: Volume { payload: u64::from(n * n * 31 % 5000), ..Volume::default() },
        ..contact(n, u64::from(n * n % 97) * 11 * SECOND)
    });
    assert_eq!(of_contacts(default(), people), []);
    let clocks = (0..60).map(|n| Contact {
        transport: Transport::Udp,
        port: 123,
        ..contact(n, u64::from(n) * 64 * SECOND)
    });
    assert_eq!(of_contacts(default(), clocks), []);
}

#[test]
fn connections_may_end_in_another_order_than_they_began() {
    let mut detector = Detector::new(DetectionConfig { hold: 10_000 * SECOND, ..default() });
    for n in (0..40_u32).rev() {
        detector.flow(contact(n, u64::from(n) * 60 * SECOND));
        // One at a time: nothing puts them into order.
        detector.advance(2400 * SECOND);
    }
    assert_eq!(begun(&mut detector), [("beacon", "tcp".to_owned())]);
}

fn queries(names: impl Iterator<Item = String>, gap: u64) -> Vec<(&'static str, String)> {
    let mut detector = Detector::new(default());
    for (n, name) in (0..).zip(names) {
        let record = DnsRecord {
            time: Time(n * gap),
            identity: NamedIdentity(identity(1)),
            kind: DnsKind::Dns,
            questions: vec![Question { name: Text::from(name.as_str()), r#type: Text::from("A") }],
            ..dns()
        };
        detector.message(&AnyRecord::Dns(Box::new(record)), n * gap);
    }
    begun(&mut detector)
}

fn dns() -> DnsRecord {
    DnsRecord {
        time: Time(0),
        identity: NamedIdentity(identity(1)),
        kind: DnsKind::Dns,
        id: 1,
        response: false,
        opcode: 0,
        rcode: None,
        truncated: false,
        questions: Vec::new(),
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds: None,
        retransmission: false,
    }
}

#[test]
fn names_that_carry_data_are_a_tunnel_with_a_domain_and_without_one() {
    let data = |n: u32, domain: &str| format!("{n:08x}{:040}.{domain}", n * 7919);
    let tunnel = [("tunnel", "dns".to_owned())];
    assert_eq!(queries((0..200).map(|n| data(n, "t.example.org")), SECOND / 20), tunnel);
    assert_eq!(queries((0..100).map(|n| data(n, "t.example.org")), 5 * SECOND), tunnel);
    assert_eq!(queries((0..100).map(|n| data(n, "test")), SECOND), tunnel);
    assert_eq!(queries((0..48).map(|n| data(n, "t.example.org")), SECOND), []);
    // The same again and again, short ones, and addresses.
    assert_eq!(queries((0..500).map(|_| data(1, "t.example.org")), SECOND), []);
    assert_eq!(queries((0..400).map(|n| format!("host{n}.example.org")), SECOND), []);
    assert_eq!(queries((0..400).map(|n| format!("{n}.1.168.192.in-addr.arpa")), SECOND), []);
}

#[test]
fn echoes_that_answer_with_something_else_are_a_tunnel() {
    let echoes = |packets: u64, sent: u64, received: u64| {
        let (sent, received) = (packets * sent, packets * received);
        of_contacts(
            default(),
            [Contact {
                transport: Transport::Icmp,
                port: 0,
                sent: Volume { packets, bytes: sent, payload: 0 },
                received: Volume { packets, bytes: received, payload: 0 },
                ..contact(1, 0)
            }],
        )
    };
    let tunnel = [("tunnel", "icmp".to_owned())];
    assert_eq!(echoes(400, 120, 1200), tunnel);
    assert_eq!(echoes(20, 900, 300), tunnel);
    assert_eq!(echoes(15, 120, 1200), []);
    assert_eq!(echoes(4000, 1428, 1428), []);
}

fn gain(n: u32, at: u64) -> Gain {
    Gain {
        id: Id(u64::from(n) + 1),
        transport: Transport::Tcp,
        client: host(n),
        server: SERVER,
        client_port: 40_000,
        port: 80,
        from: at,
        to: at,
        sent: Volume { packets: 1, bytes: 40, payload: 0 },
        received: Volume::default(),
        syn: 1,
        syn_ack: 0,
        established: false,
    }
}

fn of_gains(gains: impl IntoIterator<Item = Gain>) -> Vec<(&'static str, String)> {
    let mut detector = Detector::new(default());
    for gain in gains {
        detector.gained(&gain);
    }
    begun(&mut detector)
}

#[test]
fn syns_that_become_no_connection_are_a_flood_and_a_busy_server_is_none() {
    let flood = [("flood", "syn".to_owned())];
    assert_eq!(of_gains((0..5000).map(|n| gain(n, u64::from(n) * SECOND / 5000))), flood);
    assert_eq!(of_gains((0..1000).map(|n| gain(n, u64::from(n) * SECOND / 150))), flood);
    assert_eq!(of_gains((0..1000).map(|n| gain(n, u64::from(n) * SECOND / 95))), []);
    let busy = (0..5000).map(|n| Gain { established: n % 4 != 0, ..gain(n, u64::from(n) * SECOND / 5000) });
    assert_eq!(of_gains(busy), []);
    // A scan of its ports is none.
    let scan = (0..5000_u32).map(|n| Gain { port: n as u16, ..gain(0, u64::from(n) * SECOND / 5000) });
    assert_eq!(of_gains(scan), []);
}

#[test]
fn datagrams_echoes_and_answers_of_amplifiers_are_floods() {
    let udp = |rate: u64| {
        of_gains((0..4000).map(|n| Gain {
            transport: Transport::Udp,
            syn: 0,
            port: 7777,
            ..gain(n, u64::from(n) * SECOND / rate)
        }))
    };
    assert_eq!(udp(4000), [("flood", "udp".to_owned())]);
    assert_eq!(udp(1100), [("flood", "udp".to_owned())]);
    assert_eq!(udp(950), []);
    // One that streams.
    let stream = Gain {
        transport: Transport::Udp,
        syn: 0,
        to: 10 * SECOND,
        sent: Volume { packets: 30_000, bytes: 30_000_000, payload: 0 },
        ..gain(1, 0)
    };
    assert_eq!(of_gains([stream]), []);
    let icmp = |packets| Gain {
        transport: Transport::Icmp,
        syn: 0,
        port: 0,
        to: 10 * SECOND - 1,
        sent: Volume { packets, bytes: packets * 84, payload: 0 },
        ..gain(1, 0)
    };
    assert_eq!(of_gains([icmp(20_000)]), [("flood", "icmp".to_owned())]);
    assert_eq!(of_gains([icmp(6_000)]), [("flood", "icmp".to_owned())]);
    assert_eq!(of_gains([icmp(4_800)]), []);
    let reflected = |rate: u64| {
        of_gains((0..1000).map(|n| Gain {
            transport: Transport::Udp,
            syn: 0,
            client: SERVER,
            server: host(n),
            port: 123,
            sent: Volume::default(),
            received: Volume { packets: 1, bytes: 468, payload: 440 },
            ..gain(n, u64::from(n) * SECOND / rate)
        }))
    };
    assert_eq!(reflected(1000), [("flood", "reflection".to_owned())]);
    assert_eq!(reflected(120), [("flood", "reflection".to_owned())]);
    assert_eq!(reflected(90), []);
}

#[test]
fn a_flood_is_told_while_it_goes_on_also_where_flows_find_no_slot() {
    let mut detector = Detector::new(default());
    for n in 0..60 {
        detector.gained(&gain(n, SECOND));
    }
    detector.advance(SECOND);
    assert!(detector.take(0).is_empty());
    detector.overflowed(SERVER, Transport::Tcp, 500, SECOND);
    detector.advance(SECOND + SECOND / 2);
    let told = detector.take(0);
    assert_eq!((told.len(), told[0].detail.as_str(), told[0].until), (1, "syn", None));
    assert_eq!(detector.totals().active[DetectionKind::Flood.index()], 1);
    detector.advance(600 * SECOND);
    assert!(detector.take(0)[0].until.is_some());
    assert_eq!(detector.totals().active[DetectionKind::Flood.index()], 0);
}

#[test]
fn an_upload_beyond_the_past_is_told() {
    let steps = |last: u64| {
        let config = DetectionConfig {
            beacon: BeaconConfig { enabled: false, ..BeaconConfig::default() },
            ..default()
        };
        of_contacts(
            config,
            (0..24).map(|n| {
                let payload = if n == 23 { last } else { 5_000_000 + u64::from(n % 5) * 300_000 };
                Contact {
                    sent: Volume { packets: 1, bytes: payload, payload },
                    ..contact(n, u64::from(n) * 600 * SECOND)
                }
            }),
        )
    };
    assert_eq!(steps(2_000_000_000), [("upload", "bytes".to_owned())]);
    assert_eq!(steps(110_000_000), [("upload", "bytes".to_owned())]);
    assert_eq!(steps(95_000_000), []);
}

#[test]
fn a_first_contact_is_told_after_the_time_of_learning_and_only_when_asked_for() {
    let contacts = || {
        (0..40).map(|n| Contact {
            name: Some(Text::from(if n == 39 { "www.other.example.net" } else { "www.example.org" })),
            ..contact(n, u64::from(n * n % 7 + n) * 3600 * SECOND)
        })
    };
    let on = DetectionConfig { new: NewConfig { enabled: true, ..NewConfig::default() }, ..default() };
    assert_eq!(of_contacts(on, contacts()), [("new", "domain".to_owned())]);
    assert_eq!(of_contacts(default(), contacts()), []);
}

#[test]
fn nothing_is_told_of_who_is_excepted_or_when_nothing_is_looked_for() {
    for exception in ["192.0.2.1", "192.0.2.0/24", "198.51.100.0/24"] {
        let config = DetectionConfig { exceptions: Exceptions::new([exception]), ..default() };
        assert_eq!(of_contacts(config, port_scan(100, SECOND)), [], "{exception}");
    }
    let config =
        DetectionConfig { exceptions: Exceptions::new(["203.0.113.0/24", "example.com"]), ..default() };
    assert_eq!(of_contacts(config, port_scan(100, SECOND)).len(), 1);
    assert_eq!(of_contacts(DetectionConfig { enabled: false, ..default() }, port_scan(100, SECOND)), []);
}

#[test]
fn tables_are_bounded_and_what_had_no_room_is_counted() {
    let mut detector = Detector::new(DetectionConfig { max_entries: 64, ..default() });
    for n in 0..20_000 {
        detector.flow(Contact {
            client: host(n),
            server: host(n + 1),
            outcome: Outcome::Failure,
            ..contact(n, u64::from(n) * 1000)
        });
        detector.gained(&Gain { server: host(n), ..gain(n, 0) });
    }
    detector.advance(SECOND);
    let totals = detector.totals();
    assert!(totals.tracked <= 64 * 5 && totals.evicted > 10_000, "{totals:?}");
}

#[test]
fn a_record_has_what_was_counted_and_its_flows() {
    let mut detector = Detector::new(default());
    for contact in port_scan(64, SECOND) {
        detector.flow(contact);
    }
    detector.finish();
    let told = detector.take(0);
    let (first, last) = (&told[0], &told[1]);
    assert_eq!(
        (first.first_flow, first.last_flow, first.counts.ports, first.until),
        (Id(1), Id(32), Some(32), None)
    );
    assert_eq!(
        (last.first_flow, last.last_flow, last.counts.failed, last.until),
        (Id(1), Id(64), Some(64), Some(Time(63 * SECOND)))
    );
    assert_eq!((last.source_ip, last.target_ip), (Some(CLIENT), Some(SERVER)));
}
