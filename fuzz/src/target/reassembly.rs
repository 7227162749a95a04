//! Reassembly against a stream that is known: what comes out is what was sent, in order.

use monitor_core::reassembly::{Assembler, HELD_MAX};

use crate::input::Input;

const LIMIT: usize = 4096;

/// The byte at a position of the stream that is sent.
const fn sent(position: u32) -> u8 {
    (position.wrapping_mul(2_654_435_761) >> 24) as u8
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    // Numbers wrap in the middle of the stream.
    let first = u32::MAX - u32::from(input.word() & 0xfff);
    let mut stream = Assembler::new(LIMIT);
    stream.start(first);
    let mut read = 0_u32;
    while !input.is_empty() {
        let choice = input.byte();
        match choice & 7 {
            0 => {
                let count = usize::from(input.byte()).min(stream.contiguous().len());
                stream.consume(count);
                read += count as u32;
            }
            1 if choice & 0x80 != 0 => {
                let before = stream.contiguous().len();
                if let Some(hole) = stream.skip_hole() {
                    // Contiguous bytes are read first, else they would stand before a hole.
                    let _ = before;
                    read = read.wrapping_add(before as u32).wrapping_add(hole.missing as u32);
                    while choice & 0x40 != 0 && stream.next_piece().is_some() {}
                }
            }
            _ => {
                let at = u32::from(input.word() & 0x1fff);
                let length = u32::from(input.byte()) * 8;
                let segment: Vec<u8> = (at..at + length).map(sent).collect();
                let _ = stream.push(first.wrapping_add(at), &segment);
            }
        }
        let waiting = stream.contiguous();
        assert!(waiting.len() <= LIMIT, "{} bytes wait", waiting.len());
        for (byte, position) in waiting.iter().zip(read..) {
            assert_eq!(*byte, sent(position), "byte {position}");
        }
        let bound = 4 * LIMIT + HELD_MAX * 64 + 1024;
        assert!(stream.memory() <= bound, "{} bytes are held", stream.memory());
    }
}
