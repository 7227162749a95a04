//! Packets of an interface as the stack sees them, from a packet socket (`packet(7)`).

mod block;
mod sys;

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

pub use block::Frame;

use crate::host::Link;

/// What stays in the kernel at most: wait so long, and all that came before is there.
pub const DELAY: Duration = Duration::from_millis(2 * sys::RETIRE.as_millis() as u64);

/// Link types (`LINKTYPE_…`): Ethernet, token ring, raw IP, 802.11 plain and with radiotap.
const ETHERNET: u16 = 1;
const TOKEN_RING: u16 = 6;
const RAW: u16 = 101;
const WIRELESS: u16 = 105;
const RADIOTAP: u16 = 127;

/// All packets of an interface, from when it was made.
#[derive(Debug)]
pub struct Socket {
    ring: sys::Ring,
    ifindex: u32,
    name: String,
    link_type: u16,
    received: u64,
    dropped: u64,
}

impl Socket {
    /// Listens on an interface, in this thread's network namespace; packets are cut after `snaplen` bytes
    /// if it says so. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn open(link: &Link, snaplen: Option<u32>) -> io::Result<Self> {
        let index = i32::try_from(link.ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
        // What has no link header may still have something before the IP header: the kernel takes it off.
        let kind = if link.is_layer_3() { SocketType::DGRAM } else { SocketType::RAW };
        // Of no protocol: it receives nothing until it is bound.
        let socket = socket_with(AddressFamily::PACKET, kind, SocketFlags::CLOEXEC, None)?;
        if let Some(bytes) = snaplen {
            sys::cut(socket.as_fd(), bytes)?;
        }
        if link.loopback {
            // Every packet passes loopback both ways; it is counted on the way in.
            sys::ignore_outgoing(socket.as_fd())?;
        }
        let ring = sys::Ring::new(socket)?;
        sys::stamp(ring.socket())?;
        sys::bind(ring.socket(), index)?;
        let link_type = match link.kind {
            _ if link.is_layer_3() => RAW,
            6 => TOKEN_RING,
            801 => WIRELESS,
            803 => RADIOTAP,
            _ => ETHERNET,
        };
        let (ifindex, name) = (link.ifindex, link.name.clone());
        Ok(Self { ring, ifindex, name, link_type, received: 0, dropped: 0 })
    }

    /// Index of the interface.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its frames begin with: a `LINKTYPE_` number.
    pub const fn link_type(&self) -> u16 {
        self.link_type
    }

    /// Shows the packets of a block, if one is ready.
    pub fn take(&mut self, show: &mut dyn FnMut(&Frame<'_>)) -> bool {
        self.ring.take(|bytes| block::frames(bytes, show))
    }

    /// Packets that came, and those of them that found the ring full.
    pub fn statistics(&mut self) -> (u64, u64) {
        // The kernel counts anew after each question.
        if let Ok((received, dropped)) = sys::statistics(self.ring.socket()) {
            self.received += received;
            self.dropped += dropped;
        }
        (self.received, self.dropped)
    }
}

/// Waits until one of these descriptors has something to read, or the time is over.
///
/// # Errors
/// Those of poll(2).
pub fn wait_for<'a>(descriptors: impl Iterator<Item = BorrowedFd<'a>>, at_most: Duration) -> io::Result<()> {
    sys::wait(descriptors, at_most)
}

/// Waits until a socket has packets, or for so long.
///
/// # Errors
/// Those of poll(2).
pub fn wait(sockets: &[Socket], at_most: Duration) -> io::Result<()> {
    for socket in sockets {
        // An interface that went down is said once; what comes when it is up again is read as before.
        let _ = sockopt::socket_error(socket.ring.socket());
    }
    sys::wait(sockets.iter().map(|s| s.ring.socket()), at_most)
}
