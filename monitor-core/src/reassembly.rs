//! The beginning of one direction of a TCP connection, put in order.
//!
//! Segments come in any order, again, overlapping and across the wrap of the sequence number; of bytes
//! that come twice the first copy stays, so that nobody can rewrite what was already read. Each byte
//! is copied at most three times, and what is held is at most the limit, in at most [`HELD_MAX`] pieces
//! behind holes: work and memory are linear in what arrives.
//!
//! ```
//! use monitor_core::reassembly::{Assembler, Pushed};
//!
//! let mut stream = Assembler::new(64 * 1024);
//! stream.start(1000);
//! assert_eq!(stream.push(1005, b" world"), Ok(Pushed::Held));
//! assert_eq!(stream.push(1000, b"hello"), Ok(Pushed::Grew));
//! assert_eq!(stream.contiguous(), b"hello world");
//! stream.consume(6);
//! assert_eq!(stream.contiguous(), b"world");
//! ```

use std::collections::VecDeque;

/// Most pieces that wait behind holes.
pub const HELD_MAX: usize = 32;

/// Most times that a stream whose beginning was not seen is found to begin earlier.
const EARLIER_MAX: u8 = 4;

/// What a segment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// There are more contiguous bytes than before.
    Grew,
    /// It waits behind a hole.
    Held,
    /// Nothing in it was new.
    Old,
}

/// Why a segment could not be taken in. What was there before stays and can be read; the bytes that were
/// refused are a hole unless they come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GivenUp {
    /// More bytes than the limit are waiting to be read, or it lies further ahead than the limit.
    TooLong,
    /// More than [`HELD_MAX`] pieces wait behind holes.
    TooManyHoles,
}

impl GivenUp {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooManyHoles => "too_many_holes",
        }
    }
}

impl std::fmt::Display for GivenUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::TooLong => "more bytes than may wait",
            Self::TooManyHoles => "too many holes",
        })
    }
}

impl std::error::Error for GivenUp {}

/// Bytes that wait behind a hole.
#[derive(Debug)]
struct Piece {
    /// Distance from the end of the contiguous bytes when `moved` was 0.
    at: u64,
    bytes: Box<[u8]>,
    /// When it came.
    time: u64,
}

impl Piece {
    const fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// A hole that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Bytes that were missing.
    pub missing: u64,
    /// When the bytes came that stand behind it.
    pub time: u64,
}

/// One direction of a connection; see the [module](self). Empty it holds no memory of its own.
#[derive(Debug)]
pub struct Assembler {
    limit: usize,
    /// Sequence number of the byte at `end`.
    next: u32,
    /// Position of the end of the contiguous bytes in the stream; its zero is arbitrary.
    end: u64,
    /// Contiguous bytes, of which those before `head` were consumed.
    data: Vec<u8>,
    head: usize,
    held: VecDeque<Piece>,
    held_bytes: usize,
    started: bool,
    /// Whether the first byte is known by a SYN, or by having been read.
    anchored: bool,
    /// Whether any byte has come.
    heard: bool,
    earlier: u8,
}

impl Assembler {
    /// A stream of which at most `limit` bytes wait to be read.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            next: 0,
            // Room for what turns out to stand before the first segment.
            end: 1 << 40,
            data: Vec::new(),
            head: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            started: false,
            anchored: false,
            heard: false,
            earlier: 0,
        }
    }

    /// Most bytes that wait to be read.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Says where the stream begins: the number of the byte after the SYN. Without it the first segment
    /// is taken for the beginning, until one shows up that stands before it and nothing was consumed.
    /// Does nothing once bytes have come; before that the last word counts (a SYN-ACK may be renewed).
    pub const fn start(&mut self, seq: u32) {
        if !self.heard {
            self.next = seq;
            self.started = true;
            self.anchored = true;
        }
    }

    /// Whether a segment with this number would be the next to read and nothing waits: its bytes may be
    /// read where they are, and [pushed](Self::push) only if that does not suffice.
    pub fn is_next(&self, seq: u32) -> bool {
        self.is_empty() && (!self.started || self.next == seq)
    }

    /// Goes on after bytes that were read where they are: the next segment in order begins at `seq`.
    /// What waited is dropped.
    pub fn skip_to(&mut self, seq: u32) {
        let (limit, end) = (self.limit, self.end);
        *self = Self { next: seq, end, started: true, anchored: true, heard: true, ..Self::new(limit) };
    }

    /// Takes a segment in: the sequence number of its first byte and its payload.
    ///
    /// # Errors
    /// It does not fit. Bytes of it that do may have been taken.
    pub fn push(&mut self, seq: u32, bytes: &[u8]) -> Result<Pushed, GivenUp> {
        self.push_at(seq, bytes, 0)
    }

    /// [`Self::push`] of bytes that came at `time`.
    ///
    /// # Errors
    /// As there.
    pub fn push_at(&mut self, seq: u32, bytes: &[u8], time: u64) -> Result<Pushed, GivenUp> {
        if bytes.is_empty() {
            return Ok(Pushed::Old);
        }
        self.heard = true;
        if !self.started {
            self.next = seq;
            self.started = true;
        }
        // RFC 793: numbers compare within half of their circle.
        let distance = i64::from(seq.wrapping_sub(self.next) as i32);
        if let Some(at) = self.end.checked_add_signed(distance) {
            self.stand_earlier(at, time);
            self.insert(at, bytes, time)
        } else {
            Ok(Pushed::Old)
        }
    }

    /// A stream that was found in its middle begins earlier: what is there waits behind a hole.
    fn stand_earlier(&mut self, at: u64, time: u64) {
        let first = self.end - self.data.len() as u64;
        if self.anchored || self.head != 0 || at >= first || self.earlier == EARLIER_MAX {
            return;
        }
        self.earlier += 1;
        self.next = self.next.wrapping_sub((self.end - at) as u32);
        self.end = at;
        if !self.data.is_empty() {
            let bytes = std::mem::take(&mut self.data).into_boxed_slice();
            self.held_bytes += bytes.len();
            self.held.push_front(Piece { at: first, bytes, time });
        }
    }

    /// Takes in bytes at a position of the stream.
    fn insert(&mut self, mut at: u64, mut bytes: &[u8], time: u64) -> Result<Pushed, GivenUp> {
        let before = self.end;
        skip_known(self.end, &mut at, &mut bytes);
        if bytes.is_empty() {
            return Ok(Pushed::Old);
        }
        let first = self.end - (self.data.len() - self.head) as u64;
        let room = (first + self.limit as u64).saturating_sub(at);
        let fits = bytes.len() as u64 <= room;
        let mut bytes = if fits { bytes } else { bytes.get(..room as usize).unwrap_or_default() };

        let mut kept = false;
        let mut index = 0;
        while !bytes.is_empty() {
            while self.held.get(index).is_some_and(|piece| piece.end() <= at) {
                index += 1;
            }
            let piece = self.held.get(index).map(|piece| (piece.at, piece.end()));
            // The part before the next piece is new, the part within it is not.
            let new = piece
                .map_or(bytes.len(), |(start, _)| start.saturating_sub(at).min(bytes.len() as u64) as usize);
            let (fresh, rest) = bytes.split_at(new);
            if !fresh.is_empty() {
                if at == self.end {
                    self.append(fresh);
                    self.absorb();
                    at += fresh.len() as u64;
                    bytes = rest;
                    skip_known(self.end, &mut at, &mut bytes);
                    index = 0;
                    continue;
                }
                if self.held.len() >= HELD_MAX {
                    return Err(GivenUp::TooManyHoles);
                }
                self.held.insert(index, Piece { at, bytes: fresh.into(), time });
                self.held_bytes += fresh.len();
                kept = true;
                at += fresh.len() as u64;
            }
            bytes = match piece {
                Some((start, end)) if !rest.is_empty() => {
                    let within = (end - start.max(at)).min(rest.len() as u64);
                    at += within;
                    rest.get(within as usize..).unwrap_or_default()
                }
                _ => rest,
            };
        }
        if !fits {
            Err(GivenUp::TooLong)
        } else if self.end > before {
            Ok(Pushed::Grew)
        } else if kept {
            Ok(Pushed::Held)
        } else {
            Ok(Pushed::Old)
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
        self.next = self.next.wrapping_add(bytes.len() as u32);
    }

    /// Joins the pieces that no hole precedes any more.
    fn absorb(&mut self) {
        while self.next_piece().is_some() {}
    }

    /// The bytes that can be read.
    pub fn contiguous(&self) -> &[u8] {
        self.data.get(self.head..).unwrap_or_default()
    }

    /// Drops the first `count` contiguous bytes, which were read, or all if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.head = self.head.saturating_add(count).min(self.data.len());
        if self.head != 0 {
            self.anchored = true;
        }
        if self.head == self.data.len() {
            self.data.clear();
            self.head = 0;
        } else if self.head >= self.data.len() - self.head {
            // No more is moved than was consumed.
            self.data.drain(..self.head);
            self.head = 0;
        }
    }

    /// Gives up the hole that stands before what waits: the unread bytes before it are dropped, and the first piece
    /// after it can be read; more may follow at once, see [`Self::next_piece`]. `None` if nothing waits.
    pub fn skip_hole(&mut self) -> Option<Hole> {
        let piece = self.held.front()?;
        let (at, time) = (piece.at, piece.time);
        let missing = at - self.end;
        self.data.clear();
        self.head = 0;
        self.end = at;
        self.next = self.next.wrapping_add(missing as u32);
        self.anchored = true;
        self.next_piece();
        Some(Hole { missing, time })
    }

    /// After [`Self::skip_hole`], makes the next piece readable if no hole stands before it, and says when it came.
    pub fn next_piece(&mut self) -> Option<u64> {
        let piece = self.held.pop_front_if(|piece| piece.at == self.end)?;
        self.held_bytes -= piece.bytes.len();
        self.append(&piece.bytes);
        Some(piece.time)
    }

    /// Whether the stream's beginning is known, by a SYN or by having been read.
    pub const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Whether bytes wait behind a hole.
    pub fn has_hole(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether nothing is held, neither to read nor behind a hole.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.head == self.data.len()
    }

    /// Sequence number of the byte after the contiguous ones; `None` before the first.
    pub const fn next_seq(&self) -> Option<u32> {
        if self.started { Some(self.next) } else { None }
    }

    /// Bytes of memory held for the stream.
    pub fn memory(&self) -> usize {
        self.data.capacity() + self.held_bytes + self.held.capacity() * size_of::<Piece>()
    }
}

/// Leaves out of `bytes`, which begin at `at`, what stands before `end`.
fn skip_known(end: u64, at: &mut u64, bytes: &mut &[u8]) {
    let known = end.saturating_sub(*at).min(bytes.len() as u64);
    *bytes = bytes.get(known as usize..).unwrap_or_default();
    *at += known;
}

#[cfg(test)]
mod tests;
