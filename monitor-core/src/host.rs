//! What is known of the host itself: its interfaces, its addresses, its listening sockets.

use std::net::{IpAddr, SocketAddr};

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

/// A connection whose addresses this host translates, as its first packet has them: from whom, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// TCP, UDP or SCTP: the IP protocol number.
    pub protocol: u8,
    /// Before it is translated.
    pub before: [SocketAddr; 2],
    /// Behind that.
    pub behind: [SocketAddr; 2],
}

/// What became of translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translating {
    /// One began, or goes on.
    Began(Translation),
    /// One ended.
    Ended(Translation),
    /// Some of either were not heard; those that go on are told again.
    Anew,
}

/// What a network device is among others: how packets pass from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's index.
    pub ifindex: u32,
    /// What its driver says of it.
    pub kind: DeviceKind,
    /// Index of the bridge, bond, team or VRF that it is a port of.
    pub master: Option<u32>,
    /// Index of the device of this network namespace that it stands on: of a VLAN its parent, of a veth its peer.
    pub lower: Option<u32>,
    /// Its VLAN identifier.
    pub vlan: Option<u16>,
    /// The network that a tunnel device carries ([`monitor_common::wire::network`]), 0 where it has none; none:
    /// any, by packet.
    pub network: Option<u32>,
    /// It has an IP address that is not link-local.
    pub addressed: bool,
}

/// What a network device does with packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// A card, or what is like one.
    #[default]
    Card,
    /// Loopback.
    Loopback,
    /// Any other that is made by software.
    Other,
    /// A bridge: what it floods leaves by several ports.
    Bridge,
    /// Bond, team, VRF: all packets of its ports are its own.
    Union,
    /// A VLAN on its lower device.
    Vlan,
    /// macvlan, macvtap, ipvlan: several may get copies of what their lower device receives.
    Shared,
    /// veth, tun, tap: packets that leave by one may come in again by another.
    Inner,
    /// A tunnel's end: what it carries passes a device below inside other packets.
    Tunnel,
}
