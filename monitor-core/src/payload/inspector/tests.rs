//! Flows with their payload.

use monitor_common::abi::{Address, FlowKey, Side};

use super::{Findings, Inspector, InspectorConfig, Payload, Subject, TcpHeader};
use crate::{
    application::Application,
    parse::dns::tests::build::Build,
    record::{AnyRecord, NameSource},
};

const SECOND: u64 = 1_000_000_000;

/// A client at 10.0.0.1 and a server at 10.0.0.2.
struct World {
    inspector: Inspector,
    records: Vec<AnyRecord>,
    now: u64,
}

/// One flow of it.
#[derive(Clone, Copy)]
struct Flow {
    slot: u32,
    key: FlowKey,
    seq: [u32; 2],
}

fn flow(slot: u32, protocol: u8, server: u8, port: u16) -> Flow {
    let key = FlowKey {
        lower: Address::from_v4_octets([10, 0, 0, 1]),
        upper: Address::from_v4_octets([10, 0, 0, server]),
        lower_port: 40_000 + slot as u16,
        upper_port: port,
        protocol,
        ip_version: 4,
        ..FlowKey::default()
    };
    Flow { slot, key, seq: [1_000, 5_000] }
}

impl World {
    fn new() -> Self {
        Self { inspector: Inspector::new(InspectorConfig::default()), records: Vec::new(), now: SECOND }
    }

    fn give(&mut self, flow: &Flow, sender: Side, bytes: &[u8], length: usize, tcp: Option<TcpHeader>) {
        let subject = Subject {
            slot: flow.slot,
            key: &flow.key,
            first: 1,
            connection: 0,
            client: Side::Lower,
            interface: "",
        };
        let payload = Payload { time: self.now, sender, bytes, length: length as u32, tcp };
        self.inspector.packet(&subject, &payload, &mut self.records);
    }

    fn datagram(&mut self, flow: &Flow, sender: Side, bytes: &[u8]) {
        self.give(flow, sender, bytes, bytes.len(), None);
    }

    /// The next segment of a side, which acknowledges what the other sent.
    fn segment(&mut self, flow: &mut Flow, sender: Side, bytes: &[u8]) {
        let seq = flow.seq[sender.index()];
        flow.seq[sender.index()] += bytes.len() as u32;
        self.at(flow, sender, seq, bytes);
    }

    fn at(&mut self, flow: &Flow, sender: Side, seq: u32, bytes: &[u8]) {
        let ack = Some(flow.seq[sender.other().index()]);
        self.give(flow, sender, bytes, bytes.len(), Some(TcpHeader { seq, ack, syn: false }));
    }

    fn close(&mut self, flow: &Flow) -> Findings {
        let subject = Subject {
            slot: flow.slot,
            key: &flow.key,
            first: 1,
            connection: 0,
            client: Side::Lower,
            interface: "",
        };
        self.inspector.close(&subject, self.now, &mut self.records)
    }

    /// Method and host, or status, of the HTTP records since the last call.
    fn http(&mut self) -> Vec<String> {
        let line = |record| match record {
            AnyRecord::Http(http) => Some(match http.status {
                Some(status) => status.to_string(),
                None => format!("{} {}", http.method.unwrap(), http.host.unwrap()),
            }),
            _ => None,
        };
        self.records.drain(..).filter_map(line).collect()
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.Example.org\r\n\r\n";

#[test]
fn a_flow_is_named_by_the_answer_that_its_client_got_before() {
    let mut world = World::new();
    let dns = flow(0, 17, 53, 53);
    world.datagram(&dns, Side::Lower, &Build::query(7, "www.example.org", 1).bytes);
    world.now += SECOND / 4;
    let early = flow(1, 6, 9, 4433);
    world.at(&early, Side::Lower, 1, b"?");
    let answer = Build::response(7, "www.example.org", 1).answer("www.example.org", 1, 60, &[10, 0, 0, 9]);
    world.datagram(&dns, Side::Upper, &answer.bytes);
    let late = flow(2, 6, 9, 4433);
    world.at(&late, Side::Lower, 1, b"?");
    assert_eq!(world.close(&early).name, None);
    let name = world.close(&late).name.unwrap();
    assert_eq!((name.text.as_str(), name.source), ("www.example.org", NameSource::Dns));
    let latencies: Vec<_> = world
        .records
        .iter()
        .filter_map(|record| match record {
            AnyRecord::Dns(dns) => Some(dns.latency_seconds),
            _ => None,
        })
        .collect();
    assert_eq!(latencies, [None, Some(0.25)]);
    assert_eq!(world.close(&dns).application, Some(Application::Dns));
}

#[test]
fn forged_answers_name_nothing() {
    let mut world = World::new();
    let dns = flow(0, 17, 53, 53);
    world.datagram(&dns, Side::Lower, &Build::query(7, "www.example.org", 1).bytes);
    for (id, name) in [(8, "www.example.org"), (7, "evil.example")] {
        let forged = Build::response(id, name, 1).answer(name, 1, 60, &[10, 0, 0, 9]);
        world.datagram(&dns, Side::Upper, &forged.bytes);
    }
    // A failure answers, but names nothing.
    let failure = Build::new(7, 0x8183).question("www.example.org", 1);
    world.datagram(&dns, Side::Upper, &failure.answer("www.example.org", 1, 60, &[10, 0, 0, 9]).bytes);
    let flow = flow(1, 6, 9, 443);
    world.at(&flow, Side::Lower, 1, b"?");
    assert_eq!(world.close(&flow).name, None);
    assert_eq!(world.inspector.totals().dns_unasked, 2);
}

#[test]
fn the_host_field_says_more_than_dns() {
    let mut world = World::new();
    let dns = flow(0, 17, 53, 53);
    world.datagram(&dns, Side::Lower, &Build::query(7, "cdn.example.net", 1).bytes);
    let answer = Build::response(7, "cdn.example.net", 1).answer("cdn.example.net", 1, 60, &[10, 0, 0, 9]);
    world.datagram(&dns, Side::Upper, &answer.bytes);
    let mut flow = flow(1, 6, 9, 8080);
    world.segment(&mut flow, Side::Lower, REQUEST);
    let findings = world.close(&flow);
    let name = findings.name.unwrap();
    assert_eq!((name.text.as_str(), name.source), ("www.example.org", NameSource::Http));
    assert_eq!(findings.application, Some(Application::Http));
}

#[test]
fn segments_in_any_order_give_the_same_messages() {
    let mut world = World::new();
    let flow = flow(0, 6, 2, 80);
    let (one, rest) = REQUEST.split_at(10);
    let (two, three) = rest.split_at(10);
    world.at(&flow, Side::Lower, 1_000, one);
    world.at(&flow, Side::Lower, 1_020, three);
    world.at(&flow, Side::Lower, 1_000, one);
    assert_eq!(world.http(), [""; 0]);
    world.at(&flow, Side::Lower, 1_010, two);
    assert_eq!(world.http(), ["GET www.Example.org"]);
}

#[test]
fn what_was_acknowledged_and_not_seen_is_given_up() {
    let mut world = World::new();
    let mut flow = flow(0, 6, 2, 80);
    world.segment(&mut flow, Side::Lower, REQUEST);
    flow.seq[0] += 500;
    world.segment(&mut flow, Side::Lower, REQUEST);
    assert_eq!(world.http(), ["GET www.Example.org"]);
    world.segment(&mut flow, Side::Upper, b"");
    assert_eq!(world.http(), ["GET www.Example.org"]);
    assert_eq!(world.inspector.totals().gaps, 1);
}

#[test]
fn what_waits_behind_a_hole_is_read_when_the_flow_ends() {
    let mut world = World::new();
    let flow = flow(0, 6, 2, 80);
    world.at(&flow, Side::Lower, 1_000, REQUEST);
    world.at(&flow, Side::Lower, 2_000, REQUEST);
    assert_eq!(world.http().len(), 1);
    world.close(&flow);
    assert_eq!(world.http().len(), 1);
}

#[test]
fn too_much_behind_a_hole_is_read_without_waiting() {
    let mut world = World::new();
    let flow = flow(0, 6, 2, 80);
    world.at(&flow, Side::Lower, 1_000, REQUEST);
    for n in 0..100 {
        world.at(&flow, Side::Lower, 2_000 + n * 100, REQUEST);
    }
    assert!(world.http().len() > 60);
}

#[test]
fn segments_that_were_captured_in_part_leave_a_gap() {
    let mut world = World::new();
    let flow = flow(0, 6, 2, 80);
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    let tcp = |seq| Some(TcpHeader { seq, ack: None, syn: false });
    world.give(&flow, Side::Lower, post, post.len() + 1_000, tcp(1));
    let next = 1 + post.len() as u32 + 1_000;
    world.give(&flow, Side::Lower, REQUEST, REQUEST.len(), tcp(next));
    assert_eq!(world.http(), ["POST a", "GET www.Example.org"]);
}

#[test]
fn a_beginning_in_tiny_segments_is_recognised() {
    let mut world = World::new();
    let mut flow = flow(0, 6, 2, 4242);
    for byte in REQUEST {
        world.segment(&mut flow, Side::Lower, &[*byte]);
    }
    assert_eq!(world.http(), ["GET www.Example.org"]);
}

#[test]
fn a_request_after_other_bytes_is_found_at_a_segment() {
    let mut world = World::new();
    let mut flow = flow(0, 6, 2, 80);
    world.segment(&mut flow, Side::Upper, b"the tail of a body\r\nGET / HTTP/1.1\r\n\r\n");
    world.segment(&mut flow, Side::Lower, REQUEST);
    world.segment(&mut flow, Side::Upper, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(world.http(), ["GET www.Example.org", "204"]);
}

#[test]
fn what_runs_within_a_tunnel_is_looked_at_anew() {
    let mut world = World::new();
    let mut flow = flow(0, 6, 2, 3128);
    world.segment(&mut flow, Side::Lower, b"CONNECT inner.example:80 HTTP/1.1\r\n\r\n");
    world.segment(&mut flow, Side::Upper, b"HTTP/1.1 200 OK\r\n\r\n");
    world.segment(&mut flow, Side::Lower, REQUEST);
    assert_eq!(world.http(), ["CONNECT inner.example:80", "200", "GET www.Example.org"]);
}

#[test]
fn messages_of_dns_are_read_over_tcp_and_on_other_ports() {
    let mut world = World::new();
    let mut tcp = flow(0, 6, 53, 53);
    world.segment(&mut tcp, Side::Lower, &Build::query(1, "a.example", 1).framed());
    let udp = flow(1, 17, 53, 5300);
    world.datagram(&udp, Side::Lower, &Build::query(2, "b.example", 1).bytes);
    world.datagram(&udp, Side::Upper, &Build::response(2, "b.example", 1).bytes);
    let other = flow(2, 17, 53, 5301);
    world.datagram(&other, Side::Lower, &[0; 40]);
    world.datagram(&other, Side::Lower, &Build::query(3, "c.example", 1).raw(b"x").announce(1, 1).bytes);
    let ids: Vec<_> = world
        .records
        .iter()
        .filter_map(|record| match record {
            AnyRecord::Dns(dns) => Some((dns.id, dns.latency_seconds.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [(1, false), (2, false), (2, true)]);
}

#[test]
fn configured_ports_take_any_method() {
    for (ports, expected) in [(vec![5030], 1), (vec![], 0)] {
        let config = InspectorConfig { like_http: ports, ..InspectorConfig::default() };
        let mut world = World { inspector: Inspector::new(config), ..World::new() };
        let mut flow = flow(0, 6, 2, 5030);
        world.segment(&mut flow, Side::Lower, b"BREW /pot-1 HTTP/1.1\r\nHost: pot\r\n\r\n");
        assert_eq!(world.http().len(), expected);
    }
}

#[test]
fn other_protocols_are_named() {
    let mut world = World::new();
    for (slot, bytes, expected) in [
        (0, &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], Application::Http2),
        (1, b"SSH-2.0-x\r\n", Application::Ssh),
        (2, b"*1\r\n$4\r\nPING\r\n", Application::Redis),
    ] {
        let mut flow = flow(slot, 6, 2, 9_999);
        world.segment(&mut flow, Side::Lower, bytes);
        assert_eq!(world.close(&flow).application, Some(expected));
    }
}
