//! Capture files, whatever they hold, as `weir pcap` reads them.

use std::io::Cursor;

use monitor::source::pcap::{Capture, Stripped, strip};
use monitor_common::abi::{Direction, hook_flags};
use monitor_core::offline::{Frame, Session, SessionConfig, TableConfig};

use super::session::readable;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(mut capture) = Capture::new("input", Box::new(Cursor::new(bytes.to_vec()))) else { return };
    // What was captured twice counts once, or twice.
    let table = TableConfig { once: bytes.len() & 1 == 0, ..TableConfig::default() };
    let mut session = Session::new(SessionConfig { table, ..SessionConfig::default() });
    let mut records = Vec::new();
    let mut packets = 0_u64;
    while let Ok(Some(packet)) = capture.next_packet() {
        packets += 1;
        assert_eq!(packet.number, packets, "packets are numbered one by one");
        // Compressed, a few bytes are many packets.
        if packets > 4096 {
            break;
        }
        let Some(Stripped { link, before, way }) = strip(packet.link_type, packet.bytes) else { continue };
        let frame = Frame {
            bytes: packet.bytes.get(before..).expect("no more is taken off than there is"),
            link,
            length: packet.length,
            before: before as u32,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: packet.way.or(way),
            time: packet.time,
            number: packet.number,
            file: 0,
        };
        session.packet(&frame, &mut records);
    }
    session.finish(&mut records);
    readable(&records);
}
