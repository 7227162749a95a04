//! QUIC: datagrams as they are, and frames behind a seal that can be opened.

use monitor_common::abi::Side;
use monitor_core::parse::quic::{Initials, Keys, Sealed, begins, google_server_name, seal, suite};

use crate::input::Input;

/// Version 1 (RFC 9000), version 2 (RFC 9369), a draft.
const VERSIONS: [u32; 3] = [1, 0x6b33_43cf, 0xff00_001d];

/// What a connection may hold.
const MEMORY_MAX: usize = 512 * 1024;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let choice = input.byte();
    let _ = google_server_name(input.0);
    let _ = begins(input.0);
    let mut initials = Initials::default();
    let mut scratch = Vec::new();
    let mut number = 0;
    while let Some((side, piece)) = input.piece() {
        let datagram = if choice & 1 == 0 {
            piece.to_vec()
        } else {
            let version = VERSIONS[usize::from(choice >> 1) % VERSIONS.len()];
            number += 1;
            initial(version, side, number, piece)
        };
        let read = initials.read(side, &datagram, 1, &mut scratch);
        if choice & 1 == 1 && side == Side::Lower {
            assert_ne!(
                read.failure.map(|failure| format!("{failure:?}")).as_deref(),
                Some("Sealed"),
                "what was sealed can be opened"
            );
        }
        assert!(initials.memory() <= MEMORY_MAX, "{} bytes are held", initials.memory());
    }
    let _ = initials.close();
}

/// An Initial with these frames.
fn initial(version: u32, side: Side, number: u32, frames: &[u8]) -> Vec<u8> {
    const CONNECTION: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let sealed = if side == Side::Lower { Sealed::ByClient } else { Sealed::ByServer };
    let suite = suite(version).expect("a known version");
    let keys = Keys::new(&suite, &CONNECTION, sealed).expect("keys");
    // Too short to be sampled is not sent: a sender adds PADDING.
    let mut frames = frames.to_vec();
    frames.resize(frames.len().clamp(20, 16_000), 0);
    let mut header = vec![0xc3 | suite.initial << 4];
    header.extend(version.to_be_bytes());
    header.push(CONNECTION.len() as u8);
    header.extend(CONNECTION);
    header.extend([0, 0]);
    header.extend((0x4000 | (4 + frames.len() + 16) as u16).to_be_bytes());
    header.extend(number.to_be_bytes());
    seal(&keys, &header, &frames)
}
