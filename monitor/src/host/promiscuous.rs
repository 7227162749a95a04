//! Promiscuous mode for as long as somebody wants it.
//!
//! Not by the interface's flag, which would stay when the process is killed: a packet socket that
//! asks for it (`packet(7)`, `PACKET_ADD_MEMBERSHIP`) takes its wish along however it is closed, and
//! the kernel counts wishes, so that nobody else's is undone. The socket has protocol 0: it receives
//! nothing.
#![expect(unsafe_code, reason = "a socket option that no safe wrapper has")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// An interface is promiscuous until this is dropped.
#[derive(Debug)]
pub struct Promiscuous {
    _socket: OwnedFd,
}

impl Promiscuous {
    /// Asks for it, in this thread's network namespace. Needs `CAP_NET_RAW`.
    pub fn new(ifindex: u32) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
        let request = libc::packet_mreq {
            mr_ifindex: index,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        // SAFETY: the option takes a `struct packet_mreq`, which lives until the call returns.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const request).cast(),
                size_of_val(&request) as libc::socklen_t,
            )
        };
        if done == 0 { Ok(Self { _socket: socket }) } else { Err(io::Error::last_os_error()) }
    }
}
