//! What only captures of networks show: the kernel's programs do without it.

use super::link::be16;
use super::parse::{ether_type as types, kind};
use super::tunnel::next_protocol;
use super::{PacketBytes, ParseError, ParseState, Tunnel};

/// Bytes of `MACsec`'s integrity check value (IEEE 802.1AE, 9.10).
const INTEGRITY: u32 = 16;

/// `EtherTypes` that [`super::parse`] does not know.
pub(super) fn ether_type<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    number: u16,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    match number {
        // A forwarding tag and time to live between two Ethernet headers.
        types::FABRIC_PATH => {
            state.enter(Tunnel::FabricPath);
            state.follow(2, kind::ETHERNET);
            Ok(())
        }
        types::MACSEC => macsec(bytes, offset, state),
        types::NSH => {
            state.next = kind::NSH;
            Ok(())
        }
        _ => Err(ParseError::NotIp),
    }
}

/// Headers that [`super::parse`] does not know, by their [`kind`].
pub(super) fn header<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    which: u32,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    match which {
        // RFC 9300, 5.1: flags, nonce, instance; then an IP packet.
        kind::LISP => {
            state.follow(8, kind::IP);
            Ok(())
        }
        kind::NSH => nsh(bytes, offset, state),
        kind::IEEE_80211 => match ieee80211(bytes, offset, false) {
            Some(Wireless::Data { length }) => {
                // Below every `EtherType`: an LLC header follows.
                state.follow(length, kind::ETHER_TYPE);
                Ok(())
            }
            Some(Wireless::Other) => Err(ParseError::NotIp),
            None => Err(ParseError::Truncated),
        },
        _ => {
            state.next = kind::DONE;
            Ok(())
        }
    }
}

/// IEEE 802.1AE, 9.3: tag control, short length, packet number, and the channel where the control says so.
/// Without encryption and without compression of what is protected, that stands in the clear.
fn macsec<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 2] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if h[0] & 0x8c != 0 {
        return Err(ParseError::NotIp);
    }
    let length = if h[0] & 0x20 == 0 { 6 } else { 14 };
    let number: [u8; 2] = bytes.read(offset + length).ok_or(ParseError::Truncated)?;
    state.enter(Tunnel::Macsec);
    match h[1] & 0x3f {
        0 => state.end = state.end.saturating_sub(INTEGRITY),
        short => state.bound(offset + length, short as u32),
    }
    state.follow(length as u32 + 2, kind::ETHER_TYPE | be16(number[0], number[1]) as u32);
    Ok(())
}

/// RFC 8300, 2.2: version and length in words, kind of metadata, next protocol.
fn nsh<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, state: &mut ParseState) -> Result<(), ParseError> {
    let h: [u8; 4] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    let words = (h[1] & 0x3f) as u32;
    if h[0] >> 6 != 0 || words < 2 {
        return Err(ParseError::NotIp);
    }
    state.enter(Tunnel::Nsh);
    state.follow(words << 2, next_protocol(h[3])?);
    Ok(())
}

/// GSM 09.60, 6: twenty bytes of header; only a T-PDU carries a user's packet. GTP′, which the protocol type
/// tells, may have a header of six bytes and says so (GSM 12.15, 6.1.1).
pub(super) fn gtp_v0<B: PacketBytes + ?Sized>(
    bytes: &B,
    offset: usize,
    state: &mut ParseState,
) -> Result<(), ParseError> {
    let h: [u8; 2] = bytes.read(offset).ok_or(ParseError::Truncated)?;
    if h[1] != 0xff {
        return Err(ParseError::NotIp);
    }
    state.follow(if h[0] & 0x11 == 1 { 6 } else { 20 }, kind::IP);
    Ok(())
}

/// RFC 7761, 4.9.3: of version 2, a Register carries the packet that a source sent.
pub(super) fn pim<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, state: &mut ParseState) {
    match bytes.read(offset) {
        Some([0x21]) => {
            state.enter(Tunnel::PimRegister);
            state.follow(8, kind::IP);
        }
        _ => state.next = kind::DONE,
    }
}

/// What a wireless frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wireless {
    /// Data in the clear: an LLC header follows after this many bytes.
    Data {
        /// Of the frame's header, and of that of the first frame in an aggregate.
        length: u32,
    },
    /// Management, control, nothing, or what is encrypted.
    Other,
}

/// The header of an IEEE 802.11 frame (IEEE 802.11-2020, 9.2.3); `padded`: it is filled up to words. `None`:
/// it is cut short.
pub fn ieee80211<B: PacketBytes + ?Sized>(bytes: &B, offset: usize, padded: bool) -> Option<Wireless> {
    const DATA: u8 = 0x08;
    let [first, flags]: [u8; 2] = bytes.read(offset)?;
    let (empty, quality, protected) = (first & 0x40 != 0, first & 0x80 != 0, flags & 0x40 != 0);
    if first & 0x0f != DATA || empty || protected {
        return Some(Wireless::Other);
    }
    let mut length = 24;
    if flags & 0x03 == 0x03 {
        length += 6;
    }
    let mut aggregated = false;
    if quality {
        let [control]: [u8; 1] = bytes.read(offset + length)?;
        aggregated = control & 0x80 != 0;
        length += 2;
        // High throughput control.
        if flags & 0x80 != 0 {
            length += 4;
        }
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    if aggregated {
        // The first of several frames in one: addresses and length.
        length += 14;
    }
    Some(Wireless::Data { length: length as u32 })
}
