//! JSON lines of a running instance.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use monitor_core::record::AnyRecord;

use super::{Rotation, Sink, rotation::Done};
use crate::{
    clock,
    sink::{Fields, Json, Output as _, OutputError},
};

/// Lines to standard output, or to a file to which they are added, and which is renamed when it is done.
#[derive(Debug)]
pub struct Lines {
    /// `None`: standard output.
    path: Option<PathBuf>,
    rotation: Option<(Rotation, Done)>,
    json: Json<Vec<u8>>,
    open: Option<Open>,
    /// Whether the file is to be there even if no line ever is.
    always: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    begun: u64,
}

impl Lines {
    /// To a file, or to standard output where the path is `-`.
    pub fn create(path: &Path, fields: &Fields, rotation: Option<Rotation>) -> Result<Self, OutputError> {
        let path = (path != Path::new("-")).then(|| path.to_owned());
        let open = path.as_deref().map(open).transpose()?;
        let rotation = path.as_deref().and_then(|path| Some((rotation?, done(path))));
        Ok(Self { path, rotation, json: Json::new(Vec::new(), fields), open, always: false })
    }

    /// To a file that comes with the first batch, also if that is empty: until then nothing is there.
    pub fn later(path: PathBuf, fields: &Fields, rotation: Option<Rotation>) -> Self {
        let rotation = rotation.map(|rotation| (rotation, done(&path)));
        Self { path: Some(path), rotation, json: Json::new(Vec::new(), fields), open: None, always: true }
    }

    /// Writes the lines whole or not at all.
    fn put(&mut self) -> Result<(), OutputError> {
        let lines = self.json.to_mut();
        let Some(path) = &self.path else {
            let mut out = io::stdout().lock();
            return out.write_all(lines).and_then(|()| out.flush()).map_err(OutputError::Standard);
        };
        let opened = match self.open.take() {
            Some(opened) => opened,
            None => open(path)?,
        };
        self.always = false;
        let opened = self.open.insert(opened);
        if let Err(error) = opened.file.write_all(lines) {
            // A line that is cut would spoil the next one. A device has no length.
            drop(opened.file.set_len(opened.length));
            self.open = None;
            return Err(OutputError::file(path)(error));
        }
        opened.length += lines.len() as u64;
        Ok(())
    }

    /// Renames a file that is done.
    fn rotate(&mut self) -> Result<(), OutputError> {
        let (Some(path), Some((rotation, done)), Some(open)) = (&self.path, &mut self.rotation, &self.open)
        else {
            return Ok(());
        };
        if open.length == 0 || !rotation.is_due(open.length, open.begun) {
            return Ok(());
        }
        fs::rename(path, done.next()).map_err(OutputError::file(path))?;
        self.open = None;
        done.prune(*rotation);
        Ok(())
    }
}

/// What a file becomes when it is done.
fn done(path: &Path) -> Done {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let part = |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).unwrap_or("json").to_owned();
    Done::find(directory, &part(path.file_stem()), &part(path.extension()))
}

fn open(path: &Path) -> Result<Open, OutputError> {
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(OutputError::file(path))?;
    let length = file.metadata().map_err(OutputError::file(path))?.len();
    Ok(Open { file, length, begun: clock::now() })
}

impl Sink for Lines {
    fn name(&self) -> &'static str {
        "json"
    }

    fn write(&mut self, records: &[AnyRecord], lost: &mut u64) -> Result<(), OutputError> {
        self.json.to_mut().clear();
        self.json.records(records)?;
        if (self.always || !self.json.to_mut().is_empty())
            && let Err(error) = self.put()
        {
            *lost += records.len() as u64;
            return Err(error);
        }
        self.rotate()
    }

    fn finish(&mut self, _lost: &mut u64) -> Result<(), OutputError> {
        Ok(())
    }
}
