//! What is documented is what is served.

use std::collections::BTreeSet;

use monitor_core::flow::FlowId;
use monitor_core::record::Time;
use serde_json::Value;

use super::{
    DnsName, Domain, FlowEvent, Happening, History, InterfaceIo, Life, MapRow, OwnerRow, Service, Snapshot,
    Timeline,
};
use crate::view::flows::{Distribution, Flow, RoundTrips, Side};

const DOCS: &str = include_str!("../../../../docs/api.md");

/// All keys, at whatever depth.
fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                into.insert(key.clone());
                keys(value, into);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

fn side() -> Side<'static> {
    Side {
        direction: "transmit".into(),
        packets: 1,
        bytes: 1,
        payload_bytes: 1,
        retransmissions: 1,
        out_of_order: 1,
        duplicate_acks: 1,
        zero_windows: 1,
        bytes_per_second_10s: 0.0,
        bytes_per_second_40s: 0.0,
        bytes_per_second: 1.0,
        packets_per_second: 1.0,
    }
}

fn flow() -> Flow<'static> {
    let time = Distribution { min: 1.0, mean: 1.0, max: 1.0, samples: 1 };
    Flow {
        id: FlowId { slot: 1, first: 2 },
        interface: "eth0".into(),
        interfaces: vec!["eth0".into(), "br0".into()],
        end_reason: Some("fin".into()),
        end: Some(Time(1)),
        transport: "tcp".into(),
        client_ip: [10, 0, 0, 1].into(),
        client_port: 1,
        server_ip: [10, 0, 0, 2].into(),
        server_port: 2,
        client_rule: "syn".into(),
        service: Some("https".into()),
        name: Some("www.example.org".into()),
        name_source: Some("sni".into()),
        domain: Some("example.org".into()),
        application: Some("tls".into()),
        application_source: Some("wire".into()),
        role: "client".into(),
        scope: "remote".into(),
        state: Some("established".into()),
        duplicate: false,
        start: Time(0),
        last: Time(1),
        sent: side(),
        received: side(),
        handshake_seconds: Some(1.0),
        first_response_seconds: Some(1.0),
        owned: serde_json::Map::new(),
        rtt_seconds: RoundTrips { client: Some(time), server: Some(time) },
    }
}

/// A snapshot in which nothing is left out.
fn full() -> Snapshot {
    let mut snapshot = Snapshot {
        interfaces: vec![InterfaceIo::default()],
        domains: vec![Domain::default()],
        hosts: vec![super::snapshot::Host::default()],
        services: vec![Service::default()],
        owners: vec![OwnerRow {
            unit: Some("nginx.service".to_owned()),
            process: Some("nginx".to_owned()),
            container: Some("web".to_owned()),
            namespace: Some("shop".to_owned()),
            pod: Some("web-1".to_owned()),
            ..OwnerRow::default()
        }],
        map: vec![MapRow {
            owner: Some("user".to_owned()),
            unit: Some("nginx.service".to_owned()),
            process: Some("nginx".to_owned()),
            ..MapRow::default()
        }],
        events: vec![Happening::default()],
        ..Snapshot::default()
    };
    snapshot.tcp.retransmission_ratio = Some(0.5);
    for quantiles in [
        &mut snapshot.tcp.handshake_seconds,
        &mut snapshot.tcp.rtt_seconds,
        &mut snapshot.dns.latency_seconds,
    ] {
        (quantiles.p50, quantiles.p95) = (Some(1.0), Some(2.0));
    }
    snapshot.dns.names = vec![DnsName::default()];
    snapshot
}

#[test]
fn every_field_is_in_the_docs_and_comes_back_as_it_was() {
    let (snapshot, history) = (full(), History { gaps: vec![(0, 3)], ..History::default() });
    let life = Life { flow: flow(), timeline: Some(Timeline::default()), events: vec![FlowEvent::default()] };
    let json = serde_json::json!({ "snapshot": snapshot, "history": history, "life": life });
    assert_eq!(serde_json::from_value::<Snapshot>(json["snapshot"].clone()).unwrap(), snapshot);
    assert_eq!(serde_json::from_value::<History>(json["history"].clone()).unwrap(), history);
    assert_eq!(serde_json::from_value::<Life<'_>>(json["life"].clone()).unwrap(), life);
    let mut all = BTreeSet::new();
    keys(&json, &mut all);
    all.remove("life");
    assert!(all.len() > 100, "{}", all.len());
    for key in all {
        assert!(DOCS.contains(&format!("`{key}`")), "docs/api.md does not have `{key}`");
    }
}
