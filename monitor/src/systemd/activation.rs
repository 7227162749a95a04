//! Sockets that systemd listens on before the service runs (`sd_listen_fds(3)`).
#![expect(unsafe_code, reason = "descriptors that come by number from whoever started the process")]

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};

/// The first of them.
const FIRST: RawFd = 3;
/// More than anybody has addresses to serve on.
const MOST: u32 = 64;

/// A socket that was handed over cannot be served on.
#[derive(Debug, thiserror::Error)]
#[error("socket {number} of LISTEN_FDS: {reason}; give ListenStream= an address and a port")]
pub struct ActivationError {
    number: RawFd,
    reason: String,
}

/// The sockets that were handed to this process, none if none were. Once: whoever asks again gets none.
///
/// # Errors
/// When one is no socket that listens to TCP.
pub fn listeners() -> Result<Vec<TcpListener>, ActivationError> {
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
fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let internet = matches!(socket_domain(&socket)?, AddressFamily::INET | AddressFamily::INET6);
    if !internet || !socket_acceptconn(&socket)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen to TCP"));
    }
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(TcpListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_to_tcp_is_taken() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listener(socket.into()).is_ok());
        for other in [
            OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()),
            OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap()),
            OwnedFd::from(std::fs::File::open("/proc/self/stat").unwrap()),
        ] {
            assert!(listener(other).is_err());
        }
    }
}
