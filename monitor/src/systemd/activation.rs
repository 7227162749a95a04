//! Sockets that systemd listens on before the service runs (`sd_listen_fds(3)`).
#![expect(unsafe_code, reason = "descriptors that come by number from whoever started the process")]

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

/// The first of them.
const FIRST: RawFd = 3;
/// More than anybody has addresses to serve on.
const MOST: u32 = 64;

/// A socket that was handed over cannot be served on.
#[derive(Debug, thiserror::Error)]
#[error("socket {number} of LISTEN_FDS: {reason}; give ListenStream= an address and a port, or a path")]
pub struct ActivationError {
    number: RawFd,
    reason: String,
}

/// A socket that listens already.
#[derive(Debug)]
pub enum Activated {
    /// For TCP.
    Internet(TcpListener),
    /// For users of this host. Whoever made it removes it.
    Local(UnixListener),
}

/// The sockets that were handed to this process, none if none were. Once: whoever asks again gets none.
///
/// # Errors
/// When one is no socket that listens to TCP or to streams of this host.
pub fn listeners() -> Result<Vec<Activated>, ActivationError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) || TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).min(MOST) as RawFd;
    (FIRST..FIRST + count)
        .map(|number| {
            // SAFETY: by the protocol this descriptor is this process's own, and nothing else here has taken it:
            // it was open before the process began, and `TAKEN` sees to it that it is asked for once.
            let socket = unsafe { OwnedFd::from_raw_fd(number) };
            listener(socket).map_err(|error| ActivationError { number, reason: error.to_string() })
        })
        .collect()
}

/// The descriptor as a socket that listens.
fn listener(socket: OwnedFd) -> io::Result<Activated> {
    let family = socket_domain(&socket)?;
    let known = [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX].contains(&family);
    if !known || socket_type(&socket)? != SocketType::STREAM || !socket_acceptconn(&socket)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it listens neither to TCP nor to streams of this host",
        ));
    }
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    let local = family == AddressFamily::UNIX;
    Ok(if local { Activated::Local(socket.into()) } else { Activated::Internet(socket.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_to_streams_is_taken() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(matches!(listener(socket.into()), Ok(Activated::Internet(_))));
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixListener::bind(directory.path().join("socket")).unwrap();
        assert!(matches!(listener(socket.into()), Ok(Activated::Local(_))));
        for other in [
            OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()),
            OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap()),
            OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0),
            OwnedFd::from(std::fs::File::open("/proc/self/stat").unwrap()),
        ] {
            assert!(listener(other).is_err());
        }
    }
}
