//! A spool on disk: what was handed over and not yet acknowledged, so that it outlives a peer that is away and this
//! process.
//!
//! Frames with checksums ([`frame`]) in segments, numbered files of a directory that only one process has at a time.
//! Whatever was written survives the end of this process however it comes; of power loss the last half second is open,
//! and what it tears is noticed by its checksum. Bounded in bytes and age: the oldest segment goes first, and the records
//! in it that were not acknowledged are counted.

pub(crate) mod frame;
mod place;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use self::{
    place::Place,
    segment::{Header, Segment},
};
use super::{
    OutputError, Reason, Tally,
    number::{Mark, Origin},
};
use crate::{clock, sync::lock};

pub(crate) use self::{
    frame::{Frame, Kind, frames},
    place::Position,
};

/// How long what was written may wait for the disk to have it.
const SYNC: u64 = 500_000_000;

/// Bounds of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of all segments.
    pub(crate) bytes: u64,
    /// Age of the newest record of a segment, ns.
    pub(crate) age: u64,
    /// What its frames are written for; those that were written for something else are nobody's.
    pub(crate) format: u32,
}

/// A spool, of which one thread writes and one reads.
#[derive(Debug)]
pub(crate) struct Spool {
    bounds: Bounds,
    inner: Mutex<Inner>,
    /// Something was written.
    more: Condvar,
    /// Nothing more will be.
    closed: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    /// The oldest first; the last is written.
    segments: Vec<Segment>,
    /// Up to where frames were read.
    read: Position,
    /// Records before it in its segment.
    read_records: u64,
    /// How far each stream has come, for the next segment's header.
    header: Header,
    synced: u64,
    dirty: bool,
}

/// How far the streams of another run had come.
pub(crate) type Before = Option<(Origin, Vec<Mark>)>;

/// Frames that were read together.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Whole frames, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// Records among them.
    pub(crate) records: u64,
    /// Where they begin.
    pub(crate) begin: Position,
    /// Where they end.
    pub(crate) end: Position,
}

/// What stands in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filling {
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// Records that nobody has acknowledged.
    pub(crate) records: u64,
    /// When the oldest of them was written at the latest, Unix time in ns; 0: there is none.
    pub(crate) since: u64,
}

impl Spool {
    /// Opens the spool of a directory, which is made if it is not there, and begins a segment. Also says how far the
    /// streams of the run before had come, if that was another.
    ///
    /// # Errors
    /// When another process has it, or when nothing can be written there.
    pub(crate) fn open(
        path: &Path,
        bounds: Bounds,
        origin: &Origin,
        tally: &mut Tally,
    ) -> Result<(Self, Before), OutputError> {
        Self::find(path, bounds, origin, tally).map_err(OutputError::file(path))
    }

    fn find(path: &Path, bounds: Bounds, origin: &Origin, tally: &mut Tally) -> io::Result<(Self, Before)> {
        let place = Place::open(path)?;
        let mut segments = Vec::new();
        let mut header = Header { format: bounds.format, origin: origin.clone(), streams: Vec::new() };
        let mut before = None;
        for index in place.segments()? {
            let (segment, found) = Segment::find(&place, index)?;
            if let Some(found) = found {
                if found.format != bounds.format {
                    tally.lose(Reason::Refused, segment.records);
                    place.remove(index)?;
                    before = Some(found);
                    continue;
                }
                before = Some(found);
            }
            segments.push(segment);
        }
        let mut read = place.position();
        let last = before.as_ref().filter(|before| before.origin == *origin);
        if let Some(last) = last {
            header.streams.clone_from(&last.streams);
        }
        if !segments.iter().any(|segment| segment.index == read.segment) {
            let first = segments.iter().find(|segment| segment.index > read.segment);
            let index =
                first.map_or_else(|| segments.last().map_or(read.segment, |s| s.index + 1), |s| s.index);
            read = Position { segment: index, offset: 0 };
        }
        let next = segments.last().map_or(0, |last| last.index).max(read.segment) + 1;
        segments.push(Segment::create(&place, next, &header)?);
        let mut inner =
            Inner { place, segments, read, read_records: 0, header, synced: clock::now(), dirty: true };
        inner.read_records = inner.segment(read.segment).map_or(Ok(0), |s| s.records_before(read.offset))?;
        inner.forget_read()?;
        let before = before.filter(|before| before.origin != *origin);
        let spool =
            Self { bounds, inner: Mutex::new(inner), more: Condvar::new(), closed: AtomicBool::new(false) };
        Ok((spool, before.map(|before| (before.origin, before.streams))))
    }

    /// Appends whole frames, after what is too old or too much has gone.
    ///
    /// # Errors
    /// When they cannot be written; then nothing of them is.
    pub(crate) fn append(&self, bytes: &[u8], records: u64, tally: &mut Tally) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let now = clock::wall() as u64;
        let full = inner.segments.last().is_none_or(|last| last.length >= self.bounds.bytes / 16);
        let old = inner
            .segments
            .last()
            .is_some_and(|last| last.records != 0 && now.saturating_sub(last.begun) > self.bounds.age / 16);
        if (full || old) && !bytes.is_empty() {
            inner.turn()?;
        }
        inner.prune(self.bounds, bytes.len() as u64, now, tally)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(last) = inner.segments.last_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = last.append(bytes, records, now) {
            // What comes next begins where nothing was cut.
            drop(inner.turn());
            return Err(error);
        }
        inner.dirty = true;
        self.more.notify_all();
        Ok(())
    }

    /// Notes how far streams have come.
    pub(crate) fn mark(&self, streams: &[Mark]) {
        streams.clone_into(&mut lock(&self.inner).header.streams);
    }

    /// Has the disk take what was written, if the last time is long enough ago or `now`.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn sync(&self, at_once: bool) -> io::Result<()> {
        let file = {
            let mut inner = lock(&self.inner);
            let now = clock::now();
            if !inner.dirty || !at_once && now.saturating_sub(inner.synced) < SYNC {
                return Ok(());
            }
            inner.synced = now;
            inner.dirty = false;
            inner.segments.last().map(|last| Arc::clone(&last.file))
        };
        // Without the lock: who reads goes on meanwhile.
        file.map_or(Ok(()), |file| file.sync_data())
    }

    /// Nothing more is written.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        self.more.notify_all();
    }

    /// Whether nothing more is written.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// The next frames, up to so many records and bytes, or up to `until`; waits for some. `None`: there are none
    /// within that time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn next(
        &self,
        records: u64,
        bytes: usize,
        until: Option<Position>,
        wait: Duration,
    ) -> io::Result<Option<Chunk>> {
        let mut inner = lock(&self.inner);
        if inner.is_drained() && !self.is_closed() {
            inner = self.more.wait_timeout(inner, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.chunk(records, bytes, until)
    }

    /// What was read up to a position has arrived. `count`: a number of the sink's own, which is kept with it.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(crate) fn acknowledge(&self, end: Position, count: u64) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let now = clock::now();
        let sync = now.saturating_sub(inner.synced) >= SYNC;
        inner.place.note(end, None, count, sync)?;
        inner.forget_read()
    }

    /// What is read up to this position is sent together, also after the end of this process.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(crate) fn intend(&self, begin: Position, end: Position, count: u64) -> io::Result<()> {
        lock(&self.inner).place.note(begin, Some(end), count, false)
    }

    /// The end of what an earlier process was about to send, and the sink's own number.
    pub(crate) fn intended(&self) -> (Option<Position>, u64) {
        let inner = lock(&self.inner);
        (inner.place.intended(), inner.place.count())
    }

    /// What stands in it.
    pub(crate) fn filling(&self) -> Filling {
        let inner = lock(&self.inner);
        let rest = inner.segments.iter().filter(|segment| segment.index >= inner.read.segment);
        let records = rest.clone().map(|segment| segment.records).sum::<u64>();
        let records = records.saturating_sub(inner.read_records);
        Filling {
            bytes: inner.segments.iter().map(|segment| segment.length).sum(),
            records,
            since: if records == 0 {
                0
            } else {
                rest.clone().find(|segment| segment.records != 0).map_or(0, |segment| segment.begun)
            },
        }
    }
}

impl Inner {
    fn segment(&self, index: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.index == index)
    }

    fn is_drained(&self) -> bool {
        let end = self.segments.last().map(|last| Position { segment: last.index, offset: last.length });
        end.is_none_or(|end| self.read >= end)
    }

    /// Begins a segment.
    fn turn(&mut self) -> io::Result<()> {
        let next = self.segments.last().map_or(0, |last| last.index) + 1;
        if let Some(last) = self.segments.last() {
            last.file.sync_data()?;
        }
        self.segments.push(Segment::create(&self.place, next, &self.header)?);
        self.dirty = true;
        Ok(())
    }

    /// Removes what was read whole and acknowledged.
    fn forget_read(&mut self) -> io::Result<()> {
        let acknowledged = self.place.position();
        while self.segments.len() > 1
            && let Some(first) = self.segments.first()
            && (first.index < acknowledged.segment
                || first.index == acknowledged.segment && acknowledged.offset >= first.length)
        {
            self.drop_first()?;
        }
        Ok(())
    }

    fn drop_first(&mut self) -> io::Result<()> {
        let first = self.segments.remove(0);
        if self.read.segment <= first.index {
            self.read = Position { segment: first.index + 1, offset: 0 };
            self.read_records = 0;
        }
        self.place.remove(first.index)
    }

    /// Makes room.
    fn prune(&mut self, bounds: Bounds, more: u64, now: u64, tally: &mut Tally) -> io::Result<()> {
        loop {
            let bytes: u64 = self.segments.iter().map(|segment| segment.length).sum();
            let (Some(first), true) = (self.segments.first(), self.segments.len() > 1) else {
                return Ok(());
            };
            let reason = if bytes + more > bounds.bytes {
                Reason::SpoolFull
            } else if now.saturating_sub(first.newest) > bounds.age {
                Reason::SpoolExpired
            } else {
                return Ok(());
            };
            // What is under way is not lost: who sends it has it.
            let read = if self.read.segment == first.index { self.read_records } else { 0 };
            if self.read.segment <= first.index {
                tally.lose(reason, first.records.saturating_sub(read));
            }
            self.drop_first()?;
        }
    }

    fn chunk(&mut self, records: u64, bytes: usize, until: Option<Position>) -> io::Result<Option<Chunk>> {
        loop {
            let Some(at) = self.segments.iter().position(|segment| segment.index >= self.read.segment) else {
                return Ok(None);
            };
            let (segment, last) = (&self.segments[at], at + 1 == self.segments.len());
            if segment.index != self.read.segment {
                self.read = Position { segment: segment.index, offset: 0 };
                self.read_records = 0;
            }
            let until = until.filter(|until| until.segment == segment.index).map(|until| until.offset);
            let end = until.unwrap_or(segment.length).min(segment.length);
            let (found, count) = segment.read(self.read.offset, end, records, bytes)?;
            if found.is_empty() {
                if last || until.is_some() {
                    return Ok(None);
                }
                self.read = Position { segment: segment.index + 1, offset: 0 };
                self.read_records = 0;
                continue;
            }
            let begin = self.read;
            self.read.offset += found.len() as u64;
            self.read_records += count;
            return Ok(Some(Chunk { bytes: found, records: count, begin, end: self.read }));
        }
    }
}
