//! An opened directory.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, unlinkat};

use super::{
    Status,
    order::{Answer, Order, perform},
    walk::{self, Found},
};

/// A directory in which files are made, found, renamed and removed by name. Clones are the same directory.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    opened: Arc<OwnedFd>,
    shared: bool,
}

/// Directories that were made, the outermost first.
#[derive(Debug, Default)]
pub struct Made(Vec<(OwnedFd, OsString)>);

impl Made {
    /// Removes those that are empty.
    pub fn undo(&self) {
        for (directory, name) in self.0.iter().rev() {
            // One that is not empty is somebody else's by now, and stays.
            let _ = unlinkat(directory, name, AtFlags::REMOVEDIR);
        }
    }
}

impl Directory {
    /// One that is there.
    ///
    /// # Errors
    /// When it cannot be opened, or when others may change what its names mean ([`super::Refusal`]).
    pub fn open(path: &Path) -> io::Result<Self> {
        walk::open(path, false).map(|found| Self::of(path, found).0)
    }

    /// The same, after those that are missing were made, for this user alone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn make(path: &Path) -> io::Result<(Self, Made)> {
        walk::open(path, true).map(|found| Self::of(path, found))
    }

    fn of(path: &Path, found: Found) -> (Self, Made) {
        let Found { directory, shared, made } = found;
        (Self { path: path.to_owned(), opened: Arc::new(directory), shared }, Made(made))
    }

    /// The directory of a file, and the file's name in it.
    ///
    /// # Errors
    /// As [`Self::open`], and when the path has no last name.
    pub fn around(path: &Path) -> io::Result<(Self, OsString)> {
        let name = path.file_name().ok_or(super::Refusal::Kind)?;
        Ok((Self::open(above(path))?, name.to_owned()))
    }

    /// Whether others may make files in it, although they cannot touch ours.
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a file in it is called.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    fn perform(&self, order: &Order) -> io::Result<Answer> {
        perform(self.opened.as_fd(), self.shared, order)
    }

    fn file(&self, order: &Order) -> io::Result<File> {
        match self.perform(order)? {
            Answer::File(file) => Ok(file),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// A new file, which only this user may read, and which others find locked.
    ///
    /// # Errors
    /// Also when the name is taken, be it by a link.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        self.file(&Order::Create(name.to_owned()))
    }

    /// A file to add to, which is made if it is not there; or a device.
    ///
    /// # Errors
    /// Also when the name is that of a link to a file, or of a file that others may have put there.
    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        self.file(&Order::Append(name.to_owned()))
    }

    /// A file of this user that nobody writes.
    ///
    /// # Errors
    /// Also when it is another's, has several names or is being written.
    pub fn claim(&self, name: &OsStr) -> io::Result<File> {
        self.file(&Order::Claim(name.to_owned()))
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// As rename(2), and in a directory of all when that name is another user's.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.perform(&Order::Rename(from.to_owned(), to.to_owned())).map(drop)
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.perform(&Order::Remove(name.to_owned())).map(drop)
    }

    /// What is under a name, links not followed.
    ///
    /// # Errors
    /// As stat(2), but for a name that is free.
    pub fn status(&self, name: &OsStr) -> io::Result<Option<Status>> {
        match self.perform(&Order::Status(name.to_owned()))? {
            Answer::Status(status) => Ok(status),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        match self.perform(&Order::Names)? {
            Answer::Names(names) => Ok(names),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Whether a name is still that of an open file.
    ///
    /// # Errors
    /// As stat(2).
    pub fn still_has(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        Ok(self.status(name)?.is_some_and(|there| Status::of(file).is_ok_and(|open| open.id == there.id)))
    }
}

/// The directory of a path.
fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Whether a path leads to something that is there and no file: a device or a pipe.
pub fn device(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
