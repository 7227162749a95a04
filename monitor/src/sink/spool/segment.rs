//! Segments of a spool: files of frames, the first of which says what they are of.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    super::number::{Mark, Origin},
    frame::{Frame, Kind, frames},
    place::Place,
};
use crate::{clock, files::Status};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// What a segment's frames are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// What they were written for.
    pub(super) format: u32,
    /// Whose records they are.
    pub(super) origin: Origin,
    /// How far each stream had come.
    pub(super) streams: Vec<Mark>,
}

/// A file of frames.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) index: u64,
    pub(super) file: Arc<File>,
    /// Bytes of whole frames.
    pub(super) length: u64,
    /// Records among them.
    pub(super) records: u64,
    /// When it was begun, Unix time in ns.
    pub(super) begun: u64,
    /// When something was written to it last.
    pub(super) newest: u64,
}

impl Segment {
    /// Begins one.
    pub(super) fn create(place: &Place, index: u64, header: &Header) -> io::Result<Self> {
        let now = clock::wall() as u64;
        let body = serde_json::to_vec(header)?;
        let mut bytes = Vec::new();
        Frame { kind: Kind::Header, stream: 0, number: now, flow: 0, body: &body }.write(&mut bytes);
        let file = Arc::new(place.create(index)?);
        let mut segment = Self { index, file, length: 0, records: 0, begun: now, newest: now };
        if let Err(error) = segment.append(&bytes, 0, now) {
            drop(place.remove(index));
            return Err(error);
        }
        Ok(segment)
    }

    /// One that is there, as far as it is whole, with its header, in which streams are as far as its frames say.
    pub(super) fn find(place: &Place, index: u64) -> io::Result<(Self, Option<Header>)> {
        let file = place.find(index)?;
        let length = Status::of(&file)?.length;
        let mut segment =
            Self { index, file: Arc::new(file), length, records: 0, begun: 0, newest: clock::wall() as u64 };
        let (mut at, mut header) = (0, None::<Header>);
        loop {
            let bytes = segment.piece(at, segment.length, PIECE)?;
            let mut used = 0;
            for (frame, length) in frames(&bytes) {
                used += length;
                match frame.kind {
                    Kind::Header => {
                        header = serde_json::from_slice(frame.body).ok();
                        segment.begun = frame.number;
                    }
                    Kind::Record => segment.records += 1,
                    Kind::Mark => {}
                }
                if frame.kind != Kind::Header
                    && let Some(header) = &mut header
                {
                    header.reach(frame.stream, frame.number);
                }
            }
            if used == 0 {
                break;
            }
            at += used as u64;
        }
        // What is behind was torn, or is damaged.
        segment.length = at;
        Ok((segment, header))
    }

    pub(super) fn append(&mut self, bytes: &[u8], records: u64, now: u64) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.length) {
            // A frame that is cut would hide those behind it.
            drop(self.file.set_len(self.length));
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.records += records;
        self.newest = now;
        Ok(())
    }

    /// Records before an offset.
    pub(super) fn records_before(&self, end: u64) -> io::Result<u64> {
        let (mut at, mut records) = (0, 0);
        while at < end.min(self.length) {
            let (bytes, count) = self.read(at, end.min(self.length), u64::MAX, PIECE)?;
            if bytes.is_empty() {
                break;
            }
            at += bytes.len() as u64;
            records += count;
        }
        Ok(records)
    }

    /// Whole frames from an offset on, up to so many records and bytes, but one at least.
    pub(super) fn read(&self, at: u64, end: u64, most: u64, bytes: usize) -> io::Result<(Vec<u8>, u64)> {
        let mut found = self.piece(at, end, bytes)?;
        let (mut used, mut records) = (0, 0);
        for (frame, length) in frames(&found) {
            let is_record = u64::from(frame.kind == Kind::Record);
            if records + is_record > most {
                break;
            }
            used += length;
            records += is_record;
        }
        found.truncate(used);
        Ok((found, records))
    }

    /// Bytes from an offset on; more than asked for, if a frame is longer.
    fn piece(&self, at: u64, end: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let left = end.saturating_sub(at);
        let mut read = vec![0; (bytes as u64).min(left) as usize];
        self.file.read_exact_at(&mut read, at)?;
        match Frame::length(&read) {
            Some(length) if length > read.len() && length as u64 <= left => {
                read.resize(length, 0);
                self.file.read_exact_at(&mut read, at)?;
            }
            _ => {}
        }
        Ok(read)
    }
}

impl Header {
    /// A stream has come as far as a number.
    fn reach(&mut self, stream: u8, number: u64) {
        let name = super::super::number::name(stream.into());
        match self.streams.iter_mut().find(|mark| mark.stream == name) {
            Some(mark) => mark.last = mark.last.max(number),
            None => self.streams.push(Mark { stream: name.to_owned(), first: number, last: number }),
        }
    }
}
