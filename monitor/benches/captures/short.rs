//! A capture of many short flows: handshake, a request, a response, and the end, six packets each.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::capture::{header, packet};

/// Flows at once.
pub(crate) const LIVE: usize = 2_000;

/// Packets of a flow.
pub(crate) const PACKETS: u64 = 6;

/// Writes a capture of so many flows, of which [`LIVE`] go on in turns; a packet every µs. Returns its bytes.
pub(crate) fn write(path: &Path, flows: u64) -> u64 {
    let mut to = BufWriter::with_capacity(1 << 20, File::create(path).expect("a capture below target"));
    header(&mut to);
    let mut live: VecDeque<(u64, u64)> = VecDeque::with_capacity(LIVE);
    let (mut next, mut time, mut bytes) = (0, 0, 0);
    loop {
        while live.len() < LIVE && next < flows {
            live.push_back((next, 0));
            next += 1;
        }
        let Some((flow, step)) = live.pop_front() else { break };
        bytes += packet(&mut to, time, &frame(flow, step));
        time += 1;
        if step + 1 < PACKETS {
            live.push_back((flow, step + 1));
        }
    }
    to.flush().expect("space");
    bytes
}

/// The packet of a flow at a step of its life.
fn frame(flow: u64, step: u64) -> Vec<u8> {
    // Sender (0: the client), sequence number, acknowledged, flags, and payload.
    let (side, seq, ack, flags, payload): (usize, u32, u32, u8, &[u8]) = match step {
        0 => (0, 100, 0, 0x02, &[]),
        1 => (1, 500, 101, 0x12, &[]),
        2 => (0, 101, 501, 0x10, &[]),
        3 => (0, 101, 501, 0x18, &[b'x'; 80]),
        4 => (1, 501, 181, 0x18, &[b'y'; 300]),
        _ => (0, 181, 801, 0x04, &[]),
    };
    let client = 0x0a00_0000 | flow as u32 & 0x00ff_ffff;
    let server = 0xc0a8_0000 | (flow * 7919) as u32 & 0xffff;
    let ends = [client.to_be_bytes(), server.to_be_bytes()];
    let ports = [1024 + (flow * 31 % 60_000) as u16, if flow.is_multiple_of(3) { 8080 } else { 443 }];
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    out.extend((40 + payload.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    for at in [side, 1 - side] {
        out.extend(ends[at]);
    }
    for at in [side, 1 - side] {
        out.extend(ports[at].to_be_bytes());
    }
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(payload);
    out
}
