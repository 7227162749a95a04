//! Payloads of many flows.

use monitor_common::abi::{Side, Transport};

use super::*;
use crate::{
    parse::{
        quic::tests::{crypto, initial},
        tls::tests::{hello_record, long_hello},
    },
    random::Random,
    reassembly,
};

/// A segment of a flow from 40000 to a port.
fn segment(flow: u64, from: Side, seq: u32, bytes: &[u8]) -> Payload<'_> {
    Payload { flow, from, transport: Transport::Tcp, seq, syn: false, bytes, time: 1 }
}

fn syn(flow: u64, from: Side, seq: u32) -> Payload<'static> {
    Payload { syn: true, ..segment(flow, from, seq, &[]) }
}

fn datagram(flow: u64, bytes: &[u8]) -> Payload<'_> {
    Payload { transport: Transport::Udp, ..segment(flow, Side::Lower, 0, bytes) }
}

/// A record of TLS with a long hello.
fn long_record(name: &str) -> Vec<u8> {
    let message = long_hello(name);
    let mut out = vec![22, 3, 1];
    out.extend((message.len() as u16).to_be_bytes());
    out.extend(message);
    out
}

fn names(events: &[Event]) -> Vec<(u64, &str)> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            What::Hello(hello) => {
                Some((event.flow, std::str::from_utf8(hello.server_name.as_deref()?).unwrap()))
            }
            _ => None,
        })
        .collect()
}

fn failures(events: &[Event]) -> Vec<&'static str> {
    events
        .iter()
        .filter_map(|event| match event.what {
            What::Failure(failure) => Some(failure.reason),
            _ => None,
        })
        .collect()
}

#[test]
fn a_hello_in_segments_of_any_order_is_found_once() {
    let record = long_record("www.example.com");
    let mut random = Random(9);
    for round in 0..300 {
        let mut dpi = Dpi::new(DpiConfig::default());
        let mut events = Vec::new();
        let base = random.bits() as u32;
        let seen = round % 3 != 0;
        if seen {
            dpi.payload(&syn(1, Side::Lower, base.wrapping_sub(1)), &mut events);
        }
        let size = 1 + random.below(700) as usize;
        let mut pieces: Vec<_> = record.chunks(size).enumerate().collect();
        // At most so many segments may wait for an earlier one.
        let reach = if seen { reassembly::HELD_MAX } else { 2 };
        for index in (1..pieces.len()).rev() {
            let other = index.saturating_sub(random.below(reach as u64) as usize);
            if seen {
                pieces.swap(index, other);
            } else if index == 1 && pieces[0].1.len() > 7 {
                pieces.swap(0, 1);
            }
        }
        for (index, piece) in pieces {
            let seq = base.wrapping_add((index * size) as u32);
            dpi.payload(&segment(1, Side::Lower, seq, piece), &mut events);
            dpi.payload(&segment(1, Side::Lower, seq, piece), &mut events);
        }
        assert_eq!(names(&events), [(1, "www.example.com")], "round {round}, segments of {size}");
        dpi.close(1, &mut events);
        let told = events.iter().filter(|event| matches!(event.what, What::Tls(_))).count();
        assert_eq!(told, 1);
        assert_eq!((dpi.counters().flows, dpi.counters().bytes), (0, 0));
    }
}

#[test]
fn tls_is_found_after_another_protocol_began() {
    let mut dpi = Dpi::new(DpiConfig::default());
    let mut events = Vec::new();
    let turns: [(Side, &[u8]); 6] = [
        (Side::Upper, b"220 mail.example.com ESMTP\r\n"),
        (Side::Lower, b"EHLO client.example.com\r\n"),
        (Side::Upper, b"250-mail.example.com\r\n250 STARTTLS\r\n"),
        (Side::Lower, b"STARTTLS\r\n"),
        (Side::Upper, b"220 go ahead\r\n"),
        (Side::Lower, &long_record("mail.example.com")),
    ];
    let mut seq = [100, 9_000];
    dpi.payload(&syn(1, Side::Lower, 99), &mut events);
    dpi.payload(&syn(1, Side::Upper, 8_999), &mut events);
    for (from, bytes) in turns {
        let at = &mut seq[from.index()];
        for piece in bytes.chunks(900) {
            assert!(dpi.payload(&segment(1, from, *at, piece), &mut events));
            *at += piece.len() as u32;
        }
    }
    assert_eq!(names(&events), [(1, "mail.example.com")]);
}

#[test]
fn a_connection_that_moves_while_it_begins_names_both_flows_and_is_told_once() {
    let hello = long_hello("moves.example");
    let packet = initial(1, b"12345678", b"12345678", 0, &crypto(0, &hello));
    let other = initial(1, b"87654321", b"87654321", 0, &crypto(0, &hello));
    let mut dpi = Dpi::new(DpiConfig::default());
    let mut events = Vec::new();
    // The same Initial from another port, as after a change of a NAT's mapping; and another connection.
    for (flow, packet) in [(1, &packet), (2, &packet), (3, &other)] {
        dpi.payload(&datagram(flow, packet), &mut events);
    }
    dpi.finish(&mut events);
    let all = ["moves.example"; 3];
    assert_eq!(names(&events), [(1, all[0]), (2, all[1]), (3, all[2])]);
    let told: Vec<_> =
        events.iter().filter(|event| matches!(event.what, What::Tls(_))).map(|event| event.flow).collect();
    assert_eq!(told, [1, 3]);
}

#[test]
fn what_says_nothing_is_left_alone_after_a_while_and_holds_nothing() {
    let mut dpi = Dpi::new(DpiConfig::default());
    let mut events = Vec::new();
    dpi.payload(&syn(1, Side::Lower, 0), &mut events);
    let mut wanted = 0;
    for index in 0..1_000u32 {
        wanted +=
            u32::from(dpi.payload(&segment(1, Side::Lower, 1 + index * 100, &[b'x'; 100]), &mut events));
        dpi.payload(&datagram(2, &[0x40; 100]), &mut events);
        assert_eq!(dpi.counters().bytes, 0);
    }
    assert!(wanted < 100, "{wanted}");
    assert!(events.is_empty());
}

#[test]
fn flows_are_bounded_in_number() {
    let mut dpi = Dpi::new(DpiConfig { max_flows: 100, ..DpiConfig::default() });
    let mut events = Vec::new();
    let record = hello_record();
    for flow in 0..1_000 {
        dpi.payload(&segment(flow, Side::Lower, 1, &record), &mut events);
        assert!(dpi.counters().flows <= 100);
    }
    assert_eq!(dpi.counters().evicted_flows, 900);
    // What they had said is told when they go.
    dpi.finish(&mut events);
    assert_eq!(events.iter().filter(|event| matches!(event.what, What::Tls(_))).count(), 1_000);
}

#[test]
fn flows_are_bounded_in_bytes() {
    let max_bytes = 1 << 20;
    let mut dpi = Dpi::new(DpiConfig { max_bytes, ..DpiConfig::default() });
    let mut events = Vec::new();
    // Hellos that are never whole, and their last bytes first.
    for flow in 0..1_000 {
        dpi.payload(&syn(flow, Side::Lower, 0), &mut events);
        dpi.payload(&segment(flow, Side::Lower, 1, &[22, 3, 1, 64, 0, 1, 0, 0xff, 0xff, 3, 3]), &mut events);
        for index in 1..20 {
            dpi.payload(&segment(flow, Side::Lower, index * 3_000, &[7; 1_000]), &mut events);
        }
        assert!(dpi.counters().bytes <= max_bytes as u64);
    }
    assert!(dpi.counters().evicted_bytes > 900);
    assert!(names(&events).is_empty());
}

#[test]
fn a_stream_that_cannot_be_put_together_fails_with_a_reason() {
    let mut dpi = Dpi::new(DpiConfig::default());
    let mut events = Vec::new();
    let record = long_record("www.example.com");
    dpi.payload(&segment(1, Side::Lower, 0, &record[..100]), &mut events);
    for index in 0..40 {
        dpi.payload(&segment(1, Side::Lower, 200 + index * 2, &[1]), &mut events);
    }
    assert_eq!(failures(&events), ["too_many_holes"]);
    assert!(!dpi.payload(&segment(1, Side::Lower, 100, &record[100..]), &mut events));
    dpi.payload(&segment(2, Side::Lower, 0, &record[..100]), &mut events);
    dpi.payload(&segment(2, Side::Lower, 1 << 20, &[1]), &mut events);
    assert_eq!(failures(&events), ["too_many_holes", "too_long"]);
    let mut broken = record.clone();
    // The length of the session identifier.
    broken[5 + 4 + 34] = 250;
    dpi.payload(&segment(3, Side::Lower, 0, &broken), &mut events);
    assert_eq!(failures(&events).len(), 3);
    assert!(names(&events).is_empty());
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_so_long() {
    let mut dpi = Dpi::new(DpiConfig { linger: 100, ..DpiConfig::default() });
    let mut events = Vec::new();
    dpi.payload(&segment(1, Side::Lower, 0, &hello_record()), &mut events);
    dpi.expire(101, &mut events);
    assert_eq!(events.len(), 1);
    dpi.expire(102, &mut events);
    assert!(matches!(&events[1], Event { flow: 1, from: Side::Lower, time: 1, what: What::Tls(_) }));
    assert_eq!(dpi.counters().flows, 0);
}

#[test]
fn random_payloads_never_panic_and_stay_within_bounds() {
    let mut random = Random(77);
    let mut dpi = Dpi::new(DpiConfig { max_flows: 50, max_bytes: 100_000, ..DpiConfig::default() });
    let mut events = Vec::new();
    let seeds = [hello_record(), long_record("www.example.com"), vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5]];
    for time in 0..30_000 {
        let seed = &seeds[random.below(3) as usize];
        let begin = random.below(seed.len() as u64) as usize;
        let end = begin + random.below((seed.len() - begin) as u64 + 1) as usize;
        let mut bytes = seed[begin..end].to_vec();
        if !bytes.is_empty() && random.below(4) == 0 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.bits() as u8;
        }
        let payload = Payload {
            flow: random.below(100),
            from: random.of(&[Side::Lower, Side::Upper]),
            transport: random.of(&[Transport::Tcp, Transport::Tcp, Transport::Udp, Transport::Icmp]),
            seq: begin as u32,
            syn: random.below(10) == 0,
            bytes: &bytes,
            time,
        };
        dpi.payload(&payload, &mut events);
        if random.below(50) == 0 {
            dpi.close(random.below(100), &mut events);
        }
        assert!(dpi.counters().flows <= 50 && dpi.counters().bytes <= 100_000);
        events.clear();
    }
}
