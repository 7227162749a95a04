//! Files that have their name only when they are whole.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{Note, OutputError, Tally};
use crate::files::{Directory, Status};

/// What is behind its name until it is whole.
pub(super) const EXTENSION: &str = "part";

/// A file under another name (`flow.csv.part`) until it is whole. What ends before leaves no file that looks
/// like a whole one; what ends in an error leaves none at all.
#[derive(Debug)]
pub(super) struct Part {
    directory: Directory,
    name: OsString,
    now: OsString,
    path: PathBuf,
    /// Which file it is, whatever its name has become.
    id: (u64, u64),
    whole: bool,
}

impl Part {
    /// Creates the file. One that bears the final name already is replaced only if `replace` says so. One that bears
    /// the passing name goes if an earlier run of this user left it, and is an error else.
    pub(super) fn create(
        directory: &Directory,
        name: &OsStr,
        replace: bool,
        tally: &mut Tally,
    ) -> Result<(Self, File), OutputError> {
        let path = directory.join(name);
        if !replace && directory.status(name).map_err(OutputError::file(&path))?.is_some() {
            return Err(OutputError::Exists { path });
        }
        let now = passing(name);
        let part = directory.join(&now);
        let file = match directory.create(&now) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                drop(directory.claim(&now).map_err(OutputError::file(&part))?);
                directory.remove(&now).map_err(OutputError::file(&part))?;
                tally.note(Note::Discarded { path: part.clone() });
                directory.create(&now)
            }
            file => file,
        }
        .map_err(OutputError::file(&part))?;
        let id = Status::of(&file).map_err(OutputError::file(&part))?.id;
        Ok((Self { directory: directory.clone(), name: name.to_owned(), now, path, id, whole: false }, file))
    }

    /// The same by a path.
    pub(super) fn at(path: &Path, replace: bool, tally: &mut Tally) -> Result<(Self, File), OutputError> {
        let (directory, name) = Directory::around(path).map_err(OutputError::file(path))?;
        Self::create(&directory, &name, replace, tally)
    }

    /// Its final name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its passing name is no longer there, or another file's.
    pub(super) fn is_gone(&self) -> bool {
        !self.directory.status(&self.now).is_ok_and(|there| there.is_some_and(|there| there.id == self.id))
    }

    /// Gives the file its name, once all of it is on the disk.
    pub(super) fn commit(mut self, file: &File) -> Result<(), OutputError> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it was removed while it was written");
        file.sync_all()
            .and_then(|()| if self.is_gone() { Err(gone()) } else { Ok(()) })
            .and_then(|()| self.directory.rename(&self.now, &self.name))
            .map_err(OutputError::file(&self.path))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole && !self.is_gone() {
            // It may be what fills the disk.
            drop(self.directory.remove(&self.now));
        }
    }
}

/// The name of a file until it is whole.
pub(super) fn passing(name: &OsStr) -> OsString {
    let mut part = name.to_owned();
    part.push(".");
    part.push(EXTENSION);
    part
}

/// A file without a name.
pub(super) fn unnamed(directory: &Directory) -> io::Result<File> {
    let mut number = 0;
    loop {
        let name = OsString::from(format!(".weir-{}-{number}", std::process::id()));
        match directory.create(&name) {
            // Without its name it stays until it is closed.
            Ok(file) => return directory.remove(&name).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Makes a directory and those above it that are missing, and sees whether files can be created there.
pub(super) fn make_directory(path: &Path) -> Result<Directory, OutputError> {
    let (directory, _) = Directory::make(path).map_err(OutputError::file(path))?;
    unnamed(&directory).map_err(OutputError::file(path))?;
    Ok(directory)
}
