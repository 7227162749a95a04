//! IPv4, IPv6 and what stands between them and the transport.

use super::link::be16;
use super::parse::{ether_type, kind};
use super::{Fragment, Packet, PacketBytes, ParseError, ParseState};
use crate::abi::{Address, FragmentKey};

/// Four bytes in memory order, as [`Address`] keeps them.
macro_rules! word {
    ($h:expr, $i:literal) => {
        u32::from_ne_bytes([$h[$i], $h[$i + 1], $h[$i + 2], $h[$i + 3]])
    };
}

/// `N` bytes of a header, if the IP packet around it, which ends at `end`, reaches that far: what stands
/// behind it is padding.
#[inline(always)]
pub(super) fn within<const N: usize, B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    end: u32,
) -> Option<[u8; N]> {
    if end.saturating_sub(offset as u32) < N as u32 {
        return None;
    }
    bytes.read(offset)
}

/// A new innermost IP packet, which ends at `end` as far as it is here: what the one around it said of its
/// transport no longer holds. Inside the first fragment of a datagram it stays a first fragment, the rest of
/// which comes with the others.
#[inline(always)]
fn begin_layer(state: &mut ParseState, packet: &mut Packet, end: u32) {
    packet.source_port = 0;
    packet.destination_port = 0;
    packet.payload_length = 0;
    packet.fragment_id = 0;
    state.own.ip_version = 0;
    state.missing = if packet.fragment == Fragment::First as u8 {
        packet.ip_offset.wrapping_add(packet.ip_length).saturating_sub(end)
    } else {
        packet.fragment = Fragment::None as u8;
        0
    };
    state.end = end;
    packet.tags = packet.vlans[0] as u32 | (packet.vlans[1] as u32) << 12;
    packet.network = state.network;
    if packet.tunnel == 0 {
        packet.tunnel = state.tunnel as u8;
    }
}

/// Writes what the fixed part of an IPv4 header says (RFC 791, 3.1) except fragments. `None` when its
/// lengths contradict each other, else where the header and the packet end, at most at `limit`.
#[inline(always)]
fn write_v4(h: &[u8; 20], offset: u32, limit: u32, packet: &mut Packet) -> Option<(u32, u32)> {
    let header = ((h[0] & 0x0f) as u32) << 2;
    let rest = limit.saturating_sub(offset);
    let total = match be16(h[2], h[3]) as u32 {
        // A super-packet longer than the field (BIG TCP).
        0 => rest,
        total => total,
    };
    if header < 20 || total < header {
        return None;
    }
    packet.source = Address::from_v4_word(word!(h, 12));
    packet.destination = Address::from_v4_word(word!(h, 16));
    packet.protocol = h[9];
    packet.ip_version = 4;
    packet.ttl = h[8];
    packet.ip_offset = offset;
    packet.ip_length = total;
    packet.payload_offset = offset + header;
    Some((offset + header, offset + if total < rest { total } else { rest }))
}

#[inline(always)]
pub(super) fn v4<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    let h: [u8; 20] = within(bytes, offset, state.end).ok_or(ParseError::Truncated)?;
    match h[0] >> 4 {
        4 => {}
        // Where only "IP" is announced, the version decides.
        6 => {
            state.next = kind::ETHER_TYPE | ether_type::IPV6 as u32;
            return Ok(());
        }
        _ => return Err(ParseError::Malformed),
    }
    let (header_end, end) = write_v4(&h, offset as u32, state.end, packet).ok_or(ParseError::Malformed)?;
    begin_layer(state, packet, end);
    state.offset = header_end;
    state.next = kind::PROTOCOL | h[9] as u32;
    let fragment = be16(h[6], h[7]);
    if fragment & 0x3fff != 0 {
        packet.fragment_id = be16(h[4], h[5]) as u32;
        fragmented(bytes, fragment & 0x1fff, h[9], state, packet);
    }
    Ok(())
}

/// Marks a fragment that begins at `place`, in units of eight bytes; a later one has no transport header to
/// follow.
#[inline(always)]
fn fragmented<B: PacketBytes + ?Sized>(
    bytes: &B,
    place: u16,
    protocol: u8,
    state: &mut ParseState,
    packet: &mut Packet,
) {
    state.own = FragmentKey {
        source: packet.source,
        destination: packet.destination,
        id: packet.fragment_id,
        ifindex: 0,
        protocol,
        ip_version: packet.ip_version,
        reserved: [0; 2],
    };
    if place == 0 {
        packet.fragment = Fragment::First as u8;
        if state.first.ip_version == 0 {
            state.first = state.own;
            state.first_offset = packet.ip_offset;
        }
        return;
    }
    packet.fragment = Fragment::Later as u8;
    packet.protocol = protocol;
    packet.payload_offset = state.offset;
    state.next = kind::DONE;
    if protocol == super::transport::TCP || protocol == super::transport::UDP {
        packet.payload_length = state.end.saturating_sub(state.offset);
    }
    if protocol == super::transport::TCP && place == 1 {
        super::transport::rest_of_tcp(bytes, state, packet);
    }
}

/// Whether a packet with this next header may say 0 as its length because it is longer than the field:
/// a jumbogram (RFC 2675), or a super-packet (BIG TCP).
#[inline(always)]
const fn may_be_jumbo(next: u8) -> bool {
    matches!(next, 0 | 6 | 17)
}

/// Writes what an IPv6 header says (RFC 8200, 3) except addresses, and where the packet ends, at most at
/// `limit`.
#[inline(always)]
fn write_v6(h: &[u8; 8], offset: u32, limit: u32, packet: &mut Packet) -> u32 {
    let rest = limit.saturating_sub(offset);
    let total = match be16(h[4], h[5]) as u32 {
        0 if may_be_jumbo(h[6]) => rest,
        payload => payload + 40,
    };
    packet.protocol = h[6];
    packet.ip_version = 6;
    packet.ttl = h[7];
    packet.ip_offset = offset;
    packet.ip_length = total;
    packet.payload_offset = offset + 40;
    offset + if total < rest { total } else { rest }
}

#[inline(always)]
pub(super) fn v6<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    let h: [u8; 40] = within(bytes, offset, state.end).ok_or(ParseError::Truncated)?;
    if h[0] >> 4 != 6 {
        return Err(ParseError::Malformed);
    }
    let Some(fixed) = h.first_chunk::<8>() else { return Err(ParseError::Truncated) };
    let end = write_v6(fixed, offset as u32, state.end, packet);
    packet.source = Address::from_v6_words([word!(h, 8), word!(h, 12), word!(h, 16), word!(h, 20)]);
    packet.destination = Address::from_v6_words([word!(h, 24), word!(h, 28), word!(h, 32), word!(h, 36)]);
    begin_layer(state, packet, end);
    state.follow(40, kind::PROTOCOL | h[6] as u32);
    Ok(())
}

/// Notes the header that the kernel puts into a super-packet longer than the length field (BIG TCP) and takes
/// out when it splits it: hop-by-hop options with nothing but the length of a jumbogram (RFC 2675, 2).
#[inline(always)]
pub(super) fn jumbo<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &Packet,
) {
    if packet.ip_offset.wrapping_add(40) != offset as u32 {
        return;
    }
    // Not a pattern: the compiler would compare what was read together with whether it was.
    let Some(h) = bytes.read::<4>(offset) else { return };
    if be16(h[0], h[1]) == 0x0600 && be16(h[2], h[3]) == 0xc204 {
        state.transient = 8;
    }
}

/// Hop-by-hop and destination options, routing (RFC 8200, 4), AH (RFC 4302), mobility (RFC 6275), HIP
/// (RFC 7401), Shim6 (RFC 5533): next header and length lead.
#[inline(always)]
pub(super) fn extension<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    number: u8,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 2] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let length = if number == 51 { (h[1] as u32 + 2) << 2 } else { (h[1] as u32 + 1) << 3 };
    // Mobility, HIP and Shim6 messages end the chain themselves: "no next header".
    if number > 60 && h[0] == 59 {
        state.next = kind::DONE;
    } else {
        state.follow(length, kind::PROTOCOL | h[0] as u32);
    }
    Ok(())
}

/// RFC 8200, 4.5.
#[inline(always)]
pub(super) fn fragment_header<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    state.follow(8, kind::PROTOCOL | h[0] as u32);
    let fragment = be16(h[2], h[3]);
    // Offset 0 and nothing more to come: an atomic fragment (RFC 6946) is a whole packet.
    if fragment & 0xfff9 != 0 {
        packet.fragment_id = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
        fragmented(bytes, fragment >> 3, h[0], state, packet);
    }
    Ok(())
}
