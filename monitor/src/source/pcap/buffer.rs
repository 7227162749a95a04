//! One large buffer over a stream: records are looked at in place.

use std::io::{self, Read};

/// Bytes asked for at once: few enough that they are still in a core's cache when they are looked at.
const READ: usize = 256 << 10;

/// What was read and not yet consumed lies in one piece.
pub(super) struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    /// Offset in the stream of `begin`.
    offset: u64,
    /// Nothing may move: what lies in the buffer is all there is.
    held: bool,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: vec![0; READ], begin: 0, end: 0, offset: 0, held: false }
    }

    /// Offset in the stream of the first byte that was not consumed.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// At least `length` bytes, fewer only at the end of the stream.
    #[inline]
    pub(super) fn need(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.end - self.begin < length && !self.held {
            self.fill(length)?;
        }
        Ok(self.bytes.get(self.begin..self.end).unwrap_or_default())
    }

    /// From now on no bytes move or come, until they are let go.
    #[inline]
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Whether fewer bytes than asked for may be there although the stream goes on.
    #[inline]
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Bytes may move and come again.
    #[inline]
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    /// Place of the first byte that was not consumed; it is good until bytes move.
    #[inline]
    pub(super) const fn place(&self) -> usize {
        self.begin
    }

    /// The bytes at a place.
    #[inline]
    pub(super) fn at(&self, place: usize, length: usize) -> &[u8] {
        self.bytes.get(place..place + length).unwrap_or_default()
    }

    /// Moves on; `length` bytes were looked at.
    #[inline]
    pub(super) fn consume(&mut self, length: usize) {
        let length = length.min(self.end - self.begin);
        self.begin += length;
        self.offset += length as u64;
    }

    #[cold]
    fn fill(&mut self, length: usize) -> io::Result<()> {
        self.bytes.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        while self.end < length {
            let Some(room) = self.bytes.get_mut(self.end..) else { break };
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
