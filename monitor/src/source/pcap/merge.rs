//! Several captures as one, in the order of time.
//!
//! Each file gives its packets in its own order; of the files, the one whose next packet is the earliest goes
//! on. A file is held open only from its first packet to its last, so that a thousand files of one long
//! capture need one file descriptor. What cannot be opened twice (standard input, pipes) stays open.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Batch, Capture, CaptureError};

/// Captures that are read together.
pub struct Captures {
    sources: Vec<Source>,
    read: Arc<AtomicU64>,
    size: Option<u64>,
    /// The file that gave the last packets.
    last: usize,
}

struct Source {
    path: PathBuf,
    state: State,
}

enum State {
    /// Closed again; its first packet has this time.
    Waiting(u64),
    /// Its next packet has this time; `None`: not looked at yet, because packets lent from it are in use.
    Open(Box<Capture>, Option<u64>),
    /// It cannot be read on, or not at all.
    Damaged(CaptureError),
    Ended,
}

impl State {
    /// When it comes next; what is to be said of it, at once.
    fn time(&self) -> Option<u64> {
        match self {
            Self::Waiting(time) => Some(*time),
            Self::Open(_, time) => *time,
            Self::Damaged(_) => Some(0),
            Self::Ended => None,
        }
    }

    fn of(mut capture: Box<Capture>) -> Self {
        match capture.next_time() {
            Ok(Some(time)) => Self::Open(capture, Some(time)),
            Ok(None) => Self::Ended,
            Err(damage) => Self::Damaged(damage),
        }
    }
}

/// What comes next.
pub enum Step<'a> {
    /// Packets, and their file's place among the paths.
    Packets(u32, &'a Capture),
    /// A file is damaged: nothing more comes of it.
    Damaged(CaptureError),
}

impl Captures {
    /// Opens the files. Of several, those that are no captures or may not be read are passed over: they are
    /// said to be damaged.
    ///
    /// # Errors
    /// When one does not exist, or none is a capture.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        let read = Arc::<AtomicU64>::default();
        let several = paths.len() > 1;
        let mut size = Some(0);
        let mut sources = Vec::with_capacity(paths.len());
        let mut good = 0;
        for path in paths {
            let regular = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
            size = size.zip(regular).map(|(sum, length)| sum + length);
            let state = match Capture::open_counted(path, &read) {
                Err(error) if several && !error.is_missing() => State::Damaged(error),
                opened => {
                    good += 1;
                    match State::of(Box::new(opened?)) {
                        State::Open(_, Some(time)) if several && regular.is_some() => State::Waiting(time),
                        state => state,
                    }
                }
            };
            sources.push(Source { path: path.clone(), state });
        }
        if good == 0
            && let Some(Source { state: State::Damaged(error), .. }) = sources.pop()
        {
            return Err(error);
        }
        if several {
            read.store(0, Relaxed);
        }
        Ok(Self { sources, read, size, last: 0 })
    }

    /// Takes the next packets, all of one file. `None`: all files have ended.
    pub fn next(&mut self, batch: &mut Batch) -> Option<Step<'_>> {
        if let Some(source) = self.sources.get_mut(self.last) {
            source.state = match std::mem::replace(&mut source.state, State::Ended) {
                State::Open(capture, None) => State::of(capture),
                state => state,
            };
        }
        let (at, until) = self.earliest()?;
        let source = self.sources.get_mut(at)?;
        let opened = match std::mem::replace(&mut source.state, State::Ended) {
            State::Ended => return None,
            State::Damaged(damage) => Err(damage),
            State::Open(capture, _) => Ok(capture),
            // It may be gone since it was first opened.
            State::Waiting(_) => Capture::open_counted(&source.path, &self.read).map(Box::new),
        };
        let taken = opened.and_then(|mut capture| capture.batch(until, batch).map(|()| capture));
        match taken {
            Err(damage) => Some(Step::Damaged(damage)),
            Ok(capture) => {
                self.last = at;
                source.state = State::Open(capture, None);
                let State::Open(capture, _) = &source.state else { return None };
                Some(Step::Packets(at as u32, capture))
            }
        }
    }

    /// The file whose packet is the earliest, and the time of the next one's.
    fn earliest(&self) -> Option<(usize, u64)> {
        let mut first: Option<(u64, usize)> = None;
        let mut until = u64::MAX;
        let times = self.sources.iter().enumerate().filter_map(|(at, s)| Some((s.state.time()?, at)));
        for candidate in times {
            match &mut first {
                Some(earliest) if *earliest <= candidate => until = until.min(candidate.0),
                Some(earliest) => {
                    until = until.min(earliest.0);
                    *earliest = candidate;
                }
                None => first = Some(candidate),
            }
        }
        first.map(|(_, at)| (at, until))
    }

    /// Bytes that were read so far, as they lie in the files.
    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Bytes of all files; `None` when that is not known.
    pub const fn size(&self) -> Option<u64> {
        self.size
    }
}
