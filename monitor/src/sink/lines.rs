//! JSON lines: to standard output, to a file that is whole at any moment, or to one that is whole at the end.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use monitor_core::record::AnyRecord;

use super::{Fields, Note, OutputError, Reason, Sink, Tally, json::Json, part::Part, rotation::Done};
use crate::{
    clock,
    config::outputs::Rotation,
    files::{Directory, Status},
};

/// Bytes of lines that wait where nobody reads them one by one.
const WAITING: usize = 1 << 20;

/// Records as JSON, one a line.
#[derive(Debug)]
pub(super) struct Lines {
    json: Json,
    to: Target,
    waiting: Vec<u8>,
    /// Records in `waiting`.
    records: u64,
    /// Bytes that may wait before they are written.
    hold: usize,
}

#[derive(Debug)]
enum Target {
    /// Standard output.
    Standard,
    /// A file of a capture.
    Whole(Option<(Part, File)>),
    /// A file that is added to.
    Added(Added),
}

impl Lines {
    fn new(to: Target, fields: &Fields, hold: usize) -> Self {
        Self { json: Json::new(fields), to, waiting: Vec::new(), records: 0, hold }
    }

    /// To standard output, at once (`live`) or in large pieces.
    pub(super) fn standard(fields: &Fields, live: bool) -> Self {
        Self::new(Target::Standard, fields, if live { 0 } else { WAITING })
    }

    /// To a file that has its name when it is whole.
    pub(super) fn whole(
        path: &Path,
        fields: &Fields,
        replace: bool,
        tally: &mut Tally,
    ) -> Result<Self, OutputError> {
        let part = Part::at(path, replace, tally)?;
        Ok(Self::new(Target::Whole(Some(part)), fields, WAITING))
    }

    /// To a file that is added to, and there from now on.
    pub(super) fn added(
        path: &Path,
        fields: &Fields,
        rotation: Option<Rotation>,
    ) -> Result<Self, OutputError> {
        let mut added = Added::new(path, rotation)?;
        added.open()?;
        Ok(Self::new(Target::Added(added), fields, 0))
    }

    /// To a file that comes with the first batch, also if that is empty: until then nothing is there.
    pub(super) fn later(
        path: &Path,
        fields: &Fields,
        rotation: Option<Rotation>,
    ) -> Result<Self, OutputError> {
        Ok(Self::new(Target::Added(Added::new(path, rotation)?), fields, 0))
    }

    /// Writes what waits.
    fn put(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        let records = std::mem::take(&mut self.records);
        let done = match &mut self.to {
            Target::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(&self.waiting).and_then(|()| out.flush()).map_err(OutputError::Standard)
            }
            Target::Whole(Some((part, file))) => {
                file.write_all(&self.waiting).map_err(OutputError::file(part.path()))
            }
            Target::Whole(None) => Ok(()),
            Target::Added(added) => added.put(&self.waiting, records, tally),
        };
        self.waiting.clear();
        if done.is_err() {
            tally.lose(Reason::WriteFailed, records);
        }
        done
    }
}

impl Sink for Lines {
    fn write(&mut self, records: &[AnyRecord], tally: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            self.json.line(record, &mut self.waiting).map_err(OutputError::Standard)?;
            self.records += 1;
            if self.hold != 0 && self.waiting.len() >= self.hold {
                self.put(tally)?;
            }
        }
        if self.hold == 0 { self.put(tally) } else { Ok(()) }
    }

    fn reopen(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        if let Target::Added(added) = &mut self.to
            && added.file.is_some()
        {
            added.look(tally)?;
            added.file = None;
            added.open()?;
        }
        Ok(())
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        // What was never begun leaves no file.
        if !self.waiting.is_empty() || matches!(self.to, Target::Standard) {
            self.put(tally)?;
        }
        match &mut self.to {
            Target::Whole(whole) => whole.take().map_or(Ok(()), |(part, file)| part.commit(&file)),
            Target::Standard | Target::Added(_) => Ok(()),
        }
    }
}

/// A file that is added to, by its name in a directory: whoever moves it away and says so gets a new one.
#[derive(Debug)]
struct Added {
    directory: Directory,
    name: OsString,
    rotation: Option<(Rotation, Done)>,
    file: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Not for a device or a pipe: those are neither moved nor removed.
    regular: bool,
    begun: u64,
    /// Records that were written to it since.
    records: u64,
}

/// What became of an open file.
enum State {
    There,
    /// It has no name any more: what was written is nowhere.
    Removed,
    /// It has another name, and another file has its own.
    Replaced,
}

impl Open {
    fn state(&self, directory: &Directory, name: &OsStr) -> io::Result<State> {
        let open = Status::of(&self.file)?;
        if !self.regular {
            return Ok(State::There);
        }
        if open.nameless {
            return Ok(State::Removed);
        }
        // One that was moved away goes on until we are told so, or another has come.
        let other = directory.status(name)?.is_some_and(|there| there.id != open.id);
        Ok(if other { State::Replaced } else { State::There })
    }

    /// Writes lines whole or not at all.
    fn put(&mut self, lines: &[u8], records: u64) -> io::Result<()> {
        let before = if self.regular { Some(Status::of(&self.file)?.length) } else { None };
        if let Err(error) = self.file.write_all(lines) {
            if let Some(length) = before {
                // A line that is cut would spoil the next one.
                drop(self.file.set_len(length));
            }
            return Err(error);
        }
        self.records += records;
        Ok(())
    }
}

impl Added {
    fn new(path: &Path, rotation: Option<Rotation>) -> Result<Self, OutputError> {
        let (directory, name) = Directory::around(path).map_err(OutputError::file(path))?;
        let part = |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or("json").to_owned();
        let done = Done::find(&directory, &part(path.file_stem()), &part(path.extension()));
        Ok(Self { directory, name, rotation: rotation.map(|rotation| (rotation, done)), file: None })
    }

    fn error(&self) -> impl FnOnce(io::Error) -> OutputError + use<> {
        OutputError::file(&self.directory.join(&self.name))
    }

    fn open(&mut self) -> Result<&mut Open, OutputError> {
        let opened = if let Some(opened) = self.file.take() {
            opened
        } else {
            let file = self.directory.append(&self.name).map_err(self.error())?;
            let regular = Status::of(&file).map_err(self.error())?.file;
            Open { file, regular, begun: clock::now(), records: 0 }
        };
        Ok(self.file.insert(opened))
    }

    /// Lets go of a file that is no longer the one of its name.
    fn look(&mut self, tally: &mut Tally) -> Result<bool, OutputError> {
        let Some(opened) = &self.file else { return Ok(false) };
        let path = self.directory.join(&self.name);
        match opened.state(&self.directory, &self.name).map_err(OutputError::file(&path))? {
            State::There => return Ok(false),
            State::Replaced => {}
            State::Removed => {
                tally.lose(Reason::FileRemoved, opened.records);
                tally.note(Note::Removed { path, records: opened.records });
            }
        }
        self.file = None;
        Ok(true)
    }

    fn put(&mut self, lines: &[u8], records: u64, tally: &mut Tally) -> Result<(), OutputError> {
        self.look(tally)?;
        loop {
            let error = self.error();
            let opened = self.open()?;
            if lines.is_empty() {
                break;
            }
            if let Err(failed) = opened.put(lines, records) {
                self.file = None;
                return Err(error(failed));
            }
            // Removed meanwhile: these lines are still here, and are written again.
            opened.records -= records;
            if !self.look(tally)? {
                if let Some(opened) = &mut self.file {
                    opened.records += records;
                }
                break;
            }
        }
        self.rotate()
    }

    /// Renames a file that is full or old enough.
    fn rotate(&mut self) -> Result<(), OutputError> {
        let error = self.error();
        let (Some((rotation, done)), Some(open)) = (&mut self.rotation, &self.file) else { return Ok(()) };
        let length = Status::of(&open.file).map_or(0, |status| status.length);
        if !open.regular || length == 0 || !rotation.is_due(length, open.begun) {
            return Ok(());
        }
        // One that was moved away is not ours to rename; what has its name now is not ours either.
        if self.directory.still_has(&self.name, &open.file).unwrap_or(false) {
            self.directory.rename(&self.name, &done.next()).map_err(error)?;
            done.prune(*rotation);
        }
        self.file = None;
        Ok(())
    }
}

#[cfg(test)]
#[path = "lines/tests.rs"]
mod tests;
