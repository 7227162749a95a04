//! The table that credits later IP fragments to the flow of their first. It holds no counts, so it
//! may forget the oldest entries.

use super::Address;

/// Datagrams whose flows are remembered at once.
pub const FRAGMENTED_DATAGRAMS: u32 = 8192;

/// What the fragments of one datagram share (RFC 791, 3.2; RFC 8200, 4.5), and the interface.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification; 16 bits in IPv4.
    pub id: u32,
    /// Kernel's index of the interface.
    pub ifindex: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

const _: () = assert!(size_of::<FragmentKey>() == 44);

/// The flow of a first fragment, in host byte order: the innermost, where it carries a tunnel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentFlow {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// [`crate::wire::Packet::segment`].
    pub segment: u32,
    /// TCP sequence number, for the rest of a header that was split.
    pub seq: u32,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// [`crate::wire::Tunnel`] as a number; 0: none.
    pub tunnel: u8,
    /// 1: it has only the beginning of a TCP header.
    pub split: u8,
}

const _: () = assert!(size_of::<FragmentFlow>() == 48);
