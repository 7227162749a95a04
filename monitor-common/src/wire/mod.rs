//! Frames to packets: one parser for the kernel programs and for user space.
//!
//! Everything reads through the trait [`PacketBytes`]; each side brings its own way to the bytes.
//!
//! * [`parse_fast`] takes what most packets are: Ethernet, IP without options, established TCP or
//!   plain UDP. It says no to everything else.
//! * [`parse`] takes everything: link headers, tunnels, extension headers, fragments. It is one loop
//!   of at most [`STEPS`] steps, a header each, whose state lies in [`ParseState`], so that the
//!   verifier walks one body and not every combination of headers.
//! * [`parse_capture`] takes also what only captures of networks show: encapsulations that no host and
//!   no mirror port of a server sees, and that would make the kernel's programs longer.
//! * [`super_packet`] and [`push_outer_vlan`] add what only the hook knows.
//!
//! The last IP header that is whole counts: a tunnel that carries no IP, or a broken one, leaves the
//! packet with the flow around it.

mod capture;
mod fast;
mod gso;
mod ip;
mod link;
mod parse;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

pub use capture::{Wireless, ieee80211};
pub use fast::parse_fast;
pub use gso::{push_outer_vlan, segments, super_packet};
pub use parse::{MAX_OFFSET, ParseState, STEPS, parse, parse_capture};

use crate::abi::Address;

/// How the parser reads a frame.
pub trait PacketBytes {
    /// `N` bytes at `offset`, or `None` beyond what was captured.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

impl PacketBytes for [u8] {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk::<N>().copied()
    }
}

/// UDP ports that carry tunnels, host byte order; 0 switches one off. 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPorts {
    /// RFC 7348, and the port that Linux used before it was assigned.
    pub vxlan: [u16; 2],
    /// RFC 8926.
    pub geneve: u16,
    /// 3GPP TS 29.281.
    pub gtp_u: u16,
    /// RFC 4380.
    pub teredo: u16,
    /// GRE in UDP, RFC 8086.
    pub gre: u16,
    /// MPLS in UDP, RFC 7510.
    pub mpls: u16,
    /// `draft-ietf-nvo3-vxlan-gpe`.
    pub vxlan_gpe: u16,
    /// Data messages of L2TP version 2, RFC 2661.
    pub l2tp: u16,
    /// GTP version 0, GSM 09.60: in captures only.
    pub gtp_v0: u16,
    /// RFC 9300: in captures only.
    pub lisp: u16,
    /// Zero.
    pub reserved: u16,
}

const _: () = assert!(size_of::<TunnelPorts>() == 24);

impl TunnelPorts {
    /// No tunnels.
    pub const NONE: Self = Self {
        vxlan: [0; 2],
        geneve: 0,
        gtp_u: 0,
        teredo: 0,
        gre: 0,
        mpls: 0,
        vxlan_gpe: 0,
        l2tp: 0,
        gtp_v0: 0,
        lisp: 0,
        reserved: 0,
    };

    /// Those that [`parse`] follows, at their usual ports.
    pub const KERNEL: Self = Self {
        vxlan: [4789, 8472],
        geneve: 6081,
        gtp_u: 2152,
        teredo: 3544,
        gre: 4754,
        mpls: 6635,
        vxlan_gpe: 4790,
        l2tp: 1701,
        ..Self::NONE
    };
}

impl Default for TunnelPorts {
    /// All, at their usual ports.
    fn default() -> Self {
        Self { gtp_v0: 3386, lisp: 4341, ..Self::KERNEL }
    }
}

/// What the first header of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header.
    Ip,
    /// A payload whose `EtherType` (IEEE 802) is known from elsewhere, at offset 0. A number below
    /// 1536 is a length, as in IEEE 802.3: an LLC header (IEEE 802.2) follows.
    EtherType(u16),
    /// A PPP frame (RFC 1662) without flags, with or without address and control.
    Ppp,
}

/// Encapsulations; the outermost of a packet is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tunnel {
    /// RFC 7348.
    Vxlan = 1,
    /// RFC 8926.
    Geneve = 2,
    /// RFC 2784, 2890, and version 1 (PPTP, RFC 2637).
    Gre = 3,
    /// `draft-foschiano-erspan`.
    Erspan = 4,
    /// RFC 2003: IPv4 in IPv4 or IPv6.
    Ipip = 5,
    /// RFC 4213, 2473: IPv6 in IPv4 or IPv6.
    Ipv6 = 6,
    /// RFC 8086.
    GreUdp = 7,
    /// RFC 7510.
    MplsUdp = 8,
    /// RFC 4380.
    Teredo = 9,
    /// 3GPP TS 29.281.
    GtpU = 10,
    /// RFC 3032.
    Mpls = 11,
    /// RFC 2516.
    Pppoe = 12,
    /// IEEE 802.1ah.
    Pbb = 13,
    /// IEEE 802.1BR / VN-Tag.
    VnTag = 14,
    /// Cisco `MetaData` with a security group tag.
    CiscoSgt = 15,
    /// RFC 2661: layer 2 tunnelling protocol.
    L2tp = 16,
    /// RFC 8986: an Ethernet frame behind IPv6 headers (segment routing).
    Srv6 = 17,
    /// RFC 3378: an Ethernet frame in IP.
    EtherIp = 18,
    /// Cisco `FabricPath`.
    FabricPath = 19,
    /// IEEE 802.1AE, integrity only.
    Macsec = 20,
    /// RFC 8300: network service header.
    Nsh = 21,
    /// RFC 7761, 4.9.3: Register message of PIM.
    PimRegister = 22,
    /// RFC 9300.
    Lisp = 23,
}

impl Tunnel {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Vxlan,
        Self::Geneve,
        Self::Gre,
        Self::Erspan,
        Self::Ipip,
        Self::Ipv6,
        Self::GreUdp,
        Self::MplsUdp,
        Self::Teredo,
        Self::GtpU,
        Self::Mpls,
        Self::Pppoe,
        Self::Pbb,
        Self::VnTag,
        Self::CiscoSgt,
        Self::L2tp,
        Self::Srv6,
        Self::EtherIp,
        Self::FabricPath,
        Self::Macsec,
        Self::Nsh,
        Self::PimRegister,
        Self::Lisp,
    ];
}

/// Whether and how a packet is a fragment of an IP datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Fragment {
    /// A whole datagram.
    #[default]
    None = 0,
    /// The first fragment: it has the ports.
    First = 1,
    /// A later one: it has none.
    Later = 2,
}

/// Bits of [`Packet::tcp_flags`] (RFC 9293, 3.1; RFC 3168).
pub mod tcp_flags {
    #![expect(missing_docs, reason = "the field's own names")]
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
    pub const ECE: u8 = 0x40;
    pub const CWR: u8 = 0x80;
}

/// What the headers of a frame say: addresses, ports and lengths of the innermost IP layer.
///
/// Numbers are in host byte order. It lies in a map on the kernel side, not on the stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source port; 0 where the protocol has none.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// IP protocol number after extension headers.
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// [`tcp_flags`]; 0 for other protocols.
    pub tcp_flags: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// TCP sequence number.
    pub seq: u32,
    /// TCP acknowledgment number.
    pub ack: u32,
    /// TCP window, unscaled.
    pub window: u16,
    /// TCP maximum segment size option of a SYN; 0: none. Of other segments with URG the urgent pointer, see
    /// [`Self::urgent`].
    pub mss: u16,
    /// TCP window scale option of a SYN plus 1; 0: none.
    pub window_scale: u8,
    /// A [`Fragment`] as a number.
    pub fragment: u8,
    /// Outermost [`Tunnel`] as a number; 0: none.
    pub tunnel: u8,
    /// VLAN tags seen; the first two are in `vlans`.
    pub vlan_tags: u8,
    /// VLAN identifiers (12 bits), outermost first.
    pub vlans: [u16; 2],
    /// The tags below the innermost IP header, twelve bits each, outermost lowest.
    pub tags: u32,
    /// The networks that the tunnels around the innermost IP header name; see [`network`].
    pub network: u32,
    /// IP identification of a fragment.
    pub fragment_id: u32,
    /// Offset of the innermost IP header in the frame.
    pub ip_offset: u32,
    /// Total length of the innermost IP packet, headers included, as on the wire: of all segments
    /// of a super-packet together.
    pub ip_length: u32,
    /// Offset behind the innermost transport header: where payload begins.
    pub payload_offset: u32,
    /// TCP or UDP payload bytes, of all segments. Of a packet in a tunnel whose outer datagram is in
    /// fragments, all are on the first.
    pub payload_length: u32,
    /// Length of the frame on the wire, of all segments with their headers.
    pub wire_length: u32,
    /// Packets on the wire; more than 1 for a super-packet.
    pub segments: u32,
}

/// The word for the network that a tunnel's header names: of VXLAN and GENEVE by the identifier (VNI), of GRE
/// by the key.
///
/// Identifiers that only the receiver of one direction knows (TEID, the sessions of L2TP and ERSPAN) name no
/// network: they would part the directions of a flow.
#[inline(always)]
pub const fn network(kind: Tunnel, id: u32) -> u32 {
    (id ^ ((kind as u32) << 24)).wrapping_mul(0x9e37_79b1)
}

impl Packet {
    /// Urgent pointer of a segment (RFC 9293, 3.8.5); 0: none.
    #[inline(always)]
    pub const fn urgent(&self) -> u16 {
        if self.tcp_flags & (tcp_flags::URG | tcp_flags::SYN) == tcp_flags::URG { self.mss } else { 0 }
    }

    /// The word for the layer 2 network that the packet is in: 0 where no tag and no tunnel names one. Two
    /// tags and a network are told apart for certain, more of them almost.
    #[inline(always)]
    pub const fn segment(&self) -> u32 {
        self.tags ^ self.network
    }

    /// Puts the packet into another segment.
    #[inline(always)]
    pub(crate) const fn set_segment(&mut self, segment: u32) {
        self.network = segment ^ self.tags;
    }

    /// Puts a tag around those that are there.
    #[inline(always)]
    pub(crate) const fn push_tag(&mut self, tci: u16) {
        self.tags = (self.tags << 12 | tci as u32 & 0x0fff) & 0x00ff_ffff;
    }

    /// Whether the payload stands in the frame as its length says: not of a later fragment, which begins in the
    /// middle of it, nor of a tunnel in fragments, of which the rest is elsewhere.
    #[inline(always)]
    pub const fn is_readable(&self) -> bool {
        self.fragment == Fragment::None as u8 || (self.fragment == Fragment::First as u8 && self.tunnel == 0)
    }
}

/// Why a frame is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It carries no IP.
    NotIp,
    /// A header is cut short.
    Truncated,
    /// A header contradicts itself.
    Malformed,
    /// More headers than the parser follows.
    TooDeep,
}
