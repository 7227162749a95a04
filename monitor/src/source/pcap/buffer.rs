//! One large buffer over a stream: records are looked at in place.

use std::io::{self, Read};

/// Bytes asked for at once.
const READ: usize = 1 << 20;

/// What was read and not yet consumed lies in one piece.
pub(super) struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    /// Offset in the stream of `begin`.
    offset: u64,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: vec![0; READ], begin: 0, end: 0, offset: 0 }
    }

    /// Offset in the stream of the first byte that was not consumed.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// At least `length` bytes, fewer only at the end of the stream.
    #[inline]
    pub(super) fn need(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.end - self.begin < length {
            self.fill(length)?;
        }
        Ok(self.bytes.get(self.begin..self.end).unwrap_or_default())
    }

    /// Bytes that [`Self::need`] has made sure of.
    #[inline]
    pub(super) fn peek(&self, skip: usize, length: usize) -> &[u8] {
        let begin = self.begin + skip;
        self.bytes.get(begin..begin + length).unwrap_or_default()
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
