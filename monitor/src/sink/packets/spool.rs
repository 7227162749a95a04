//! A file of entries of one size, in which earlier ones can be added to.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use monitor_core::record::Text;

use crate::{
    files::Directory,
    sink::{OutputError, part::unnamed},
};

/// Bytes of an entry.
const ENTRY: usize = 120;
/// Where the part begins that is written when the flow ends.
const NAMING: usize = 96;
/// Entries that wait in memory before they are written.
const BATCH: usize = 4096;

/// What a packet's row is made of, without the name of its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) frame: u64,
    pub(super) time: u64,
    /// First frame of its flow; 0: none.
    pub(super) flow: u64,
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
    /// Which of the files it is in, and which its flow begins in.
    pub(super) file: u32,
    pub(super) flow_file: u32,
    pub(super) length: u32,
    pub(super) payload: u32,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) timestamps: [u32; 2],
    pub(super) ports: [u16; 2],
    pub(super) window: u16,
    pub(super) mss: u16,
    /// 4, 6, or 0: the packet has no IP.
    pub(super) ip_version: u8,
    pub(super) protocol: u8,
    pub(super) flags: u8,
    pub(super) ttl: u8,
    /// Plus 1; 0: none.
    pub(super) window_scale: u8,
    /// Bits of [`parts`].
    pub(super) parts: u8,
}

/// What a packet has beside an IP header.
pub(super) mod parts {
    /// A whole transport header with ports.
    pub(in super::super) const PORTS: u8 = 1;
    /// A TCP header.
    pub(in super::super) const TCP: u8 = 2;
    /// The timestamp option.
    pub(in super::super) const TIMESTAMPS: u8 = 4;
}

/// What is known of a flow at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// Name, domain and application; empty: not known.
    pub(super) texts: [Text; 3],
    /// How many entries it has.
    pub(super) packets: u64,
}

/// Takes bytes off the front, or puts them there.
struct Cursor<T>(T);

impl Cursor<&[u8]> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((taken, rest)) => {
                self.0 = rest;
                *taken
            }
            None => [0; N],
        }
    }
}

impl Cursor<Vec<u8>> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }
}

impl Entry {
    fn write(&self, to: Vec<u8>) -> Vec<u8> {
        let mut to = Cursor(to);
        let begin = to.0.len();
        for value in [self.frame, self.time, self.flow] {
            to.put(value.to_le_bytes());
        }
        to.put(self.source);
        to.put(self.destination);
        for value in [
            self.file,
            self.flow_file,
            self.length,
            self.payload,
            self.seq,
            self.ack,
            self.timestamps[0],
            self.timestamps[1],
        ] {
            to.put(value.to_le_bytes());
        }
        for value in [self.ports[0], self.ports[1], self.window, self.mss] {
            to.put(value.to_le_bytes());
        }
        // Fills the last 8 bytes before the naming.
        let mut to = to.0;
        debug_assert_eq!(to.len() - begin, NAMING);
        to.extend_from_slice(&[0; ENTRY - NAMING - 6]);
        to.extend_from_slice(&[
            self.ip_version,
            self.protocol,
            self.flags,
            self.ttl,
            self.window_scale,
            self.parts,
        ]);
        to
    }

    fn read(bytes: &[u8; ENTRY]) -> Self {
        let mut from = Cursor(&bytes[..]);
        let [frame, time, flow] = std::array::from_fn(|_| u64::from_le_bytes(from.take()));
        let (source, destination) = (from.take(), from.take());
        let [file, flow_file, length, payload, seq, ack, value, echo] =
            std::array::from_fn(|_| u32::from_le_bytes(from.take()));
        let [source_port, destination_port, window, mss] =
            std::array::from_fn(|_| u16::from_le_bytes(from.take()));
        from.take::<{ ENTRY - NAMING - 6 }>();
        let [ip_version, protocol, flags, ttl, window_scale, parts] = from.take();
        Self {
            frame,
            time,
            flow,
            source,
            destination,
            file,
            flow_file,
            length,
            payload,
            seq,
            ack,
            timestamps: [value, echo],
            ports: [source_port, destination_port],
            window,
            mss,
            ip_version,
            protocol,
            flags,
            ttl,
            window_scale,
            parts,
        }
    }
}

/// Entries, and the names that come later, in two files without names of their own.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    names: File,
    names_length: u64,
    waiting: Vec<u8>,
    written: u64,
}

impl Spool {
    /// An empty one, in the directory of the table `path`.
    pub(super) fn create(directory: &Directory, path: &Path) -> Result<Self, OutputError> {
        let file = || unnamed(directory).map_err(OutputError::file(path));
        Ok(Self {
            path: path.to_owned(),
            file: file()?,
            names: file()?,
            names_length: 0,
            waiting: Vec::with_capacity(BATCH * ENTRY),
            written: 0,
        })
    }

    /// How many were pushed.
    pub(super) const fn entries(&self) -> u64 {
        self.written + (self.waiting.len() / ENTRY) as u64
    }

    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), OutputError> {
        self.waiting = entry.write(std::mem::take(&mut self.waiting));
        if self.waiting.len() >= BATCH * ENTRY { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.file.write_all(&self.waiting).map_err(OutputError::file(&self.path))?;
        self.written += (self.waiting.len() / ENTRY) as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Notes with entry number `at` name, domain and application of the flow that begins there, and how many packets it
    /// has.
    pub(super) fn name(&mut self, at: u64, texts: [&str; 3], packets: u64) -> Result<(), OutputError> {
        // What is written of texts has no control characters.
        let joined = texts.join("\0");
        let length = joined.len().min(usize::from(u16::MAX));
        let bytes = joined.as_bytes().get(..length).unwrap_or_default();
        // Length above the offset: no text begins beyond 2^48.
        let place = (length as u64) << 48 | self.names_length;
        let mut naming = [0; 16];
        naming[..8].copy_from_slice(&place.to_le_bytes());
        naming[8..].copy_from_slice(&packets.to_le_bytes());
        self.names.write_all(bytes).map_err(OutputError::file(&self.path))?;
        self.names_length += length as u64;
        if at >= self.written {
            let begin = (at - self.written) as usize * ENTRY + NAMING;
            if let Some(place) = self.waiting.get_mut(begin..begin + naming.len()) {
                place.copy_from_slice(&naming);
            }
            return Ok(());
        }
        self.file
            .write_all_at(&naming, at * ENTRY as u64 + NAMING as u64)
            .map_err(OutputError::file(&self.path))
    }

    /// Hands out all entries in their order, with what was noted.
    pub(super) fn read(
        &mut self,
        mut with: impl FnMut(&Entry, Option<Naming>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.flush()?;
        self.file.rewind().map_err(OutputError::file(&self.path))?;
        let mut from = BufReader::with_capacity(BATCH * ENTRY, &self.file);
        let mut bytes = [0; ENTRY];
        for _ in 0..self.written {
            from.read_exact(&mut bytes).map_err(OutputError::file(&self.path))?;
            let naming = self.naming(&bytes).map_err(OutputError::file(&self.path))?;
            with(&Entry::read(&bytes), naming)?;
        }
        Ok(())
    }

    fn naming(&self, bytes: &[u8; ENTRY]) -> io::Result<Option<Naming>> {
        let mut from = Cursor(bytes.get(NAMING..).unwrap_or_default());
        let (place, packets) = (u64::from_le_bytes(from.take()), u64::from_le_bytes(from.take()));
        if place == 0 && packets == 0 {
            return Ok(None);
        }
        let mut joined = vec![0; (place >> 48) as usize];
        self.names.read_exact_at(&mut joined, place & ((1 << 48) - 1))?;
        let mut texts = joined.split(|byte| *byte == 0);
        let texts = std::array::from_fn(|_| Text::new(texts.next().unwrap_or_default()));
        Ok(Some(Naming { texts, packets }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(frame: u64) -> Entry {
        Entry {
            frame,
            time: u64::MAX - frame,
            flow: frame / 10,
            source: [1; 16],
            destination: [2; 16],
            file: 17,
            flow_file: 18,
            length: 3,
            payload: 4,
            seq: 5,
            ack: 6,
            timestamps: [7, 8],
            ports: [9, 10],
            window: 11,
            mss: 12,
            ip_version: 6,
            protocol: 13,
            flags: 14,
            ttl: 15,
            window_scale: 16,
            parts: 7,
        }
    }

    #[test]
    fn entries_come_back_in_order_with_the_names_that_came_later() {
        let directory = tempfile::tempdir().unwrap();
        let opened = Directory::open(directory.path()).unwrap();
        let mut spool = Spool::create(&opened, &directory.path().join("packets.csv")).unwrap();
        let count = BATCH as u64 * 2 + 100;
        for frame in 0..count {
            assert_eq!(spool.entries(), frame);
            spool.push(&entry(frame)).unwrap();
        }
        // One that is on the disk by now, one that waits, and an empty name.
        spool.name(7, ["early.example", "", "tls"], 9).unwrap();
        spool.name(count - 1, ["a.late.example", "late.example", ""], 10).unwrap();
        spool.name(8, [""; 3], 11).unwrap();
        let mut named = Vec::new();
        let mut next = 0;
        spool
            .read(|read, naming| {
                assert_eq!(*read, entry(next));
                if let Some(naming) = naming {
                    named.push((next, naming.texts.map(|text| text.to_string()).join(" "), naming.packets));
                }
                next += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(next, count);
        let expected =
            [(7, "early.example  tls", 9), (8, "  ", 11), (count - 1, "a.late.example late.example ", 10)];
        assert_eq!(named, expected.map(|(at, name, last)| (at, name.to_owned(), last)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
