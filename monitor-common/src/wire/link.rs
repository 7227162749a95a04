//! What stands below IP: Ethernet, its tags, MPLS, PPPoE, PPP.

use super::parse::{ether_type, kind};
use super::{Packet, PacketBytes, ParseError, ParseState, Tunnel, capture};

/// Two bytes of a header in network byte order.
#[inline(always)]
pub(super) const fn be16(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// Ethernet II or IEEE 802.3: the two addresses, then a type or a length.
#[inline(always)]
pub(super) fn ethernet<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 14] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    state.follow(14, kind::ETHER_TYPE | be16(h[12], h[13]) as u32);
    Ok(())
}

/// Everything with an `EtherType` that is not IP itself.
#[inline(always)]
pub(super) fn ether_type<B: PacketBytes + ?Sized, const CAPTURE: bool>(
    bytes: &B,
    offset: usize,
    number: u16,
    state: &mut ParseState,
    packet: &mut Packet,
) -> Result<(), ParseError> {
    match number {
        ether_type::VLAN | ether_type::PROVIDER_VLAN | ether_type::OLD_QINQ => {
            let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
            append_vlan(packet, be16(h[0], h[1]));
            state.follow(4, kind::ETHER_TYPE | be16(h[2], h[3]) as u32);
            Ok(())
        }
        ether_type::MPLS | ether_type::MPLS_MULTICAST => mpls(bytes, offset, state),
        // RFC 2516, 4: version, type, code, session, length, then PPP without address and control.
        ether_type::PPPOE => {
            let h: [u8; 6] = bytes.read(offset).ok_or(ParseError::Truncated)?;
            if h[1] != 0 {
                return Err(ParseError::NotIp);
            }
            state.enter(Tunnel::Pppoe);
            // Behind it there may be padding of the frame.
            state.bound(offset + 6, be16(h[4], h[5]) as u32);
            state.follow(6, kind::PPP);
            Ok(())
        }
        ether_type::PPP => {
            state.next = kind::PPP;
            Ok(())
        }
        // Transparent Ethernet bridging (RFC 1701).
        ether_type::BRIDGED => {
            state.next = kind::ETHERNET;
            Ok(())
        }
        // IEEE 802.1ah, 9.7: flags and service identifier, then the customer's whole frame.
        ether_type::PBB => {
            state.enter(Tunnel::Pbb);
            state.follow(4, kind::ETHERNET);
            Ok(())
        }
        ether_type::VN_TAG => {
            let h: [u8; 6] = bytes.read(offset).ok_or(ParseError::Truncated)?;
            state.enter(Tunnel::VnTag);
            state.follow(6, kind::ETHER_TYPE | be16(h[4], h[5]) as u32);
            Ok(())
        }
        // IEEE 802.1BR, 7.5.
        ether_type::E_TAG => {
            let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
            state.enter(Tunnel::VnTag);
            state.follow(8, kind::ETHER_TYPE | be16(h[6], h[7]) as u32);
            Ok(())
        }
        // Version 1, length, options, tag, then the type of what is tagged.
        ether_type::CISCO_METADATA => {
            let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
            if h[0] != 1 {
                return Err(ParseError::NotIp);
            }
            state.enter(Tunnel::CiscoSgt);
            state.follow(8, kind::ETHER_TYPE | be16(h[6], h[7]) as u32);
            Ok(())
        }
        0..ether_type::FIRST => llc(bytes, offset, state),
        _ if CAPTURE => capture::ether_type(bytes, offset, number, state),
        _ => Err(ParseError::NotIp),
    }
}

/// Counts a tag behind those that are known.
#[inline(always)]
fn append_vlan(packet: &mut Packet, tci: u16) {
    match packet.vlan_tags {
        0 => packet.vlans[0] = tci & 0x0fff,
        1 => packet.vlans[1] = tci & 0x0fff,
        _ => {}
    }
    packet.vlan_tags = packet.vlan_tags.saturating_add(1);
}

/// IEEE 802.2 with the Subnetwork Access Protocol (RFC 1042), or with IP's own address.
#[inline(always)]
fn llc<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, state: &mut ParseState) -> Result<(), ParseError> {
    let h: [u8; 8] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    match h {
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low] => {
            let number = be16(high, low);
            if number < ether_type::FIRST {
                return Err(ParseError::NotIp);
            }
            state.follow(8, kind::ETHER_TYPE | number as u32);
            Ok(())
        }
        [0x06, 0x06, 0x03, ..] => {
            state.follow(3, kind::IP);
            Ok(())
        }
        _ => Err(ParseError::NotIp),
    }
}

/// One label (RFC 3032, 2.1). What is under the last one is not said: its first four bits tell
/// (RFC 4928, 3), and a pseudowire is told from its `EtherType`.
#[inline(always)]
fn mpls<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, state: &mut ParseState) -> Result<(), ParseError> {
    let h: [u8; 5] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    state.enter(Tunnel::Mpls);
    if h[2] & 1 == 0 {
        state.follow(4, kind::ETHER_TYPE | ether_type::MPLS as u32);
        return Ok(());
    }
    match h[4] >> 4 {
        4 | 6 => state.follow(4, kind::IP),
        // The control word of RFC 4385, 3, or an address that begins with a zero.
        0 if !bridged(bytes, offset + 4) || bridged(bytes, offset + 8) => state.follow(8, kind::ETHERNET),
        // An associated channel (RFC 4385, 5).
        1 if !bridged(bytes, offset + 4) => return Err(ParseError::NotIp),
        _ => state.follow(4, kind::ETHERNET),
    }
    Ok(())
}

/// Whether an Ethernet header with a type that is usual inside a pseudowire stands there.
#[inline(always)]
fn bridged<B: PacketBytes + ?Sized>(bytes: &B, offset: usize) -> bool {
    let Some(h) = bytes.read::<2>(offset + 12) else { return false };
    matches!(
        be16(h[0], h[1]),
        ether_type::IPV4
            | ether_type::IPV6
            | ether_type::ARP
            | ether_type::VLAN
            | ether_type::PROVIDER_VLAN
            | ether_type::MPLS
            | ether_type::PPPOE
    )
}

/// PPP (RFC 1661, 2; RFC 1662, 3.1): address and control may be left out, and the protocol's upper byte.
#[inline(always)]
pub(super) fn ppp<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let (skipped, first, second) = if h[0] == 0xff && h[1] == 3 { (2, h[2], h[3]) } else { (0, h[0], h[1]) };
    let (protocol, length) =
        if first & 1 == 1 { (first as u16, skipped + 1) } else { (be16(first, second), skipped + 2) };
    let number = match protocol {
        0x0021 => ether_type::IPV4,
        0x0057 => ether_type::IPV6,
        0x0281 | 0x0283 => ether_type::MPLS,
        _ => return Err(ParseError::NotIp),
    };
    state.follow(length, kind::ETHER_TYPE | number as u32);
    Ok(())
}
