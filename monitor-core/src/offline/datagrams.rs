//! Puts IP datagrams together whose fragments are in the capture (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! Only for what reads payload: packets and bytes are counted as they were on the wire. A datagram of which
//! a fragment is missing is not read: what stands in it is not known.

use monitor_common::{
    abi::FragmentKey,
    account::fragment_key,
    wire::{self, Link, Packet, ParseState, TunnelPorts},
};

use crate::lru::Lru;

/// Datagrams that wait for fragments at once; those that got none for longest are forgotten.
const CAPACITY: u32 = 256;

/// Pieces of a datagram that do not touch; one with more is forgotten.
const PIECES_MAX: usize = 64;

/// Longest payload of a datagram: with a header of IPv4 it has 65,535 bytes.
const LENGTH_MAX: usize = 65_515;

/// IPv6 extension headers that are walked over.
const HEADERS_MAX: usize = 8;

/// Datagrams that are not whole yet.
#[derive(Debug)]
pub(super) struct Datagrams {
    waiting: Lru<FragmentKey, Pieces>,
    state: ParseState,
}

/// What is there of a datagram.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    /// Begin and end of what is there, in order, not touching.
    known: Vec<(usize, usize)>,
    /// Its length, when its last fragment was seen.
    length: Option<usize>,
}

/// A fragment's place and bytes.
struct Part<'a> {
    offset: usize,
    more: bool,
    bytes: &'a [u8],
}

impl Datagrams {
    pub(super) fn new() -> Self {
        Self { waiting: Lru::new(CAPACITY), state: ParseState::default() }
    }

    /// Takes a fragment. If the datagram is whole now, returns it as an IP packet that never was in pieces,
    /// and what its headers say.
    pub(super) fn whole(&mut self, packet: &Packet, frame: &[u8], ifindex: u32) -> Option<(Packet, Vec<u8>)> {
        let payload = self.add(packet, frame, ifindex)?;
        let bytes = with_header(packet, &payload)?;
        let mut whole = Packet::default();
        let length = bytes.len() as u32;
        // What a tunnel carries belongs to another flow.
        let tunnels =
            TunnelPorts { vxlan: [0; 2], geneve: 0, gtp_u: 0, teredo: 0, gre: 0, mpls: 0, reserved: 0 };
        wire::parse(&bytes[..], Link::Ip, length, &tunnels, &mut self.state, &mut whole).ok()?;
        (whole.ip_offset == 0 && whole.protocol == packet.protocol).then_some((whole, bytes))
    }

    /// Takes a fragment. Returns the payload of the datagram, transport header first, if it is whole now.
    fn add(&mut self, packet: &Packet, frame: &[u8], ifindex: u32) -> Option<Vec<u8>> {
        let part = part(packet, frame)?;
        let mut key = FragmentKey::default();
        fragment_key(packet, ifindex, &mut key);
        if self.waiting.peek(&key).is_none() {
            self.waiting.insert(key, Pieces::default());
        }
        let pieces = self.waiting.get(&key)?;
        match pieces.take(&part) {
            Some(false) => None,
            Some(true) => self.waiting.remove(&key).map(|pieces| pieces.bytes),
            None => {
                self.waiting.remove(&key);
                None
            }
        }
    }
}

impl Pieces {
    /// Takes a part in; of bytes that come twice the first stay. Returns whether all is there, `None` if
    /// it makes no datagram.
    fn take(&mut self, part: &Part<'_>) -> Option<bool> {
        let end = part.offset + part.bytes.len();
        if end > LENGTH_MAX || self.length.is_some_and(|length| end > length) {
            return None;
        }
        if !part.more {
            self.length = Some(end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = part.offset;
        for &(begin, until) in self.known.iter().filter(|(_, until)| *until > part.offset) {
            copy(&mut self.bytes, part, at, begin.min(end));
            at = at.max(until);
        }
        copy(&mut self.bytes, part, at, end);
        let touching = |&(begin, until): &(usize, usize)| begin <= end && until >= part.offset;
        let merged = self
            .known
            .iter()
            .filter(|piece| touching(piece))
            .fold((part.offset, end), |sum, piece| (sum.0.min(piece.0), sum.1.max(piece.1)));
        self.known.retain(|piece| !touching(piece));
        let place = self.known.partition_point(|piece| piece.0 < merged.0);
        self.known.insert(place, merged);
        if self.known.len() > PIECES_MAX {
            return None;
        }
        Some(self.length.is_some_and(|length| self.known.first() == Some(&(0, length))))
    }
}

/// An IP packet with this payload and the addresses of one of its fragments.
fn with_header(packet: &Packet, payload: &[u8]) -> Option<Vec<u8>> {
    let (source, destination) = (packet.source.octets(), packet.destination.octets());
    let mut bytes = Vec::with_capacity(40 + payload.len());
    if packet.ip_version == 4 {
        let length = u16::try_from(20 + payload.len()).ok()?.to_be_bytes();
        bytes.extend_from_slice(&[
            0x45,
            0,
            length[0],
            length[1],
            0,
            0,
            0,
            0,
            packet.ttl,
            packet.protocol,
            0,
            0,
        ]);
        bytes.extend_from_slice(source.get(12..)?);
        bytes.extend_from_slice(destination.get(12..)?);
    } else {
        let length = u16::try_from(payload.len()).ok()?.to_be_bytes();
        bytes.extend_from_slice(&[0x60, 0, 0, 0, length[0], length[1], packet.protocol, packet.ttl]);
        bytes.extend_from_slice(&source);
        bytes.extend_from_slice(&destination);
    }
    bytes.extend_from_slice(payload);
    Some(bytes)
}

/// Copies what a part has from `begin` to `end` of the datagram.
fn copy(to: &mut [u8], part: &Part<'_>, begin: usize, end: usize) {
    if begin < end
        && let Some(from) = part.bytes.get(begin - part.offset..end - part.offset)
        && let Some(to) = to.get_mut(begin..end)
    {
        to.copy_from_slice(from);
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Place and bytes of a fragment; `None` if it is cut by the capture or contradicts itself.
fn part<'a>(packet: &Packet, frame: &'a [u8]) -> Option<Part<'a>> {
    let header = frame.get(packet.ip_offset as usize..)?;
    let (begin, end, field) = if packet.ip_version == 4 {
        let begin = usize::from(header.first()? & 15) * 4;
        (begin, usize::from(be16(header, 2)?), (be16(header, 6)? << 3, be16(header, 6)? & 0x2000 != 0))
    } else {
        let end = 40 + usize::from(be16(header, 4)?);
        let (mut next, mut at) = (*header.get(6)?, 40);
        for _ in 0..HEADERS_MAX {
            if next == 44 {
                break;
            }
            if !matches!(next, 0 | 43 | 60) {
                return None;
            }
            next = *header.get(at)?;
            at += 8 + 8 * usize::from(*header.get(at + 1)?);
        }
        if next != 44 || *header.get(at)? != packet.protocol {
            return None;
        }
        let field = be16(header, at + 2)?;
        (at + 8, end, (field & 0xfff8, field & 1 != 0))
    };
    Some(Part { offset: usize::from(field.0), more: field.1, bytes: header.get(begin..end)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// An IPv4 fragment, and the packet that the parser would make of it.
    fn fragment(id: u32, offset: usize, more: bool, bytes: &[u8]) -> (Packet, Vec<u8>) {
        let mut frame = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        frame[2..4].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
        frame[6..8].copy_from_slice(&((offset / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        frame.extend_from_slice(bytes);
        (Packet { ip_version: 4, protocol: 17, fragment_id: id, ..Packet::default() }, frame)
    }

    fn whole() -> Vec<u8> {
        (0..1_000).map(|n| n as u8).collect()
    }

    #[test]
    fn fragments_make_the_datagram_in_any_order_with_overlaps() {
        let whole = whole();
        let mut random = Random(23);
        for id in 0..300 {
            let mut table = Datagrams::new();
            let mut parts: Vec<(usize, usize)> =
                (0..125).step_by(25).map(|n| (n * 8, ((n + 25) * 8).min(1_000))).collect();
            parts.extend((0..3).map(|_| (random.below(100) as usize * 8, 0)).map(|(at, _)| (at, at + 160)));
            let mut found = None;
            while !parts.is_empty() {
                let (begin, end) = parts.swap_remove(random.below(parts.len() as u64) as usize);
                let end = end.min(1_000);
                let (packet, frame) = fragment(id, begin, end < 1_000, &whole[begin..end]);
                found = found.or(table.add(&packet, &frame, 1));
            }
            assert_eq!(found.as_deref(), Some(&whole[..]));
        }
    }

    #[test]
    fn of_bytes_that_come_twice_the_first_stay() {
        let mut table = Datagrams::new();
        for (offset, more, byte, done) in [(8, true, 1, false), (0, true, 2, false), (16, false, 3, true)] {
            let (packet, frame) = fragment(1, offset, more, &[byte; 16]);
            let found = table.add(&packet, &frame, 1);
            assert_eq!(found.is_some(), done);
            if let Some(found) = found {
                assert_eq!(found, [[2; 8], [1; 8], [1; 8], [3; 8]].concat());
            }
        }
    }

    #[test]
    fn what_makes_no_datagram_is_forgotten() {
        let mut table = Datagrams::new();
        for (offset, more) in [(80, false), (160, true), (65_528, true)] {
            let (packet, frame) = fragment(1, offset, more, &[0; 16]);
            assert_eq!(table.add(&packet, &frame, 1), None);
        }
        assert!(table.waiting.is_empty());
        for n in 0..100 {
            let (packet, frame) = fragment(2, n * 32, true, &[0; 16]);
            assert_eq!(table.add(&packet, &frame, 1), None);
            assert!(table.waiting.peek(&key_of(&packet)).is_none_or(|p| p.known.len() <= PIECES_MAX));
        }
        for id in 0..1_000 {
            let (packet, frame) = fragment(id, 0, true, &[0; 16]);
            table.add(&packet, &frame, 1);
        }
        assert_eq!(table.waiting.len(), 256);
    }

    fn key_of(packet: &Packet) -> FragmentKey {
        let mut key = FragmentKey::default();
        fragment_key(packet, 1, &mut key);
        key
    }

    #[test]
    fn a_fragment_that_was_cut_by_the_capture_is_not_taken() {
        let (packet, frame) = fragment(1, 0, false, &[1; 16]);
        let mut table = Datagrams::new();
        for end in 0..frame.len() {
            assert_eq!(table.add(&packet, &frame[..end], 1), None, "{end}");
        }
        assert_eq!(table.add(&packet, &frame, 1), Some(vec![1; 16]));
    }
}
