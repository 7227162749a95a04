//! Whole connections through table, engine, reassembly and every parser; records that come out can be read.

use monitor_common::{
    abi::{Direction, Side, hook_flags},
    wire::Link,
};
use monitor_core::{
    offline::{Frame, Session, SessionConfig},
    record::AnyRecord,
};

use crate::input::Input;

/// Ports that decide which parser begins.
const PORTS: [u16; 8] = [443, 80, 53, 5353, 21, 25, 8080, 40001];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let choice = input.byte();
    let (tcp, port) = (choice & 1 == 0, PORTS[usize::from(choice >> 1) % PORTS.len()]);
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    let mut next = [100_u32, 900];
    let mut number = 0;
    while let Some((side, payload)) = input.piece() {
        number += 1;
        let flags = if payload.is_empty() { 0x02 } else { 0x18 };
        let i = side.index();
        let [seq, ack] = if side == Side::Lower { next } else { [next[1], next[0]] };
        let frame = packet(&Packet {
            tcp,
            side,
            client: [192, 0, 2, 1],
            ports: [40_000, port],
            identification: 0,
            ttl: 64,
            numbers: [seq, ack],
            flags,
            payload,
        });
        next[i] = next[i].wrapping_add(payload.len() as u32).wrapping_add(u32::from(flags & 2 != 0));
        let frame = Frame {
            bytes: &frame,
            link: Link::Ip,
            length: frame.len() as u32,
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: number * 1_000_000,
            number,
            file: 0,
        };
        session.packet(&frame, &mut records);
    }
    session.finish(&mut records);
    readable(&records);
}

/// Each record is a line of JSON without anything that a terminal would obey.
pub(crate) fn readable(records: &[AnyRecord]) {
    let mut line = Vec::new();
    for record in records {
        line.clear();
        record.to_json(&mut line).expect("a record can be written");
        let text = std::str::from_utf8(&line).expect("UTF-8");
        assert_eq!(text.find('\n'), Some(text.len() - 1), "one line");
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            panic!("{error}: {text}");
        }
    }
}

/// A packet of IPv4.
pub(crate) struct Packet<'a> {
    pub(crate) tcp: bool,
    pub(crate) side: Side,
    pub(crate) client: [u8; 4],
    /// The client's, and the server's.
    pub(crate) ports: [u16; 2],
    pub(crate) identification: u16,
    pub(crate) ttl: u8,
    /// Sequence number and acknowledgment.
    pub(crate) numbers: [u32; 2],
    pub(crate) flags: u8,
    pub(crate) payload: &'a [u8],
}

pub(crate) fn packet(packet: &Packet<'_>) -> Vec<u8> {
    let Packet { tcp, side, client, mut ports, payload, .. } = *packet;
    let header = if tcp { 20 } else { 8 };
    let mut out = vec![0x45, 0];
    out.extend((20 + header + payload.len() as u16).to_be_bytes());
    out.extend(packet.identification.to_be_bytes());
    out.extend([0, 0, packet.ttl, if tcp { 6 } else { 17 }, 0, 0]);
    let mut addresses = [client, [198, 51, 100, 7]];
    if side == Side::Upper {
        addresses.reverse();
        ports.reverse();
    }
    out.extend(addresses.concat());
    out.extend(ports.map(u16::to_be_bytes).concat());
    if tcp {
        out.extend(packet.numbers.map(u32::to_be_bytes).concat());
        out.extend([0x50, packet.flags, 0xff, 0xff, 0, 0, 0, 0]);
    } else {
        out.extend((8 + payload.len() as u16).to_be_bytes());
        out.extend([0, 0]);
    }
    out.extend(payload);
    out
}
