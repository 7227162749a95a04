//! Under which names flows count.

use monitor_common::abi::Side;

use super::world::*;
use crate::{
    dpi::inspector::{Payload, TcpHeader},
    names::Name,
    record::{NameSource, Text},
    series::SeriesConfig,
};

/// Gives the engine a payload of the flow in the only slot that is live.
fn say(w: &mut World, sender: Side, seq: u32, bytes: &[u8]) -> bool {
    let slot = *w.map.values().next().unwrap();
    let tcp = Some(TcpHeader { seq, ack: None, syn: false });
    let payload = Payload { time: w.now, sender, bytes, length: bytes.len() as u32, tcp };
    w.engine.sample(slot, &w.slots[slot as usize], &payload)
}

fn client(w: &World) -> Side {
    let slot = *w.map.values().next().unwrap();
    w.slots[slot as usize].head.client().0
}

fn domain(w: &mut World, text: &str, source: NameSource) -> [u64; 6] {
    let families = w.engine.families_mut();
    let scrape = families.domains.scrape_begin();
    families.domains.exposed(scrape);
    families.domains.get(&Name { text: Text::from(text), source }).map_or([0; 6], |series| series.values)
}

/// Everything that counts under names, by the counters of a service.
fn sums(w: &World) -> [u64; 4] {
    let families = w.engine.families();
    std::array::from_fn(|i| families.domains.total()[i] + families.unresolved[i])
}

fn is_whole(w: &World) {
    let families = w.engine.families();
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
    assert_eq!(counted[..4], *w.engine.families().services.total());
    assert_eq!(counted[2..], [1, 3, 0, 1], "packets, and a connection that this host began");
    is_whole(&w);
    let latencies = &w.engine.families().latencies;
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
    assert_eq!(w.engine.families().unresolved[2..], [2, 1, 1, 0]);
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
    assert_eq!(w.engine.families().unresolved[4..], [0, 1]);
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
    let families = w.engine.families();
    assert_eq!((families.domains.len(), families.names.len()), (2, 6));
    assert!(families.domains.other()[0] > 0 && families.domains.overflow() > 0);
}
