//! Frames through the table.

use super::*;
use crate::{
    engine::{EngineConfig, Timeouts},
    label::TcpState,
    record::{AnyRecord, FlowRecord},
};
use monitor_common::abi::hook_flags;

/// IPv4 from 10.0.0.`from` to 10.0.0.`to`, without link header.
fn ipv4(from: u8, to: u8, protocol: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((20 + body.len() as u16).to_be_bytes());
    out.extend([0, 99]);
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    out.extend(body);
    out
}

fn udp(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend((8 + payload as u16).to_be_bytes());
    out.extend([0, 0]);
    out.resize(8 + payload, 7);
    out
}

fn tcp(source: u16, destination: u16, seq: u32, flags: u8) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    out
}

fn frame(bytes: &[u8], number: u64) -> Frame<'_> {
    Frame {
        bytes,
        link: Link::Ip,
        length: bytes.len() as u32,
        before: 0,
        ifindex: 1,
        hook_flags: hook_flags::ONE_SIDED,
        direction: Direction::Receive,
        way: None,
        time: number * 1000,
        number,
        file: 0,
    }
}

fn slot(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Flow { slot, .. } => slot,
        other => panic!("{other:?}"),
    }
}

/// Packets on flows, those that ended included.
fn on_flows(table: &Table) -> u64 {
    table.live().map(|(_, f)| f.hot[0].packets.get() + f.hot[1].packets.get()).sum()
}

#[test]
fn both_directions_are_one_flow() {
    let mut table = Table::new(TableConfig::default());
    let there = ipv4(1, 2, 17, 0, &udp(5000, 53, 30));
    let back = ipv4(2, 1, 17, 0, &udp(53, 5000, 90));
    let first = table.packet(&Frame { before: 14, length: 72, ..frame(&there, 3) });
    let second = table.packet(&frame(&back, 8));
    assert!(matches!(first, Outcome::Flow { side: Side::Lower, opened: true, .. }));
    assert!(matches!(second, Outcome::Flow { side: Side::Upper, opened: false, .. }));
    assert_eq!(slot(first), slot(second));
    assert_eq!(table.frames(slot(first)), Frames { first: 3, last: 8, ..Frames::default() });
    let flow = table.flow(slot(first)).expect("a slot");
    assert_eq!(flow.hot[0].bytes.get(), 72);
    assert_eq!((flow.ip_bytes(Side::Lower), flow.ip_bytes(Side::Upper)), (58, 118));
    assert_eq!(flow.hot[1].payload_bytes.get(), 90);
    assert_eq!((flow.head.first.get(), flow.hot[1].last.get()), (3000, 8000));
}

#[test]
fn a_reused_5_tuple_ends_the_old_flow_or_goes_on_in_it() {
    let syn = |seq| ipv4(1, 2, 6, 0, &tcp(5000, 80, seq, 2));
    for merge_reused in [false, true] {
        let mut table = Table::new(TableConfig { merge_reused, ..TableConfig::default() });
        let first = slot(table.packet(&frame(&syn(100), 1)));
        assert_eq!(slot(table.packet(&frame(&syn(100), 2))), first, "the same SYN again");
        let second = slot(table.packet(&frame(&syn(90_000), 3)));
        assert_eq!(second == first, merge_reused);
        assert_eq!(on_flows(&table), 3);
        let ended = table.pop_ended();
        if merge_reused {
            assert_eq!(ended, None);
            continue;
        }
        assert_eq!((ended, table.pop_ended()), (Some(first), None));
        table.release(first);
        assert_eq!(on_flows(&table), 1);
        assert_eq!(slot(table.packet(&frame(&syn(90_000), 4))), second, "the new one keeps the key");
    }
}

#[test]
fn a_full_table_counts_what_it_turns_away() {
    let mut table = Table::new(TableConfig { max_flows: 2, ..TableConfig::default() });
    for port in 1..=5 {
        table.packet(&frame(&ipv4(1, 2, 17, 0, &udp(port, 9, 10)), 1));
    }
    let counters = table.counters();
    assert_eq!((counters.packets, counters.overflow), (5, 3));
    let class = HookCounters::class(17, 4);
    assert_eq!((counters.overflow_packets[class], counters.overflow_bytes[class]), (3, 114));
    table.release(0);
    assert_eq!(slot(table.packet(&frame(&ipv4(1, 2, 17, 0, &udp(5, 9, 10)), 6))), 0);
    assert_eq!(table.flow(0).expect("a slot").hot[0].packets.get(), 1, "nothing of the flow before is left");
}

#[test]
fn every_frame_has_an_outcome() {
    let mut table = Table::new(TableConfig { max_flows: 50, ..TableConfig::default() });
    let mut number = 0;
    for port in 0..100 {
        for bytes in [
            ipv4(1, 2, 17, 0, &udp(port, 4789, 60)),
            ipv4(1, 2, 6, 0, &tcp(port, 80, 1, 0x10)),
            ipv4(1, 2, 17, 0, &[]),
            vec![0x45; 7],
            vec![0x41; 24],
            Vec::new(),
        ] {
            number += 1;
            table.packet(&frame(&bytes, number));
            table.packet(&Frame { link: Link::EtherType(0x0806), ..frame(&bytes, number) });
        }
    }
    let c = *table.counters();
    assert_eq!(c.packets, number * 2);
    assert_eq!(c.packets, on_flows(&table) + c.overflow + c.not_ip + c.undecodable);
    assert!(c.overflow > 0 && c.not_ip == number && c.undecodable == 300);
}

#[test]
fn later_fragments_count_on_the_flow_of_their_first() {
    let mut table = Table::new(TableConfig::default());
    let first = slot(table.packet(&frame(&ipv4(1, 2, 17, 0x2000, &udp(7, 8, 16)), 1)));
    let later = slot(table.packet(&frame(&ipv4(1, 2, 17, 3, &[0; 24]), 2)));
    assert_eq!(first, later);
    let other_way = slot(table.packet(&frame(&ipv4(2, 1, 17, 3, &[0; 24]), 3)));
    assert_ne!(first, other_way, "no first fragment came this way");
    let flow = table.flow(first).expect("a slot");
    assert_eq!(flow.counters[0].fragments.get(), 2);
    assert_eq!(flow.hot[0].payload_bytes.get(), 40);
    assert_eq!(table.counters().fragments, 3);
}

#[test]
fn the_oldest_datagram_is_forgotten_and_a_repeated_one_is_not_twice() {
    let mut table = Table::new(TableConfig::default());
    let first = |id: u16, port| {
        let mut bytes = ipv4(1, 2, 17, 0x2000, &udp(port, 8, 16));
        bytes[4..6].copy_from_slice(&id.to_be_bytes());
        bytes
    };
    for id in 0..=8192 {
        table.packet(&frame(&first(id, 7), 1));
        table.packet(&frame(&first(id, 7), 1));
    }
    let later = |id: u16| {
        let mut bytes = ipv4(1, 2, 17, 3, &[0; 24]);
        bytes[4..6].copy_from_slice(&id.to_be_bytes());
        bytes
    };
    let ports = |table: &mut Table, id| {
        table.packet(&frame(&later(id), 2));
        table.last_packet().source_port
    };
    assert_eq!((ports(&mut table, 0), ports(&mut table, 1), ports(&mut table, 8192)), (0, 7, 7));
}

#[test]
fn a_session_writes_one_record_a_connection_with_its_frames() {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    let second = 1_000_000_000;
    let packets = [
        ipv4(1, 2, 6, 0, &tcp(5000, 80, 100, 2)),
        ipv4(2, 1, 6, 0, &tcp(80, 5000, 0, 0x14)),
        ipv4(1, 2, 17, 0, &udp(9, 9, 1)),
        ipv4(1, 2, 6, 0, &tcp(5000, 80, 90_000, 2)),
    ];
    for (bytes, number) in packets.iter().zip(1..) {
        session.packet(&Frame { time: number * second, ..frame(bytes, number) }, &mut records);
    }
    assert_eq!(records.len(), 1, "the first connection ended when the second began");
    session.finish(&mut records);
    let records: Vec<_> = records
        .into_iter()
        .map(|record| match record {
            AnyRecord::Flow(flow) => flow,
            other => panic!("{other:?}"),
        })
        .collect();
    let seen: Vec<_> = records
        .iter()
        .map(|r| (r.first_frame, r.last_frame, r.sent.packets, r.received.packets, r.state))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(1), Some(2), 1, 1, Some(TcpState::Refused)),
            (Some(3), Some(3), 1, 0, None),
            (Some(4), Some(4), 1, 0, Some(TcpState::SynSent)),
        ]
    );
    let first = records.first().expect("a record");
    assert_eq!((first.start.0, first.end.0), (second, 2 * second));
    assert_eq!((first.end_reason, &first.identity.interface), (None, &None));
    assert_eq!(session.table().live().count(), 0);
}

#[test]
fn a_segment_without_a_header_to_speak_of_counts_and_disturbs_nothing() {
    let mut table = Table::new(TableConfig::default());
    let first = ipv4(1, 2, 6, 0, &tcp(5000, 80, 1000, 0x10));
    let cut = ipv4(1, 2, 6, 0, &tcp(5000, 80, 77_000, 0x10));
    let slot = slot(table.packet(&frame(&first, 1)));
    table.packet(&Frame { length: 40, ..frame(&cut[..30], 2) });
    table.packet(&frame(&ipv4(1, 2, 6, 0, &tcp(5000, 80, 3_000_000, 0)), 3));
    table.packet(&frame(&first, 4));
    let flow = table.flow(slot).expect("a slot");
    let counters = &flow.counters[0];
    assert_eq!(flow.hot[0].packets.get(), 4);
    assert_eq!((flow.hot[0].next_seq.get(), flow.hot[0].last.get()), (1000, 4000));
    assert_eq!(
        (counters.lost_segments.get(), counters.retransmissions.get(), counters.zero_windows.get()),
        (0, 0, 0)
    );
}

#[test]
fn a_scan_in_a_capture_is_told_at_the_time_of_its_packets() {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    for port in 1..=1_000 {
        let number = u64::from(port);
        session.packet(&frame(&ipv4(1, 2, 6, 0, &tcp(5000, port, 1, 2)), number), &mut records);
        // The one who is scanned answers, and asks the domain name system.
        session.packet(&frame(&ipv4(2, 1, 6, 0, &tcp(port, 5000, 1, 0x14)), number), &mut records);
        session.packet(&frame(&ipv4(2, 3, 17, 0, &udp(5000 + port, 53, 9)), number), &mut records);
    }
    let told = |records: &[AnyRecord]| {
        let fanout = records.iter().filter_map(|record| match record {
            AnyRecord::Fanout(fanout) => Some((fanout.source.to_string(), fanout.kind.as_str())),
            _ => None,
        });
        fanout.collect::<Vec<_>>()
    };
    let expected = [("10.0.0.1".to_owned(), "ports")];
    assert_eq!(told(&records), expected);
    session.finish(&mut records);
    assert_eq!(told(&records), expected);
}

/// Runs packets, each with its time in seconds, and returns the flow records that came before the end and
/// those that came with it.
fn flows(packets: impl Iterator<Item = (u64, Vec<u8>)>) -> (Vec<FlowRecord>, Vec<FlowRecord>) {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    for ((second, bytes), number) in packets.zip(1..) {
        let frame = Frame { time: second * 1_000_000_000, ..frame(&bytes, number) };
        session.packet(&frame, &mut records);
    }
    let mut last = Vec::new();
    session.finish(&mut last);
    let flow = |record| match record {
        AnyRecord::Flow(flow) => *flow,
        other => panic!("{other:?}"),
    };
    (records.into_iter().map(flow).collect(), last.into_iter().map(flow).collect())
}

/// A connection that is reset at once, then datagrams of another flow at these seconds.
fn reset_then(seconds: &[u64]) -> (usize, usize) {
    let first = [ipv4(1, 2, 6, 0, &tcp(5000, 80, 100, 2)), ipv4(2, 1, 6, 0, &tcp(80, 5000, 0, 0x14))];
    let first = first.into_iter().map(|bytes| (0, bytes));
    let rest = seconds.iter().map(|second| (*second, ipv4(1, 2, 17, 0, &udp(9, 9, 1))));
    let (early, last) = flows(first.chain(rest));
    (early.len(), last.len())
}

#[test]
fn a_closed_connection_ends_a_minute_later_and_others_with_the_capture() {
    assert_eq!(reset_then(&[59, 59, 60]), (0, 2));
    assert_eq!(reset_then(&[61, 61, 100_000, 100_000]), (1, 1));
}

#[test]
fn one_packet_from_the_future_ends_nothing() {
    assert_eq!(reset_then(&[1, 1_000_000, 2, 1_000_000, 3]), (0, 2));
}

#[test]
fn an_attempt_without_an_answer_is_timed_out_when_time_has_passed() {
    for (seconds, state) in [(59, TcpState::SynSent), (61, TcpState::TimedOut)] {
        let later = ipv4(1, 2, 17, 0, &udp(9, 9, 1));
        let packets =
            [(0, ipv4(1, 2, 6, 0, &tcp(5000, 80, 100, 2))), (seconds, later.clone()), (seconds, later)];
        let (_, last) = flows(packets.into_iter());
        assert_eq!(last.first().and_then(|flow| flow.state), Some(state), "after {seconds} s");
    }
}

#[test]
fn memory_follows_the_flows_that_go_on() {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    let (mut most, mut sent) = (0, 0);
    for n in 0..300_000_u32 {
        let mut bytes = ipv4(1, 2, 17, 0, &udp(n as u16, 9, 1));
        bytes[12..16].copy_from_slice(&(n >> 16).to_be_bytes());
        // A thousand flows a second of one datagram each: 60 of their seconds are live.
        let time = u64::from(n) * 1_000_000;
        session.packet(&Frame { time, ..frame(&bytes, u64::from(n) + 1) }, &mut records);
        most = most.max(session.table().slots());
        sent += records.drain(..).filter(|record| matches!(record, AnyRecord::Flow(_))).count();
    }
    session.finish(&mut records);
    // Beside them is what they are together: a flood of datagrams.
    let (flows, others): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| matches!(record, AnyRecord::Flow(_)));
    assert_eq!(sent + flows.len(), 300_000);
    assert!(others.iter().all(|record| matches!(record, AnyRecord::Detection(_))), "{}", others.len());
    assert!(most < 80_000, "{most}");
}

#[test]
fn connections_that_closed_are_let_go_where_many_begin_at_once() {
    const LIVE: u32 = 500;
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    let (mut most, mut number) = (0, 0);
    // All of it within a tenth of a second: no timeout ever comes.
    for batch in 0..200_u32 {
        for step in 0..3 {
            for at in 0..LIVE {
                let n = batch * LIVE + at;
                let (source, transport) = match step {
                    0 => (12, tcp(5000, 80, 100, 2)),
                    1 => (16, tcp(80, 5000, 900, 0x12)),
                    _ => (12, tcp(5000, 80, 101, 0x04)),
                };
                let mut bytes =
                    if step == 1 { ipv4(2, 1, 6, 0, &transport) } else { ipv4(1, 2, 6, 0, &transport) };
                bytes[source..source + 4].copy_from_slice(&(0x0b00_0000 + n).to_be_bytes());
                number += 1;
                session.packet(
                    &Frame { time: 1_000_000_000 + number * 300, ..frame(&bytes, number) },
                    &mut records,
                );
            }
        }
        most = most.max(session.table().slots());
    }
    assert!(most < 30_000, "{most}");
    assert!(records.len() > 70_000, "{}", records.len());
    session.finish(&mut records);
    let flows: Vec<_> = records
        .iter()
        .filter_map(|record| if let AnyRecord::Flow(flow) = record { Some(flow) } else { None })
        .collect();
    assert_eq!(flows.len(), 200 * LIVE as usize);
    // Whole, once, and in the order in which they began.
    assert!(flows.iter().all(|flow| (flow.sent.packets, flow.received.packets) == (2, 1)));
    assert!(flows.iter().zip(1..).all(|(flow, n)| flow.identity.id.0 == n && flow.end_reason.is_none()));
}

#[test]
fn frames_looked_at_ahead_count_as_those_that_are_not() {
    let ethernet = |bytes: Vec<u8>| [&[0; 12][..], &[8, 0], &bytes].concat();
    let packets: Vec<Vec<u8>> = (0..200_u16)
        .map(|n| match n % 5 {
            0 => ethernet(ipv4(1, 2, 6, 0, &tcp(n % 7, 80, u32::from(n), 0x18))),
            1 => ethernet(ipv4(2, 1, 6, 0, &tcp(80, n % 7, u32::from(n), 0x10))),
            // A new connection on a 5-tuple within one look ahead.
            2 => ethernet(ipv4(1, 2, 6, 0, &tcp(3, 80, u32::from(n) << 16, 2))),
            3 => ethernet(ipv4(1, 2, 17, 0x2000, &udp(n, 8, 16))),
            _ => vec![0; usize::from(n)],
        })
        .collect();
    let frames: Vec<_> = packets
        .iter()
        .zip(1..)
        .map(|(bytes, number)| Frame { link: Link::Ethernet, ..frame(bytes, number) })
        .collect();
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    let mut session = Session::new(SessionConfig::default());
    let outcomes: Vec<_> = frames.iter().map(|frame| session.packet(frame, &mut alone)).collect();
    session.finish(&mut alone);
    let mut session = Session::new(SessionConfig::default());
    let mut seen = Vec::new();
    let done = session.packets(&frames, &mut together, |at, outcome, _, _| {
        assert_eq!(at, seen.len());
        seen.push(outcome);
        Ok::<(), ()>(())
    });
    assert_eq!(done, Ok(()));
    session.finish(&mut together);
    assert_eq!(seen, outcomes);
    assert_eq!(together, alone);
}

/// A frame's bytes, from the network layer on, split into fragments of IPv4 of at most `size` bytes of payload.
fn split(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let parts = payload.chunks(size).zip((0..).step_by(size));
    parts
        .map(|(part, at)| {
            let mut bytes = header.to_vec();
            bytes[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            let more = if at + part.len() < payload.len() { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&((at / 8) as u16 | more).to_be_bytes());
            bytes.extend_from_slice(part);
            bytes
        })
        .collect()
}

/// A response of DNS with as many addresses for `example.com`.
fn response(answers: u16) -> Vec<u8> {
    let mut out = vec![0, 7, 0x81, 0x80, 0, 1];
    out.extend(answers.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(b"\x07example\x03com\0\0\x01\0\x01");
    for n in 0..answers {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9]);
        out.extend(n.to_be_bytes());
    }
    out
}

fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = udp(source, destination, 0);
    out[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Everything that is said of these packets.
fn told(packets: &[Vec<u8>]) -> Vec<AnyRecord> {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    for (bytes, number) in packets.iter().zip(1..) {
        session.packet(&frame(bytes, number), &mut records);
    }
    session.finish(&mut records);
    records
}

/// Times, whether cut, and number of answers of the messages of DNS.
fn messages(records: &[AnyRecord]) -> Vec<(u64, bool, usize)> {
    let dns = records.iter().filter_map(|record| match record {
        AnyRecord::Dns(dns) => Some((dns.time.0, dns.truncated, dns.answers.len())),
        _ => None,
    });
    dns.collect()
}

fn flows_of(records: &[AnyRecord]) -> Vec<&FlowRecord> {
    let flows = records.iter().filter_map(|record| match record {
        AnyRecord::Flow(flow) => Some(&**flow),
        _ => None,
    });
    flows.collect()
}

#[test]
fn a_message_in_fragments_is_told_as_far_as_it_came() {
    let parts = split(&ipv4(1, 2, 17, 0, &datagram(53, 5000, &response(100))), 808);
    assert_eq!(parts.len(), 3);
    assert_eq!(messages(&told(&parts)), [(3000, false, 100)], "all came");
    // 800 bytes: the header, the question, and as many answers as are whole.
    let came = (800 - 12 - 17) / 16;
    assert_eq!(messages(&told(&parts[..1])), [(1000, true, came)]);
    assert_eq!(messages(&told(&[parts[0].clone(), parts[2].clone()])), [(1000, true, came)]);
    assert_eq!(messages(&told(&parts[1..])), [], "its beginning never came");
    // What is no message is not read in part.
    let other = split(&ipv4(1, 2, 17, 0, &datagram(5001, 5000, &response(100))), 808);
    assert_eq!(messages(&told(&other[..1])), []);
}

#[test]
fn fragments_of_a_tunnel_are_put_together_for_the_flow_in_it() {
    let inner = ipv4(3, 4, 17, 0, &datagram(53, 5000, &response(50)));
    let gre = ipv4(1, 2, 47, 0, &[&[0, 0, 8, 0][..], &inner].concat());
    let parts = split(&gre, 400);
    assert_eq!(parts.len(), 3);
    let records = told(&parts);
    assert_eq!(messages(&records), [(3000, false, 50)]);
    let flows = flows_of(&records);
    assert_eq!(flows.len(), 1);
    let counts = &flows[0].sent;
    assert_eq!((counts.packets, counts.fragments), (3, 3));
    assert_eq!((counts.ip_bytes, counts.payload_bytes), (inner.len() as u64, inner.len() as u64 - 28));
    assert_eq!(counts.bytes, parts.iter().map(|part| part.len() as u64).sum::<u64>());
    assert_eq!(messages(&told(&parts[..2])).first().map(|(time, cut, _)| (*time, *cut)), Some((1000, true)));
}

#[test]
fn a_syn_whose_header_is_split_counts() {
    let mut syn = tcp(5000, 80, 7, 2);
    syn[12] = 0x60;
    syn.extend([2, 4, 5, 0xb4]);
    let records = told(&split(&ipv4(1, 2, 6, 0, &syn), 8));
    let flows = flows_of(&records);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].state, Some(TcpState::SynSent));
    assert_eq!(flows[0].sent.packets, 3);
}

#[test]
fn a_length_that_is_too_short_is_the_length_that_was_captured() {
    let mut table = Table::new(TableConfig::default());
    let bytes = ipv4(1, 2, 17, 0, &udp(7, 8, 16));
    for length in [0, 5, 44] {
        table.packet(&Frame { length, before: 14, ..frame(&bytes, 1) });
    }
    let flow = table.flow(0).expect("a slot");
    assert_eq!((flow.hot[0].packets.get(), flow.hot[0].bytes.get()), (3, 3 * (14 + 44)));
}

#[test]
fn a_connection_that_is_resumed_after_it_made_room_is_the_one_that_it_was() {
    let mut session = Session::new(SessionConfig {
        engine: EngineConfig {
            timeouts: Timeouts { idle_tcp: 300_000_000_000, ..Timeouts::default() },
            ..EngineConfig::default()
        },
        ..SessionConfig::default()
    });
    let mut records = Vec::new();
    let mut number = 0;
    let mut give = |session: &mut Session, at: u64, packet: &[u8]| {
        number += 1;
        session.packet(&Frame { time: at * 1_000_000_000, ..frame(packet, number) }, &mut records);
    };
    // Ports that say nothing of who serves.
    let from = |client: bool, seq: u32, flags: u8| {
        let (source, destination) = if client { (40_000, 50_000) } else { (50_000, 40_000) };
        let mut segment = tcp(source, destination, seq, flags);
        segment[8..12].copy_from_slice(&7_u32.to_be_bytes());
        if client { ipv4(1, 2, 6, 0, &segment) } else { ipv4(2, 1, 6, 0, &segment) }
    };
    give(&mut session, 1, &from(true, 1, 2));
    give(&mut session, 1, &from(false, 9, 0x12));
    give(&mut session, 1, &from(true, 2, 0x10));
    // More flows than are waited for without end, and time goes by.
    for n in 0..PATIENCE as u32 + 10 {
        give(&mut session, 2, &ipv4(3 + (n >> 14) as u8, 2, 17, 0, &udp((n % 16_384) as u16 + 1, 53, 8)));
    }
    for at in (50..=400).step_by(50) {
        // Others keep the table full.
        for n in 0..PATIENCE as u32 + 10 {
            give(
                &mut session,
                at,
                &ipv4(3 + (n >> 14) as u8, 2, 17, 0, &udp((n % 16_384) as u16 + 1, 53, 8)),
            );
        }
    }
    give(&mut session, 401, &from(false, 10, 0x10));
    give(&mut session, 402, &from(true, 2, 0x11));
    session.finish(&mut records);
    let flows: Vec<&FlowRecord> =
        flows_of(&records).into_iter().filter(|f| f.identity.server_port == 50_000).collect();
    assert_eq!(flows.len(), 2, "told when it made room, and once more");
    assert_eq!((flows[0].sent.packets, flows[0].received.packets), (2, 1));
    assert_eq!((flows[1].sent.packets, flows[1].received.packets), (1, 1));
    assert_eq!(flows[0].identity.id, flows[1].identity.id);
    assert_eq!(flows[0].start, flows[1].start);
}
