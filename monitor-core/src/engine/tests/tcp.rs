//! TCP: states, the funnel of attempts, flags, order, latency.

use monitor_common::abi::{Direction, Side, Transport};
use monitor_common::wire::tcp_flags;

use super::world::*;
use crate::{
    engine::EndReason,
    histogram::Histogram,
    host::{Listener, LocalNetwork},
    label::{ClientRule, Role, Scope, TcpCounter, TcpState},
};

/// Established, refused, timed out, reset.
const NOTHING: [u64; 4] = [0; 4];

#[test]
fn a_connection_goes_through_its_states() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, u32::MAX - 3);
    let state = |w: &mut World| {
        w.wait(MS);
        let state = w.engine.flows().next().unwrap().state.unwrap();
        assert_eq!(w.connections(state), 1);
        assert_eq!(w.totals().tcp.connections.iter().sum::<u64>(), 1);
        state
    };
    w.eth(&tcp.syn());
    assert_eq!(state(&mut w), TcpState::SynSent);
    w.eth(&tcp.syn_ack());
    assert_eq!(state(&mut w), TcpState::SynReceived);
    assert_eq!(w.attempts(Role::Server), NOTHING);
    w.eth(&tcp.ack(CLIENT));
    assert_eq!(state(&mut w), TcpState::Established);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&tcp.data(SERVER, 1000));
    assert_eq!(state(&mut w), TcpState::Established);
    w.eth(&tcp.fin(SERVER));
    assert_eq!(state(&mut w), TcpState::HalfClosed);
    w.eth(&tcp.fin(CLIENT));
    w.eth(&tcp.ack(SERVER));
    assert_eq!(state(&mut w), TcpState::Closed);
    w.wait(5 * SECOND);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Fin), 1);
}

#[test]
fn a_rst_that_answers_the_syn_refuses() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    w.eth(&tcp.syn());
    w.drain();
    w.eth(&tcp.rst(SERVER));
    w.wait(MS);
    assert_eq!(w.attempts(Role::Client), [0, 1, 0, 0]);
    assert_eq!(w.connections(TcpState::Refused), 1);
    w.wait(10 * SECOND);
    assert_eq!(w.attempts(Role::Client), [0, 1, 0, 0]);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Rst), 1);
}

#[test]
fn a_rst_between_syn_ack_and_ack_resets() {
    let mut w = World::with_slots(64);
    for (port, from) in [(40_000, CLIENT), (40_001, SERVER)] {
        let mut tcp = inbound(port, 1);
        w.eth(&tcp.syn());
        w.eth(&tcp.syn_ack());
        w.drain();
        // As a port scan sends it: without ACK.
        w.eth(&tcp.segment(from, tcp_flags::RST, 0));
        w.wait(MS);
    }
    assert_eq!(w.attempts(Role::Server), [0, 0, 0, 2]);
    assert_eq!(w.connections(TcpState::Reset), 2);
}

#[test]
fn a_rst_after_the_handshake_does_not_undo_the_attempt() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.rst(CLIENT));
    w.drain();
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(w.connections(TcpState::Reset), 1);
}

#[test]
fn an_attempt_without_answer_times_out_once_a_minute_after_its_last_packet() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    let syn = tcp.syn();
    w.eth(&syn);
    for pause in [1, 2, 4, 8, 16, 32] {
        w.wait(pause * SECOND);
        w.eth(&syn);
    }
    w.wait(59 * SECOND);
    assert_eq!(w.attempts(Role::Client), NOTHING);
    assert_eq!(w.connections(TcpState::SynSent), 1);
    w.wait(SECOND);
    assert_eq!(w.attempts(Role::Client), [0, 0, 1, 0]);
    assert_eq!(w.connections(TcpState::TimedOut), 1);
    w.wait(300 * SECOND);
    assert_eq!(w.attempts(Role::Client), [0, 0, 1, 0]);
    assert_eq!(w.ended(Transport::Tcp, EndReason::Idle), 1);
    assert_eq!(w.totals().tcp.counters[TcpCounter::Syn.index()], [0, 7]);
}

#[test]
fn half_open_attempts_time_out_too_and_a_late_answer_counts_no_second_time() {
    let mut w = World::with_slots(64);
    let mut flood = inbound(40_000, 1);
    w.eth(&flood.syn());
    w.eth(&flood.syn_ack());
    w.drain();
    assert_eq!(w.connections(TcpState::SynReceived), 1);
    w.wait(60 * SECOND);
    assert_eq!(w.attempts(Role::Server), [0, 0, 1, 0]);
    w.eth(&flood.ack(CLIENT));
    w.wait(MS);
    assert_eq!(w.connections(TcpState::Established), 1);
    assert_eq!(w.attempts(Role::Server), [0, 0, 1, 0]);
}

#[test]
fn an_attempt_that_is_evicted_has_timed_out() {
    let mut w = World::with_slots(1);
    w.eth(&outbound(40_000, 1).syn());
    w.drain();
    assert_eq!(w.ended(Transport::Tcp, EndReason::Evicted), 1);
    assert_eq!(w.attempts(Role::Client), [0, 0, 1, 0]);
}

#[test]
fn each_connection_on_a_used_5_tuple_is_an_attempt_of_its_own() {
    let mut w = World::with_slots(64);
    // One drain each.
    for isn in [1, 1_000_000, 2_000_000] {
        let mut tcp = inbound(40_000, isn);
        tcp.handshake(&mut w);
        w.eth(&tcp.data(CLIENT, 10));
        w.now += MS;
        w.eth(&tcp.data(SERVER, 10));
        tcp.close(&mut w);
        w.wait(MS);
    }
    assert_eq!(w.attempts(Role::Server), [3, 0, 0, 0]);
    let handshakes = &w.totals().latency.handshake[Role::Server.index()][Scope::Remote.index()];
    assert_eq!(handshakes.count(), 3);
    let responses = &w.totals().latency.first_response[Role::Server.index()][Scope::Remote.index()];
    assert_eq!(responses.count(), 3);
    assert_eq!(w.totals().flows.started[0], 1);
}

#[test]
fn several_connections_between_two_drains_are_all_counted() {
    let mut w = World::with_slots(64);
    for (port, read_first) in [(40_000, false), (40_001, true)] {
        if read_first {
            w.eth(&inbound(port, 5).syn());
            w.wait(MS);
        }
        for isn in [1_000_000, 2_000_000] {
            let mut tcp = inbound(port, isn);
            tcp.handshake(&mut w);
            tcp.close(&mut w);
        }
        let mut refused = inbound(port, 3_000_000);
        w.eth(&refused.syn());
        w.eth(&refused.rst(SERVER));
        let mut silent = inbound(port, 4_000_000);
        w.eth(&silent.syn());
        let mut reset = inbound(port, 5_000_000);
        w.eth(&reset.syn());
        w.eth(&reset.syn_ack());
        w.eth(&reset.segment(CLIENT, tcp_flags::RST, 0));
        let mut last = inbound(port, 6_000_000);
        last.handshake(&mut w);
        w.wait(MS);
    }
    // The first port made six attempts, the second one more that nobody answered.
    assert_eq!(w.attempts(Role::Server), [6, 2, 3, 2]);
}

#[test]
fn a_syn_after_a_connection_whose_begin_was_not_seen_is_the_first_attempt() {
    let mut w = World::with_slots(64);
    let mut old = inbound(40_000, 1);
    w.eth(&old.data(CLIENT, 10));
    w.eth(&old.data(SERVER, 10));
    w.drain();
    assert_eq!(w.connections(TcpState::Midstream), 1);
    let mut new = inbound(40_000, 1_000_000);
    new.handshake(&mut w);
    w.wait(MS);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(w.connections(TcpState::Established), 1);
    // The same between two drains.
    let mut old = inbound(40_001, 1);
    w.eth(&old.data(CLIENT, 10));
    inbound(40_001, 1_000_000).handshake(&mut w);
    w.wait(MS);
    assert_eq!(w.attempts(Role::Server), [2, 0, 0, 0]);
}

#[test]
fn a_connection_whose_begin_was_not_seen_is_no_attempt() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    w.eth(&tcp.data(CLIENT, 10));
    w.eth(&tcp.data(SERVER, 10));
    w.eth(&tcp.rst(SERVER));
    w.drain();
    w.wait(300 * SECOND);
    assert_eq!(w.attempts(Role::Server), NOTHING);
    assert_eq!(w.attempts(Role::Client), NOTHING);
}

#[test]
fn the_receiver_of_a_syn_ack_is_the_client_and_its_ack_establishes() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    tcp.syn();
    w.eth(&tcp.syn_ack());
    w.drain();
    assert_eq!(w.connections(TcpState::SynReceived), 1);
    w.eth(&tcp.ack(CLIENT));
    w.wait(MS);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!((flow.client_rule, flow.client.port, flow.role), (ClientRule::SynAck, 40_000, Role::Server));
    assert_eq!(flow.state, Some(TcpState::Established));
    assert_eq!(w.attempts(Role::Server), NOTHING);
}

#[test]
fn flags_are_counted_by_direction_of_the_host() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 10));
    w.eth(&tcp.data(SERVER, 10));
    w.eth(&tcp.data(SERVER, 10));
    w.eth(&tcp.segment(
        SERVER,
        tcp_flags::ACK | tcp_flags::URG | tcp_flags::ECE | tcp_flags::CWR | tcp_flags::FIN,
        1,
    ));
    w.eth(&tcp.segment(CLIENT, tcp_flags::RST, 0));
    w.drain();
    let of = |flag| w.totals().tcp.get(flag);
    assert_eq!(of(TcpCounter::Syn), [0, 1]);
    assert_eq!(of(TcpCounter::SynAck), [1, 0]);
    assert_eq!(of(TcpCounter::Psh), [2, 1]);
    assert_eq!(of(TcpCounter::Fin), [1, 0]);
    assert_eq!(of(TcpCounter::Urg), [1, 0]);
    assert_eq!(of(TcpCounter::Ece), [1, 0]);
    assert_eq!(of(TcpCounter::Cwr), [1, 0]);
    assert_eq!(of(TcpCounter::Rst), [0, 1]);
}

#[test]
fn loss_and_order_are_counted_by_direction_of_the_host() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    tcp.handshake(&mut w);
    let first = tcp.data(SERVER, 100);
    let second = tcp.data(SERVER, 100);
    w.eth(&first);
    w.eth(&second);
    // The client asks again and again for the first; it is sent once more.
    let again = monitor_common::wire::Packet { ack: first.seq, ..tcp.ack(CLIENT) };
    for _ in 0..3 {
        w.eth(&again);
    }
    w.now += MS;
    w.eth(&first);
    // A segment overtakes another.
    let early = tcp.data(CLIENT, 100);
    let late = tcp.data(CLIENT, 100);
    let middle = tcp.data(CLIENT, 100);
    w.eth(&early);
    w.eth(&middle);
    w.now += MS;
    w.eth(&late);
    w.eth(&monitor_common::wire::Packet { window: 0, ..tcp.ack(CLIENT) });
    w.drain();
    let t = &w.totals().tcp;
    assert_eq!(t.get(TcpCounter::Retransmissions), [0, 1]);
    assert_eq!(t.get(TcpCounter::OutOfOrder), [1, 0]);
    assert_eq!(t.get(TcpCounter::DuplicateAcks), [3, 0]);
    assert_eq!(t.get(TcpCounter::ZeroWindows), [1, 0]);
}

#[test]
fn a_32_bit_counter_wraps_without_a_jump() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    tcp.handshake(&mut w);
    let upper = Side::Upper.index();
    // The server (this host, the upper side) has sent nearly 2^32 segments with PSH.
    w.slots[0].counters[upper].psh.set(u32::MAX - 1);
    w.eth(&tcp.data(SERVER, 1));
    w.drain();
    assert_eq!(w.totals().tcp.counters[TcpCounter::Psh.index()], [0, u64::from(u32::MAX)]);
    for _ in 0..4 {
        w.eth(&tcp.data(SERVER, 1));
    }
    w.wait(MS);
    assert_eq!(w.slots[0].counters[upper].psh.get(), 3);
    assert_eq!(w.totals().tcp.counters[TcpCounter::Psh.index()], [0, u64::from(u32::MAX) + 4]);
}

#[test]
fn latencies_are_observed_once_by_role_and_scope() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 100));
    w.now += 30 * MS;
    w.eth(&tcp.data(SERVER, 100));
    w.drain();
    w.wait(MS);
    let (r, s) = (Role::Client.index(), Scope::Remote.index());
    {
        let l = &w.totals().latency;
        assert_eq!((l.handshake[r][s].count(), l.first_response[r][s].count()), (1, 1));
        assert!((l.handshake[r][s].sum() - 0.012).abs() < 1e-9);
        assert!((l.first_response[r][s].sum() - 0.030).abs() < 1e-9);
        // The SYN took 10 ms, the data 30 ms: one observation of their mean. How long this host
        // itself took to acknowledge says nothing of the network.
        assert_eq!(l.round_trip[r][s].count(), 1);
        assert!((l.round_trip[r][s].sum() - 0.020).abs() < 1e-9, "{}", l.round_trip[r][s].sum());
    }
    w.eth(&tcp.data(CLIENT, 100));
    w.now += 5 * MS;
    w.eth(&tcp.ack(SERVER));
    w.wait(MS);
    let l = &w.totals().latency;
    assert_eq!((l.round_trip[r][s].count(), l.handshake[r][s].count()), (2, 1));
    assert!((l.round_trip[r][s].sum() - 0.025).abs() < 1e-9);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!(flow.handshake_seconds, Some(0.012));
    assert_eq!(flow.first_response_seconds, Some(0.030));
    let rtt = flow.server_rtt.unwrap();
    assert_eq!((rtt.samples, rtt.min, rtt.max), (3, 0.005, 0.030));
}

#[test]
fn a_server_that_speaks_first_has_no_response_time() {
    let mut w = World::with_slots(64);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.data(SERVER, 100));
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&tcp.data(SERVER, 100));
    w.drain();
    let l = &w.totals().latency.first_response;
    assert_eq!(l.iter().flatten().map(Histogram::count).sum::<u64>(), 0);
    assert_eq!(w.engine.flows().next().unwrap().first_response_seconds, None);
}

#[test]
fn loopback_counts_each_packet_once_as_its_server_sees_it() {
    let mut w = World::with_slots(64);
    w.one_sided = true;
    let lo = [127, 0, 0, 1];
    let mut tcp = Tcp::new((lo, 40_000), (lo, 5432), 1);
    for packet in [tcp.syn(), tcp.syn_ack(), tcp.ack(CLIENT), tcp.data(CLIENT, 10), tcp.data(SERVER, 20)] {
        w.see(ETH, Direction::Receive, &packet);
    }
    let report = w.drain();
    assert_eq!(report.violations, []);
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(w.engine.ledger().families().services.total(), &[54 + 54 + 64, 54 + 74, 3, 2]);
    assert_eq!(w.totals().tcp.counters[TcpCounter::Psh.index()], [1, 1]);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!(
        (flow.role, flow.scope, flow.sent_direction),
        (Role::Server, Scope::Local, Direction::Receive)
    );
    assert_eq!(w.interface("eth0").hooks[0].accounted_sum(), 5);
}

#[test]
fn a_listener_that_closes_makes_no_client_of_its_server() {
    let mut w = World::with_slots(64);
    let mut tcp = Tcp::new((PEER, 5000), (HOST, 6000), 1);
    w.eth(&tcp.data(SERVER, 10));
    w.drain();
    let rule = |w: &World| w.engine.flows().next().map(|f| (f.client_rule, f.client.port)).unwrap();
    assert_eq!(rule(&w), (ClientRule::First, 6000));
    w.engine.surroundings().set_listeners(&[Listener { transport: Transport::Tcp, port: 6000 }]);
    assert_eq!(rule(&w), (ClientRule::Listener, 5000));
    w.engine.surroundings().set_listeners(&[Listener { transport: Transport::Tcp, port: 7000 }]);
    assert_eq!(rule(&w), (ClientRule::Listener, 5000));
}

#[test]
fn addresses_that_become_known_later_change_the_role_from_then_on() {
    let mut w = World::with_slots(64);
    w.engine.surroundings().set_local_networks(&[]);
    let mut tcp = inbound(40_000, 1);
    w.eth(&tcp.syn());
    w.eth(&tcp.rst(SERVER));
    w.drain();
    assert_eq!(w.attempts(Role::Forwarded), [0, 1, 0, 0]);
    w.engine.surroundings().set_local_networks(&[LocalNetwork { address: HOST.into(), prefix: 24 }]);
    let mut tcp = inbound(40_000, 1_000_000);
    w.eth(&tcp.syn());
    w.eth(&tcp.rst(SERVER));
    w.wait(MS);
    assert_eq!(w.attempts(Role::Forwarded), [0, 1, 0, 0]);
    assert_eq!(w.attempts(Role::Server), [0, 1, 0, 0]);
}

/// Counters of the only flow, of the client (the peer) and of the server (this host).
fn sides(w: &World) -> [&monitor_common::abi::Counters; 2] {
    let flow = w.slots.iter().find(|flow| flow.head.live.get() != 0).unwrap();
    let client = flow.head.client().0;
    [&flow.counters[client.index()], &flow.counters[client.other().index()]]
}

#[test]
fn a_syn_again_after_data_is_the_same_connection() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    let syn = tcp.syn();
    w.eth(&syn);
    let syn_ack = tcp.syn_ack();
    w.eth(&syn_ack);
    w.eth(&tcp.ack(CLIENT));
    let hello = tcp.data(CLIENT, 500);
    w.eth(&hello);
    w.now += SECOND;
    // All of it once more, as a capture shows it whose network lost the answers.
    w.eth(&syn);
    w.eth(&syn_ack);
    w.eth(&hello);
    w.eth(&tcp.data(SERVER, 100));
    w.drain();
    let [client, server] = sides(&w);
    assert_eq!((client.syn.get(), client.syn_retransmissions.get(), client.retransmissions.get()), (2, 1, 2));
    assert_eq!((server.syn_ack.get(), server.syn_retransmissions.get()), (2, 1));
    assert_eq!((client.lost_segments.get(), server.lost_segments.get()), (0, 0));
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0], "one attempt");
    // The same after the server has sent, too; another sequence number is another connection.
    w.now += SECOND;
    w.eth(&syn);
    w.eth(&syn_ack);
    w.drain();
    assert_eq!(w.attempts(Role::Server), [1, 0, 0, 0]);
    assert_eq!(sides(&w)[1].retransmissions.get(), 2);
    inbound(40_000, 70_000).handshake(&mut w);
    w.drain();
    assert_eq!(w.attempts(Role::Server), [2, 0, 0, 0]);
}

#[test]
fn a_syn_ack_with_another_sequence_number_renews_the_servers() {
    let mut w = World::with_slots(64);
    let mut tcp = inbound(40_000, 1);
    w.eth(&tcp.syn());
    w.eth(&tcp.syn_ack());
    // The answer was another's: what follows is numbered anew, from above and from below.
    for isn in [4_000_000, 77] {
        tcp.seq[SERVER] = isn;
        w.eth(&tcp.syn_ack());
        w.eth(&tcp.ack(CLIENT));
        w.now += 10 * MS;
        w.eth(&tcp.data(SERVER, 1000));
        w.eth(&tcp.ack(CLIENT));
        w.eth(&tcp.data(SERVER, 1000));
        w.eth(&tcp.ack(CLIENT));
        let [client, server] = sides(&w);
        let troubles = |side: &monitor_common::abi::Counters| {
            [side.retransmissions.get(), side.out_of_order.get(), side.lost_segments.get()]
        };
        assert_eq!((troubles(client), troubles(server)), ([0; 3], [0; 3]), "{isn}");
    }
    assert_eq!(sides(&w)[1].syn_retransmissions.get(), 0);
}
