//! Connections that fall silent and go on, that move to other addresses, and packets that were captured twice: no packet
//! is counted twice, none is lost, and records that come out can be read.

use monitor_common::{
    abi::{Direction, Side, hook_flags},
    wire::Link,
};
use monitor_core::{
    offline::{Frame, Outcome, Session, SessionConfig, TableConfig},
    record::AnyRecord,
};

use super::session::{Packet, packet, readable};
use crate::input::Input;

/// Ports of servers.
const PORTS: [u16; 4] = [443, 80, 53, 40_001];
/// Flows at once: few, so that some make room.
const FLOWS: u32 = 8;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let table = TableConfig { max_flows: FLOWS, once: true, ..TableConfig::default() };
    let mut session = Session::new(SessionConfig { table, ..SessionConfig::default() });
    let mut records = Vec::new();
    let mut next = [100_u32, 900];
    let (mut time, mut number) = (1_000_000_000_u64, 0);
    let (mut counted, mut copies) = (0_u64, 0_u64);
    while !input.is_empty() {
        let (who, how, step) = (input.byte(), input.byte(), input.byte());
        let Some((side, payload)) = input.piece() else { break };
        // From a microsecond to some hours.
        time = time.saturating_add(1_000 << (step % 34));
        let tcp = who & 1 == 0;
        let i = side.index();
        let [seq, ack] = if side == Side::Lower { next } else { [next[1], next[0]] };
        let bytes = packet(&Packet {
            tcp,
            side,
            client: [192, 0, 2, 1 + (who >> 3) % 4],
            ports: [40_000 + u16::from(who >> 5), PORTS[usize::from(who >> 1) % PORTS.len()]],
            identification: u16::from(how >> 4),
            ttl: 64 - (how & 3),
            numbers: [seq, ack],
            // SYN, FIN, RST, PSH and ACK as they come.
            flags: if how & 4 == 0 { 0x18 } else { step >> 3 & 0x1f },
            payload,
        });
        next[i] = next[i].wrapping_add(payload.len() as u32);
        // Once, or again a little later.
        for again in 0..=u64::from(how >> 3 & 1) {
            number += 1;
            let frame = Frame {
                bytes: &bytes,
                link: Link::Ip,
                length: bytes.len() as u32,
                before: 0,
                ifindex: 1 + again as u32,
                hook_flags: hook_flags::ONE_SIDED,
                direction: Direction::Receive,
                way: None,
                time: time + again * 10_000,
                number,
                file: 0,
            };
            match session.packet(&frame, &mut records) {
                Outcome::Flow { again: true, .. } => copies += 1,
                Outcome::Flow { .. } => counted += 1,
                _ => {}
            }
        }
    }
    session.finish(&mut records);
    let told = records.iter().filter_map(|record| match record {
        AnyRecord::Flow(flow) => Some(flow.sent.packets + flow.received.packets),
        _ => None,
    });
    assert_eq!(
        (told.sum::<u64>(), session.table().duplicates()),
        (counted, copies),
        "packets in records, copies"
    );
    readable(&records);
}
