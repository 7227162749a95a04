//! One instance an interface: two would both count, and neither could tell.
//!
//! The lock is a socket in the abstract namespace, which belongs to a network namespace as interfaces
//! do, needs no directory, and ends with the process that holds it however that ends.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::net::sockopt::socket_peercred;

/// An interface that is this process's to count, until it is dropped.
#[derive(Debug)]
pub struct InterfaceLock {
    _socket: UnixListener,
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
        let system = |source| LockError::System { interface: interface.to_owned(), source };
        let name = format!("weir-interface-{ifindex}");
        let address = SocketAddr::from_abstract_name(name).map_err(system)?;
        match UnixListener::bind_addr(&address) {
            Ok(socket) => Ok(Self { _socket: socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let holder = UnixStream::connect_addr(&address)
                    .ok()
                    .and_then(|stream| socket_peercred(&stream).ok())
                    .map(|peer| peer.pid.as_raw_nonzero().get());
                Err(LockError::Taken { interface: interface.to_owned(), holder })
            }
            Err(error) => Err(system(error)),
        }
    }
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
