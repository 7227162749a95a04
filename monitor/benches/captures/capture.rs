//! Captures in the classic format, as benches write them.

use std::io::Write;

/// Writes the header of a file with microseconds and Ethernet.
pub(crate) fn header(to: &mut impl Write) {
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        to.write_all(&word.to_le_bytes()).expect("space");
    }
}

/// Writes a frame that came so many µs after the beginning. Returns its length.
pub(crate) fn packet(to: &mut impl Write, time: u64, frame: &[u8]) -> u64 {
    let length = frame.len() as u32;
    for word in [1_700_000_000 + (time / 1_000_000) as u32, (time % 1_000_000) as u32, length, length] {
        to.write_all(&word.to_le_bytes()).expect("space");
    }
    to.write_all(frame).expect("space");
    frame.len() as u64
}
