//! Encapsulations over IP and UDP: what their headers say stands behind them.

use super::link::be16;
use super::parse::{ether_type, kind};
use super::{PacketBytes, ParseError, ParseState, Tunnel, TunnelPorts};

/// A label stack.
pub(super) const MPLS: u32 = kind::ETHER_TYPE | ether_type::MPLS as u32;

impl TunnelPorts {
    /// What stands behind a UDP header with these ports.
    ///
    /// A tunnel is known by the port that it is sent to; only what answers from the well-known port
    /// to any other (GTP, Teredo, L2TP, LISP) is known by either.
    #[inline(always)]
    pub(super) fn behind(&self, source: u16, destination: u16) -> u32 {
        let to = |port: u16| port != 0 && destination == port;
        let with = |port: u16| port != 0 && (destination == port || source == port);
        if to(self.vxlan[0]) || to(self.vxlan[1]) || to(self.vxlan_gpe) {
            kind::VXLAN
        } else if to(self.geneve) {
            kind::GENEVE
        } else if with(self.gtp_u) {
            kind::GTP_U
        } else if with(self.teredo) {
            kind::TEREDO
        } else if to(self.gre) {
            kind::GRE
        } else if to(self.mpls) {
            MPLS
        } else if with(self.l2tp) {
            kind::L2TP
        } else if with(self.gtp_v0) {
            kind::GTP_U
        } else if with(self.lisp) {
            kind::LISP
        } else {
            kind::DONE
        }
    }
}

/// RFC 7348, 5: flags with the I bit, network identifier, then a frame; or, where the P bit is set, what the
/// next protocol says (draft-ietf-nvo3-vxlan-gpe-13, 3.2).
#[inline(always)]
pub(super) fn vxlan<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if h[0] & 0x08 == 0 {
        return Err(ParseError::NotIp);
    }
    state.enter_network(Tunnel::Vxlan, identifier(&h));
    state.follow(8, if h[0] & 0x04 == 0 { kind::ETHERNET } else { next_protocol(h[3])? });
    Ok(())
}

/// The 24 bits of a network identifier, where VXLAN and GENEVE have it.
#[inline(always)]
const fn identifier(header: &[u8; 8]) -> u32 {
    u32::from_be_bytes([0, header[4], header[5], header[6]])
}

/// The numbers that VXLAN-GPE and NSH (RFC 8300, 2.2) share.
#[inline(always)]
pub(super) fn next_protocol(number: u8) -> Result<u32, ParseError> {
    match number {
        1 | 2 => Ok(kind::IP),
        3 => Ok(kind::ETHERNET),
        4 => Ok(kind::NSH),
        5 => Ok(MPLS),
        _ => Err(ParseError::NotIp),
    }
}

/// RFC 2661, 3.1: flags say which fields there are; of data messages a PPP frame follows.
#[inline(always)]
pub(super) fn l2tp<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    // Control, another version, or bits that must be 0: it is something else.
    if h[0] & 0xb4 != 0 || h[1] != 2 {
        return Err(ParseError::NotIp);
    }
    let has = |flag: u8, length: u32| if h[0] & flag != 0 { length } else { 0 };
    if h[0] & 0x40 != 0 {
        state.bound(offset, be16(h[2], h[3]) as u32);
    }
    let mut length = 6 + has(0x40, 2) + has(0x08, 4);
    if h[0] & 0x02 != 0 {
        let pad: [u8; 2] = bytes.read(offset + length as usize).ok_or(ParseError::Truncated)?;
        length += 2 + be16(pad[0], pad[1]) as u32;
    }
    state.follow(length, kind::PPP);
    Ok(())
}

/// RFC 8926, 3.4: version and length of the options in words, `EtherType` of what follows.
#[inline(always)]
pub(super) fn geneve<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if h[0] >> 6 != 0 {
        return Err(ParseError::NotIp);
    }
    state.enter_network(Tunnel::Geneve, identifier(&h));
    state.follow(8 + (((h[0] & 0x3f) as u32) << 2), kind::ETHER_TYPE | be16(h[2], h[3]) as u32);
    Ok(())
}

/// 3GPP TS 29.281, 5.1: only a G-PDU carries a user's packet.
#[inline(always)]
pub(super) fn gtp_u<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if CAPTURE && h[0] & 0xe0 == 0 {
        return super::capture::gtp_v0(bytes, offset, state);
    }
    if h[0] & 0xf0 != 0x30 || h[1] != 0xff {
        return Err(ParseError::NotIp);
    }
    let optional_fields = h[0] & 0x07;
    if optional_fields == 0 {
        state.follow(8, kind::IP);
        return Ok(());
    }
    // Any of the three flags brings all three fields; each counts only with its own flag.
    let optional: [u8; 4] = bytes.read(offset + 8).ok_or(ParseError::Truncated)?;
    let extended = h[0] & 0x04 != 0 && optional[3] != 0;
    state.follow(12, if extended { kind::GTP_EXTENSION } else { kind::IP });
    Ok(())
}

/// 3GPP TS 29.281, 5.2.1: length in words, content, type of the next.
#[inline(always)]
pub(super) fn gtp_extension<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 1] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if h[0] == 0 {
        return Err(ParseError::Malformed);
    }
    let length = (h[0] as u32) << 2;
    let last: [u8; 1] = bytes.read(offset + length as usize - 1).ok_or(ParseError::Truncated)?;
    state.follow(length, if last[0] == 0 { kind::IP } else { kind::GTP_EXTENSION });
    Ok(())
}

/// RFC 4380, 5.1.1: authentication and origin may stand before the IPv6 packet.
#[inline(always)]
pub(super) fn teredo<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    match h {
        [0, 1, identifier, authentication] => {
            state.follow(13 + identifier as u32 + authentication as u32, kind::TEREDO);
        }
        [0, 0, ..] => state.follow(8, kind::TEREDO),
        [0x60..=0x6f, ..] => state.next = kind::ETHER_TYPE | ether_type::IPV6 as u32,
        _ => return Err(ParseError::NotIp),
    }
    Ok(())
}

/// RFC 2784 with RFC 2890; RFC 1701 where routed; version 1 by RFC 2637, 4.1.
#[inline(always)]
pub(super) fn gre<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let flags = h[0];
    let number = be16(h[2], h[3]);
    let sequence = flags & 0x10 != 0;
    let word = |present: bool| if present { 4 } else { 0 };
    // The type alone tells version 1, as other analysers have it: nothing else carries PPP so.
    if number == ether_type::PPP {
        // Without a sequence number it only acknowledges.
        if !sequence {
            return Err(ParseError::NotIp);
        }
        state.enter(Tunnel::Gre);
        state.follow(12 + word(h[1] & 0x80 != 0), kind::PPP);
        return Ok(());
    }
    let routed = flags & 0x40 != 0;
    let length = 4 + word(flags & 0xc0 != 0) + word(flags & 0x20 != 0) + word(sequence);
    let next = match number {
        // Without a sequence number it is type I, which has no header of its own.
        ether_type::ERSPAN if sequence => kind::ERSPAN,
        ether_type::ERSPAN => kind::ETHERNET,
        ether_type::ERSPAN_III => kind::ERSPAN_III,
        ether_type::WCCP => {
            // Version 2 puts four bytes before the IPv4 packet and does not say so.
            let first: [u8; 1] = bytes.read(offset + length as usize).ok_or(ParseError::Truncated)?;
            state.enter(Tunnel::Gre);
            state.follow(length + word(first[0] >> 4 != 4), kind::IP);
            return Ok(());
        }
        // Aruba's access points send wireless frames so, by queue.
        0x8200..=0x83ff if CAPTURE => kind::IEEE_80211,
        _ if routed => kind::GRE_ROUTE | number as u32,
        _ => kind::ETHER_TYPE | number as u32,
    };
    let erspan = matches!(number, ether_type::ERSPAN | ether_type::ERSPAN_III);
    state.enter(if erspan { Tunnel::Erspan } else { Tunnel::Gre });
    if flags & 0x20 != 0 && !erspan {
        let place = offset + 4 + word(flags & 0xc0 != 0) as usize;
        let key: [u8; 4] = bytes.read(place).ok_or(ParseError::Truncated)?;
        state.enter_network(Tunnel::Gre, u32::from_be_bytes(key));
    }
    state.follow(length, next);
    Ok(())
}

/// RFC 1701, 2: family, offset, length; an empty entry ends the list.
#[inline(always)]
pub(super) fn gre_route<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    number: u16,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let list = if h[3] == 0 { kind::ETHER_TYPE } else { kind::GRE_ROUTE };
    state.follow(4 + h[3] as u32, list | number as u32);
    Ok(())
}

/// draft-foschiano-erspan-03, 4.2: type II; some senders announce type III by this number too.
#[inline(always)]
pub(super) fn erspan<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    match h[0] >> 4 {
        1 => state.follow(8, kind::ETHERNET),
        2 => state.next = kind::ERSPAN_III,
        _ => return Err(ParseError::NotIp),
    }
    Ok(())
}

/// draft-foschiano-erspan-03, 4.3: a frame or a bare IP packet, behind an optional platform header.
#[inline(always)]
pub(super) fn erspan_iii<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 12] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let next = match (h[10] >> 2) & 0x1f {
        0 => kind::ETHERNET,
        2 => kind::IP,
        _ => return Err(ParseError::NotIp),
    };
    state.follow(if h[11] & 1 == 0 { 12 } else { 20 }, next);
    Ok(())
}
