//! Capture files: pcap and pcapng, plain or compressed, from files or standard input.
//!
//! The reader is this project's own. Both formats are a few headers, and what matters here is not in
//! the crates that read them: a damaged file must give everything before the damage and say at which
//! offset it is, packets must be lent from one large buffer without a copy or an allocation, and
//! standard input must work as a file does. Reads are large and in order; that is faster than a
//! mapping, and works on pipes.

mod buffer;
mod classic;
mod compression;
mod error;
mod link;
mod ng;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

pub use error::{CaptureError, Damage};
pub use link::{Stripped, strip};

use buffer::Buffer;
use classic::Classic;
use ng::Ng;

/// Longest record that is believed. The formats' own bound is 256 KiB; super-packets are longer.
const MAX_RECORD: usize = 16 << 20;

/// A captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Nanoseconds since the epoch; that of the packet before where the file says none.
    pub time: u64,
    /// Length on the wire.
    pub length: u32,
    /// What `bytes` begin with: a `LINKTYPE_` number.
    pub link_type: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// Where a packet lies in the buffer, before it is lent.
#[derive(Clone, Copy, Debug)]
struct Located {
    time: Option<u64>,
    length: u32,
    link_type: u32,
    /// Bytes of the record before the packet's.
    skip: usize,
    captured: usize,
    /// Bytes of the whole record.
    record: usize,
}

#[derive(Debug)]
enum Format {
    Classic(Classic),
    Ng(Ng),
}

/// A capture that is being read.
pub struct Capture {
    name: String,
    buffer: Buffer<Box<dyn Read>>,
    format: Format,
    /// Bytes of the record that was lent last.
    lent: usize,
    number: u64,
    time: u64,
}

impl Capture {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        if path.as_os_str() == "-" {
            return Self::new("standard input", Box::new(io::stdin().lock()));
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(&name, Box::new(file)),
            Err(source) => Err(CaptureError::Open { name, source }),
        }
    }

    /// Reads from anything; `name` is what errors call it.
    ///
    /// # Errors
    /// When it cannot be read, or is no capture.
    pub fn new(name: &str, reader: Box<dyn Read>) -> Result<Self, CaptureError> {
        let name = name.to_owned();
        let opened = compression::decompress(reader).and_then(|plain| {
            let mut buffer = Buffer::new(plain);
            let format = detect(&mut buffer)?;
            Ok((buffer, format))
        });
        match opened {
            Ok((buffer, format)) => Ok(Self { name, buffer, format, lent: 0, number: 0, time: 0 }),
            Err(damage) => Err(CaptureError::refused(name, damage)),
        }
    }

    /// Packets given so far.
    pub const fn packets(&self) -> u64 {
        self.number
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Where the file is cut or damaged; everything before was given, and nothing follows.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        self.buffer.consume(std::mem::take(&mut self.lent));
        let located = match &mut self.format {
            Format::Classic(format) => format.next(&mut self.buffer),
            Format::Ng(format) => format.next(&mut self.buffer),
        };
        match located {
            Ok(None) => Ok(None),
            Ok(Some(at)) => {
                self.lent = at.record;
                self.number += 1;
                self.time = at.time.unwrap_or(self.time);
                Ok(Some(Packet {
                    number: self.number,
                    time: self.time,
                    length: at.length,
                    link_type: at.link_type,
                    bytes: self.buffer.peek(at.skip, at.captured),
                }))
            }
            Err(damage) => {
                Err(CaptureError::damaged(self.name.clone(), self.buffer.offset(), self.number, damage))
            }
        }
    }
}

/// Which format it is, by its first four bytes.
fn detect(buffer: &mut Buffer<Box<dyn Read>>) -> Result<Format, Damage> {
    let Some(magic) = buffer.need(4)?.first_chunk::<4>().copied() else { return Err(Damage::NoCapture) };
    if magic == ng::SECTION_HEADER {
        return Ok(Format::Ng(Ng::open(buffer)?));
    }
    match Classic::open(magic, buffer)? {
        Some(classic) => Ok(Format::Classic(classic)),
        None => Err(Damage::NoCapture),
    }
}

/// Order of the bytes in numbers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let word = bytes.get(at..)?.first_chunk().copied()?;
        Some(if self == Self::Little { u16::from_le_bytes(word) } else { u16::from_be_bytes(word) })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..)?.first_chunk().copied()?;
        Some(if self == Self::Little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) })
    }

    fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let word = bytes.get(at..)?.first_chunk().copied()?;
        Some(if self == Self::Little { u64::from_le_bytes(word) } else { u64::from_be_bytes(word) })
    }
}
