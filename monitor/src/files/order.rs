//! What is done in a directory.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt as _,
    },
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat, fcntl_getfl, fcntl_setfl, flock, fstat,
        openat, renameat, statat, unlinkat,
    },
    io::Errno,
};

use super::{
    Refusal,
    walk::{is_trusted, own},
};

/// Only its owner reads and writes what holds packets or names.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Something to do with names in a directory. Each is one name, without a `/`.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// A new file to write and read.
    Create(OsString),
    /// A file that is added to, or a device.
    Append(OsString),
    /// A file that an earlier run of this user left, and that nobody writes.
    Claim(OsString),
    /// Another name for a file; what had it before has none.
    Rename(OsString, OsString),
    Remove(OsString),
    Status(OsString),
    Names,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    File(File),
    Done,
    Status(Option<Status>),
    Names(Vec<OsString>),
}

/// What is under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Device and number.
    pub id: (u64, u64),
    /// Its owner.
    pub uid: u32,
    /// Whether it is a file, no link or device.
    pub file: bool,
    /// Whether it has no name any more: it goes when it is closed.
    pub nameless: bool,
    /// Bytes.
    pub length: u64,
}

impl Status {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&fstat(file)?))
    }

    /// Whether it is this user's.
    pub fn is_ours(&self) -> bool {
        self.uid == own()
    }
}

impl From<&Stat> for Status {
    fn from(stat: &Stat) -> Self {
        Self {
            id: (stat.st_dev, stat.st_ino),
            uid: stat.st_uid,
            file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            nameless: stat.st_nlink == 0,
            length: stat.st_size.max(0) as u64,
        }
    }
}

/// Does it. `shared`: others make files in this directory too.
pub(super) fn perform(directory: BorrowedFd<'_>, shared: bool, order: &Order) -> io::Result<Answer> {
    match order {
        Order::Create(name) => create(directory, name).map(Answer::File),
        Order::Append(name) => append(directory, shared, name).map(Answer::File),
        Order::Claim(name) => claim(directory, name).map(Answer::File),
        Order::Rename(from, to) => {
            may_be_replaced(directory, shared, to)?;
            renameat(directory, from, directory, to)?;
            Ok(Answer::Done)
        }
        Order::Remove(name) => {
            unlinkat(directory, name, AtFlags::empty())?;
            Ok(Answer::Done)
        }
        Order::Status(name) => status(directory, name).map(Answer::Status),
        Order::Names => names(directory).map(Answer::Names),
    }
}

fn create(directory: BorrowedFd<'_>, name: &OsString) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, PRIVATE)?;
    // It says to later runs that somebody writes it; some file systems have no locks.
    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok(file.into())
}

fn append(directory: BorrowedFd<'_>, shared: bool, name: &OsString) -> io::Result<File> {
    // A pipe that nobody reads is an error, not a wait.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match openat(directory, name, flags | OFlags::NOFOLLOW | OFlags::CREATE, PRIVATE) {
        // Devices have links to them: /dev/stdout.
        Err(Errno::LOOP) => through_link(directory, shared, name, flags)?,
        file => file?,
    };
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink > 1 => return Err(Refusal::Names.into()),
        FileType::RegularFile | FileType::Fifo if shared && !is_trusted(stat.st_uid) => {
            return Err(Refusal::Owner(stat.st_uid).into());
        }
        FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice => {}
        _ => return Err(Refusal::Kind.into()),
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file.into())
}

/// What a link leads to that only this user and root can have made, if that is no file.
fn through_link(
    directory: BorrowedFd<'_>,
    shared: bool,
    name: &OsString,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let link = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if shared && !is_trusted(link.st_uid) {
        return Err(Refusal::Link.into());
    }
    let file = openat(directory, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::CharacterDevice | FileType::Fifo => Ok(file),
        _ => Err(Refusal::Link.into()),
    }
}

fn claim(directory: BorrowedFd<'_>, name: &OsString) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(Refusal::Link.into()),
        file => file?,
    };
    let stat = fstat(&file)?;
    let status = Status::from(&stat);
    if !status.file {
        return Err(Refusal::Kind.into());
    }
    if !status.is_ours() {
        return Err(Refusal::Owner(status.uid).into());
    }
    if stat.st_nlink > 1 {
        return Err(Refusal::Names.into());
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // Without locks on this file system nobody has one.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => Ok(file.into()),
        Err(_) => Err(Refusal::Busy.into()),
    }
}

/// A file of another user in a directory of all is not replaced, not even by root.
fn may_be_replaced(directory: BorrowedFd<'_>, shared: bool, name: &OsString) -> io::Result<()> {
    match status(directory, name)? {
        Some(there) if shared && !is_trusted(there.uid) => Err(Refusal::Owner(there.uid).into()),
        _ => Ok(()),
    }
}

fn status(directory: BorrowedFd<'_>, name: &OsString) -> io::Result<Option<Status>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Status::from(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}
