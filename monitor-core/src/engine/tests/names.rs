//! Under which names flows count.

use monitor_common::abi::Side;

use super::world::*;
use crate::{
    engine::EngineConfig,
    names::Name,
    parse::dns::tests::build::Build,
    payload::{Payload, TcpHeader},
    record::{AnyRecord, NameSource, Text},
    series::SeriesConfig,
};

/// Gives the engine a payload of the flow in the only slot that is live.
fn say(w: &mut World, sender: Side, seq: u32, bytes: &[u8]) -> bool {
    let slot = *w.map.values().next().unwrap();
    let connection = w.slots[slot as usize].head.reused.get();
    say_in(w, connection, sender, seq, bytes)
}

/// The same, as of one of the connections that the slot had.
fn say_in(w: &mut World, connection: u32, sender: Side, seq: u32, bytes: &[u8]) -> bool {
    let slot = *w.map.values().next().unwrap();
    let tcp = Some(TcpHeader { seq, ack: None, syn: false, urgent: 0 });
    let payload = Payload { time: w.now, sender, bytes, length: bytes.len() as u32, tcp };
    w.engine.sample(slot, &w.slots[slot as usize], connection, &payload, |_| Default::default())
}

fn client(w: &World) -> Side {
    let slot = *w.map.values().next().unwrap();
    w.slots[slot as usize].head.client().0
}

fn domain(w: &mut World, text: &str, source: NameSource) -> [u64; 6] {
    let families = w.engine.ledger_mut().families_mut();
    families.domains.get(&Name { text: Text::from(text), source }).map_or([0; 6], |series| series.values)
}

/// Everything that counts under names, by the counters of a service.
fn sums(w: &World) -> [u64; 4] {
    let families = w.engine.ledger().families();
    std::array::from_fn(|i| families.domains.total()[i] + families.unresolved[i])
}

fn is_whole(w: &World) {
    let families = w.engine.ledger().families();
    assert_eq!(sums(w), *families.services.total());
    let bytes: [u64; 2] = std::array::from_fn(|i| families.names.total()[i] + families.unresolved[i]);
    assert_eq!(bytes, families.services.total()[..2]);
    assert_eq!(*families.applications.total(), bytes);
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n";

#[test]
fn what_a_flow_gained_before_its_name_was_known_counts_under_it() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.drain();
    assert_eq!(sums(&w), [0; 4], "it waits");
    w.eth(&tcp.data(CLIENT, 40));
    w.drain();
    let sender = client(&w);
    assert!(say(&mut w, sender, 100, REQUEST));
    w.drain();
    let counted = domain(&mut w, "example.org", NameSource::Http);
    assert_eq!(counted[..4], *w.engine.ledger().families().services.total());
    assert_eq!(counted[2..], [1, 3, 0, 1], "packets, and a connection that this host began");
    is_whole(&w);
    let latencies = &w.engine.ledger().families().latencies;
    assert_eq!(latencies.total()[1], 1, "a handshake");
}

#[test]
fn a_flow_without_a_name_is_unresolved_after_two_seconds_without_a_packet() {
    let mut w = World::with_slots(64);
    inbound(40_000, 1).handshake(&mut w);
    w.drain();
    w.wait(SECOND);
    assert_eq!(sums(&w), [0; 4]);
    w.wait(SECOND);
    assert_eq!(w.engine.ledger().families().unresolved[2..], [2, 1, 1, 0]);
    is_whole(&w);
}

const RESOLVER: ([u8; 4], u16) = ([198, 51, 100, 53], 53);

/// This host asks for a name and is told that it is the peer's; the packets are seen now.
fn ask(w: &mut World) {
    for (source, destination) in [((HOST, 50_000), RESOLVER), (RESOLVER, (HOST, 50_000))] {
        w.eth(&udp(source, destination));
    }
}

/// The samples of that are read now.
fn answer(w: &mut World, id: u16, name: &str, time: u64) {
    let slot = *w.map.iter().find(|(key, _)| key.protocol == 17).unwrap().1;
    let flow = &w.slots[slot as usize];
    let (asks, connection) = (flow.head.client().0, flow.head.reused.get());
    let query = Build::query(id, name, 1).bytes;
    let told = Build::response(id, name, 1).answer(name, 1, 60, &PEER).bytes;
    for (sender, bytes) in [(asks, query), (asks.other(), told)] {
        let payload = Payload { time, sender, bytes: &bytes, length: bytes.len() as u32, tcp: None };
        w.engine.sample(slot, flow, connection, &payload, |_| Default::default());
    }
}

#[test]
fn a_flow_without_payload_has_the_name_that_was_told_last_before_it_whenever_that_is_read() {
    let mut w = World::with_slots(64);
    ask(&mut w);
    w.drain_while(|w| answer(w, 1, "a.example.org", w.now));
    w.now += MS;
    let mut under_the_first = outbound(40_000, 1);
    under_the_first.handshake(&mut w);
    w.now += MS;
    ask(&mut w);
    let told = w.now;
    w.now += MS;
    let mut under_the_second = outbound(40_001, 1);
    under_the_second.handshake(&mut w);
    // Both were seen before the answer is read.
    w.drain_while(|w| answer(w, 2, "b.example.org", told));
    w.wait(3 * SECOND);
    let connections = w.engine.flows().filter(|flow| flow.protocol == 6);
    let mut names: Vec<_> =
        connections.map(|flow| (flow.client.port, flow.name.map(|name| name.text.to_string()))).collect();
    names.sort();
    let all: Vec<_> = names.into_iter().map(|(_, name)| name.unwrap_or_default()).collect();
    assert_eq!(all, ["a.example.org", "b.example.org"]);
    is_whole(&w);
}

#[test]
fn a_name_that_comes_late_has_what_comes_after_it() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.drain();
    w.wait(3 * SECOND);
    let sender = client(&w);
    say(&mut w, sender, 100, REQUEST);
    w.eth(&tcp.data(CLIENT, 40));
    w.drain();
    let counted = domain(&mut w, "example.org", NameSource::Http);
    assert_eq!(counted[2..], [0, 1, 0, 0], "the connection counts once");
    is_whole(&w);
}

#[test]
fn a_flow_that_ends_early_counts_whole_and_late_samples_of_it_name_no_other() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 40));
    w.drain();
    let sender = client(&w);
    say(&mut w, sender, 100, REQUEST);
    tcp.close(&mut w);
    w.wait(10 * SECOND);
    assert!(w.map.is_empty());
    is_whole(&w);
    // The slot is used again at once.
    let mut next = outbound(40_001, 1);
    next.handshake(&mut w);
    w.drain();
    w.wait(3 * SECOND);
    assert_eq!(w.engine.ledger().families().unresolved[4..], [0, 1]);
    assert_eq!(w.engine.flows().filter(|flow| flow.name.is_some()).count(), 0);
    is_whole(&w);
}

#[test]
fn names_beyond_the_budget_are_other_and_sums_stay_whole() {
    let mut w = World::with_slots(64);
    let mut config = w.engine.config().clone();
    let few = SeriesConfig { max_series: 12, ..SeriesConfig::default() };
    (config.series.domains, config.series.names) = (few, few);
    w.engine.reconfigure(config);
    for n in 0..20 {
        let mut tcp = outbound(40_000 + n, 1);
        tcp.handshake(&mut w);
        w.drain();
        let sender = client(&w);
        let request = format!("GET / HTTP/1.1\r\nHost: n{n}.example{n}.org\r\n\r\n");
        say(&mut w, sender, 100, request.as_bytes());
        tcp.close(&mut w);
        w.wait(10 * SECOND);
        is_whole(&w);
    }
    let families = w.engine.ledger().families();
    assert_eq!((families.domains.len(), families.names.len()), (2, 6));
    assert!(families.domains.other()[0] > 0 && families.domains.overflow() > 0);
}

const SECOND_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.example.net\r\n\r\n";

/// A connection whole, with this much data of its client.
fn connection(w: &mut World, tcp: &mut Tcp, bytes: u32) {
    tcp.handshake(w);
    w.eth(&tcp.data(CLIENT, bytes));
    tcp.close(w);
}

#[test]
fn a_5_tuple_that_begins_anew_has_the_name_of_each_connection_with_its_bytes() {
    let mut w = World::new(EngineConfig { max_flows: 64, records: true, ..EngineConfig::default() });
    connection(&mut w, &mut outbound(40_000, 1), 40);
    w.drain_while(|w| {
        let sender = client(w);
        assert!(say_in(w, 0, sender, 2, REQUEST));
    });
    w.now += SECOND;
    connection(&mut w, &mut outbound(40_000, 900_000), 1_000);
    w.drain_while(|w| {
        let sender = client(w);
        assert!(say_in(w, 1, sender, 900_001, SECOND_REQUEST));
        assert!(!say_in(w, 0, sender, 2, REQUEST), "what comes late of the old one names nothing");
    });
    assert_eq!(w.map.len(), 1, "one slot had both");
    w.drain();
    let (first, second) =
        (domain(&mut w, "example.org", NameSource::Http), domain(&mut w, "example.net", NameSource::Http));
    let frames = 7 * 54;
    assert_eq!([first[0] + first[1], second[0] + second[1]], [frames + 40, frames + 1_000]);
    assert_eq!([first[5], second[5]], [1, 1], "connections");
    is_whole(&w);
    w.wait(20 * SECOND);
    let all = w.engine.outbox_mut().take_records();
    let requests: Vec<_> = all
        .iter()
        .filter_map(|record| match record {
            AnyRecord::Http(http) => Some(http.identity.id),
            _ => None,
        })
        .collect();
    let records: Vec<_> = all
        .into_iter()
        .filter_map(|record| match record {
            AnyRecord::Flow(flow) => Some(flow),
            _ => None,
        })
        .collect();
    let told = records.iter().map(|r| (r.name.as_ref().map_or("", Text::as_str), r.sent.payload_bytes));
    let told: Vec<_> = told.collect();
    assert_eq!(told, [("www.example.org", 40), ("www.example.net", 1_000)]);
    assert_eq!(requests, [records[0].identity.id, records[1].identity.id], "messages are of their flow");
    assert_ne!(requests[0], requests[1], "each connection of the slot has a number of its own");
    assert!(records[0].end < records[1].start && records.iter().all(|r| r.handshake_seconds.is_some()));
}

#[test]
fn connections_of_a_5_tuple_within_one_drain_are_named_each_and_the_last_has_the_bytes() {
    let mut w = World::with_slots(64);
    for n in 0..3 {
        connection(&mut w, &mut outbound(40_000, 1 + n * 900_000), 40);
    }
    w.drain_while(|w| {
        let sender = client(w);
        for n in 0..3 {
            let request = format!("GET / HTTP/1.1\r\nHost: n{n}.example{n}.org\r\n\r\n");
            assert!(say_in(w, n, sender, 2 + n * 900_000, request.as_bytes()));
        }
    });
    w.drain();
    let counted =
        ["example0.org", "example1.org", "example2.org"].map(|name| domain(&mut w, name, NameSource::Http));
    assert_eq!(counted.map(|values| values[5]), [1; 3], "each is a connection");
    assert_eq!(counted.map(|values| values[2] + values[3]), [0, 0, 21], "packets");
    is_whole(&w);
}

#[test]
fn a_connection_that_says_nothing_has_no_name_of_the_one_before_it() {
    let mut w = World::with_slots(64);
    connection(&mut w, &mut outbound(40_000, 1), 40);
    w.drain_while(|w| {
        let sender = client(w);
        say_in(w, 0, sender, 2, REQUEST);
    });
    outbound(40_000, 900_000).handshake(&mut w);
    w.drain();
    assert_eq!(w.engine.flows().filter(|flow| flow.name.is_some()).count(), 0);
    w.wait(3 * SECOND);
    assert_eq!(w.engine.ledger().families().unresolved[2..], [1, 2, 0, 1]);
    assert_eq!(domain(&mut w, "example.org", NameSource::Http)[2..], [2, 5, 0, 1]);
    is_whole(&w);
}
