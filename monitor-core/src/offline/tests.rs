//! Frames through the table.

use super::*;
use crate::{label::TcpState, record::AnyRecord};
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
        time: number * 1000,
        number,
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
    assert_eq!(table.frames(slot(first)), Frames { first: 3, last: 8 });
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
