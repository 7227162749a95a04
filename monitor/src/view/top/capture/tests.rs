//! A capture's flows and sums, kept in bounded memory.

use monitor_core::{
    label::{ClientRule, TcpState},
    record::{BySide, Id, Identity, NameSource, Protocol, Text, Time, Traffic, Vlans},
};

use super::*;

const fn neither<T>() -> BySide<T> {
    BySide { client: None, server: None }
}

fn flow(bytes: u64) -> AnyRecord {
    let name = Some(Text::from("www.example.com"));
    AnyRecord::Flow(Box::new(FlowRecord {
        start: Time(0),
        end: Time(0),
        identity: Identity {
            id: Id(1),
            transport: Protocol(6),
            client_ip: [10, 0, 0, 1].into(),
            client_port: 40_000,
            server_ip: [10, 0, 0, 2].into(),
            server_port: 443,
            interface: None,
            owned: None,
        },
        client_rule: ClientRule::Syn,
        vlans: Vlans::default(),
        tunnel: None,
        sent: Traffic { bytes, packets: 1, ..Traffic::default() },
        received: Traffic::default(),
        state: Some(TcpState::Established),
        closed_by: None,
        handshake_seconds: None,
        rtt_seconds: neither(),
        first_response_seconds: None,
        mss: neither(),
        window_scale: neither(),
        ttl: neither(),
        first_frame: None,
        last_frame: None,
        first_file: None,
        last_file: None,
        end_reason: None,
        domain: Some(Text::from("example.com")),
        name,
        name_source: Some(NameSource::Sni),
        application: None,
        application_source: None,
        proxied_client_ip: None,
        proxied_client_port: None,
    }))
}

#[test]
fn the_heaviest_flows_are_kept_and_no_sum_is_lost() {
    let mut browsed = Browsed::default();
    let count = 2 * FLOWS as u64 + 10;
    for n in 1..=count {
        browsed.record(&flow(n));
    }
    browsed.settle();
    let live = browsed.picture(None);
    assert_eq!((live.flows.len(), live.matched), (FLOWS, count as usize));
    assert_eq!(live.flows[0].sent.bytes, count);
    assert_eq!(live.snapshot.domains[0].transmitted_bytes, count * (count + 1) / 2);
    assert!(live.snapshot.events.iter().any(|event| event.text.contains("have no row")));
    let filter = format!("bytes >= {}", count - 2).parse().unwrap();
    assert_eq!(browsed.picture(Some(&filter)).flows.len(), 3);
    assert_eq!(live.snapshot.time, Time::default());
}
