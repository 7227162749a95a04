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
        head.windows(bytes.len()).any(|part| part == bytes)
    }

    /// The first line without its end, if it ends within 512 bytes.
    pub(super) fn line(&self) -> Option<&'a [u8]> {
        let head = self.bytes.get(..self.bytes.len().min(512)).unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n')?;
        let line = head.get(..end)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Longest message that is believed.
const MESSAGE_MAX: usize = 1 << 24;

/// Whether all bytes are printable ASCII.
pub(super) fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}
