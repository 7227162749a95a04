//! What is known of the host itself: its interfaces, its addresses, its listening sockets.

use std::net::IpAddr;

use monitor_common::abi::Transport;

/// An interface that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index.
    pub ifindex: u32,
    /// Its name now.
    pub name: String,
    /// Whether it is the loopback device.
    pub loopback: bool,
    /// Whether both directions of its flows come through one hook (loopback, mirror port).
    pub one_sided: bool,
}

/// An address of this host and the network that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalNetwork {
    /// The host's own address.
    pub address: IpAddr,
    /// Length of the network's prefix in bits.
    pub prefix: u8,
}

/// A listening socket (TCP) or an unconnected bound one (UDP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// TCP, UDP or SCTP.
    pub transport: Transport,
    /// Local port, host byte order.
    pub port: u16,
}
