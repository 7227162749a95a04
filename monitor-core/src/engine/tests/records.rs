//! Flow records.

use monitor_common::{
    abi::Direction,
    wire::{Packet, Tunnel},
};

use super::world::*;
use crate::{
    engine::{EndReason, EngineConfig},
    label::{ClientRule, TcpState},
    record::{ApplicationSource, BySide, FlowRecord, Peer, Protocol, Text, Time},
};

fn world() -> World {
    World::new(EngineConfig {
        records: true,
        max_flows: 64,
        wall_offset: 1_000_000 * SECOND as i64,
        ..EngineConfig::default()
    })
}

fn only(w: &mut World) -> FlowRecord {
    let mut records = w.flow_records();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn a_record_tells_what_the_slot_knows() {
    let mut w = world();
    let mut tcp = inbound(40_000, 1);
    let begin = w.now;
    let syn = Packet {
        mss: 1460,
        window_scale: 8,
        ttl: 57,
        vlans: [12, 0],
        tunnel: Tunnel::Gre as u8,
        ..tcp.syn()
    };
    w.eth(&syn);
    w.now += 10 * MS;
    w.eth(&Packet { mss: 1400, ..tcp.syn_ack() });
    w.now += 2 * MS;
    w.eth(&tcp.ack(CLIENT));
    w.eth(&tcp.data(CLIENT, 10));
    w.now += 30 * MS;
    w.eth(&tcp.data(SERVER, 1000));
    tcp.close(&mut w);
    let end = w.now;
    w.drain();
    assert_eq!(w.flow_records(), []);
    w.wait(5 * SECOND);
    let r = only(&mut w);
    let wall = 1_000_000 * SECOND;
    assert_eq!((r.start, r.end), (Time(begin + wall), Time(end + wall)));
    assert_eq!(r.identity.transport, Protocol(6));
    assert_eq!((r.identity.client_ip, r.identity.client_port), (PEER.into(), 40_000));
    assert_eq!((r.identity.server_ip, r.identity.server_port), (HOST.into(), 80));
    assert_eq!(r.identity.interface, Some(Text::from("eth0")));
    assert_eq!(r.client_rule, ClientRule::Syn);
    assert_eq!((r.vlans.0, r.tunnel), (vec![12], Some(Tunnel::Gre)));
    assert_eq!((r.state, r.closed_by), (Some(TcpState::Closed), Some(Peer::Client)));
    assert_eq!(r.handshake_seconds, Some(0.012));
    assert_eq!(r.first_response_seconds, Some(0.030));
    assert_eq!(r.mss, BySide { client: Some(1460), server: Some(1400) });
    assert_eq!(r.window_scale, BySide { client: Some(7), server: None });
    assert_eq!(r.ttl, BySide { client: Some(57), server: Some(64) });
    assert_eq!(r.end_reason, Some(EndReason::Fin));
    assert_eq!(
        (r.application, r.application_source),
        (Some(Text::from("http")), Some(ApplicationSource::Port))
    );
    assert_eq!((r.sent.packets, r.sent.bytes, r.sent.payload_bytes), (5, 5 * 54 + 10, 10));
    assert_eq!(r.sent.ip_bytes, 5 * 40 + 10);
    assert_eq!((r.received.packets, r.received.payload_bytes), (3, 1000));
    let (sent, received) = (r.sent.tcp.unwrap(), r.received.tcp.unwrap());
    assert_eq!((sent.syn, sent.syn_ack, sent.fin, sent.psh), (1, 0, 1, 1));
    assert_eq!((received.syn, received.syn_ack, received.fin, received.psh), (0, 1, 1, 1));
    // The server acknowledged the SYN after 10 ms, the data after 30 ms, the FIN at once.
    let rtt = r.rtt_seconds.server.unwrap();
    assert_eq!((rtt.min, rtt.max, rtt.samples), (0.0, 0.030, 3));
}

#[test]
fn a_flow_that_goes_on_has_a_record_each_interval_with_increments() {
    let mut w = world();
    let packet = udp((PEER, 5000), (HOST, 53));
    let mut packets = Vec::new();
    for _ in 0..13 {
        w.eth(&packet);
        w.wait(10 * SECOND);
        packets.extend(w.flow_records().into_iter().map(|r| (r.sent.packets, r.end_reason)));
    }
    assert_eq!(packets, [(6, Some(EndReason::Active)), (6, Some(EndReason::Active))]);
    w.wait(60 * SECOND);
    let last = only(&mut w);
    assert_eq!((last.sent.packets, last.end_reason), (1, Some(EndReason::Idle)));
    assert_eq!(last.start, Time(1_001_000 * SECOND));
}

#[test]
fn a_flow_without_news_has_no_record_until_it_ends() {
    let mut w = world();
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.drain();
    let mut reasons = Vec::new();
    for _ in 0..745 {
        w.wait(10 * SECOND);
        reasons.extend(w.flow_records().into_iter().map(|r| (r.sent.packets, r.end_reason)));
    }
    assert_eq!(reasons, [(2, Some(EndReason::Active)), (0, Some(EndReason::Idle))]);
}

#[test]
fn a_flow_on_two_interfaces_has_one_record_and_no_packet_twice() {
    let mut w = world();
    let packet = udp((PEER, 5000), (HOST, 53));
    for _ in 0..3 {
        w.see(ETH, Direction::Receive, &packet);
        w.see(BRIDGE, Direction::Receive, &packet);
    }
    w.drain();
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0")]);
    w.wait(MS);
    let first = only(&mut w);
    assert_eq!((first.sent.packets, first.identity.interface), (3, Some(Text::from("eth0"))));
    assert_eq!(first.end_reason, Some(EndReason::Active));
    w.see(BRIDGE, Direction::Receive, &packet);
    w.wait(60 * SECOND);
    w.wait(SECOND);
    w.engine.shutdown(w.now);
    let rest: Vec<_> = w.flow_records();
    assert_eq!(rest.iter().map(|r| r.sent.packets).sum::<u64>(), 1);
    assert_eq!(rest.last().unwrap().identity.interface, Some(Text::from("br0")));
}

#[test]
fn shutdown_writes_the_last_record_of_every_flow() {
    let mut w = world();
    w.eth(&outbound(40_000, 1).syn());
    w.drain();
    w.engine.shutdown(w.now);
    let record = only(&mut w);
    assert_eq!((record.state, record.end_reason), (Some(TcpState::SynSent), Some(EndReason::Shutdown)));
    assert_eq!(w.totals().tcp.attempts.iter().flatten().sum::<u64>(), 0);
}

#[test]
fn the_queue_is_bounded_and_counts_what_it_turns_away() {
    let mut w =
        World::new(EngineConfig { records: true, record_queue: 3, max_flows: 64, ..EngineConfig::default() });
    for port in 0..5 {
        w.eth(&udp((PEER, 5000 + port), (HOST, 53)));
    }
    w.drain();
    w.wait(60 * SECOND);
    assert_eq!(w.flow_records().len(), 3);
    assert_eq!(w.engine.outbox().records_dropped(), 2);
}

#[test]
fn records_that_are_switched_on_later_begin_there() {
    let mut w = World::with_slots(64);
    let packet = udp((PEER, 5000), (HOST, 53));
    w.eth(&packet);
    w.drain();
    w.engine.reconfigure(EngineConfig { records: true, max_flows: 64, ..EngineConfig::default() });
    w.wait(SECOND);
    w.eth(&packet);
    w.eth(&packet);
    w.wait(SECOND);
    w.wait(60 * SECOND);
    assert_eq!(only(&mut w).sent.packets, 2);
}
