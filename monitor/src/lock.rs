//! One instance an interface: two would both count, and neither could tell.
//!
//! The lock is a byte of a file in a directory of root's alone, held for as long as the file is open (`F_OFD_SETLK`,
//! `fcntl_locking(2)`): it ends with the process however that ends. Interfaces belong to a network namespace, and so
//! does the file, by its name: instances of a host and of a container that is on the host's network may share the one
//! and not the other. Where no such file can be had, and between those that do not share a directory, what is
//! attached to an interface says whether somebody counts it. An abstract socket, whose name any user can take, is a hint
//! of who that is, and believed by itself of root and of one's own user alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use rustix::fs::{FlockOperation, flock};

/// Where all instances of a host look. The file system of pins holds no locks.
const DIRECTORY: &str = "/run/weir-lock";
/// Bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// That of directories in which only owners remove.
const STICKY: u32 = 0o1000;
/// Directories that vanish between a look and a lock are looked for again this many times.
const ATTEMPTS: u32 = 8;

/// The locks of a network namespace.
#[derive(Debug)]
pub struct Locks {
    file: Result<Arc<File>, String>,
}

/// An interface that is this process's to count, until it is dropped.
#[derive(Debug)]
pub struct InterfaceLock {
    held: Option<(Arc<File>, u32)>,
    hint: Hint,
}

/// A directory of pins that is this process's, until it is dropped.
#[derive(Debug)]
pub struct PinLock {
    _directory: Option<OwnedFd>,
}

/// Why an interface is not this process's.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another instance has it.
    #[error(
        "{interface}: another instance counts it{}; stop that one, or leave the interface out with --exclude {interface}",
        holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    Taken {
        /// The interface.
        interface: String,
        /// The process, if it can be seen from here.
        holder: Option<i32>,
    },
    /// Programs of ours are attached that are not this process's.
    #[error(
        "{interface}: another instance counts it, {}, or its pins do; stop that one, end the pins with `weir unpin --pin DIR`, or leave the interface out with --exclude {interface}",
        claimant.map_or_else(|| "which cannot be seen from here (in another container?)".to_owned(), |pid| format!("by its word process {pid}"))
    )]
    Attached {
        /// The interface.
        interface: String,
        /// The process that says so, if one does.
        claimant: Option<i32>,
    },
    /// Another instance has the pins.
    #[error(
        "{subject}: another instance uses them{}; stop that one, or name another directory with --pin",
        holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    PinsTaken {
        /// Which pins.
        subject: String,
        /// The process, if it can be seen from here.
        holder: Option<i32>,
    },
    /// There is no telling.
    #[error("{interface}: cannot be locked: {source}; raise the limit of open files (ulimit -n)")]
    System {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
}

impl Locks {
    /// Those of this thread's network namespace.
    pub fn open() -> Self {
        Self::open_in(Path::new(DIRECTORY))
    }

    fn open_in(directory: &Path) -> Self {
        let file = open(directory).map_err(|why| format!("no locks in {}: {why}", directory.display()));
        Self { file: file.map(Arc::new) }
    }

    /// Why there is no file to lock.
    pub fn lack(&self) -> Option<&str> {
        self.file.as_ref().err().map(String::as_str)
    }

    /// Takes the lock of an interface.
    pub fn take(&self, ifindex: u32, interface: &str) -> Result<InterfaceLock, LockError> {
        let taken = |holder| LockError::Taken { interface: interface.to_owned(), holder };
        let held = match &self.file {
            Ok(file) => {
                if !lock(file, ifindex, libc::F_WRLCK)
                    .map_err(|source| LockError::System { interface: interface.to_owned(), source })?
                {
                    return Err(taken(holder(file, ifindex)));
                }
                // For whoever comes and is refused.
                let _ = file.write_all_at(&Holder::this().bytes(), Holder::at(ifindex));
                Some((Arc::clone(file), ifindex))
            }
            Err(_) => None,
        };
        let lock = InterfaceLock { held, hint: hint(&format!("weir-interface-{ifindex}")) };
        match lock.hint {
            Hint::Believed(pid) => Err(taken(pid)),
            Hint::Ours(_) | Hint::Claimed(_) | Hint::None => Ok(lock),
        }
    }
}

impl InterfaceLock {
    /// Whether some other process says that the interface is its own. Any user can.
    pub const fn is_claimed(&self) -> bool {
        matches!(self.hint, Hint::Claimed(_))
    }

    /// That process, if it can be seen from here.
    pub const fn claimant(&self) -> Option<i32> {
        match self.hint {
            Hint::Claimed(pid) => pid,
            _ => None,
        }
    }
}

impl Drop for InterfaceLock {
    fn drop(&mut self) {
        if let Some((file, ifindex)) = &self.held {
            // The last that holds the file takes its locks along anyway.
            let _ = lock(file, *ifindex, libc::F_UNLCK);
        }
    }
}

/// Opens the file of this thread's network namespace; the error says why there is none.
fn open(directory: &Path) -> Result<File, String> {
    let said = |e: io::Error| e.to_string();
    let parent = directory.parent().unwrap_or(Path::new("/"));
    let above = fs::symlink_metadata(parent).map_err(said)?;
    if !above.is_dir() || !trusted(&above) && above.mode() & STICKY == 0 {
        return Err(format!("others may write to {}", parent.display()));
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(said(e)),
        _ => {}
    }
    // What is looked at is what is opened: names are found in it, not on the way to it again.
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(directory).map_err(said)?;
    if !trusted(&opened.metadata().map_err(said)?) {
        return Err("it is not root's alone".to_owned());
    }
    let namespace = fs::metadata("/proc/thread-self/ns/net").map_err(said)?.ino();
    let flags = rustix::fs::OFlags::RDWR
        | rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::NOFOLLOW
        | rustix::fs::OFlags::NONBLOCK
        | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let file =
        rustix::fs::openat(&opened, format!("net-{namespace}"), flags, mode).map_err(|e| e.to_string())?;
    let file = File::from(file);
    let found = file.metadata().map_err(said)?;
    if !found.is_file() || !trusted(&found) || found.nlink() != 1 {
        return Err(format!("net-{namespace} is no file of root's alone"));
    }
    Ok(file)
}

/// Whether only root, or this user, may have made it what it is.
fn trusted(found: &fs::Metadata) -> bool {
    let owner = found.uid();
    let ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
    ours && found.mode() & OTHERS_WRITE == 0
}

/// Takes or gives up the byte of an interface; `false`: somebody else has it.
fn lock(file: &File, ifindex: u32, kind: libc::c_int) -> io::Result<bool> {
    // SEEK_SET; no process owns it, but the open file.
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: ifindex.into(),
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Who has an interface, as the file has it: a process, and in which namespace that is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    pid: u32,
    namespace: u32,
}

impl Holder {
    fn this() -> Self {
        let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino() as u32);
        Self { pid: std::process::id(), namespace }
    }

    fn bytes(self) -> [u8; 8] {
        (u64::from(self.namespace) << 32 | u64::from(self.pid)).to_ne_bytes()
    }

    fn read(bytes: [u8; 8]) -> Self {
        let word = u64::from_ne_bytes(bytes);
        Self { pid: word as u32, namespace: (word >> 32) as u32 }
    }

    /// The file is as long as the highest index, and mostly empty.
    fn at(ifindex: u32) -> u64 {
        u64::from(ifindex) * 8
    }
}

/// The process that has the lock, if its number is one here.
fn holder(file: &File, ifindex: u32) -> Option<i32> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, Holder::at(ifindex)).ok()?;
    let holder = Holder::read(bytes);
    (holder.namespace == Holder::this().namespace).then_some(holder.pid as i32)
}

/// What a name among the abstract sockets says.
#[derive(Debug)]
enum Hint {
    /// It is ours, for as long as this is there.
    Ours(#[expect(dead_code, reason = "held, not read")] UnixListener),
    /// Root has it, or this user, in this process.
    Believed(Option<i32>),
    /// Another user has it, in this process.
    Claimed(Option<i32>),
    /// It cannot be had.
    None,
}

/// Takes a name, for instances that do not share the directory.
fn hint(name: &str) -> Hint {
    let Ok(address) = SocketAddr::from_abstract_name(name) else { return Hint::None };
    match UnixListener::bind_addr(&address) {
        Ok(socket) => return Hint::Ours(socket),
        Err(e) if e.kind() != io::ErrorKind::AddrInUse => return Hint::None,
        Err(_) => {}
    }
    // Who listens, as they were when they began to.
    let peer = UnixStream::connect_addr(&address)
        .and_then(|stream| Ok(getsockopt(&stream, sockopt::PeerCredentials)?));
    let Ok(peer) = peer else { return Hint::Claimed(None) };
    let pid = Some(peer.pid()).filter(|pid| *pid > 0);
    let believed = peer.uid() == 0 || peer.uid() == rustix::process::geteuid().as_raw();
    if believed { Hint::Believed(pid) } else { Hint::Claimed(pid) }
}

impl PinLock {
    /// Takes the lock of a directory, which nobody has while it is not there.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let subject = || format!("the pins in {}", directory.display());
        let failed = |source| LockError::System { interface: subject(), source };
        for _ in 0..ATTEMPTS {
            let opened = match File::open(directory) {
                Ok(opened) => opened,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self { _directory: None }),
                // What is wrong with it is said where it is used.
                Err(_) => return Ok(Self { _directory: None }),
            };
            let found = opened.metadata().map_err(failed)?;
            match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(LockError::PinsTaken { subject: subject(), holder: locker(&found) });
                }
                Err(error) => return Err(failed(error.into())),
            }
            // It may have been removed and made again meanwhile.
            let same = |now: fs::Metadata| (now.dev(), now.ino()) == (found.dev(), found.ino());
            if fs::metadata(directory).is_ok_and(same) {
                return Ok(Self { _directory: Some(opened.into()) });
            }
        }
        Err(failed(io::ErrorKind::NotFound.into()))
    }
}

/// The process that locked a file (`proc_locks(5)`).
fn locker(found: &fs::Metadata) -> Option<i32> {
    let device = found.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let mut fields = locks.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let found = fields.find(|fields| fields.get(5).is_some_and(|at| *at == file))?;
    found.get(4)?.parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn locks() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weir-lock");
        (directory, path)
    }

    #[test]
    fn a_second_lock_names_who_has_the_first() {
        let (_directory, path) = locks();
        let (first, second) = (Locks::open_in(&path), Locks::open_in(&path));
        assert_eq!(first.lack(), None);
        let held = first.take(u32::MAX, "test0").unwrap();
        let error = second.take(u32::MAX, "test0").unwrap_err();
        let us = std::process::id() as i32;
        assert!(matches!(error, LockError::Taken { holder: Some(pid), .. } if pid == us), "{error}");
        let other = second.take(u32::MAX - 1, "test1").unwrap();
        drop(held);
        assert!(second.take(u32::MAX, "test0").is_ok());
        drop(other);
    }

    #[test]
    fn without_a_file_the_name_of_an_instance_of_this_user_is_believed() {
        let (_directory, path) = locks();
        fs::write(&path, "no directory").unwrap();
        let none = Locks::open_in(&path);
        assert!(none.lack().is_some());
        let held = none.take(u32::MAX - 2, "test2").unwrap();
        assert!(matches!(none.take(u32::MAX - 2, "test2"), Err(LockError::Taken { .. })));
        drop(held);
        assert!(none.take(u32::MAX - 2, "test2").is_ok());
    }

    #[test]
    fn links_and_what_others_may_write_are_no_place_for_locks() {
        let (directory, path) = locks();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(Locks::open_in(&path).lack().is_some());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for open in [0o770, 0o777, 0o1777] {
            mode(&path, open);
            assert!(Locks::open_in(&path).lack().unwrap().contains("not root's alone"), "{open:o}");
        }
        mode(&path, 0o700);
        assert_eq!(Locks::open_in(&path).lack(), None);
        let file = fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&file).unwrap();
        let target = directory.path().join("target");
        std::os::unix::fs::symlink(&target, &file).unwrap();
        assert!(Locks::open_in(&path).lack().is_some());
        assert!(!target.exists());
        fs::remove_file(&file).unwrap();
        fs::write(&target, "").unwrap();
        fs::hard_link(&target, &file).unwrap();
        assert!(Locks::open_in(&path).lack().is_some());
        // A directory that others may write to, unless only owners remove there.
        mode(directory.path(), 0o777);
        assert!(Locks::open_in(&path).lack().unwrap().contains("others may write"));
    }

    #[test]
    fn a_directory_of_pins_is_had_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let first = PinLock::take(directory.path()).unwrap();
        let error = PinLock::take(directory.path()).unwrap_err();
        let us = std::process::id() as i32;
        assert!(matches!(error, LockError::PinsTaken { holder: Some(pid), .. } if pid == us), "{error}");
        drop(first);
        assert!(PinLock::take(directory.path()).is_ok());
        assert!(PinLock::take(&directory.path().join("none")).is_ok());
    }
}
