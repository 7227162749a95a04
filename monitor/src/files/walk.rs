//! The way to a directory.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, statat},
    process::{getegid, geteuid},
};

use super::Refusal;

/// Links that are followed at most, as in the kernel (`MAXSYMLINKS`).
const LINKS: usize = 40;
/// A directory that was made: only its owner enters it.
const MADE: Mode = Mode::RWXU;

/// A directory that was found.
pub(super) struct Found {
    pub(super) directory: OwnedFd,
    /// Others may make files in it, but not touch ours (`/tmp`).
    pub(super) shared: bool,
    /// Directories that were made on the way: where, and under which name.
    pub(super) made: Vec<(OwnedFd, OsString)>,
}

/// Opens a directory whose names mean what its owner, this user or root, says. `make`: with those that are missing.
pub(super) fn open(path: &Path, make: bool) -> io::Result<Found> {
    let mut rest: VecDeque<OsString> = VecDeque::new();
    let mut now = start(path, &mut rest)?;
    let (mut links, mut made) = (0, Vec::new());
    while let Some(name) = rest.pop_front() {
        now = match enter(now.as_fd(), &name) {
            Ok(next) => next,
            Err(error) if error == rustix::io::Errno::NOENT && make => {
                mkdirat(&now, &name, MADE)?;
                let next = enter(now.as_fd(), &name)?;
                made.push((now, name));
                next
            }
            Err(error) => match target(now.as_fd(), &name)? {
                Some(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Refusal::Links.into());
                    }
                    let mut way = VecDeque::new();
                    let from = start(Path::new(&target), &mut way)?;
                    way.append(&mut rest);
                    rest = way;
                    if target.as_bytes().starts_with(b"/") { from } else { now }
                }
                None => return Err(error.into()),
            },
        };
    }
    // What was opened for passing alone can be neither listed nor synchronised.
    let directory = openat(&now, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&directory)?;
    match others_may_write(&stat) {
        None => Ok(Found { directory, shared: false, made }),
        Some(Refusal::DirectoryMode(mode)) if mode & Mode::SVTX.bits() != 0 => {
            Ok(Found { directory, shared: true, made })
        }
        Some(refusal) => Err(refusal.into()),
    }
}

/// Where a path begins; its names are put into `rest`.
fn start(path: &Path, rest: &mut VecDeque<OsString>) -> io::Result<OwnedFd> {
    for component in path.components() {
        match component {
            Component::Normal(name) => rest.push_back(name.to_owned()),
            Component::ParentDir => rest.push_back("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let from = if path.is_absolute() { "/" } else { "." };
    Ok(openat(CWD, from, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A directory of this name that is no link.
fn enter(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// Where a link leads, if one has this name; one that others can change is not followed.
fn target(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<OsString>> {
    let Ok(link) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(None) };
    if FileType::from_raw_mode(link.st_mode) != FileType::Symlink {
        return Ok(None);
    }
    let trusted = match others_may_write(&fstat(directory)?) {
        None => true,
        Some(Refusal::DirectoryMode(mode)) => mode & Mode::SVTX.bits() != 0 && is_trusted(link.st_uid),
        Some(_) => false,
    };
    if !trusted {
        return Err(Refusal::Way.into());
    }
    let target = readlinkat(directory, name, Vec::new())?;
    Ok(Some(OsStr::from_bytes(target.as_bytes()).to_owned()))
}

/// Whether a user can do as he likes with this process anyway: itself, and root.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == own()
}

/// Whose the files are that this thread makes. A thread of a process that gave up root's number may keep it for files
/// alone (`setfsuid(2)`), which no call tells without a change.
pub(super) fn own() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|uids| uids.split_ascii_whitespace().nth(3)?.parse().ok())
        .unwrap_or_else(|| geteuid().as_raw())
}

/// Why users besides this one and root can change what names in a directory mean; `None`: they cannot. The group of
/// this user's own is no other user.
fn others_may_write(directory: &Stat) -> Option<Refusal> {
    let mode = Mode::from_raw_mode(directory.st_mode);
    let group = directory.st_gid == 0 || directory.st_gid == getegid().as_raw();
    if !is_trusted(directory.st_uid) {
        Some(Refusal::DirectoryOwner(directory.st_uid))
    } else if mode.contains(Mode::WOTH) || mode.contains(Mode::WGRP) && !group {
        Some(Refusal::DirectoryMode(directory.st_mode & 0o7777))
    } else {
        None
    }
}
