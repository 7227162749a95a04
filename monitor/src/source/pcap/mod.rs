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
mod files;
mod juniper;
mod link;
mod merge;
mod ng;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use monitor_common::abi::Direction;

pub use error::{CaptureError, Damage};
pub use files::expand;
pub use link::{Stripped, added, strip};
pub use merge::{Captures, Step};

use buffer::Buffer;
use classic::Classic;
use compression::Stream;
use ng::Ng;

/// Longest record that is believed. The formats' own bound is 256 KiB; super-packets are longer.
const MAX_RECORD: usize = 16 << 20;

/// Packets that are located at once.
const BATCH: usize = 256;

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
    /// Which of [`Capture::interfaces`] saw it.
    pub interface: u32,
    /// Its direction, where the file says it beside the packet.
    pub way: Option<Direction>,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// An interface of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What its packets begin with: a `LINKTYPE_` number.
    pub link_type: u32,
    /// Longest packet that is kept; 0: all of it.
    pub snapshot: u32,
    /// Its name; empty where the file has none.
    pub name: Vec<u8>,
}

/// Interfaces of a file that are remembered; a file with more is not believed.
const MAX_INTERFACES: usize = 1 << 16;

/// Bytes of a capture's header that are looked at.
const HEADER: usize = 24;

/// Bytes that the names of all interfaces may take; those beyond have none.
const MAX_NAMES: usize = 1 << 20;

/// The interfaces of all sections and captures in a file.
#[derive(Debug, Default)]
struct Interfaces {
    all: Vec<Interface>,
    /// Bytes of their names.
    names: usize,
}

impl Interfaces {
    fn all(&self) -> &[Interface] {
        &self.all
    }

    /// Adds one and returns its place.
    fn add(&mut self, mut interface: Interface) -> Result<u32, Damage> {
        if self.all.len() >= MAX_INTERFACES {
            return Err(Damage::Interfaces(MAX_INTERFACES));
        }
        if self.names + interface.name.len() > MAX_NAMES {
            interface.name = Vec::new();
        }
        self.names += interface.name.len();
        self.all.push(interface);
        Ok(self.all.len() as u32 - 1)
    }
}

/// What a format finds next.
enum Found {
    Packet(Located),
    /// The header of another capture, put behind this one.
    Capture,
    End,
}

/// Whether a capture's header stands here, of any format, and not a record that looks like its first bytes:
/// the version, or the number that shows the order of bytes, must be there too.
fn begins(bytes: &[u8]) -> bool {
    let Some(magic) = bytes.first_chunk::<4>() else { return false };
    if *magic == ng::SECTION_HEADER {
        return matches!(bytes.get(8..12), Some([0x1a, 0x2b, 0x3c, 0x4d] | [0x4d, 0x3c, 0x2b, 0x1a]));
    }
    classic::form(*magic)
        .is_some_and(|(order, ..)| order.u16(bytes, 4) == Some(2) && order.u16(bytes, 6) == Some(4))
}

/// Whether a capture's header stands next in the buffer.
fn header_follows<R: Read>(buffer: &mut Buffer<R>) -> Result<bool, Damage> {
    let bytes = buffer.need(HEADER)?;
    if bytes.len() >= HEADER {
        return Ok(begins(bytes));
    }
    // Looked at again when more may come.
    if buffer.is_held() { Err(Damage::Cut) } else { Ok(false) }
}

/// Where a packet lies in the buffer.
#[derive(Clone, Copy, Debug)]
struct Located {
    time: Option<u64>,
    length: u32,
    link_type: u32,
    interface: u32,
    way: Option<Direction>,
    /// Bytes of the record before the packet's.
    skip: usize,
    captured: usize,
    /// Bytes of the whole record.
    record: usize,
}

/// Packets that lie in a capture's buffer together.
#[derive(Debug, Default)]
pub struct Batch(Vec<Place>);

/// A packet of a [`Batch`]. Its bytes stay where they are until the next is asked for.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    time: u64,
    begin: usize,
    located: Located,
}

impl Batch {
    /// Packets in it.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
    interfaces: Interfaces,
    number: u64,
    time: u64,
    one: Batch,
}

impl Capture {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        Self::open_counted(path, &Arc::default())
    }

    /// Opens a file, and adds to `read` the bytes that are read from it.
    fn open_counted(path: &Path, read: &Arc<AtomicU64>) -> Result<Self, CaptureError> {
        let read = Arc::clone(read);
        let (name, plain) = if path.as_os_str() == "-" {
            let stream = Stream::open(Counted { reader: io::stdin(), read });
            ("standard input".to_owned(), stream.and_then(Stream::beside))
        } else {
            let name = path.display().to_string();
            match File::open(path) {
                Ok(reader) => (name, Stream::open(Counted { reader, read }).and_then(Stream::beside)),
                Err(source) => return Err(CaptureError::Open { name, source }),
            }
        };
        Self::of(name, plain)
    }

    /// Reads from anything; `name` is what errors call it.
    ///
    /// # Errors
    /// When it cannot be read, or is no capture.
    pub fn new(name: &str, reader: Box<dyn Read>) -> Result<Self, CaptureError> {
        let plain = Stream::open(reader).map(|stream| Box::new(stream) as Box<dyn Read>);
        Self::of(name.to_owned(), plain)
    }

    fn of(name: String, plain: Result<Box<dyn Read>, Damage>) -> Result<Self, CaptureError> {
        let opened = plain.and_then(|plain| {
            let mut buffer = Buffer::new(plain);
            let mut interfaces = Interfaces::default();
            let format = detect(&mut buffer, &mut interfaces)?;
            Ok((buffer, format, interfaces))
        });
        match opened {
            Ok((buffer, format, interfaces)) => {
                Ok(Self { name, buffer, format, interfaces, number: 0, time: 0, one: Batch::default() })
            }
            Err(damage) => Err(CaptureError::refused(name, damage)),
        }
    }

    /// Packets given so far.
    pub const fn packets(&self) -> u64 {
        self.number
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interfaces that were met so far, of all sections.
    pub fn interfaces(&self) -> &[Interface] {
        self.interfaces.all()
    }

    /// The time of the next packet; `None` at the end.
    ///
    /// # Errors
    /// As [`Capture::batch`].
    pub fn next_time(&mut self) -> Result<Option<u64>, CaptureError> {
        match self.locate() {
            Ok(located) => Ok(located.map(|located| located.time.unwrap_or(self.time))),
            Err(damage) => Err(self.damaged(damage)),
        }
    }

    /// Takes the next packets: one, and those behind it that lie in the buffer and are not later than
    /// `until`. None at the end. [`Capture::packets_of`] lends them.
    ///
    /// # Errors
    /// Where the file is cut or damaged; everything before was given, and nothing follows.
    pub fn batch(&mut self, until: u64, batch: &mut Batch) -> Result<(), CaptureError> {
        self.take(BATCH, until, batch)
    }

    /// The same, at most so many packets.
    fn take(&mut self, most: usize, until: u64, batch: &mut Batch) -> Result<(), CaptureError> {
        batch.0.clear();
        let outcome = loop {
            let located = match self.locate() {
                Ok(Some(located)) => located,
                Ok(None) => break Ok(()),
                Err(damage) => break Err(damage),
            };
            let time = located.time.unwrap_or(self.time);
            if !batch.is_empty() && (time > until || batch.len() == most) {
                break Ok(());
            }
            self.number += 1;
            self.time = time;
            let begin = self.buffer.place() + located.skip;
            batch.0.push(Place { number: self.number, time, begin, located });
            self.buffer.consume(located.record);
            self.buffer.hold();
        };
        self.buffer.release();
        match outcome {
            // What could not be read because the buffer was held is tried again with the next batch.
            Err(damage) if batch.is_empty() => Err(self.damaged(damage)),
            _ => Ok(()),
        }
    }

    /// The packets of the last batch.
    pub fn packets_of<'a>(&'a self, batch: &'a Batch) -> impl ExactSizeIterator<Item = Packet<'a>> {
        batch.0.iter().map(|at| Packet {
            number: at.number,
            time: at.time,
            length: at.located.length,
            link_type: at.located.link_type,
            interface: at.located.interface,
            way: at.located.way,
            bytes: self.buffer.at(at.begin, at.located.captured),
        })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// As [`Capture::batch`].
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let mut batch = std::mem::take(&mut self.one);
        let taken = self.take(1, 0, &mut batch);
        self.one = batch;
        taken?;
        Ok(self.packets_of(&self.one).next())
    }

    #[inline]
    fn locate(&mut self) -> Result<Option<Located>, Damage> {
        loop {
            let found = match &mut self.format {
                Format::Classic(format) => format.next(&mut self.buffer)?,
                Format::Ng(format) => format.next(&mut self.buffer, &mut self.interfaces)?,
            };
            match found {
                Found::Packet(located) => return Ok(Some(located)),
                Found::End => return Ok(None),
                Found::Capture => self.format = detect(&mut self.buffer, &mut self.interfaces)?,
            }
        }
    }

    fn damaged(&self, damage: Damage) -> CaptureError {
        CaptureError::damaged(self.name.clone(), self.buffer.offset(), self.number, damage)
    }
}

/// A reader that says how far it has come.
struct Counted<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(to)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// Which format it is, by its first four bytes.
fn detect(buffer: &mut Buffer<Box<dyn Read>>, interfaces: &mut Interfaces) -> Result<Format, Damage> {
    let first = buffer.need(4)?;
    let Some(magic) = first.first_chunk::<4>().copied() else {
        return Err(if first.is_empty() { Damage::Empty } else { Damage::NoCapture });
    };
    if magic == ng::SECTION_HEADER {
        return Ok(Format::Ng(Ng::open(buffer)?));
    }
    match Classic::open(magic, buffer, interfaces)? {
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
