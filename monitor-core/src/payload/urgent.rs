//! Urgent bytes of TCP: receivers take the one before the urgent pointer out of the stream (RFC 6093, 3.1), and so
//! what a server reads does not have it.

use std::borrow::Cow;

use super::TcpHeader;

/// Most urgent bytes of a direction that are told apart from each other; of older ones the number is known.
const LATEST: usize = 4;

/// The urgent bytes that one direction has sent so far.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    /// How many were taken out before those in `latest`.
    older: u32,
    /// Sequence numbers of the others, in order.
    latest: Vec<u32>,
}

/// Whether a sequence number lies behind another (RFC 9293, 3.4).
const fn after(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) > 0
}

impl Urgent {
    /// Learns of the urgent byte that a segment points at. One that the pointer puts far ahead is none.
    pub(super) fn point(&mut self, tcp: TcpHeader) {
        let Some(ahead) = tcp.urgent.checked_sub(1) else { return };
        let at = tcp.seq.wrapping_add(u32::from(ahead));
        // Bytes behind it have been read as they were; a pointer that goes back changes nothing.
        if self.latest.last().is_some_and(|latest| !after(at, *latest)) {
            return;
        }
        if self.latest.len() == LATEST {
            self.latest.remove(0);
            self.older = self.older.wrapping_add(1);
        }
        self.latest.push(at);
    }

    /// Whether there was none: nothing has to be looked at.
    pub(super) const fn is_none(&self) -> bool {
        self.latest.is_empty()
    }

    /// A number of the stream without urgent bytes.
    pub(super) fn without(&self, seq: u32) -> u32 {
        let before = self.latest.iter().filter(|at| after(seq, **at)).count() as u32;
        seq.wrapping_sub(before).wrapping_sub(self.older)
    }

    /// The bytes from `seq` on without urgent ones.
    pub(super) fn strip<'a>(&self, seq: u32, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let urgent = |at: &u32| (at.wrapping_sub(seq) as usize) < bytes.len();
        if !self.latest.iter().any(urgent) {
            return Cow::Borrowed(bytes);
        }
        let kept = (0_u32..).zip(bytes).filter(|(n, _)| !self.latest.contains(&seq.wrapping_add(*n)));
        Cow::Owned(kept.map(|(_, byte)| *byte).collect())
    }
}
