use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Field;

pub(crate) fn small() -> FlowRecord {
    FlowRecord {
        start: Time(1_000_000_000),
        end: Time(2_500_000_000),
        identity: Identity {
            id: Id(1),
            transport: Protocol(17),
            client_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            client_port: 40_000,
            server_ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            server_port: 53,
            interface: None,
            owned: None,
        },
        client_rule: ClientRule::First,
        vlans: Vlans::default(),
        tunnel: None,
        sent: Traffic { packets: 1, bytes: 80, ip_bytes: 66, payload_bytes: 38, ..Traffic::default() },
        received: Traffic::default(),
        state: None,
        closed_by: None,
        handshake_seconds: None,
        rtt_seconds: BySide { client: None, server: None },
        first_response_seconds: None,
        mss: BySide::default(),
        window_scale: BySide::default(),
        ttl: BySide::default(),
        first_frame: None,
        last_frame: None,
        first_file: None,
        last_file: None,
        end_reason: None,
        name: None,
        name_source: None,
        domain: None,
        application: None,
        application_source: None,
        proxied_client_ip: None,
        proxied_client_port: None,
    }
}

pub(crate) fn full() -> FlowRecord {
    let tcp = TcpTraffic { syn: 1, psh: 3, retransmissions: 2, ..TcpTraffic::default() };
    let traffic = Traffic {
        packets: 9,
        bytes: 9000,
        ip_bytes: 8874,
        payload_bytes: 8000,
        fragments: 0,
        tcp: Some(tcp),
    };
    FlowRecord {
        identity: Identity {
            id: Id(u64::MAX),
            transport: Protocol(6),
            client_ip: IpAddr::V6(Ipv6Addr::LOCALHOST),
            client_port: 50_000,
            server_ip: "2001:db8::7".parse().unwrap(),
            server_port: 443,
            interface: Some(Text::from("eth0")),
            owned: None,
        },
        client_rule: ClientRule::Syn,
        vlans: Vlans(vec![10, 20]),
        tunnel: Some(Tunnel::Vxlan),
        sent: traffic.clone(),
        received: traffic,
        state: Some(TcpState::HalfClosed),
        closed_by: Some(Peer::Server),
        handshake_seconds: Some(0.012_5),
        rtt_seconds: BySide {
            client: None,
            server: Some(RoundTrip { min: 0.01, mean: 0.011, max: 0.02, samples: 4 }),
        },
        first_response_seconds: Some(0.1),
        mss: BySide { client: Some(1460), server: Some(1440) },
        window_scale: BySide { client: Some(7), server: None },
        ttl: BySide { client: Some(64), server: Some(55) },
        first_frame: Some(1),
        last_frame: Some(18),
        first_file: None,
        last_file: None,
        end_reason: Some(EndReason::Fin),
        name: Some(Text::new(b"www.example.com\x1b")),
        name_source: Some(NameSource::Sni),
        domain: Some(Text::from("example.com")),
        application: Some(Text::from("http")),
        application_source: Some(ApplicationSource::Wire),
        proxied_client_ip: None,
        proxied_client_port: None,
        ..small()
    }
}

fn json_of(record: &FlowRecord) -> Json {
    let mut line = Vec::new();
    to_json(record, &mut line).unwrap();
    assert_eq!(line.iter().position(|&b| b == b'\n'), Some(line.len() - 1));
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn what_is_absent_is_left_out() {
    assert_eq!(
        json_of(&small()),
        json!({
            "record": "flow",
            "start": "1970-01-01T00:00:01.000000000Z", "end": "1970-01-01T00:00:02.500000000Z",
            "id": "1", "transport": "udp",
            "client_ip": "192.0.2.1", "client_port": 40000,
            "server_ip": "198.51.100.7", "server_port": 53,
            "client_rule": "first",
            "sent": {"packets": 1, "bytes": 80, "ip_bytes": 66, "payload_bytes": 38, "fragments": 0},
            "received": {"packets": 0, "bytes": 0, "ip_bytes": 0, "payload_bytes": 0, "fragments": 0},
        })
    );
}

#[test]
fn a_whole_record_has_the_contracts_names_and_forms() {
    let json = json_of(&full());
    let traffic = json!({
        "packets": 9, "bytes": 9000, "ip_bytes": 8874, "payload_bytes": 8000, "fragments": 0,
        "syn": 1, "syn_ack": 0, "fin": 0, "rst": 0, "psh": 3, "urg": 0, "ece": 0, "cwr": 0,
        "retransmissions": 2, "out_of_order": 0, "duplicate_acks": 0, "zero_windows": 0,
        "keep_alives": 0, "lost_segments": 0, "syn_retransmissions": 0,
    });
    let expected = json!({
        "record": "flow",
        "start": "1970-01-01T00:00:01.000000000Z", "end": "1970-01-01T00:00:02.500000000Z",
        "id": "18446744073709551615", "transport": "tcp", "client_ip": "::1", "client_port": 50000,
        "server_ip": "2001:db8::7", "server_port": 443, "interface": "eth0",
        "client_rule": "syn", "vlans": [10, 20], "tunnel": "vxlan",
        "sent": traffic, "received": traffic,
        "state": "half_closed", "closed_by": "server",
        "handshake_seconds": 0.0125,
        "rtt_seconds": {"server": {"min": 0.01, "mean": 0.011, "max": 0.02, "samples": 4}},
        "first_response_seconds": 0.1,
        "mss": {"client": 1460, "server": 1440}, "window_scale": {"client": 7},
        "ttl": {"client": 64, "server": 55},
        "first_frame": 1, "last_frame": 18, "end_reason": "fin",
        "name": "www.example.com\\x1b", "name_source": "sni", "domain": "example.com",
        "application": "http", "application_source": "wire",
    });
    assert_eq!(json, expected);
}

/// Every value of the JSON is a field of the schema, of its type.
fn assert_declared(json: &Json, fields: &[Field], path: &str) {
    for (name, value) in json.as_object().unwrap() {
        let field = find(fields, name).unwrap_or_else(|| panic!("{path}{name} is not declared"));
        let fits = match field.kind {
            Type::Time | Type::Text | Type::Word | Type::Address => value.is_string(),
            Type::Integer => value.is_u64(),
            Type::Number => value.is_f64(),
            Type::Boolean => value.is_boolean(),
            Type::List(_) => value.is_array(),
            Type::Record(inner) => {
                assert_declared(value, inner, &format!("{path}{name}."));
                true
            }
            Type::Inline(_) => false,
        };
        assert!(fits, "{path}{name}: {value}");
    }
}

fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find_map(|field| match field.kind {
        Type::Inline(inner) => find(inner, name),
        _ => (field.name == name).then_some(field),
    })
}

#[test]
fn what_is_written_is_what_the_schema_declares() {
    let json = json_of(&full());
    assert_declared(&json, FlowRecord::FIELDS, "");
    let mut columns = 0;
    crate::schema::columns(FlowRecord::FIELDS, &mut |path, field| {
        let found = path.split('.').try_fold(&json, |at, name| at.get(name));
        assert!(found.is_some() || field.optional || path.starts_with("rtt_seconds.client"), "{path}");
        columns += 1;
    });
    assert_eq!(RECORDS[0].0, "flow");
    assert!(columns > 80, "{columns}");
}

#[test]
fn messages_write_their_own_forms() {
    let identity = full().identity;
    let dns = DnsRecord {
        time: Time(0),
        identity: NamedIdentity(identity.clone()),
        kind: DnsKind::Mdns,
        id: 7,
        response: true,
        opcode: 0,
        rcode: Some(3),
        truncated: false,
        questions: vec![Question { name: Text::from(""), r#type: Text::from("NS") }],
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds: None,
        retransmission: false,
    };
    let json = serde_json::to_value(&dns).unwrap();
    assert_eq!(json["questions"], json!([{"name": "", "type": "NS"}]));
    assert_eq!((&json["record"], &json["kind"]), (&json!("dns"), &json!("mdns")));
    assert_eq!((&json["id"], &json["flow_id"]), (&json!(7), &json!(u64::MAX.to_string())));
    assert_declared(&json, DnsRecord::FIELDS, "");
}

#[test]
fn lines_are_what_a_writer_of_any_json_makes() {
    let mut odd = full();
    odd.name = Some(Text::from("a\\032\"b\" b\u{fc}cher"));
    odd.vlans = Vlans(vec![7, 4094]);
    odd.handshake_seconds = Some(f64::NAN);
    odd.first_response_seconds = Some(1e-9);
    let records = [
        AnyRecord::Flow(Box::new(small())),
        AnyRecord::Flow(Box::new(full())),
        AnyRecord::Flow(Box::new(odd)),
        AnyRecord::Tls(Box::new(TlsRecord { versions: vec![Text::from("1.3")], ..hello() })),
        AnyRecord::Dns(Box::new(query("www.example.com"))),
    ];
    for record in &records {
        let mut line = Vec::new();
        to_json(record, &mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(record).unwrap() + "\n");
    }
}

#[test]
fn other_protocols_are_numbers_in_quotes() {
    let mut record = small();
    record.identity.transport = Protocol(47);
    assert_eq!(json_of(&record)["transport"], json!("47"));
    assert_eq!(Protocol(47).to_string(), "47");
    assert_eq!(Protocol(132).to_string(), "sctp");
}

#[test]
fn lines_are_appended() {
    let mut lines = Vec::new();
    to_json(&small(), &mut lines).unwrap();
    let one = lines.len();
    to_json(&small(), &mut lines).unwrap();
    assert_eq!(lines[..one], lines[one..]);
}

/// A hello of TLS of which nothing special is known.
pub(crate) fn hello() -> TlsRecord {
    TlsRecord {
        time: Time(0),
        identity: small().identity,
        carrier: Carrier::Tcp,
        server_name: None,
        alpn: Vec::new(),
        ech: false,
        versions: Vec::new(),
        groups: Vec::new(),
        key_shares: Vec::new(),
        ja4: Text::from("t13d0000_000000000000_000000000000"),
        quic_version: None,
        version: None,
        cipher: None,
        group: None,
        resumed: None,
        hello_retry: None,
        alert: None,
        answer_seconds: None,
    }
}

/// A query for a name.
pub(crate) fn query(name: &str) -> DnsRecord {
    DnsRecord {
        time: Time(0),
        identity: NamedIdentity(small().identity),
        kind: DnsKind::Dns,
        id: 7,
        response: false,
        opcode: 0,
        rcode: None,
        truncated: false,
        questions: vec![Question { name: Text::from(name), r#type: Text::from("A") }],
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds: None,
        retransmission: false,
    }
}
