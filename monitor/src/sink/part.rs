//! Files that have their name only when they are whole.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use super::OutputError;

/// What is behind its name until it is whole.
pub(super) const EXTENSION: &str = "part";

/// A file under another name (`flow.csv.part`) until it is whole. What ends before leaves no file that looks
/// like a whole one; what ends in an error leaves none at all.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    now: PathBuf,
    whole: bool,
}

impl Part {
    /// Creates the file. One that bears the final name already is replaced only if `replace` says so.
    pub(super) fn create(path: &Path, replace: bool) -> Result<(Self, File), OutputError> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(OutputError::Exists { path: path.to_owned() });
        }
        let mut part = OsString::from(path);
        part.push(".");
        part.push(EXTENSION);
        let part = PathBuf::from(part);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part)
            .map_err(OutputError::file(&part))?;
        Ok((Self { path: path.to_owned(), now: part, whole: false }, file))
    }

    /// Makes a file and removes it, to see whether files can be made in a directory.
    pub(super) fn probe(directory: &Path) -> Result<(), OutputError> {
        Self::create(&directory.join("weir"), true).map(drop)
    }

    /// Its final name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, once all of it is on the disk.
    pub(super) fn commit(mut self, file: &File) -> Result<(), OutputError> {
        file.sync_all()
            .and_then(|()| fs::rename(&self.now, &self.path))
            .map_err(OutputError::file(&self.path))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            // It may be what fills the disk.
            drop(fs::remove_file(&self.now));
        }
    }
}

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(path).map_err(OutputError::file(path))
}
