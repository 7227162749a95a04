//! TCP, UDP and SCTP headers: ports, sequence, where payload begins.

use super::ip::within;
use super::link::be16;
use super::parse::kind;
use super::{Packet, PacketBytes, ParseState, Tunnel, TunnelPorts, tcp_flags};

/// IP protocol numbers (IANA) with ports.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;

/// Options that are looked at in a SYN: forty bytes are hardly more.
const MAX_OPTIONS: u32 = 24;

/// Writes what a TCP header says up to its window (RFC 9293, 3.1). One that says to be shorter than it
/// is gives its ports only.
#[inline(always)]
fn write_tcp(h: &[u8; 16], offset: u32, end: u32, packet: &mut Packet) {
    packet.source_port = be16(h[0], h[1]);
    packet.destination_port = be16(h[2], h[3]);
    let header = ((h[12] >> 4) as u32) << 2;
    if header < 20 {
        return;
    }
    packet.seq = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
    packet.ack = u32::from_be_bytes([h[8], h[9], h[10], h[11]]);
    packet.tcp_flags = h[13];
    packet.window = be16(h[14], h[15]);
    packet.payload_offset = offset + header;
    packet.payload_length = end.saturating_sub(offset + header);
}

#[inline(always)]
pub(super) fn tcp<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &mut Packet,
) {
    state.next = kind::DONE;
    // Behind the window is nothing that counts: a capture may cut the header there.
    if let Some(h) = within(bytes, offset, state.end) {
        write_tcp(&h, offset as u32, state.end.wrapping_add(state.missing), packet);
        if packet.tcp_flags & (tcp_flags::URG | tcp_flags::SYN) == tcp_flags::URG
            && let Some(h) = within::<2, _>(bytes, offset + 18, state.end)
        {
            packet.mss = be16(h[0], h[1]);
        }
    } else if let Some(h) = within::<8, _>(bytes, offset, state.end) {
        // The first eight bytes alone are what the smallest fragment carries.
        packet.source_port = be16(h[0], h[1]);
        packet.destination_port = be16(h[2], h[3]);
        packet.seq = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
    } else {
        ports(bytes, offset, state.end, packet);
    }
}

/// Reads a fragment that begins eight bytes behind the beginning of a TCP header as what that header goes on
/// with. Whether the first fragment ends there, and so the sequence number, is known from that one: until then
/// `seq` says how many of these bytes are header.
#[inline(always)]
pub(super) fn rest_of_tcp<B: PacketBytes + ?Sized>(bytes: &B, state: &mut ParseState, packet: &mut Packet) {
    let Some(h) = within::<8, _>(bytes, state.offset as usize, state.end) else { return };
    let header = ((h[4] >> 4) as u32) << 2;
    if header < 20 || state.offset < 8 {
        return;
    }
    packet.seq = header - 8;
    packet.ack = u32::from_be_bytes([h[0], h[1], h[2], h[3]]);
    packet.tcp_flags = h[5];
    packet.window = be16(h[6], h[7]);
    packet.payload_offset = state.offset + packet.seq;
    state.offset -= 8;
}

/// What is left of a header that is cut short, by the capture or by a tiny fragment.
#[inline(always)]
fn ports<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, end: u32, packet: &mut Packet) {
    if let Some(h) = within::<4, _>(bytes, offset, end) {
        packet.source_port = be16(h[0], h[1]);
        packet.destination_port = be16(h[2], h[3]);
    }
}

/// Maximum segment size (RFC 9293, 3.7.1) and window scale (RFC 7323, 2) of a SYN whose header begins
/// at `offset`.
#[cfg_attr(target_arch = "bpf", inline(never))]
#[cfg_attr(not(target_arch = "bpf"), inline(always))]
pub(super) fn options<B: PacketBytes + ?Sized>(bytes: &B, offset: u32, packet: &mut Packet) {
    let end = packet.payload_offset;
    let mut at = offset + 20;
    let mut i = 0;
    while i < MAX_OPTIONS {
        i += 1;
        if at >= end || at > super::MAX_OFFSET {
            return;
        }
        let Some(h) = bytes.read::<2>(at as usize) else { return };
        let value = at as usize + 2;
        match h {
            // The end of the list, or an option that ends before it begins.
            [0, _] | [2..=255, 0 | 1] => return,
            [1, _] => {
                at += 1;
                continue;
            }
            [2, 4] => {
                if let Some(v) = bytes.read::<2>(value) {
                    packet.mss = be16(v[0], v[1]);
                }
            }
            [3, 3] => {
                if let Some(v) = bytes.read::<1>(value) {
                    // More than 14 counts as 14 (RFC 7323, 2.3).
                    packet.window_scale = v[0].min(14) + 1;
                }
            }
            _ => {}
        }
        at += h[1] as u32;
    }
}

/// Writes what a UDP header says (RFC 768).
#[inline(always)]
pub(super) fn write_udp(h: &[u8; 8], offset: u32, end: u32, packet: &mut Packet) {
    packet.source_port = be16(h[0], h[1]);
    packet.destination_port = be16(h[2], h[3]);
    packet.payload_offset = offset + 8;
    let rest = end.saturating_sub(offset + 8);
    packet.payload_length = match be16(h[4], h[5]) as u32 {
        // A jumbogram (RFC 2675, 4).
        0 => rest,
        length => length.saturating_sub(8).min(rest),
    };
}

#[inline(always)]
pub(super) fn udp<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    tunnels: &TunnelPorts,
    state: &mut ParseState,
    packet: &mut Packet,
) {
    let Some(h) = within(bytes, offset, state.end) else {
        state.next = kind::DONE;
        ports(bytes, offset, state.end, packet);
        return;
    };
    write_udp(&h, offset as u32, state.end.wrapping_add(state.missing), packet);
    let next = tunnels.behind(packet.source_port, packet.destination_port);
    state.follow(8, next);
    match next {
        kind::VXLAN => state.enter(Tunnel::Vxlan),
        kind::GENEVE => state.enter(Tunnel::Geneve),
        kind::GTP_U => state.enter(Tunnel::GtpU),
        kind::L2TP => state.enter(Tunnel::L2tp),
        kind::LISP => state.enter(Tunnel::Lisp),
        kind::TEREDO => state.enter(Tunnel::Teredo),
        kind::GRE => state.enter(Tunnel::GreUdp),
        super::tunnel::MPLS => state.enter(Tunnel::MplsUdp),
        _ => {}
    }
}

/// RFC 9260, 3.1.
#[inline(always)]
pub(super) fn sctp<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &mut Packet,
) {
    state.next = kind::DONE;
    ports(bytes, offset, state.end, packet);
    packet.payload_offset = offset as u32 + 12;
}
