//! Puts IP datagrams together whose fragments are in the capture (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! Only for what reads payload: packets and bytes are counted as they were on the wire. Of a datagram of which
//! a fragment is missing only DNS messages are read, as far as they go from the beginning: of anything else
//! it is not known what stands in it.

use monitor_common::{
    abi::{FragmentKey, Side},
    wire::{self, Fragment, Link, Packet, ParseState, TunnelPorts},
};

use crate::{lru::Lru, parse::dns::Message};

/// Datagrams that wait for fragments at once; those that got none for longest are forgotten.
const CAPACITY: u32 = 256;

/// Pieces of a datagram that do not touch; one with more is forgotten.
const PIECES_MAX: usize = 64;

/// Longest payload of a datagram: with a header of IPv4 it has 65,535 bytes.
const LENGTH_MAX: usize = 65_515;

/// IPv6 extension headers that are walked over.
const HEADERS_MAX: usize = 8;

/// Fragments in fragments that are put together: a packet that was in pieces before it came into a tunnel,
/// the packets of which are in pieces.
const NESTED: usize = 2;

/// Datagrams that are not whole yet.
#[derive(Debug)]
pub(super) struct Datagrams {
    waiting: Lru<FragmentKey, Pieces>,
    tunnels: TunnelPorts,
    state: ParseState,
    given_up: Vec<Partial>,
}

/// Where and when the first fragment of a datagram was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The slot of its flow.
    pub(super) slot: u32,
    /// Flows that were opened before that flow: whether it still has the slot.
    pub(super) opened: u64,
    /// Who sent it.
    pub(super) sender: Side,
    /// Nanoseconds since the epoch.
    pub(super) time: u64,
}

/// The beginning of a datagram whose rest never came.
#[derive(Debug)]
pub(super) struct Partial {
    /// Of its first fragment.
    pub(super) origin: Origin,
    /// As an IP packet of this length.
    pub(super) bytes: Vec<u8>,
    /// What its headers say.
    pub(super) packet: Packet,
}

/// What is there of a datagram.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    /// Begin and end of what is there, in order, not touching.
    known: Vec<(usize, usize)>,
    /// Its length, when its last fragment was seen.
    length: Option<usize>,
    /// Of its first fragment.
    origin: Option<Origin>,
}

/// A fragment's place and bytes.
struct Part<'a> {
    offset: usize,
    more: bool,
    bytes: &'a [u8],
}

impl Datagrams {
    pub(super) fn new(tunnels: TunnelPorts) -> Self {
        Self { waiting: Lru::new(CAPACITY), tunnels, state: ParseState::default(), given_up: Vec::new() }
    }

    /// Takes a fragment: its key, and where in the frame its IP header begins. If the datagram is whole now,
    /// returns it as an IP packet that never was in pieces, and what its headers say; of a tunnel, the headers
    /// of what that carries.
    pub(super) fn whole(
        &mut self,
        key: &FragmentKey,
        ip_offset: u32,
        frame: &[u8],
        origin: Origin,
    ) -> Option<(Packet, Vec<u8>)> {
        let payload = self.add(key, ip_offset, frame, origin)?;
        let mut bytes = with_header(key, &payload)?;
        for _ in 0..NESTED {
            let packet = self.parse(&bytes)?;
            if packet.fragment == Fragment::None as u8 {
                return Some((packet, bytes));
            }
            let (mut inner, ip_offset) = self.state.fragment(&packet)?;
            inner.ifindex = key.ifindex;
            let payload = self.add(&inner, ip_offset, &bytes, origin)?;
            bytes = with_header(&inner, &payload)?;
        }
        None
    }

    fn parse(&mut self, bytes: &[u8]) -> Option<Packet> {
        let mut packet = Packet::default();
        let length = bytes.len() as u32;
        wire::parse_capture(bytes, Link::Ip, length, &self.tunnels, &mut self.state, &mut packet).ok()?;
        Some(packet)
    }

    /// Takes a fragment. Returns the payload of the datagram, transport header first, if it is whole now.
    fn add(&mut self, key: &FragmentKey, ip_offset: u32, frame: &[u8], origin: Origin) -> Option<Vec<u8>> {
        let part = part(key, ip_offset, frame)?;
        if self.waiting.peek(key).is_none()
            && let Some((forgotten, pieces)) = self.waiting.insert(*key, Pieces::default())
        {
            self.give_up(&forgotten, pieces);
        }
        let pieces = self.waiting.get(key)?;
        if part.offset == 0 {
            pieces.origin.get_or_insert(origin);
        }
        match pieces.take(&part) {
            Some(false) => None,
            Some(true) => self.waiting.remove(key).map(|pieces| pieces.bytes),
            None => {
                self.waiting.remove(key);
                None
            }
        }
    }

    /// Nothing more comes: gives up all that waits.
    pub(super) fn finish(&mut self) {
        while let Some((key, pieces)) = self.waiting.pop_oldest() {
            self.give_up(&key, pieces);
        }
    }

    /// Keeps the beginning of a datagram that will not be whole, if it may be a message of DNS.
    fn give_up(&mut self, key: &FragmentKey, mut pieces: Pieces) {
        let (Some(origin), Some((0, end))) = (pieces.origin, pieces.known.first().copied()) else { return };
        pieces.bytes.truncate(end);
        let Some(bytes) = with_header(key, &pieces.bytes) else { return };
        let Some(packet) = self.parse(&bytes) else { return };
        let dns = |port| matches!(port, 53 | 5353 | 5355);
        let payload = bytes.get(packet.payload_offset as usize..).unwrap_or_default();
        if packet.protocol == 17
            && (dns(packet.source_port) || dns(packet.destination_port))
            && Message::new(payload).is_ok_and(|message| message.has_answer())
        {
            self.given_up.push(Partial { origin, bytes, packet });
        }
    }

    /// The beginning of a datagram that was given up.
    #[inline]
    pub(super) fn pop_given_up(&mut self) -> Option<Partial> {
        self.given_up.pop()
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

/// Hops that a packet has left which was put together: nobody asks.
const TTL: u8 = 64;

/// An IP packet with this payload and the addresses of its fragments.
fn with_header(key: &FragmentKey, payload: &[u8]) -> Option<Vec<u8>> {
    let (source, destination) = (key.source.octets(), key.destination.octets());
    let mut bytes = Vec::with_capacity(40 + payload.len());
    if key.ip_version == 4 {
        let [high, low] = u16::try_from(20 + payload.len()).ok()?.to_be_bytes();
        bytes.extend_from_slice(&[0x45, 0, high, low, 0, 0, 0, 0, TTL, key.protocol, 0, 0]);
        bytes.extend_from_slice(source.get(12..)?);
        bytes.extend_from_slice(destination.get(12..)?);
    } else {
        let [high, low] = u16::try_from(payload.len()).ok()?.to_be_bytes();
        bytes.extend_from_slice(&[0x60, 0, 0, 0, high, low, key.protocol, TTL]);
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
fn part<'a>(key: &FragmentKey, ip_offset: u32, frame: &'a [u8]) -> Option<Part<'a>> {
    let header = frame.get(ip_offset as usize..)?;
    let (begin, end, field) = if key.ip_version == 4 {
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
        if next != 44 || *header.get(at)? != key.protocol {
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

    const ORIGIN: Origin = Origin { slot: 0, opened: 0, sender: Side::Lower, time: 1 };

    /// The key of an IPv4 fragment, and its bytes.
    fn fragment(id: u32, offset: usize, more: bool, bytes: &[u8]) -> (FragmentKey, Vec<u8>) {
        let mut frame = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        frame[2..4].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
        frame[6..8].copy_from_slice(&((offset / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        frame.extend_from_slice(bytes);
        (FragmentKey { ip_version: 4, protocol: 17, id, ifindex: 1, ..FragmentKey::default() }, frame)
    }

    fn whole() -> Vec<u8> {
        (0..1_000).map(|n| n as u8).collect()
    }

    #[test]
    fn fragments_make_the_datagram_in_any_order_with_overlaps() {
        let whole = whole();
        let mut random = Random(23);
        for id in 0..300 {
            let mut table = Datagrams::new(TunnelPorts::default());
            let mut parts: Vec<(usize, usize)> =
                (0..125).step_by(25).map(|n| (n * 8, ((n + 25) * 8).min(1_000))).collect();
            parts.extend((0..3).map(|_| (random.below(100) as usize * 8, 0)).map(|(at, _)| (at, at + 160)));
            let mut found = None;
            while !parts.is_empty() {
                let (begin, end) = parts.swap_remove(random.below(parts.len() as u64) as usize);
                let end = end.min(1_000);
                let (key, frame) = fragment(id, begin, end < 1_000, &whole[begin..end]);
                found = found.or(table.add(&key, 0, &frame, ORIGIN));
            }
            assert_eq!(found.as_deref(), Some(&whole[..]));
        }
    }

    #[test]
    fn of_bytes_that_come_twice_the_first_stay() {
        let mut table = Datagrams::new(TunnelPorts::default());
        for (offset, more, byte, done) in [(8, true, 1, false), (0, true, 2, false), (16, false, 3, true)] {
            let (key, frame) = fragment(1, offset, more, &[byte; 16]);
            let found = table.add(&key, 0, &frame, ORIGIN);
            assert_eq!(found.is_some(), done);
            if let Some(found) = found {
                assert_eq!(found, [[2; 8], [1; 8], [1; 8], [3; 8]].concat());
            }
        }
    }

    #[test]
    fn what_makes_no_datagram_is_forgotten() {
        let mut table = Datagrams::new(TunnelPorts::default());
        for (offset, more) in [(80, false), (160, true), (65_528, true)] {
            let (key, frame) = fragment(1, offset, more, &[0; 16]);
            assert_eq!(table.add(&key, 0, &frame, ORIGIN), None);
        }
        assert!(table.waiting.is_empty());
        for n in 0..100 {
            let (key, frame) = fragment(2, n * 32, true, &[0; 16]);
            assert_eq!(table.add(&key, 0, &frame, ORIGIN), None);
            assert!(table.waiting.peek(&key).is_none_or(|p| p.known.len() <= PIECES_MAX));
        }
        for id in 0..1_000 {
            let (key, frame) = fragment(id, 0, true, &[0; 16]);
            table.add(&key, 0, &frame, ORIGIN);
        }
        assert_eq!(table.waiting.len(), 256);
    }

    #[test]
    fn a_fragment_that_was_cut_by_the_capture_is_not_taken() {
        let (key, frame) = fragment(1, 0, false, &[1; 16]);
        let mut table = Datagrams::new(TunnelPorts::default());
        for end in 0..frame.len() {
            assert_eq!(table.add(&key, 0, &frame[..end], ORIGIN), None, "{end}");
        }
        assert_eq!(table.add(&key, 0, &frame, ORIGIN), Some(vec![1; 16]));
    }
}
