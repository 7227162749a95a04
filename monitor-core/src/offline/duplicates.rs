//! Packets that were captured twice: by a mirror of both ports, on several interfaces, before and behind a router.
//!
//! Copies are told from packets that were sent again by what a sender changes: the identification of IPv4, which
//! counts packets. Where there is none (IPv6, or 0 in a packet that may not be fragmented, RFC 6864) copies come
//! sooner than anything is sent again. What a router changes on the way is left out of the comparison.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use monitor_common::{
    abi::FlowKey,
    wire::{Fragment, Packet, tcp_flags},
};

use crate::lru::Lru;

/// Packets that are remembered, a power of two.
const REMEMBERED: usize = 8192;

/// Bytes of a payload that are compared.
const COMPARED: usize = 64;

/// Longest time between copies of a packet with an identification, ns: routers hold packets for a while.
const IDENTIFIED: u64 = 50_000_000;

/// The same of packets without one, ns.
const UNIDENTIFIED: u64 = 1_000_000;

/// The same of what has none and may be repeated in earnest (an acknowledgment, a reset, a datagram), ns. It is a copy
/// only where others are.
const REPEATABLE: u64 = 200_000;

/// Most routers between two places of a capture.
const HOPS_MAX: u8 = 4;

/// Most flows whose packets are known to pass two layer 2 networks.
const JOINED_MAX: u32 = 65_536;

/// A packet that was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Of everything that stays the same; 0: none.
    hash: u64,
    time: u64,
    segment: u32,
    slot: u32,
    /// [`super::Frames::opened`] of the flow.
    opened: u64,
    ttl: u8,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Duplicates {
    seen: Box<[Seen]>,
    seed: RandomState,
    /// Flows behind a router that count on the one before it: the segment of that.
    joined: Lru<FlowKey, u32>,
    /// Flows of which a packet without identification was captured twice, by slot and number.
    twice: Lru<(u32, u64), ()>,
    /// Time of the packet before.
    before: u64,
    /// Packets that were counted.
    counted: u64,
    /// Copies that were not counted.
    pub(super) packets: u64,
}

/// A packet as it is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    hash: u64,
    identified: bool,
    /// A sender may repeat it at once.
    repeatable: bool,
    /// Of other protocols nothing is compared.
    compared: bool,
}

/// The flow of a packet that a copy is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original {
    pub(super) slot: u32,
    pub(super) opened: u64,
}

impl Duplicates {
    pub(super) fn new() -> Self {
        Self {
            seen: vec![Seen::default(); REMEMBERED].into(),
            seed: RandomState::default(),
            joined: Lru::new(JOINED_MAX),
            twice: Lru::new(JOINED_MAX),
            before: 0,
            counted: 0,
            packets: 0,
        }
    }

    /// The segment in which the flow of a key counts, if it is another.
    pub(super) fn segment(&self, key: &FlowKey) -> Option<u32> {
        if self.joined.is_empty() { None } else { self.joined.peek(key).copied() }
    }

    /// What stays the same of a packet in a frame.
    pub(super) fn look(&self, packet: &Packet, bytes: &[u8]) -> Look {
        let at =
            |from: u32, to: u32| bytes.get(from as usize..(to as usize).min(bytes.len())).unwrap_or_default();
        let identification =
            if packet.ip_version == 4 { at(packet.ip_offset + 4, packet.ip_offset + 8) } else { &[] };
        let mut hasher = self.seed.build_hasher();
        hasher.write_u128(u128::from_ne_bytes(packet.source.octets()));
        hasher.write_u128(u128::from_ne_bytes(packet.destination.octets()));
        hasher.write_u64(
            u64::from(packet.source_port) << 48
                | u64::from(packet.destination_port) << 32
                | u64::from(packet.protocol) << 24
                | u64::from(packet.tcp_flags) << 16
                | u64::from(packet.window),
        );
        hasher.write_u64(u64::from(packet.seq) << 32 | u64::from(packet.ack));
        hasher.write_u64(u64::from(packet.ip_length) << 32 | u64::from(packet.fragment_id));
        hasher.write(identification);
        // Options change from segment to segment (RFC 7323), and where no port is, all behind the header says more.
        let from = match packet.protocol {
            // Of a fragment of IPv6 its place in the datagram stands there.
            _ if packet.fragment != Fragment::None as u8 => {
                packet.ip_offset + if packet.ip_version == 4 { 20 } else { 40 }
            }
            6 => packet.payload_offset.saturating_sub(12).max(packet.ip_offset + 40),
            _ if packet.payload_offset > packet.ip_offset => packet.payload_offset,
            _ => packet.ip_offset + if packet.ip_version == 4 { 20 } else { 40 },
        };
        // Behind the packet stands padding, which each link has of its own.
        let end = packet.ip_offset.saturating_add(packet.ip_length);
        hasher.write(at(from, from.saturating_add(COMPARED as u32).min(end)));
        // What is not sent again within the time that copies take: payload, SYN and FIN of TCP.
        let timed = packet.protocol == 6
            && (packet.payload_length != 0 || packet.tcp_flags & (tcp_flags::SYN | tcp_flags::FIN) != 0);
        Look {
            hash: hasher.finish().max(1),
            identified: identification.first_chunk::<2>().is_some_and(|id| *id != [0, 0]),
            repeatable: !timed,
            compared: matches!(packet.protocol, 1 | 6 | 17 | 58),
        }
    }

    /// Whether a packet is a copy, and of which flow. `key` is that under which it would count.
    pub(super) fn copy_of(
        &mut self,
        look: Look,
        packet: &Packet,
        key: &FlowKey,
        time: u64,
    ) -> Option<Original> {
        // Where time goes back another capture begins, which stands behind the first in its file.
        let before = std::mem::replace(&mut self.before, time);
        if time.saturating_add(IDENTIFIED) < before {
            self.seen.fill(Seen::default());
        }
        let seen = *self.seen.get(look.hash as usize & (REMEMBERED - 1))?;
        if seen.hash != look.hash || !look.compared {
            return None;
        }
        let apart = time.abs_diff(seen.time);
        let hops = packet.ttl.abs_diff(seen.ttl);
        let same = hops == 0 && key.segment == seen.segment;
        // Two networks with the same addresses are no router apart.
        if hops > HOPS_MAX || hops == 0 && !same {
            return None;
        }
        let flow = (seen.slot, seen.opened);
        let within = match (look.identified, look.repeatable && same) {
            (true, _) => IDENTIFIED,
            (false, false) => UNIDENTIFIED,
            (false, true) if self.is_doubled() || self.twice.peek(&flow).is_some() => REPEATABLE,
            (false, true) => return None,
        };
        if apart > within {
            return None;
        }
        if !look.identified {
            self.twice.insert(flow, ());
        }
        if key.segment != seen.segment {
            self.joined.insert(*key, seen.segment);
        }
        self.packets += 1;
        Some(Original { slot: seen.slot, opened: seen.opened })
    }

    /// Whether a good part of the capture was captured twice.
    const fn is_doubled(&self) -> bool {
        self.packets >= 8 && self.packets.saturating_mul(4) > self.counted
    }

    /// Remembers a packet that was counted on the flow in a slot.
    pub(super) fn remember(&mut self, look: Look, packet: &Packet, key: &FlowKey, time: u64, of: Original) {
        self.counted += 1;
        if let Some(place) = self.seen.get_mut(look.hash as usize & (REMEMBERED - 1)) {
            let Original { slot, opened } = of;
            *place = Seen { hash: look.hash, time, segment: key.segment, slot, opened, ttl: packet.ttl };
        }
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::{
        abi::{Direction, hook_flags},
        wire::Link,
    };

    use crate::offline::{Frame, Outcome, Table, TableConfig};

    /// A segment with 20 bytes of payload, or none, in Ethernet with a tag.
    fn segment(vlan: u16, v6: bool, id: u16, ttl: u8, seq: u32, payload: u8) -> Vec<u8> {
        let length = if payload == 0 { 0 } else { 20 };
        let mut out = vec![2; 12];
        if vlan != 0 {
            out.extend([0x81, 0, 0, vlan as u8]);
        }
        if v6 {
            out.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20 + length, 6, ttl]);
            out.extend([0xfd; 16]);
            out.extend([0xfe; 16]);
        } else {
            out.extend([8, 0, 0x45, 0, 0, 40 + length]);
            out.extend(id.to_be_bytes());
            out.extend([0x40, 0, ttl, 6, ttl, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        }
        out.extend([0x9c, 0x40, 1, 0xbb]);
        out.extend(seq.to_be_bytes());
        out.extend([0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        out.resize(out.len() + usize::from(length), payload);
        out
    }

    fn give(table: &mut Table, time: u64, bytes: &[u8]) -> bool {
        let outcome = table.packet(&Frame {
            bytes,
            link: Link::Ethernet,
            length: bytes.len() as u32,
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: 1_000_000_000 + time * 1_000,
            number: 1,
            file: 0,
        });
        matches!(outcome, Outcome::Flow { again: true, .. })
    }

    fn table() -> Table {
        Table::new(TableConfig { once: true, ..TableConfig::default() })
    }

    /// Packets and retransmissions of all flows, and how many there are.
    fn counted(table: &Table) -> (u64, u32, usize) {
        let sums = table.live().fold((0, 0), |(packets, again), (_, flow)| {
            let packets = packets + flow.hot.iter().map(|hot| hot.packets.get()).sum::<u64>();
            (packets, again + flow.counters.iter().map(|c| c.retransmissions.get()).sum::<u32>())
        });
        (sums.0, sums.1, table.live().count())
    }

    #[test]
    fn a_mirror_of_both_ports_counts_each_packet_once() {
        for v6 in [false, true] {
            let mut table = table();
            for n in 0..20_u16 {
                let packet = segment(0, v6, n + 1, 64, u32::from(n) * 20, 7);
                assert!(!give(&mut table, u64::from(n) * 500, &packet));
                assert!(give(&mut table, u64::from(n) * 500 + 3, &packet));
            }
            assert_eq!((counted(&table), table.duplicates()), ((20, 0, 1), 20), "{v6}");
            assert_eq!(table.counters().packets, 20);
        }
    }

    #[test]
    fn padding_is_no_part_of_a_packet() {
        let mut table = table();
        let mut packet = segment(0, false, 1, 64, 0, 0);
        assert!(!give(&mut table, 0, &packet));
        packet.extend([0x55; 6]);
        assert!(give(&mut table, 3, &packet));
    }

    #[test]
    fn what_passes_a_router_is_one_flow_however_its_networks_are_called() {
        for (before, behind) in [(0, 0), (10, 20), (0, 20)] {
            let mut table = table();
            for n in 0..20_u16 {
                let at = u64::from(n) * 500;
                assert!(!give(&mut table, at, &segment(before, n & 1 == 1, n + 1, 64, u32::from(n) * 20, 7)));
                assert!(give(
                    &mut table,
                    at + 20,
                    &segment(behind, n & 1 == 1, n + 1, 63, u32::from(n) * 20, 7)
                ));
                // What is seen behind it first counts there, too.
                let next = u32::from(n) * 20 + 10_000;
                assert!(!give(&mut table, at + 40, &segment(behind, n & 1 == 1, n + 99, 64, next, 8)));
                assert!(give(&mut table, at + 60, &segment(before, n & 1 == 1, n + 99, 63, next, 8)));
            }
            assert_eq!(
                (counted(&table).2, table.duplicates()),
                (2, 40),
                "{before} {behind}: one each of IPv4 and IPv6"
            );
        }
    }

    #[test]
    fn equal_addresses_in_two_networks_are_no_copies() {
        let mut table = table();
        for n in 0..20_u16 {
            for vlan in [10, 20] {
                let packet = segment(vlan, false, n + 1, 64, u32::from(n) * 20, 7);
                assert!(!give(&mut table, u64::from(n) * 500 + u64::from(vlan), &packet));
            }
        }
        assert_eq!((counted(&table), table.duplicates()), ((40, 0, 2), 0));
    }

    #[test]
    fn what_is_sent_again_is_no_copy() {
        let mut table = table();
        assert!(!give(&mut table, 0, &segment(0, false, 1, 64, 0, 7)));
        // Another identification; the same, long after; without one, after a millisecond; other payload.
        assert!(!give(&mut table, 100, &segment(0, false, 2, 64, 0, 7)));
        assert!(!give(&mut table, 60_000, &segment(0, false, 1, 64, 0, 7)));
        assert!(!give(&mut table, 70_000, &segment(0, true, 0, 64, 0, 7)));
        assert!(!give(&mut table, 72_000, &segment(0, true, 0, 64, 0, 7)));
        assert!(!give(&mut table, 72_010, &segment(0, true, 0, 64, 0, 8)));
        assert_eq!((counted(&table).1, table.duplicates()), (4, 0));
        // A capture behind another, of the same packets.
        assert!(!give(&mut table, 0, &segment(0, false, 1, 64, 0, 7)));
    }

    #[test]
    fn resets_that_are_repeated_in_earnest_and_fragments_count() {
        let mut table = table();
        // Linux gives resets no identification, and one answers each segment that comes too late.
        let mut reset = segment(0, false, 0, 64, 0, 0);
        reset[47] = 4;
        for at in 0..4 {
            assert!(!give(&mut table, at, &reset));
        }
        // Fragments of IPv6 with equal bytes: what tells them apart is their place.
        for at in 0..4_u8 {
            let mut out = vec![2; 12];
            out.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 88, 44, 64]);
            out.extend([0xfd; 16]);
            out.extend([0xfe; 16]);
            out.extend([58, 0, 0, (at * 80) | 1, 0, 0, 0, 9]);
            out.extend([0x61; 80]);
            assert!(!give(&mut table, 10, &out), "{at}");
        }
        assert_eq!(table.duplicates(), 0);
    }

    #[test]
    fn acknowledgments_that_are_repeated_in_earnest_count() {
        let mut table = table();
        for at in 0..5 {
            assert!(!give(&mut table, at * 10, &segment(0, true, 0, 64, 0, 0)));
        }
        // Once it is known that the flow was captured twice, the second of each is a copy.
        assert!(!give(&mut table, 100, &segment(0, true, 0, 64, 0, 7)));
        assert!(give(&mut table, 101, &segment(0, true, 0, 64, 0, 7)));
        assert!(!give(&mut table, 500, &segment(0, true, 0, 64, 20, 0)));
        assert!(give(&mut table, 501, &segment(0, true, 0, 64, 20, 0)));
    }
}
