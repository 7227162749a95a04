//! Frames of an Initial (RFC 9000, 19; those that Initials may carry, 12.4).

use super::header::variable;
use crate::parse::tls::Cursor;

/// Bytes of the CRYPTO stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crypto<'a> {
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
}

/// CRYPTO frames of a packet; it ends at the first frame that is malformed or cannot stand there.
#[derive(Clone)]
pub(super) struct Frames<'a> {
    rest: Cursor<'a>,
    /// Type of the CRYPTO frame.
    crypto: u8,
}

impl<'a> Frames<'a> {
    pub(super) const fn new(bytes: &'a [u8], crypto: u8) -> Self {
        Self { rest: Cursor(bytes), crypto }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Crypto<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &mut self.rest;
            match rest.u8()? {
                // PADDING, PING
                0 | 1 => {}
                kind @ (2 | 3) => {
                    // ACK: largest, delay, count, first range, ranges, and three counters of ECN.
                    variable(rest)?;
                    variable(rest)?;
                    let ranges = variable(rest)?;
                    variable(rest)?;
                    for _ in 0..ranges {
                        variable(rest)?;
                        variable(rest)?;
                    }
                    if kind == 3 {
                        variable(rest)?;
                        variable(rest)?;
                        variable(rest)?;
                    }
                }
                kind if kind == self.crypto => {
                    let offset = variable(rest)?;
                    let length = variable(rest)?;
                    let bytes = rest.take(usize::try_from(length).ok()?)?;
                    return Some(Crypto { offset, bytes });
                }
                0x1c => {
                    // CONNECTION_CLOSE: error, frame type, reason.
                    variable(rest)?;
                    variable(rest)?;
                    let reason = variable(rest)?;
                    rest.take(usize::try_from(reason).ok()?)?;
                }
                _ => return None,
            }
        }
    }
}
