//! What Juniper's routers put before the frames that they capture, a link type for each kind of interface.

use monitor_common::{abi::Direction, wire::Link};

use super::link::{LLC, NOT_IP, Stripped, at, behind, frame_relay, hdlc};

/// "MGC".
const MAGIC: [u8; 3] = [0x4d, 0x47, 0x43];

/// Flags: it came in; nothing stands between this header and IP; extensions follow.
const IN: u8 = 0x01;
const NO_LINK: u8 = 0x02;
const EXTENDED: u8 = 0x80;

/// Whether a link type is one of theirs.
pub(super) const fn is(link_type: u32) -> bool {
    matches!(link_type, 130..=137 | 164 | 167 | 168 | 178..=181 | 183 | 194 | 200 | 238)
}

/// Takes the header off, and what stands between it and a link that is known. `None`: it is cut short.
pub(super) fn strip(link_type: u32, b: &[u8]) -> Option<Stripped> {
    let (magic, flags) = (b.first_chunk::<3>()?, *b.get(3)?);
    if *magic != MAGIC {
        return Some(at(NOT_IP, 0));
    }
    let extensions = if flags & EXTENDED == 0 {
        0
    } else {
        2 + usize::from(u16::from_be_bytes(*b.get(4..)?.first_chunk()?))
    };
    let header = 4 + extensions;
    let rest = b.get(header..)?;
    let found = if flags & NO_LINK == 0 { link(link_type, rest) } else { guess(rest, 4) };
    let way = if flags & IN == 0 { Direction::Transmit } else { Direction::Receive };
    behind(found, header).map(|stripped| Stripped { way: Some(way), ..stripped })
}

/// What each kind of interface has there.
fn link(link_type: u32, b: &[u8]) -> Option<Stripped> {
    match link_type {
        178 | 167 => Some(at(Link::Ethernet, 0)),
        179 | 130 => Some(at(Link::Ppp, 0)),
        180 | 131 => frame_relay(b),
        181 => hdlc(b),
        // Cells of ATM, and services: a cookie that is longer or shorter.
        135 => guess(b, 8),
        _ => guess(b, 4),
    }
}

/// IP or an LLC header behind a cookie of this length.
fn guess(b: &[u8], cookie: usize) -> Option<Stripped> {
    Some(match b.get(cookie..cookie + 3)? {
        [0x45..=0x4f | 0x60..=0x6f, ..] => at(Link::Ip, cookie),
        [0xaa, 0xaa, 3] => at(LLC, cookie),
        // OSI's own header announces IP.
        [0xfe, 0xfe, 3] => match b.get(cookie + 3)? {
            0xcc | 0x8e => at(Link::Ip, cookie + 4),
            _ => at(NOT_IP, 0),
        },
        _ => at(NOT_IP, 0),
    })
}
