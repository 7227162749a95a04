//! Who tries to make Weir remember more than it may: each bound holds, and its metric says so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests that fails is a test that fails")]

#[path = "bounds/live.rs"]
mod live;

use monitor::telemetry::{Events, KernelStatus, Own};
use monitor::view::prometheus::{Context, Format, write};
use monitor_common::abi::{Address, Flow, FlowKey, Side};
use monitor_core::engine::{Engine, EngineConfig};
use monitor_core::names::CacheConfig;
use monitor_core::parse::dns::MatchConfig;
use monitor_core::payload::{Payload, PayloadConfig, Talks, TcpHeader};

/// An engine, and flows of clients of their own to one server.
struct World {
    engine: Engine,
    talks: Talks,
    now: u64,
}

impl World {
    fn new(payloads: PayloadConfig) -> Self {
        let engine = Engine::new(EngineConfig { payloads, ..EngineConfig::default() }, 0);
        Self { engine, talks: Talks::default(), now: 1 }
    }

    fn flow(slot: u32, protocol: u8, port: u16) -> Flow {
        let [_, high, middle, low] = slot.to_be_bytes();
        let flow = Flow::default();
        flow.head.key.set(&FlowKey {
            lower: Address::from_v4_octets([10, high, middle, low]),
            upper: Address::from_v4_octets([198, 51, 100, 7]),
            lower_port: 40_000,
            upper_port: port,
            protocol,
            ip_version: 4,
            ..FlowKey::default()
        });
        flow
    }

    fn segment(&mut self, slot: u32, port: u16, seq: u32, syn: bool, bytes: &[u8]) {
        let tcp = Some(TcpHeader { seq, ack: None, syn, urgent: 0 });
        self.say(slot, 6, port, Side::Lower, bytes, tcp);
    }

    fn datagram(&mut self, slot: u32, sender: Side, bytes: &[u8]) {
        self.say(slot, 17, 53, sender, bytes, None);
    }

    fn say(
        &mut self,
        slot: u32,
        protocol: u8,
        port: u16,
        sender: Side,
        bytes: &[u8],
        tcp: Option<TcpHeader>,
    ) {
        self.now += 1;
        let payload = Payload { time: self.now, sender, bytes, length: bytes.len() as u32, tcp };
        self.engine.payload(slot, &Self::flow(slot, protocol, port), &payload, &mut self.talks);
    }

    /// A number of the page.
    fn metric(&mut self, series: &str) -> u64 {
        let (kernel, own, events) = (KernelStatus::default(), Own::new().unwrap(), Events::default());
        let context = Context {
            kernel: &kernel,
            own: &own,
            events: &events,
            created: true,
            config_ok: true,
            undirected: None,
        };
        let page = String::from_utf8(write(&self.engine, &context, Format::Text, Vec::new())).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} is not on the page:\n{page}")).parse().unwrap()
    }
}

/// The beginning of a hello that says to be of this length.
fn hello(length: u32) -> Vec<u8> {
    let [_, a, b, c] = length.to_be_bytes();
    let mut record = vec![22, 3, 1, 0x40, 0, 1, a, b, c, 3, 3];
    record.resize(5 + 0x4000, 7);
    record
}

#[test]
fn hellos_that_never_end_hold_no_more_than_all_may() {
    let bound = 1 << 20;
    let mut world = World::new(PayloadConfig { max_bytes: bound, ..PayloadConfig::default() });
    for slot in 0..200 {
        world.segment(slot, 443, 1, true, b"");
        world.segment(slot, 443, 2, false, &hello(60_000));
        assert!(world.engine.payloads().totals().bytes <= bound as u64);
    }
    assert!(world.metric("weir_payload_waiting_bytes") <= bound as u64);
    assert!(world.metric("weir_payload_evicted_flows_total{reason=\"bytes\"}") > 100);
}

#[test]
fn more_flows_with_hellos_than_may_be_held_push_out_the_oldest() {
    let mut world = World::new(PayloadConfig { max_flows: 16, ..PayloadConfig::default() });
    for slot in 0..100 {
        world.segment(slot, 443, 1, true, b"");
    }
    assert_eq!(world.metric("weir_payload_flows"), 0, "who says nothing costs nothing");
    for slot in 0..100 {
        world.segment(slot, 443, 2, false, &hello(60_000));
    }
    assert_eq!(world.metric("weir_payload_flows"), 16);
    assert_eq!(world.metric("weir_payload_evicted_flows_total{reason=\"flows\"}"), 84);
}

/// Sends these records one after the other. Returns the failures of TLS, whatever the reason.
fn records(world: &mut World, records: &[Vec<u8>]) -> u64 {
    world.segment(0, 443, 1, true, b"");
    let mut seq = 2;
    for record in records {
        world.segment(0, 443, seq, false, record);
        seq += record.len() as u32;
    }
    world.engine.payloads().protocols().failures.iter().map(|(_, count)| count).sum()
}

#[test]
fn a_hello_beyond_64_kib_is_never_put_together() {
    let mut more = vec![22, 3, 1, 0x40, 0];
    more.resize(5 + 0x4000, 0xff);
    let more = vec![more; 8];
    // One that says so at once is no beginning of TLS.
    let mut world = World::new(PayloadConfig::default());
    assert_eq!(records(&mut world, &[vec![hello(70_000)], more.clone()].concat()), 0);
    assert!(world.metric("weir_payload_waiting_bytes") < 1_000);
    // One within the bound that says nothing of sense is read once, and what follows is not.
    let mut world = World::new(PayloadConfig::default());
    assert_eq!(records(&mut world, &[vec![hello(60_000)], more].concat()), 1);
    assert!(world.metric("weir_payload_waiting_bytes") < 1_000);
}

#[test]
fn a_stream_behind_a_hole_holds_64_kib_at_most() {
    let mut world = World::new(PayloadConfig::default());
    world.segment(0, 80, 1, true, b"");
    let piece = vec![b'x'; 1_000];
    for n in 0..500 {
        world.segment(0, 80, 100 + n * 1_001, false, &piece);
        assert!(world.engine.payloads().totals().waiting <= 160 * 1024, "{n}");
    }
    assert!(world.metric("weir_stream_gaps_total") > 100);
}

#[test]
fn all_streams_together_hold_what_they_may() {
    let bound = 1 << 20;
    let mut world = World::new(PayloadConfig { max_bytes: bound, ..PayloadConfig::default() });
    let piece = vec![b'x'; 1_400];
    for slot in 0..500 {
        world.segment(slot, 80, 1, true, b"");
        for n in 0..20 {
            world.segment(slot, 80, 1_000 + n * 1_400, false, &piece);
            assert!(world.engine.payloads().totals().waiting <= bound as u64);
        }
    }
    assert!(world.metric("weir_stream_budget_hits_total") > 100);
    assert!(world.metric("weir_stream_waiting_bytes") > 0);
}

/// A message of DNS about `host<n>.example`, with an address in its answer if it is one.
fn dns(id: u16, n: u32, answer: bool) -> Vec<u8> {
    let label = format!("host{n}");
    let mut out = id.to_be_bytes().to_vec();
    out.extend(if answer { [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] } else { [1, 0, 0, 1, 0, 0, 0, 0, 0, 0] });
    out.push(label.len() as u8);
    out.extend(label.as_bytes());
    out.extend(b"\x07example\0\0\x01\0\x01");
    if answer {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4]);
        out.extend((0x0b00_0000 + n).to_be_bytes());
    }
    out
}

#[test]
fn names_and_queries_beyond_their_tables_push_out_the_oldest() {
    let mut world = World::new(PayloadConfig {
        names: CacheConfig { entries: 32, ..CacheConfig::default() },
        queries: MatchConfig { queries: 8, ..MatchConfig::default() },
        ..PayloadConfig::default()
    });
    for n in 0..100 {
        world.datagram(0, Side::Lower, &dns(n as u16, n, false));
        world.datagram(0, Side::Upper, &dns(n as u16, n, true));
    }
    assert_eq!(world.metric("weir_name_cache_entries"), 32);
    assert_eq!(world.metric("weir_name_cache_evicted_total"), 68);
    assert_eq!(world.metric("weir_dns_unanswered_total"), 0);
    for n in 0..100 {
        world.datagram(0, Side::Lower, &dns(1_000 + n as u16, n, false));
    }
    assert_eq!(world.metric("weir_dns_unanswered_total"), 92, "all but those that still wait");
    world.datagram(0, Side::Upper, &dns(1_000, 0, true));
    assert_eq!(world.metric("weir_dns_unasked_responses_total"), 1, "the first of them was forgotten");
}

#[test]
fn a_name_beyond_255_bytes_is_a_failure() {
    let mut world = World::new(PayloadConfig::default());
    let mut query = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for _ in 0..5 {
        query.push(63);
        query.extend([b'a'; 63]);
    }
    query.extend([0, 0, 1, 0, 1]);
    world.datagram(0, Side::Lower, &query);
    assert_eq!(world.metric("weir_parse_failures_total{protocol=\"dns\",reason=\"name_too_long\"}"), 1);
}
