//! What a recogniser sees.

/// A payload, and what supports it.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub length: usize,
    /// Ports of sender and receiver.
    pub ports: (u16, u16),
    /// The first bytes of the sender's datagram before, where there was one that may be of a media stream.
    pub before: Option<[u8; 12]>,
}

impl<'a> Sight<'a> {
    /// A payload that was captured whole, the first of its sender.
    pub const fn of(bytes: &'a [u8], ports: (u16, u16)) -> Self {
        Self { bytes, length: bytes.len(), ports, before: None }
    }

    /// Whether one side has one of these ports.
    pub(super) fn on(&self, ports: &[u16]) -> bool {
        ports.contains(&self.ports.0) || ports.contains(&self.ports.1)
    }

    /// The byte at an offset.
    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    /// Two bytes, most significant first.
    pub(super) fn be16(&self, at: usize) -> Option<usize> {
        self.array(at).map(|bytes| u16::from_be_bytes(bytes).into())
    }

    /// Three bytes, most significant first.
    pub(super) fn be24(&self, at: usize) -> Option<usize> {
        self.array(at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]) as usize)
    }

    /// Four bytes, most significant first.
    pub(super) fn be32(&self, at: usize) -> Option<usize> {
        self.array(at).map(|bytes| u32::from_be_bytes(bytes) as usize)
    }

    /// Two bytes, least significant first.
    pub(super) fn le16(&self, at: usize) -> Option<usize> {
        self.array(at).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    /// Four bytes, least significant first.
    pub(super) fn le32(&self, at: usize) -> Option<usize> {
        self.array(at).map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    /// Whether bytes begin at an offset.
    pub(super) fn has(&self, at: usize, bytes: &[u8]) -> bool {
        self.bytes.get(at..).is_some_and(|rest| rest.starts_with(bytes))
    }

    /// Whether the payload is a message of this length, to the byte.
    pub(super) const fn is(&self, length: usize) -> bool {
        length == self.length
    }

    /// Whether a message of this length may begin a stream: it ends with the payload, or behind it.
    pub(super) const fn begins(&self, length: usize) -> bool {
        length == self.length || (length > self.length && length <= MESSAGE_MAX)
    }

    /// Whether bytes stand somewhere in the first `within`.
    pub(super) fn holds(&self, within: usize, bytes: &[u8]) -> bool {
        let head = self.bytes.get(..within.min(self.bytes.len())).unwrap_or_default();
        let Some(first) = bytes.first() else { return true };
        let mut rest = head;
        while let Some(at) = position(rest, *first) {
            rest = rest.get(at..).unwrap_or_default();
            if rest.starts_with(bytes) {
                return true;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        false
    }

    /// The first line without its end, if it ends within 512 bytes.
    pub(super) fn line(&self) -> Option<&'a [u8]> {
        let head = self.bytes.get(..self.bytes.len().min(512)).unwrap_or_default();
        let end = position(head, b'\n')?;
        let line = head.get(..end)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Where a byte stands first. Eight bytes are looked at together: most payloads have no line and none of the words,
/// and are looked through to their end.
fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        // The lowest byte that is zero has its high bit set; those above it may too.
        let zero = differs.wrapping_sub(ONES) & !differs & HIGH;
        if zero != 0 {
            return Some(at * 8 + zero.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|one| *one == byte).map(|at| words.len() * 8 + at)
}

/// Longest message that is believed.
const MESSAGE_MAX: usize = 1 << 24;

/// Whether all bytes are printable ASCII.
pub(super) fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_byte_and_a_word_are_found_where_they_stand_first() {
        let mut random = Random(7);
        for length in 0..2_000_usize {
            let bytes: Vec<u8> =
                (0..length % 60).map(|_| [0, 1, 2, 0x80, 0xff][random.bits() as usize % 5]).collect();
            for byte in [0, 1, 2, 3, 0x80, 0x81, 0xff] {
                assert_eq!(position(&bytes, byte), bytes.iter().position(|one| *one == byte), "{bytes:?}");
            }
            let sight = Sight::of(&bytes, (0, 0));
            for word in [&[1, 2][..], &[0, 0, 0], &[0xff], &[]] {
                let stands = word.is_empty() || bytes.windows(word.len()).any(|part| part == word);
                assert_eq!(sight.holds(60, word), stands, "{bytes:?} {word:?}");
            }
        }
    }
}
