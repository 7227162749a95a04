//! The general way: one loop, one header a step.

use super::{
    Link, Packet, PacketBytes, ParseError, Tunnel, TunnelPorts, capture, ip, link, network, transport, tunnel,
};
use crate::abi::FragmentKey;

/// Headers that are followed at most: eight VXLAN layers with the flow inside them are 35.
pub const STEPS: u32 = 40;

/// Headers that begin behind this offset are not followed: it keeps every offset in a range that the
/// kernel's verifier can bound by a mask.
pub const MAX_OFFSET: u32 = 0x3fff;

/// What a header is, in [`ParseState::next`]: a kind in the upper half, its number in the lower.
pub(super) mod kind {
    /// Nothing follows.
    pub(in crate::wire) const DONE: u32 = 0;
    /// The lower half is an `EtherType`, or below 1536 an 802.3 length.
    pub(in crate::wire) const ETHER_TYPE: u32 = 0x1_0000;
    /// The lower half is an IP protocol number.
    pub(in crate::wire) const PROTOCOL: u32 = 0x2_0000;
    pub(in crate::wire) const ETHERNET: u32 = 0x3_0000;
    pub(in crate::wire) const PPP: u32 = 0x4_0000;
    pub(in crate::wire) const VXLAN: u32 = 0x5_0000;
    pub(in crate::wire) const GENEVE: u32 = 0x6_0000;
    pub(in crate::wire) const GTP_U: u32 = 0x7_0000;
    pub(in crate::wire) const GTP_EXTENSION: u32 = 0x8_0000;
    pub(in crate::wire) const TEREDO: u32 = 0x9_0000;
    pub(in crate::wire) const GRE: u32 = 0xa_0000;
    /// A source route entry of GRE (RFC 1701); the lower half is the `EtherType` behind the last.
    pub(in crate::wire) const GRE_ROUTE: u32 = 0xb_0000;
    pub(in crate::wire) const ERSPAN: u32 = 0xc_0000;
    pub(in crate::wire) const ERSPAN_III: u32 = 0xd_0000;
    pub(in crate::wire) const L2TP: u32 = 0xe_0000;
    pub(in crate::wire) const LISP: u32 = 0xf_0000;
    pub(in crate::wire) const NSH: u32 = 0x10_0000;
    pub(in crate::wire) const IEEE_80211: u32 = 0x11_0000;
    /// IPv4 or IPv6, as the version field says.
    pub(in crate::wire) const IP: u32 = ETHER_TYPE | super::ether_type::IPV4 as u32;
    /// The bits that hold the kind.
    pub(in crate::wire) const MASK: u32 = 0xff_0000;
}

/// `EtherTypes` (IEEE 802 numbers) that lead on.
pub(super) mod ether_type {
    pub(in crate::wire) const IPV4: u16 = 0x0800;
    pub(in crate::wire) const IPV6: u16 = 0x86dd;
    pub(in crate::wire) const ARP: u16 = 0x0806;
    pub(in crate::wire) const BRIDGED: u16 = 0x6558;
    pub(in crate::wire) const VLAN: u16 = 0x8100;
    pub(in crate::wire) const PROVIDER_VLAN: u16 = 0x88a8;
    pub(in crate::wire) const OLD_QINQ: u16 = 0x9100;
    pub(in crate::wire) const MPLS: u16 = 0x8847;
    pub(in crate::wire) const MPLS_MULTICAST: u16 = 0x8848;
    pub(in crate::wire) const PPP: u16 = 0x880b;
    pub(in crate::wire) const WCCP: u16 = 0x883e;
    pub(in crate::wire) const PPPOE: u16 = 0x8864;
    pub(in crate::wire) const ERSPAN: u16 = 0x88be;
    pub(in crate::wire) const ERSPAN_III: u16 = 0x22eb;
    pub(in crate::wire) const PBB: u16 = 0x88e7;
    pub(in crate::wire) const VN_TAG: u16 = 0x8926;
    pub(in crate::wire) const E_TAG: u16 = 0x893f;
    pub(in crate::wire) const CISCO_METADATA: u16 = 0x8909;
    pub(in crate::wire) const FABRIC_PATH: u16 = 0x8903;
    pub(in crate::wire) const MACSEC: u16 = 0x88e5;
    pub(in crate::wire) const NSH: u16 = 0x894f;
    /// Numbers below are 802.3 lengths.
    pub(in crate::wire) const FIRST: u16 = 0x0600;
}

/// Authentication header (RFC 4302).
const AH: u8 = 51;

/// What the parser keeps between two headers. The caller lends it, so that on the kernel side it
/// lies in a map; what was in it does not matter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseState {
    /// What the next header is: see [`kind`].
    pub(super) next: u32,
    /// Where it begins.
    pub(super) offset: u32,
    /// Where the innermost IP packet ends, at most the frame's end on the wire.
    pub(super) end: u32,
    /// Outermost [`Tunnel`] since the last IP header; 0: none.
    pub(super) tunnel: u32,
    /// What tunnels since the outermost header say of the network inside: [`Packet::network`].
    pub(super) network: u32,
    /// Bytes of the innermost IP packet that are in later fragments of the one around it.
    pub(super) missing: u32,
    /// Bytes of headers that the kernel takes off when it splits the packet.
    pub(super) transient: u32,
    /// Offset of the IP header that `first` is of.
    pub(super) first_offset: u32,
    /// Of the outermost IP layer that is the first fragment of a datagram; IP version 0: none.
    pub(super) first: FragmentKey,
    /// Of the innermost IP layer, if that is a fragment; IP version 0: it is none.
    pub(super) own: FragmentKey,
}

impl ParseState {
    /// Bytes of headers that never reach the wire: see [`super::super_packet`].
    pub const fn transient(&self) -> u32 {
        self.transient
    }

    /// The fragment that the packet is or that carries it: its key, without the interface, and where its IP
    /// header begins.
    pub fn fragment(&self, packet: &Packet) -> Option<(FragmentKey, u32)> {
        if self.first.ip_version != 0 {
            return Some((self.first, self.first_offset));
        }
        (self.own.ip_version != 0).then_some((self.own, packet.ip_offset))
    }

    /// Keys of the outermost first fragment and of the innermost layer; IP version 0: it is none.
    #[inline(always)]
    pub(crate) const fn fragment_keys(&mut self) -> (&mut FragmentKey, &mut FragmentKey) {
        (&mut self.first, &mut self.own)
    }

    /// What follows ends `length` bytes behind `offset` at the latest.
    #[inline(always)]
    pub(super) fn bound(&mut self, offset: usize, length: u32) {
        let end = (offset as u32).wrapping_add(length);
        if end < self.end {
            self.end = end;
        }
    }

    /// The next header, `length` bytes on.
    #[inline(always)]
    pub(super) fn follow(&mut self, length: u32, next: u32) {
        self.offset = self.offset.wrapping_add(length);
        self.next = next;
    }

    /// What follows is in the network that a tunnel's header names.
    #[inline(always)]
    pub(super) fn enter_network(&mut self, kind: Tunnel, id: u32) {
        self.network = self.network.rotate_left(5) ^ network(kind, id);
    }

    /// What follows is inside a tunnel; it is reported once an IP header is found in it.
    #[inline(always)]
    pub(super) fn enter(&mut self, tunnel: Tunnel) {
        if self.tunnel == 0 {
            self.tunnel = tunnel as u32;
        }
    }
}

/// Parses a frame of `length` bytes on the wire, of which `bytes` may hold only the first.
///
/// # Errors
/// When there is no IP header that is whole. A packet whose addresses were read is never an error:
/// what could not be read of it stays 0.
#[inline(always)]
pub fn parse<B: PacketBytes + ?Sized>(
    bytes: &B,
    link: Link,
    length: u32,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    follow::<B, false>(bytes, link, length, tunnels, state, packet)
}

/// As [`parse`], and follows also what only captures show.
///
/// # Errors
/// As [`parse`].
pub fn parse_capture<B: PacketBytes + ?Sized>(
    bytes: &B,
    link: Link,
    length: u32,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    follow::<B, true>(bytes, link, length, tunnels, state, packet)
}

#[inline(always)]
fn follow<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    link: Link,
    length: u32,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    begin(packet, length);
    state.offset = 0;
    state.end = length;
    state.tunnel = 0;
    state.network = 0;
    state.missing = 0;
    state.transient = 0;
    state.first.ip_version = 0;
    state.own.ip_version = 0;
    state.next = match link {
        Link::Ethernet => kind::ETHERNET,
        Link::Ip => kind::IP,
        Link::EtherType(number) => kind::ETHER_TYPE | number as u32,
        Link::Ppp => kind::PPP,
    };
    let mut i = 0;
    while i < STEPS {
        if let Err(error) = step::<B, CAPTURE>(bytes, tunnels, state, packet) {
            // Beyond a good IP header an error only says how deep the packet could be followed.
            return if packet.ip_version == 0 { Err(error) } else { Ok(()) };
        }
        if state.next == kind::DONE {
            break;
        }
        i += 1;
    }
    if packet.ip_version == 0 {
        return Err(ParseError::TooDeep);
    }
    if packet.protocol == transport::TCP && packet.tcp_flags & super::tcp_flags::SYN != 0 {
        transport::options(bytes, state.offset, packet);
    }
    Ok(())
}

/// A packet of which nothing but the frame is known.
#[inline(always)]
pub(super) fn begin(packet: &mut Packet, length: u32) {
    *packet = Packet::default();
    packet.wire_length = length;
    packet.segments = 1;
}

/// Reads one header.
///
/// A function of its own for the verifier: inlined into the loop, what is in `state` and `packet` would
/// be kept in registers from step to step, and each step's cases would multiply the next one's.
#[cfg_attr(target_arch = "bpf", inline(never))]
#[cfg_attr(not(target_arch = "bpf"), inline(always))]
fn step<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    let offset = state.offset;
    if offset > MAX_OFFSET {
        return Err(ParseError::TooDeep);
    }
    let offset = offset as usize;
    let number = state.next as u16;
    match state.next & kind::MASK {
        kind::ETHERNET => link::ethernet(bytes, offset, state),
        kind::ETHER_TYPE => match number {
            ether_type::IPV4 => ip::v4(bytes, offset, state, packet),
            ether_type::IPV6 => ip::v6(bytes, offset, state, packet),
            _ => link::ether_type::<B, CAPTURE>(bytes, offset, number, state, packet),
        },
        kind::PROTOCOL => protocol::<B, CAPTURE>(bytes, offset, number as u8, tunnels, state, packet),
        kind::PPP => link::ppp(bytes, offset, state),
        kind::VXLAN => tunnel::vxlan(bytes, offset, state),
        kind::GENEVE => tunnel::geneve(bytes, offset, state),
        kind::GTP_U => tunnel::gtp_u::<B, CAPTURE>(bytes, offset, state),
        kind::GTP_EXTENSION => tunnel::gtp_extension(bytes, offset, state),
        kind::TEREDO => tunnel::teredo(bytes, offset, state),
        kind::GRE => tunnel::gre::<B, CAPTURE>(bytes, offset, state),
        kind::GRE_ROUTE => tunnel::gre_route(bytes, offset, number, state),
        kind::ERSPAN => tunnel::erspan(bytes, offset, state),
        kind::ERSPAN_III => tunnel::erspan_iii(bytes, offset, state),
        kind::L2TP => tunnel::l2tp(bytes, offset, state),
        other if CAPTURE => capture::header(bytes, offset, other, state),
        _ => {
            state.next = kind::DONE;
            Ok(())
        }
    }
}

/// What stands behind an IP header or an extension header.
#[inline(always)]
fn protocol<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    offset: usize,
    number: u8,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    let before = packet.protocol;
    packet.protocol = number;
    packet.payload_offset = offset as u32;
    match number {
        transport::TCP => transport::tcp(bytes, offset, state, packet),
        transport::UDP => transport::udp(bytes, offset, tunnels, state, packet),
        transport::SCTP => transport::sctp(bytes, offset, state, packet),
        // RFC 2003, RFC 2473.
        4 => {
            state.enter(Tunnel::Ipip);
            state.next = kind::ETHER_TYPE | ether_type::IPV4 as u32;
        }
        // RFC 4213.
        41 => {
            state.enter(Tunnel::Ipv6);
            state.next = kind::ETHER_TYPE | ether_type::IPV6 as u32;
        }
        47 => state.next = kind::GRE,
        // RFC 8986, 4.9: what a segment route leads to may be a frame.
        143 => {
            state.enter(Tunnel::Srv6);
            state.next = kind::ETHERNET;
        }
        // RFC 3378: two bytes of version.
        97 => {
            state.enter(Tunnel::EtherIp);
            state.follow(2, kind::ETHERNET);
        }
        103 if CAPTURE => {
            capture::pim(bytes, offset, state);
            return Ok(());
        }
        // MPLS in IP, RFC 4023.
        137 => {
            state.enter(Tunnel::Mpls);
            state.next = kind::ETHER_TYPE | ether_type::MPLS as u32;
        }
        // AH is no extension header of IPv6 alone (RFC 4302, 3.1).
        AH => return ip::extension(bytes, offset, number, state),
        0 | 43 | 44 | 60 | 135 | 139 | 140 if packet.ip_version == 6 => {
            if number == 0 {
                ip::jumbo(bytes, offset, state, packet);
            }
            if number == 44 {
                return ip::fragment_header(bytes, offset, state, packet);
            }
            return ip::extension(bytes, offset, number, state);
        }
        _ => {
            state.next = kind::DONE;
            // What AH protects, and is neither a transport nor ICMP, stays a flow of AH, as other
            // analysers have it.
            if before == AH && number != 1 && number != 58 {
                packet.protocol = AH;
            }
        }
    }
    Ok(())
}
