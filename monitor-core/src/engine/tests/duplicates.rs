//! One flow on several interfaces.

use monitor_common::{
    abi::{Address, Direction, IpVersion, Transport},
    wire::Packet,
};

use super::world::*;
use crate::{
    engine::{EndReason, EngineConfig},
    histogram::Histogram,
    label::{Role, TcpCounter, TcpState},
};

/// A packet of this host on a card and on the bridge above it.
fn stacked(w: &mut World, packet: &Packet) {
    w.eth(packet);
    let own = packet.source == Address::from_v4_octets(HOST);
    let direction = if own { Direction::Transmit } else { Direction::Receive };
    w.now += 1000;
    w.see(BRIDGE, direction, packet);
}

fn udp_packets(w: &World, name: &str) -> u64 {
    w.interface(name).io(Direction::Receive, Transport::Udp, IpVersion::V4).packets
}

#[test]
fn each_interface_counts_it_everything_else_counts_it_once() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    for packet in [tcp.syn(), tcp.syn_ack(), tcp.ack(CLIENT), tcp.data(CLIENT, 10), tcp.data(SERVER, 10)] {
        stacked(&mut w, &packet);
    }
    assert_eq!(w.drain().violations, []);
    for name in ["eth0", "br0"] {
        let io = w.interface(name).io(Direction::Receive, Transport::Tcp, IpVersion::V4);
        assert_eq!(io.packets, 3, "{name}");
    }
    let t = w.totals();
    assert_eq!((t.flows.started[0], t.flows.active[0], t.flows.duplicates, t.flows.slots), (1, 1, 1, 2));
    assert_eq!(t.tcp.counters[TcpCounter::Syn.index()], [1, 0]);
    assert_eq!(t.tcp.connections.iter().sum::<u64>(), 1);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(w.engine.ledger().families().services.total()[2..], [3, 2]);
    let duplicates: Vec<_> = w.engine.flows().map(|f| (f.interface, f.duplicate)).collect();
    assert_eq!(duplicates, [("eth0", false), ("br0", true)]);
}

#[test]
fn the_interface_that_saw_it_first_counts_whatever_slot_it_is_in() {
    let mut w = World::with_slots(64);
    w.free = vec![0, 1];
    let packet = udp((PEER, 5000), ([10, 0, 0, 1], 53));
    // Routed: it comes in on the card, then leaves by the bridge, and the later one has the first slot.
    w.see(ETH, Direction::Receive, &packet);
    w.now += MS;
    w.see(BRIDGE, Direction::Transmit, &packet);
    w.drain();
    let counting = w.engine.flows().find(|f| !f.duplicate).unwrap();
    assert_eq!((counting.interface, counting.id.slot, counting.role), ("eth0", 1, Role::Forwarded));
    assert_eq!(w.engine.ledger().families().services.total(), &[142, 0, 1, 0]);
}

#[test]
fn a_flow_in_and_out_of_one_interface_counts_once() {
    let mut w = World::with_slots(64);
    let packet = udp((PEER, 5000), ([10, 0, 0, 1], 53));
    w.see(ETH, Direction::Receive, &packet);
    w.see(ETH, Direction::Transmit, &packet);
    assert_eq!(w.drain().violations, []);
    assert_eq!((w.totals().flows.started[1], w.totals().flows.duplicates), (1, 1));
    assert_eq!(w.engine.ledger().families().services.total(), &[142, 0, 1, 0]);
    assert_eq!(udp_packets(&w, "eth0"), 1);
}

#[test]
fn when_the_first_sighting_ends_the_other_goes_on_where_it_stands() {
    let mut w = World::with_slots(64);
    let packet = udp((PEER, 5000), (HOST, 53));
    for _ in 0..3 {
        stacked(&mut w, &packet);
    }
    w.drain();
    // Traffic leaves the card but stays on the bridge.
    for _ in 0..7 {
        w.now += 10 * SECOND;
        w.see(BRIDGE, Direction::Receive, &packet);
        w.drain();
    }
    let t = w.totals();
    assert_eq!((t.flows.started[1], t.flows.active[1], t.flows.slots), (1, 1, 1));
    assert_eq!(t.flows.ended[1], [0; 6], "it has not ended, it goes on elsewhere");
    assert_eq!(w.engine.ledger().families().services.total()[2], 10);
    assert_eq!((udp_packets(&w, "eth0"), udp_packets(&w, "br0")), (3, 10));
    w.wait(60 * SECOND);
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 1);
    assert_eq!(w.totals().flows.active, [0; 6]);
}

#[test]
fn a_sighting_that_ends_first_changes_nothing() {
    let mut w = World::with_slots(64);
    let packet = udp((PEER, 5000), (HOST, 53));
    stacked(&mut w, &packet);
    w.drain();
    for _ in 0..7 {
        w.now += 10 * SECOND;
        w.eth(&packet);
        w.drain();
    }
    let t = w.totals();
    assert_eq!((t.flows.active[1], t.flows.slots, t.flows.ended[1]), (1, 1, [0; 6]));
    assert_eq!(w.engine.ledger().families().services.total()[2], 8);
    // And it may come back.
    w.see(BRIDGE, Direction::Receive, &packet);
    w.wait(MS);
    assert_eq!((w.totals().flows.duplicates, w.totals().flows.started[1]), (2, 1));
}

#[test]
fn sightings_that_end_together_end_one_flow_and_one_attempt() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    stacked(&mut w, &tcp.syn());
    w.drain();
    w.wait(60 * SECOND);
    assert_eq!(w.attempts(Role::Server), [0, 0, 1, 0]);
    w.wait(240 * SECOND);
    assert_eq!(w.attempts(Role::Server), [0, 0, 1, 0]);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 1);
    assert_eq!((w.totals().flows.active, w.totals().flows.slots), ([0; 6], 0));
    assert_eq!(w.totals().tcp.connections, [0; TcpState::COUNT]);
}

#[test]
fn what_a_sighting_was_told_is_not_told_again_by_the_one_that_goes_on() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    for packet in [tcp.syn(), tcp.syn_ack(), tcp.ack(CLIENT)] {
        stacked(&mut w, &packet);
    }
    w.drain();
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0")]);
    w.wait(MS);
    let data = tcp.data(CLIENT, 10);
    w.see(BRIDGE, Direction::Receive, &data);
    w.wait(MS);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    let handshakes = w.totals().latency.handshake.iter().flatten().map(Histogram::count).sum::<u64>();
    assert_eq!(handshakes, 1);
    assert_eq!(w.connections(TcpState::Established), 1);
    assert_eq!(w.totals().tcp.counters[TcpCounter::Psh.index()], [1, 0]);
}

#[test]
fn what_the_first_interface_does_not_see_another_does() {
    // A bond: in by one card, out by another; the bond itself sees both.
    let config = EngineConfig { max_flows: 64, records: true, ..EngineConfig::default() };
    let mut w = World::new(config);
    let (into, out, bond) = (ETH, 4, BRIDGE);
    w.engine.surroundings().set_interfaces(&[
        interface(into, "eth0"),
        interface(out, "eth1"),
        interface(bond, "bond0"),
    ]);
    let mut tcp = inbound(40_000, 1);
    let mut packets = vec![tcp.syn(), tcp.syn_ack(), tcp.ack(CLIENT)];
    for _ in 0..4 {
        packets.extend([tcp.data(CLIENT, 10), tcp.data(SERVER, 100)]);
    }
    packets.extend([tcp.fin(CLIENT), tcp.fin(SERVER), tcp.ack(CLIENT)]);
    for packet in packets {
        let own = packet.source == Address::from_v4_octets(HOST);
        let (card, direction) = if own { (out, Direction::Transmit) } else { (into, Direction::Receive) };
        w.see(card, direction, &packet);
        w.see(bond, direction, &packet);
        assert_eq!(w.wait(MS).violations, []);
    }
    let t = w.totals();
    assert_eq!((t.flows.started[0], t.flows.active[0], t.flows.slots), (1, 1, 3));
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(t.tcp.counters[TcpCounter::Syn.index()], [1, 0]);
    assert_eq!(t.tcp.counters[TcpCounter::SynAck.index()], [0, 1]);
    assert_eq!(t.tcp.counters[TcpCounter::Psh.index()], [4, 4]);
    assert_eq!(t.tcp.counters[TcpCounter::Fin.index()], [1, 1]);
    assert_eq!(w.engine.ledger().families().services.total()[2..], [8, 6]);
    assert_eq!(w.connections(TcpState::Closed), 1);
    assert_eq!(t.tcp.connections.iter().sum::<u64>(), 1);
    let counting: Vec<_> = w.engine.flows().filter(|f| !f.duplicate).map(|f| f.interface).collect();
    assert_eq!(counting, ["eth0"]);
    // The halves saw one FIN each and end all the same.
    w.wait(5 * SECOND);
    assert_eq!((w.totals().flows.active[0], w.totals().flows.slots), (0, 0));
    assert_eq!(w.ended(Transport::Tcp, EndReason::Fin), 1);
    let records = w.flow_records();
    assert_eq!(records.iter().map(|r| r.sent.packets).sum::<u64>(), 8, "{records:#?}");
    assert_eq!(records.iter().map(|r| r.received.packets).sum::<u64>(), 6);
}

#[test]
fn a_packet_between_two_readings_counts_once() {
    let mut w = World::with_slots(64);
    let (request, answer) = (udp((PEER, 5000), ([10, 0, 0, 1], 53)), udp(([10, 0, 0, 1], 53), (PEER, 5000)));
    w.see(ETH, Direction::Receive, &request);
    w.see(BRIDGE, Direction::Transmit, &request);
    w.drain();
    // The answer was seen on the bridge when that slot was read, on the card only after its slot was.
    w.see(BRIDGE, Direction::Receive, &answer);
    w.wait(MS);
    w.see(ETH, Direction::Transmit, &answer);
    w.wait(MS);
    w.wait(MS);
    let counting: Vec<_> = w.engine.flows().filter(|f| !f.duplicate).map(|f| f.interface).collect();
    assert_eq!(counting, ["eth0"]);
    assert_eq!(w.engine.ledger().families().services.total()[2..], [1, 1]);
}

#[test]
fn three_sightings_hand_over_in_turn() {
    let mut w = World::with_slots(64);
    w.engine.surroundings().set_interfaces(&[
        interface(ETH, "eth0"),
        interface(BRIDGE, "br0"),
        interface(4, "veth0"),
    ]);
    let packet = udp((PEER, 5000), (HOST, 53));
    for ifindex in [ETH, BRIDGE, 4] {
        w.see(ifindex, Direction::Receive, &packet);
        w.now += 1000;
    }
    w.drain();
    assert_eq!(w.totals().flows.duplicates, 2);
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0"), interface(4, "veth0")]);
    w.wait(MS);
    w.engine.surroundings().set_interfaces(&[interface(4, "veth0")]);
    w.wait(MS);
    assert_eq!((w.totals().flows.active[1], w.totals().flows.slots), (1, 1));
    w.see(4, Direction::Receive, &packet);
    w.wait(MS);
    assert_eq!(w.engine.ledger().families().services.total()[2], 2);
    w.engine.surroundings().set_interfaces(&[]);
    w.wait(MS);
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 1);
}

#[test]
fn a_new_slot_under_the_key_of_one_that_is_ending_is_a_flow_of_its_own() {
    let mut w = World::with_slots(64);
    let packet = udp((PEER, 5000), (HOST, 53));
    stacked(&mut w, &packet);
    w.drain();
    // The card's key was deleted, but its slot is not yet closed when a new packet comes.
    let key = w.slots[0].head.key.get();
    let old = w.map.remove(&key).unwrap();
    w.eth(&packet);
    let report = w.wait(MS);
    assert_eq!((report.opened, report.violations.len()), (1, 0));
    assert_eq!(w.totals().flows.started[1], 2);
    w.engine.close(old, &w.slots[old as usize], EndReason::Idle);
    assert_eq!(w.totals().flows.active[1], 1);
    w.slots[old as usize].clear();
    // The bridge's sighting is one of the new flow now.
    w.now += 60 * SECOND;
    w.drain();
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 2);
    assert_eq!((w.totals().flows.active[1], w.totals().flows.slots), (0, 0));
}
