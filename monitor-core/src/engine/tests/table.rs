//! Slots and entries: expiry, eviction, reuse of slots.

use monitor_common::abi::{Direction, Flow, IpVersion, Transport};

use super::world::*;
use crate::{
    engine::{EndReason, EngineConfig, Timeouts},
    label::{LetGo, TcpState},
};

#[test]
fn increments_are_counted_once_however_often_a_slot_is_read() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    for _ in 0..5 {
        w.wait(SECOND);
    }
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    for _ in 0..5 {
        w.wait(SECOND);
    }
    assert_eq!(w.interface("eth0").io(Direction::Receive, Transport::Udp, IpVersion::V4).packets, 2);
    assert_eq!(w.totals().flows.started[Transport::Udp.index()], 1);
    assert_eq!(w.totals().flows.active[Transport::Udp.index()], 1);
}

#[test]
fn what_a_program_counts_after_the_packets_is_found_by_the_next_reading() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    w.eth(&tcp.syn());
    // The reading falls between the program's first addition and the rest.
    let slot = &w.slots[0];
    let (bytes, syn) = (slot.hot[1].bytes.get(), slot.counters[1].syn.get());
    assert_eq!((bytes, syn), (54, 1));
    slot.hot[1].bytes.set(0);
    slot.counters[1].syn.set(0);
    w.drain();
    w.slots[0].hot[1].bytes.set(bytes);
    w.slots[0].counters[1].syn.set(syn);
    w.wait(SECOND);
    assert_eq!(w.interface("eth0").io(Direction::Transmit, Transport::Tcp, IpVersion::V4).bytes, 54);
    assert_eq!(w.totals().tcp.counters[0], [0, 1]);
}

#[test]
fn a_flow_whose_first_packet_is_just_being_counted_is_not_idle() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.slots[0].hot[0].last.set(0);
    w.drain();
    assert_eq!((w.totals().flows.slots, w.closed.len()), (1, 0));
}

#[test]
fn a_slot_of_a_lost_race_is_no_flow() {
    let mut w = World::with_slots(64);
    w.slots[3].head.live.set(1);
    let report = w.drain();
    assert_eq!((report.opened, report.live, w.totals().flows.slots), (0, 0, 0));
    assert_eq!(w.engine.flows().count(), 0);
}

#[test]
fn flows_end_when_they_have_been_idle_for_the_timeout_of_their_transport() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    let mut icmp = udp((PEER, 0), (HOST, 0));
    icmp.protocol = 1;
    w.eth(&icmp);
    assert_eq!(w.drain().opened, 3);
    for (after, active) in [(29, 3), (30, 2), (59, 2), (60, 1), (7439, 1), (7440, 0)] {
        let at = 1000 * SECOND + 12 * MS + after * SECOND;
        w.now = at;
        w.drain();
        assert_eq!(w.totals().flows.slots, active, "after {after} s");
    }
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 1);
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 1);
    assert_eq!(w.ended(Transport::Icmp, EndReason::Idle), 1);
    assert_eq!(w.totals().flows.active, [0; 6]);
    assert!(w.map.is_empty());
}

#[test]
fn a_packet_puts_the_end_off() {
    let mut w = World::with_slots(64);
    for _ in 0..10 {
        w.eth(&udp((PEER, 5000), (HOST, 53)));
        w.wait(50 * SECOND);
    }
    assert_eq!((w.totals().flows.started[1], w.totals().flows.slots), (1, 1));
}

#[test]
fn closed_connections_linger_for_their_own_time() {
    let mut w = World::with_slots(64);
    let (mut closed, mut reset, mut half) = (outbound(40_000, 1), outbound(40_001, 1), outbound(40_002, 1));
    for tcp in [&mut closed, &mut reset, &mut half] {
        tcp.handshake(&mut w);
    }
    closed.close(&mut w);
    w.eth(&reset.rst(SERVER));
    w.eth(&half.fin(CLIENT));
    w.drain();
    assert_eq!(w.connections(TcpState::Closed), 1);
    assert_eq!(w.connections(TcpState::Reset), 1);
    assert_eq!(w.connections(TcpState::HalfClosed), 1);
    w.wait(2 * SECOND);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Rst), 1);
    assert_eq!(w.connections(TcpState::Reset), 0);
    w.wait(3 * SECOND);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Fin), 1);
    assert_eq!(w.totals().flows.slots, 1);
    w.wait(295 * SECOND);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 1);
    assert_eq!(w.totals().tcp.connections, [0; TcpState::COUNT]);
}

#[test]
fn other_timeouts_hold_for_flows_that_are_there() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.drain();
    let timeouts = Timeouts { idle_udp: 5 * SECOND, ..Timeouts::default() };
    w.engine.reconfigure(EngineConfig { timeouts, max_flows: 64, ..EngineConfig::default() });
    w.wait(5 * SECOND);
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 1);
}

#[test]
fn under_pressure_the_longest_idle_make_room_and_no_more_than_needed() {
    let mut w = World::with_slots(20);
    for port in 0..18 {
        w.eth(&udp((PEER, 5000 + port), (HOST, 53)));
        w.now += MS;
    }
    w.drain();
    assert_eq!(w.closed, []);
    // Flow 0 is the oldest but not the longest idle.
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.eth(&udp((PEER, 6000), (HOST, 53)));
    w.eth(&udp((PEER, 6001), (HOST, 53)));
    w.wait(SECOND);
    // Three times the two that began.
    assert_eq!(w.ended(Transport::Udp, EndReason::Evicted), 6);
    assert_eq!(w.totals().flows.slots, 14);
    let mut ports: Vec<_> = w.engine.flows().map(|f| f.client.port).collect();
    ports.sort_unstable();
    assert!(!ports.contains(&5001) && !ports.contains(&5006), "{ports:?}");
    assert!(ports.contains(&5000) && ports.contains(&5007) && ports.contains(&6001), "{ports:?}");
}

#[test]
fn a_flood_that_nobody_answers_makes_room_for_itself_and_not_by_ending_connections() {
    let mut w = World::with_slots(20);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&udp((HOST, 5353), (PEER, 53)));
    w.eth(&udp((PEER, 53), (HOST, 5353)));
    w.drain();
    // Both are idle for longer than any flow of the flood, half of which the host answers with SYN-ACKs.
    for round in 0..10_u16 {
        for n in 0..18 {
            let port = 10_000 + round * 18 + n;
            let mut flood = inbound(port, 1);
            w.eth(&flood.syn());
            if n % 2 == 0 {
                w.eth(&flood.syn_ack());
            }
            w.now += MS;
        }
        assert_eq!(w.wait(SECOND).violations, []);
    }
    assert!(w.ended(Transport::Tcp, EndReason::Evicted) > 10);
    assert_eq!(w.connections(TcpState::Established), 1);
    assert_eq!(w.totals().flows.let_go[LetGo::IdleTcp.index()], 0);
}

/// Fills a table of 40 with `new` flows of one packet each, that come between two drains.
fn flood(w: &mut World, first: u16, new: u16) {
    for port in first..first + new {
        w.eth(&udp((PEER, port), (HOST, 99)));
    }
}

#[test]
fn flows_make_room_in_the_order_in_which_they_are_missed_least() {
    let mut w = World::with_slots(40);
    let (mut live, mut closed, mut reset) = (outbound(40_000, 1), outbound(40_001, 1), outbound(40_002, 1));
    for tcp in [&mut live, &mut closed, &mut reset] {
        tcp.handshake(&mut w);
    }
    // The youngest of all, but over.
    w.eth(&udp((HOST, 5353), (PEER, 53)));
    w.eth(&udp((PEER, 53), (HOST, 5353)));
    w.eth(&udp((PEER, 5000), (HOST, 98)));
    closed.close(&mut w);
    w.eth(&reset.rst(SERVER));
    w.drain();
    let gone = |w: &World| w.totals().flows.let_go;
    assert_eq!((gone(&w), w.totals().flows.pressure), ([0; 5], false));
    // 6 + 12 flows, three times 12 are wanted, but half is the most: none need go.
    w.now += SECOND;
    flood(&mut w, 10_000, 12);
    w.drain();
    assert_eq!((gone(&w), w.totals().flows.pressure), ([0; 5], false));
    w.now += SECOND;
    flood(&mut w, 20_000, 5);
    for port in 10_000..10_012 {
        w.eth(&udp((PEER, port), (HOST, 99)));
    }
    w.drain();
    assert_eq!((gone(&w), w.totals().flows.pressure), ([0; 5], false), "17 are free, and 15 are wanted");
    flood(&mut w, 30_000, 10);
    for port in (10_000..10_012).chain(20_000..20_005) {
        w.eth(&udp((PEER, port), (HOST, 99)));
    }
    w.now += SECOND;
    w.drain();
    // Those of the flood had packets in this drain, and established connections stay.
    assert_eq!(
        (gone(&w), w.totals().flows.pressure),
        ([1, 1, 1, 0, 0], true),
        "what was reset ended by itself"
    );
    assert_eq!((w.ended(Transport::Tcp, EndReason::Fin), w.ended(Transport::Tcp, EndReason::Rst)), (1, 1));
    assert_eq!(w.ended(Transport::Udp, EndReason::Evicted), 2);
    assert_eq!(w.connections(TcpState::Established), 1);
}

#[test]
fn an_idle_connection_makes_room_after_the_timeout_of_pressure_and_lives_on_without_it() {
    for pressed in [false, true] {
        let mut w = World::with_slots(40);
        let mut tcp = outbound(40_000, 1);
        tcp.handshake(&mut w);
        w.drain();
        for round in 0..40 {
            if pressed {
                flood(&mut w, 10_000 + round * 30, 30);
            }
            w.wait(SECOND);
            assert_eq!(w.totals().flows.pressure, pressed);
            let gone = u64::from(pressed && round >= 30);
            assert_eq!(w.totals().flows.let_go[LetGo::IdleTcp.index()], gone, "after {round} s");
        }
    }
}

#[test]
fn timeouts_are_whole_again_when_the_table_has_room() {
    let mut w = World::with_slots(40);
    flood(&mut w, 10_000, 30);
    w.wait(SECOND);
    flood(&mut w, 20_000, 10);
    w.wait(SECOND);
    assert!(w.totals().flows.pressure);
    let left = w.totals().flows.slots;
    let end = w.now + 57 * SECOND;
    while w.now < end {
        w.wait(SECOND);
        assert_eq!((w.totals().flows.pressure, w.totals().flows.slots), (false, left));
    }
}

#[test]
fn flows_that_end_anyway_count_as_room() {
    let mut w = World::with_slots(20);
    for port in 0..9 {
        w.eth(&udp((PEER, 5000 + port), (HOST, 53)));
    }
    w.now += 60 * SECOND;
    for port in 0..11 {
        w.eth(&udp((PEER, 6000 + port), (HOST, 53)));
    }
    w.drain();
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 9);
    assert_eq!(w.ended(Transport::Udp, EndReason::Evicted), 0);
}

#[test]
fn a_full_table_loses_no_packet_while_flows_come_and_go() {
    let mut w = World::with_slots(64);
    let mut sent = 0;
    for round in 0..200u16 {
        for n in 0..50 {
            w.eth(&udp((PEER, 1000 + round * 20 + n), (HOST, 53)));
            sent += 1;
        }
        w.now += 10 * MS;
        let report = w.drain_while(|w| w.eth(&udp((PEER, 1000 + round * 20 + 49), (HOST, 53))));
        sent += 1;
        assert_eq!(report.violations, [], "round {round}");
    }
    w.drain();
    let hook = &w.interface("eth0").hooks[0];
    assert_eq!((hook.packets, hook.accounted_sum()), (sent, sent));
    assert_eq!(w.interface("eth0").io(Direction::Receive, Transport::Udp, IpVersion::V4).packets, sent);
    assert!(w.ended(Transport::Udp, EndReason::Evicted) > 1000);
    assert!(hook.accounted[1] > 0, "the table was full at times");
    let f = w.totals().flows;
    assert_eq!(f.started[1], f.active[1] + f.ended[1].iter().sum::<u64>());
}

#[test]
fn the_last_reading_belongs_to_the_flow_that_ends_and_the_slot_begins_anew() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.drain();
    w.now += 60 * SECOND;
    let report = w.drain_while(|w| w.eth(&udp((PEER, 5000), (HOST, 53))));
    assert_eq!((report.closed, report.violations.len()), (1, 0));
    // The same 5-tuple and then another one come into the slot that was emptied.
    for port in [5000, 7000] {
        w.eth(&udp((PEER, port), (HOST, 53)));
        assert_eq!(w.wait(SECOND).violations, []);
        w.wait(60 * SECOND);
    }
    let hook = &w.interface("eth0").hooks[0];
    assert_eq!((hook.packets, hook.accounted_sum()), (4, 4));
    assert_eq!(w.totals().flows.started[1], 3);
    assert_eq!(w.ended(Transport::Udp, EndReason::Idle), 3);
}

#[test]
fn a_slot_that_was_emptied_without_a_word_is_a_new_flow() {
    let mut w = World::with_slots(64);
    for _ in 0..3 {
        w.eth(&udp((PEER, 5000), (HOST, 53)));
    }
    w.drain();
    w.slots[0].clear();
    w.map.clear();
    w.free.push(0);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.wait(SECOND);
    let f = w.totals().flows;
    assert_eq!((f.started[1], f.active[1], f.slots), (2, 1, 1));
    assert_eq!(w.interface("eth0").hooks[0].accounted_sum(), 4);
}

#[test]
fn a_slot_that_is_closed_before_it_was_ever_read_counts_once() {
    let mut w = World::with_slots(64);
    w.engine.begin_drain(w.now, &[]);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.engine.expired(&[]);
    w.engine.close(0, &w.slots[0], EndReason::Evicted);
    w.engine.close(1, &Flow::default(), EndReason::Idle);
    let f = w.totals().flows;
    assert_eq!((f.started[1], f.active[1], f.slots), (1, 0, 0));
    assert_eq!(w.ended(Transport::Udp, EndReason::Evicted), 1);
}

#[test]
fn shutdown_ends_everything() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.drain();
    w.engine.shutdown(w.now);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Shutdown), 1);
    assert_eq!(w.ended(Transport::Udp, EndReason::Shutdown), 1);
    assert_eq!((w.totals().flows.active, w.totals().flows.slots), ([0; 6], 0));
    assert_eq!(w.totals().tcp.connections, [0; TcpState::COUNT]);
}
