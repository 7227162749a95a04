//! One instance an interface: two would both count, and neither could tell.
//!
//! The lock is a socket in the abstract namespace, which belongs to a network namespace as interfaces
//! do, needs no directory, and ends with the process that holds it however that ends.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

use rustix::net::sockopt::socket_peercred;

/// An interface that is this process's to count, until it is dropped.
#[derive(Debug)]
pub struct InterfaceLock {
    _socket: UnixListener,
}

/// A directory of pins that is this process's, until it is dropped.
#[derive(Debug)]
pub struct PinLock {
    _socket: UnixListener,
}

impl PinLock {
    /// Takes the lock of a directory, which need not be there yet.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        // One directory has many names; the lock is of what it is, where it is.
        let path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let subject = || format!("the pins in {}", directory.display());
        let name = match path.parent().map(std::fs::metadata) {
            Some(Ok(parent)) => {
                let last = path.file_name().unwrap_or_default().to_string_lossy();
                format!("weir-pin-{}-{}-{last:.64}", parent.dev(), parent.ino())
            }
            _ => format!("weir-pin-{:.90}", path.to_string_lossy()),
        };
        match bind(&name) {
            Ok(socket) => Ok(Self { _socket: socket }),
            Err(Failed::Taken(holder)) => Err(LockError::PinsTaken { subject: subject(), holder }),
            Err(Failed::System(source)) => Err(LockError::System { interface: subject(), source }),
        }
    }
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

impl InterfaceLock {
    /// Takes the lock of an interface of this thread's network namespace.
    pub fn take(ifindex: u32, interface: &str) -> Result<Self, LockError> {
        let interface = interface.to_owned();
        match bind(&format!("weir-interface-{ifindex}")) {
            Ok(socket) => Ok(Self { _socket: socket }),
            Err(Failed::Taken(holder)) => Err(LockError::Taken { interface, holder }),
            Err(Failed::System(source)) => Err(LockError::System { interface, source }),
        }
    }
}

enum Failed {
    /// By this process, if it can be seen from here.
    Taken(Option<i32>),
    System(io::Error),
}

fn bind(name: &str) -> Result<UnixListener, Failed> {
    let address = SocketAddr::from_abstract_name(name).map_err(Failed::System)?;
    UnixListener::bind_addr(&address).map_err(|error| {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Failed::System(error);
        }
        let holder = UnixStream::connect_addr(&address)
            .ok()
            .and_then(|stream| socket_peercred(&stream).ok())
            .map(|peer| peer.pid.as_raw_nonzero().get());
        Failed::Taken(holder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_who_has_the_first() {
        let first = InterfaceLock::take(u32::MAX, "test0").unwrap();
        let error = InterfaceLock::take(u32::MAX, "test0").unwrap_err();
        let us = std::process::id() as i32;
        assert!(matches!(error, LockError::Taken { holder: Some(pid), .. } if pid == us), "{error}");
        drop(first);
        assert!(InterfaceLock::take(u32::MAX, "test0").is_ok());
    }
}
