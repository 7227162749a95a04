//! Connections that are silent for longer than their timeout, and go on.

use monitor_common::abi::{Direction, Transport};
use monitor_common::wire::tcp_flags;

use super::world::*;
use crate::{
    engine::{EndReason, EngineConfig, Timeouts},
    histogram::Histogram,
    label::{ClientRule, Role, TcpState},
    names::Name,
    record::NameSource,
};

const TIMEOUT: u64 = 300 * SECOND;

fn world(max_flows: u32) -> World {
    let timeouts = Timeouts { idle_tcp: TIMEOUT, ..Timeouts::default() };
    World::new(EngineConfig { max_flows, timeouts, records: true, ..EngineConfig::default() })
}

/// Says what a hello would have said of the only flow.
fn name(w: &mut World, text: &str) {
    let slot = w.engine.flows.table.iter().next().unwrap().0;
    let known = &mut w.engine.flows.table.entry_mut(slot).unwrap().talk.known;
    known.name = Name::new(text, NameSource::Sni);
}

fn connections(w: &World) -> u64 {
    let domains = &w.engine.ledger().families().domains;
    domains.total()[4] + domains.total()[5]
}

/// Ports that say nothing of who serves.
fn unknown() -> Tcp {
    Tcp::new((PEER, 40_000), (HOST, 50_000), 7)
}

#[test]
fn what_the_server_resumes_is_the_connection_that_was_silent() {
    let mut w = world(64);
    let mut tcp = unknown();
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&tcp.data(SERVER, 1000));
    w.drain();
    name(&mut w, "db.example.com");
    w.wait(10 * SECOND);
    let id = w.engine.flows().next().unwrap().record_id;
    assert_eq!(connections(&w), 1);
    w.wait(TIMEOUT);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 1);
    assert_eq!((w.totals().flows.slots, w.totals().flows.remembered), (0, 1));
    let before = w.flow_records();

    w.eth(&tcp.data(SERVER, 500));
    w.eth(&tcp.ack(CLIENT));
    w.wait(SECOND);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!((flow.client.port, flow.server.port), (40_000, 50_000));
    assert_eq!((flow.client_rule, flow.role), (ClientRule::Syn, Role::Server));
    assert_eq!(flow.state, Some(TcpState::Established));
    assert_eq!(flow.name.unwrap().text.as_str(), "db.example.com");
    assert_eq!(flow.record_id, id);
    let flows = w.totals().flows;
    assert_eq!((flows.started[0], flows.resumed, flows.active[0]), (1, 1, 1));
    assert_eq!((flows.remembered, flows.forgotten), (0, 0));
    assert_eq!(connections(&w), 1, "it is no second one");
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    let handshakes = &w.totals().latency.handshake;
    assert_eq!(handshakes.iter().flatten().map(Histogram::count).sum::<u64>(), 1);

    tcp.close(&mut w);
    w.wait(10 * SECOND);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Fin), 1);
    let after = w.flow_records();
    let (first, last) = (before.last().unwrap(), after.last().unwrap());
    assert_eq!((first.identity.id, first.start), (last.identity.id, last.start));
    assert_eq!(last.handshake_seconds, first.handshake_seconds);
    assert_eq!((last.sent.packets, last.received.packets), (3, 2), "what came since");
}

#[test]
fn keep_alives_keep_a_connection() {
    let mut w = world(64);
    let mut tcp = unknown();
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&tcp.ack(SERVER));
    for _ in 0..20 {
        w.wait(TIMEOUT - SECOND);
        let mut probe = tcp.ack(SERVER);
        probe.seq = probe.seq.wrapping_sub(1);
        w.eth(&probe);
        w.eth(&tcp.ack(CLIENT));
    }
    w.drain();
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 0);
    assert_eq!((w.totals().flows.started[0], w.totals().flows.resumed), (1, 0));
}

#[test]
fn by_default_a_connection_outlives_keep_alives_of_two_hours_and_an_attempt_does_not() {
    let mut w = World::with_slots(64);
    unknown().handshake(&mut w);
    w.eth(&outbound(40_001, 5).syn());
    w.drain();
    w.wait(TIMEOUT);
    assert_eq!(w.totals().flows.active[0], 1, "the attempt is over");
    w.wait(7200 * SECOND - TIMEOUT);
    assert_eq!(w.totals().flows.active[0], 1);
    w.wait(240 * SECOND);
    assert_eq!(w.totals().flows.active[0], 0);
}

#[test]
fn a_new_handshake_after_the_silence_is_a_new_connection() {
    let mut w = world(64);
    let mut tcp = unknown();
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 1));
    w.drain();
    name(&mut w, "old.example.com");
    w.wait(TIMEOUT);
    Tcp::new((PEER, 40_000), (HOST, 50_000), 70_000).handshake(&mut w);
    w.wait(SECOND);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!(flow.name, None);
    assert_eq!((w.totals().flows.started[0], w.totals().flows.resumed), (2, 0));
    assert_eq!(w.attempts(Role::Server), [2, 0, 0, 0]);
    assert_eq!(w.totals().flows.remembered, 0);
}

#[test]
fn a_handshake_right_behind_what_was_resumed_is_one_more_connection() {
    let mut w = world(64);
    let mut tcp = unknown();
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 1));
    w.wait(TIMEOUT + SECOND);
    w.wait(TIMEOUT);
    w.eth(&tcp.data(SERVER, 1));
    w.eth(&tcp.rst(CLIENT));
    w.wait(SECOND);
    assert_eq!(w.engine.flows().next().unwrap().state, Some(TcpState::Reset));
    let mut next = Tcp::new((HOST, 50_000), (PEER, 40_000), 70_000);
    next.handshake(&mut w);
    w.wait(SECOND);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!((flow.client.port, flow.state), (50_000, Some(TcpState::Established)));
    assert_eq!((w.attempts(Role::Server)[0], w.attempts(Role::Client)[0]), (1, 1));
}

#[test]
fn what_was_closed_or_reset_or_never_answered_is_not_remembered() {
    let mut w = world(64);
    let (mut closed, mut reset, mut silent) = (outbound(40_000, 1), outbound(40_001, 1), outbound(40_002, 1));
    closed.handshake(&mut w);
    reset.handshake(&mut w);
    w.eth(&silent.syn());
    closed.close(&mut w);
    w.eth(&reset.rst(SERVER));
    w.drain();
    w.wait(2 * TIMEOUT);
    assert_eq!((w.totals().flows.slots, w.totals().flows.remembered), (0, 0));
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_counted() {
    let mut w = world(64);
    for port in 0..40 {
        outbound(40_000 + port, u32::from(port)).handshake(&mut w);
    }
    w.drain();
    w.wait(TIMEOUT);
    let flows = w.totals().flows;
    assert_eq!((flows.slots, flows.remembered, flows.forgotten), (0, 16, 24));
}

#[test]
fn it_is_resumed_wherever_it_passes() {
    let mut w = world(64);
    let mut tcp = outbound(40_000, 1);
    let mut pass = |w: &mut World, from: usize, flags: u8, length: u32| {
        let packet = tcp.segment(from, flags, length);
        let direction = if from == CLIENT { Direction::Transmit } else { Direction::Receive };
        w.see(BRIDGE, direction, &packet);
        w.see(ETH, direction, &packet);
    };
    pass(&mut w, CLIENT, tcp_flags::SYN, 0);
    pass(&mut w, SERVER, tcp_flags::SYN | tcp_flags::ACK, 0);
    pass(&mut w, CLIENT, tcp_flags::ACK, 0);
    w.wait(SECOND);
    w.wait(TIMEOUT);
    assert_eq!((w.totals().flows.slots, w.totals().flows.remembered), (0, 1));
    pass(&mut w, SERVER, tcp_flags::ACK, 500);
    pass(&mut w, CLIENT, tcp_flags::ACK, 0);
    w.wait(SECOND);
    assert_eq!((w.totals().flows.started[0], w.totals().flows.resumed), (1, 1));
    assert!(w.engine.flows().all(|flow| flow.client.port == 40_000));
    assert_eq!(w.connections(TcpState::Established), 1);
    w.wait(TIMEOUT);
    assert_eq!((w.totals().flows.slots, w.totals().flows.active[0]), (0, 0));
}
