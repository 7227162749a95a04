//! Link types of captures: what stands before what the parser knows (tcpdump.org/linktypes.html).

use monitor_common::{
    abi::Direction,
    wire::{Link, Wireless, ieee80211},
};

use super::juniper;

/// What the parser is to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripped {
    /// What stands there.
    pub link: Link,
    /// Bytes before it.
    pub before: usize,
    /// The packet's direction, where the header says it.
    pub way: Option<Direction>,
}

/// A type that no network layer has: the frame counts as one without IP.
pub(super) const NOT_IP: Link = Link::EtherType(0xffff);
/// Below every `EtherType`: an LLC header follows.
pub(super) const LLC: Link = Link::EtherType(0);

/// Headers that lead to another link type are followed this deep.
const NESTED: u32 = 4;

/// Apple's packet tap.
const PKTAP: u32 = 258;

pub(super) const fn at(link: Link, before: usize) -> Stripped {
    Stripped { link, before, way: None }
}

/// Bytes that whoever captured put before each frame of this link type, to say its direction, and that count in the
/// length of the packet although they were never on the wire.
pub const fn added(link_type: u32) -> u32 {
    match link_type {
        123 => 4,
        204..=206 => 1,
        _ => 0,
    }
}

/// Takes off what the parser does not know. `None`: the link type is not known. A header that is cut
/// short leaves nothing to parse.
pub fn strip(link_type: u32, bytes: &[u8]) -> Option<Stripped> {
    let mut link_type = link_type;
    let mut base = 0;
    let mut way = None;
    for _ in 0..NESTED {
        let rest = bytes.get(base..).unwrap_or_default();
        match header(link_type, rest)? {
            Header::Layer(stripped) => {
                let before = (base + stripped.before).min(bytes.len());
                return Some(Stripped { before, way: way.or(stripped.way), ..stripped });
            }
            Header::Nested { link_type: inner, length } => {
                if link_type == PKTAP {
                    way = pktap_way(rest);
                }
                link_type = inner;
                base += length;
            }
            Header::Cut => return Some(at(Link::Ip, bytes.len())),
        }
    }
    Some(at(NOT_IP, 0))
}

enum Header {
    Layer(Stripped),
    /// A header that names the link type of what follows it.
    Nested {
        link_type: u32,
        length: usize,
    },
    Cut,
}

/// The known link types. `None`: it is none of them.
fn header(link_type: u32, b: &[u8]) -> Option<Header> {
    let found = match link_type {
        1 => Some(at(Link::Ethernet, 0)),
        12 | 14 | 101 | 228 | 229 => Some(at(Link::Ip, 0)),
        7 => arcnet(b, 0),
        129 => arcnet(b, 2),
        // Direction, and how the header was compressed, in sixteen bytes.
        8 => Some(Stripped { way: slip_way(b), ..at(Link::Ip, 16) }),
        6 => token_ring(b),
        10 => fddi(b),
        // RFC 2625: addresses of Fibre Channel.
        122 => Some(at(LLC, 16)),
        123 => sunatm(b),
        // Multilink frame relay (FRF.16): begin and end, no control, a sequence number.
        182 if b.first().is_some_and(|first| first & 0xe0 == 0xc0) => {
            behind(b.get(2..).and_then(frame_relay), 2)
        }
        182 => Some(at(NOT_IP, 0)),
        // Global routing header of InfiniBand, type, two bytes that are reserved.
        242 => be16(b, 40).map(|number| at(Link::EtherType(number), 44)),
        // Tags of switch chips between the addresses and the type, or before all.
        281 | 284 => be16(b, 16).map(|number| at(Link::EtherType(number), 18)),
        285 => be16(b, 20).map(|number| at(Link::EtherType(number), 22)),
        282 => Some(at(Link::Ethernet, 4)),
        number if juniper::is(number) => juniper::strip(number, b),
        // BSD loopback: the address family in the order of the capturing machine, or of the network.
        0 | 108 => family(b),
        // Routers write Cisco's framing under either number.
        9 | 50 => hdlc(b),
        51 => Some(at(Link::EtherType(0x8864), 0)),
        // pppd writes the direction over the address.
        166 if b.get(1) == Some(&3) => Some(Stripped { way: ppp_way(b), ..at(Link::Ppp, 2) }),
        166 => Some(at(Link::Ppp, 0)),
        204 => Some(Stripped { way: ppp_way(b), ..at(Link::Ppp, 1) }),
        205 => {
            behind(hdlc(b.get(1..).unwrap_or_default()), 1).map(|found| Stripped { way: ppp_way(b), ..found })
        }
        206 => behind(frame_relay(b.get(1..).unwrap_or_default()), 1)
            .map(|found| Stripped { way: ppp_way(b), ..found }),
        104 => be16(b, 2).map(|number| at(Link::EtherType(number), 4)),
        107 => frame_relay(b),
        // RFC 1483 and classical IP over ATM.
        100 | 106 => Some(at(LLC, 0)),
        113 => cooked(b, 14, be16(b, 0), 16),
        276 => cooked(b, 0, b.get(10).copied().map(u16::from), 20),
        105 => wireless(b, 0, false),
        127 => radiotap(b),
        119 => return Some(Header::Nested { link_type: 105, length: 144 }),
        163 => return Some(nested(Some(105), be32(b, 4))),
        192 => return Some(nested(le32(b, 4), le16(b, 2).map(u32::from))),
        PKTAP => return Some(nested(le32(b, 8), le32(b, 0))),
        109 => Some(at(Link::Ip, 12)),
        117 => b.first().map(|length| at(Link::Ip, usize::from(*length).next_multiple_of(4))),
        138 => be16(b, 16).map(|number| at(Link::EtherType(number), 18)),
        219 => Some(at(Link::EtherType(0x8847), 0)),
        239 => nflog(b),
        240 => Some(at(Link::Ethernet, 4)),
        _ => return None,
    };
    Some(found.map_or(Header::Cut, Header::Layer))
}

/// Linux cooked captures: the `EtherType` at `number`, and what kind of packet it is to this host.
fn cooked(b: &[u8], number: usize, kind: Option<u16>, length: usize) -> Option<Stripped> {
    let way = match kind? {
        // To this host, or sent to a group by another.
        0..=2 => Some(Direction::Receive),
        4 => Some(Direction::Transmit),
        // To another host.
        _ => None,
    };
    Some(Stripped { way, ..at(Link::EtherType(be16(b, number)?), length) })
}

fn nested(link_type: Option<u32>, length: Option<u32>) -> Header {
    match (link_type, length) {
        (Some(link_type), Some(length)) => Header::Nested { link_type, length: length as usize },
        _ => Header::Cut,
    }
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*b.get(at..)?.first_chunk()?))
}

fn le16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*b.get(at..)?.first_chunk()?))
}

fn be32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*b.get(at..)?.first_chunk()?))
}

fn le32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*b.get(at..)?.first_chunk()?))
}

/// The flags behind the interface's name: bit 0 received, bit 1 sent.
fn pktap_way(b: &[u8]) -> Option<Direction> {
    match le32(b, 36)? & 3 {
        1 => Some(Direction::Receive),
        2 => Some(Direction::Transmit),
        _ => None,
    }
}

/// The address family, in either order of bytes and in either half: some write it as two bytes. IPv6 has
/// another number on each BSD.
fn family(b: &[u8]) -> Option<Stripped> {
    let (first, second) = (be16(b, 0)?, be16(b, 2)?);
    let family = if first == 0 { second } else { first };
    Some(match family.min(family.swap_bytes()) {
        2 | 10 | 24 | 28 | 30 if first == 0 || second == 0 => at(Link::Ip, 4),
        _ => at(NOT_IP, 4),
    })
}

/// RFC 1201 and RFC 1051: addresses, `offset` bytes of Linux's, protocol, and of the first a fragment's flag and
/// sequence, perhaps behind an exception.
fn arcnet(b: &[u8], offset: usize) -> Option<Stripped> {
    let protocol = 2 + offset;
    let number = *b.get(protocol)?;
    if matches!(number, 0xf0 | 0xf1) {
        return Some(at(if number == 0xf0 { Link::Ip } else { NOT_IP }, protocol + 1));
    }
    let exception = if offset == 0 && b.get(protocol + 1)? == &0xff { 4 } else { 0 };
    let link = if matches!(number, 0xd4 | 0xc4) { Link::Ip } else { NOT_IP };
    Some(at(link, protocol + 4 + exception))
}

/// 0: received; 1: sent.
fn slip_way(b: &[u8]) -> Option<Direction> {
    match b.first()? {
        0 => Some(Direction::Receive),
        1 => Some(Direction::Transmit),
        _ => None,
    }
}

/// ANSI X3T9.5: frame control, which says that an LLC header follows, and two addresses.
fn fddi(b: &[u8]) -> Option<Stripped> {
    Some(match b.first()? & 0x70 {
        0x50 => at(LLC, 13),
        _ => at(NOT_IP, 0),
    })
}

/// IEEE 802.5: access and frame control, which says that an LLC header follows, two addresses, and the way through
/// bridges where the sender's address has the bit of a group.
fn token_ring(b: &[u8]) -> Option<Stripped> {
    if b.get(1)? & 0xc0 != 0x40 {
        return Some(at(NOT_IP, 0));
    }
    let route = if b.get(8)? & 0x80 == 0 { 0 } else { usize::from(b.get(14)? & 0x1f) };
    Some(at(LLC, 14 + route))
}

/// `SunATM` devices: what the cell's contents are, and the circuit. 2 is RFC 1483 with an LLC header.
fn sunatm(b: &[u8]) -> Option<Stripped> {
    let kind = b.first()?;
    let way = Some(if kind & 0x80 == 0 { Direction::Receive } else { Direction::Transmit });
    Some(match kind & 0x0f {
        2 => Stripped { way, ..at(LLC, 4) },
        _ => Stripped { way, ..at(NOT_IP, 0) },
    })
}

/// The same, behind some bytes more.
pub(super) fn behind(stripped: Option<Stripped>, more: usize) -> Option<Stripped> {
    stripped.map(|stripped| Stripped { before: stripped.before + more, ..stripped })
}

/// PPP in HDLC framing, or Cisco's.
pub(super) fn hdlc(b: &[u8]) -> Option<Stripped> {
    match b.first()? {
        0x0f | 0x8f => Some(at(Link::EtherType(be16(b, 2)?), 4)),
        _ => Some(at(Link::Ppp, 0)),
    }
}

/// 0: received; else sent.
fn ppp_way(b: &[u8]) -> Option<Direction> {
    b.first().map(|way| if *way == 0 { Direction::Receive } else { Direction::Transmit })
}

/// RFC 2427: an address of two to four bytes, control, protocol identifier; Cisco puts an `EtherType`
/// behind the address.
pub(super) fn frame_relay(b: &[u8]) -> Option<Stripped> {
    let address = 1 + b.iter().take(4).position(|byte| byte & 1 != 0)?;
    if b.get(address)? != &0x03 {
        return Some(at(Link::EtherType(be16(b, address)?), address + 2));
    }
    // A byte of padding may stand before the identifier.
    let identifier = address + 1 + usize::from(b.get(address + 1)? == &0);
    Some(match b.get(identifier)? {
        0xcc | 0x8e => at(Link::Ip, identifier + 1),
        0x80 => match (b.get(identifier + 1..identifier + 4)?, be16(b, identifier + 4)?) {
            ([0, 0, 0], number) => at(Link::EtherType(number), identifier + 6),
            // Bridged Ethernet, with and without check sequence.
            ([0, 0x80, 0xc2], 1 | 7) => at(Link::Ethernet, identifier + 6),
            _ => at(NOT_IP, 0),
        },
        _ => at(NOT_IP, 0),
    })
}

/// IEEE 802.11 data frames in the clear; `padded`: the header is filled up to words.
fn wireless(b: &[u8], base: usize, padded: bool) -> Option<Stripped> {
    Some(match ieee80211(b, base, padded)? {
        Wireless::Data { length } => at(LLC, base + length as usize),
        Wireless::Other => at(NOT_IP, base),
    })
}

/// radiotap.org: length, then fields by a bit mask; of interest is whether the header behind is padded.
fn radiotap(b: &[u8]) -> Option<Stripped> {
    const EXTENDED: u32 = 1 << 31;
    let length = usize::from(le16(b, 2)?);
    let present = le32(b, 4)?;
    let mut fields = 8;
    let mut mask = present;
    while mask & EXTENDED != 0 {
        mask = le32(b, fields)?;
        fields += 4;
    }
    // Bit 0 is a time of eight bytes, aligned; bit 1 the flags.
    if present & 1 != 0 {
        fields = fields.next_multiple_of(8) + 8;
    }
    let padded = present & 2 != 0 && b.get(fields)? & 0x20 != 0;
    wireless(b, length, padded)
}

/// Linux netfilter log: attributes (length, type, value) in the order of the capturing machine.
fn nflog(b: &[u8]) -> Option<Stripped> {
    const PAYLOAD: u16 = 9;
    let mut offset = 4;
    loop {
        let (length, kind) = (le16(b, offset)?, le16(b, offset + 2)?);
        // A length that only makes sense the other way round.
        let big = length.swap_bytes() < length && usize::from(length) > b.len() - offset;
        let (length, kind) = if big { (length.swap_bytes(), kind.swap_bytes()) } else { (length, kind) };
        if kind & 0x7fff == PAYLOAD {
            return Some(at(Link::Ip, offset + 4));
        }
        if length < 4 {
            return None;
        }
        offset += usize::from(length).next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    /// What the parser is to begin with when `header` stands before an IPv4 packet.
    fn stripped(link_type: u32, header: &[u8]) -> Option<(Link, usize)> {
        let bytes = [header, &IP].concat();
        for end in 0..bytes.len() {
            let cut = strip(link_type, &bytes[..end]).expect("the type is known");
            assert!(cut.before <= end, "{link_type} cut at {end}");
        }
        strip(link_type, &bytes).map(|s| (s.link, s.before))
    }

    const IPV4: Link = Link::EtherType(0x0800);

    #[test]
    fn families_are_read_in_both_orders() {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2], [24, 0, 0, 0], [0, 0, 0, 28], [30, 0, 0, 0]] {
            assert_eq!(stripped(0, &family), Some((Link::Ip, 4)));
            assert_eq!(stripped(108, &family), Some((Link::Ip, 4)));
        }
        // Two bytes, and two of something else that are 0.
        for family in [[0, 2, 0, 0], [0, 0, 2, 0], [0, 24, 0, 0]] {
            assert_eq!(stripped(0, &family), Some((Link::Ip, 4)));
        }
        for family in [[7, 0, 0, 0], [2, 0, 2, 0], [0, 0, 0, 0]] {
            assert_eq!(stripped(0, &family), Some((NOT_IP, 4)));
        }
    }

    #[test]
    fn old_networks_and_serial_lines_lead_to_ip() {
        assert_eq!(stripped(7, &[1, 2, 0xd4, 0, 0, 1]), Some((Link::Ip, 6)));
        assert_eq!(stripped(7, &[1, 2, 0xd4, 0xff, 0xff, 0xff, 0xff, 0, 0, 1]), Some((Link::Ip, 10)));
        assert_eq!(stripped(7, &[1, 2, 0xf0]), Some((Link::Ip, 3)));
        assert_eq!(stripped(7, &[1, 2, 0xd5, 0, 0, 1]), Some((NOT_IP, 6)));
        assert_eq!(stripped(129, &[1, 2, 0, 0, 0xc4, 0, 0, 1]), Some((Link::Ip, 8)));
        for (first, way) in [(0, Direction::Receive), (1, Direction::Transmit)] {
            let mut slip = [0; 16];
            slip[0] = first;
            assert_eq!(stripped(8, &slip), Some((Link::Ip, 16)));
            assert_eq!(strip(8, &slip).and_then(|s| s.way), Some(way));
        }
        let mut fddi = [0; 13];
        for (control, link) in [(0x50, (LLC, 13)), (0x57, (LLC, 13)), (0x41, (NOT_IP, 0))] {
            fddi[0] = control;
            assert_eq!(stripped(10, &fddi), Some(link));
        }
        let mut ring = [0; 20];
        ring[1] = 0x40;
        assert_eq!(stripped(6, &ring[..14]), Some((LLC, 14)));
        (ring[8], ring[14]) = (0x80, 0xc6);
        assert_eq!(stripped(6, &ring), Some((LLC, 20)));
        assert_eq!(stripped(6, &[0x10, 0, 0, 0]), Some((NOT_IP, 0)));
        assert_eq!(stripped(122, &[0; 16]), Some((LLC, 16)));
        assert_eq!(stripped(123, &[2, 0, 0, 32]), Some((LLC, 4)));
        assert_eq!(stripped(123, &[0x86, 0, 0, 5]), Some((NOT_IP, 0)));
        assert_eq!(stripped(182, &[0xc0, 1, 0x18, 0x41, 3, 0xcc]), Some((Link::Ip, 6)));
        assert_eq!(stripped(182, &[0xe0, 1, 0x18, 0x41, 3, 0xcc]), Some((NOT_IP, 0)));
        let mut infiniband = [0; 44];
        infiniband[40] = 8;
        assert_eq!(stripped(242, &infiniband), Some((IPV4, 44)));
    }

    #[test]
    fn tags_of_switch_chips_are_passed_over() {
        let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for link_type in [281, 284] {
            assert_eq!(
                stripped(link_type, &[&addresses[..], &[0xc0, 0, 0, 1, 8, 0]].concat()),
                Some((IPV4, 18))
            );
        }
        let with_type = [&addresses[..], &[0xda, 0xda, 0, 0, 0xc0, 0, 0, 1, 8, 0]].concat();
        assert_eq!(stripped(285, &with_type), Some((IPV4, 22)));
        assert_eq!(stripped(282, &[0x20, 0, 0, 1]), Some((Link::Ethernet, 4)));
    }

    #[test]
    fn what_juniper_puts_before_a_frame_is_taken_off() {
        let first = [b'M', b'G', b'C', 1];
        let extended = [b'M', b'G', b'C', 0x81, 0, 3, 1, 1, 4];
        for before in [&first[..], &extended] {
            let n = before.len();
            for (link_type, header, link) in [
                (178, &[][..], (Link::Ethernet, n)),
                (167, &[], (Link::Ethernet, n)),
                (179, &[0xff, 3, 0, 0x21], (Link::Ppp, n)),
                (130, &[0, 0x21], (Link::Ppp, n)),
                (180, &[0x18, 0x41, 3, 0xcc], (Link::Ip, n + 4)),
                (131, &[0x18, 0x41, 3, 0xcc], (Link::Ip, n + 4)),
                (181, &[0x0f, 0, 8, 0], (IPV4, n + 4)),
                (133, &[2, 0, 0, 0], (Link::Ip, n + 4)),
                (137, &[0, 0, 0, 1], (Link::Ip, n + 4)),
                (137, &[0, 0, 0, 1, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], (LLC, n + 4)),
                (135, &[0, 0, 0, 1, 0, 0, 0, 0], (Link::Ip, n + 8)),
            ] {
                let bytes = [before, header].concat();
                assert_eq!(stripped(link_type, &bytes), Some(link), "{link_type}");
                let way = strip(link_type, &[&bytes[..], &IP].concat()).and_then(|s| s.way);
                assert_eq!(way, Some(Direction::Receive));
            }
        }
        // No header of the link at all, but the family.
        for link_type in [130, 131, 136, 178, 179, 180, 183] {
            let bytes = [b'M', b'G', b'C', 2, 2, 0, 0, 0];
            assert_eq!(stripped(link_type, &bytes), Some((Link::Ip, 8)), "{link_type}");
            let way = strip(link_type, &[&bytes[..], &IP].concat()).and_then(|s| s.way);
            assert_eq!(way, Some(Direction::Transmit));
        }
        assert_eq!(stripped(178, b"none"), Some((NOT_IP, 0)));
    }

    #[test]
    fn cooked_captures_name_the_protocol() {
        let mut sll = [0; 16];
        sll[14] = 8;
        assert_eq!(stripped(113, &sll), Some((IPV4, 16)));
        let mut sll2 = [0; 20];
        sll2[0] = 8;
        assert_eq!(stripped(276, &sll2), Some((IPV4, 20)));
    }

    #[test]
    fn raw_packets_begin_with_ip_and_ethernet_with_itself() {
        for link_type in [12, 14, 101, 228, 229] {
            assert_eq!(stripped(link_type, &[]), Some((Link::Ip, 0)), "{link_type}");
        }
        assert_eq!(stripped(1, &[0; 14]), Some((Link::Ethernet, 0)));
    }

    #[test]
    fn headers_that_know_the_direction_say_it() {
        let way = |link_type, header: &[u8]| strip(link_type, header).and_then(|s| s.way);
        for (kind, expected) in [
            (0, Some(Direction::Receive)),
            (1, Some(Direction::Receive)),
            (2, Some(Direction::Receive)),
            (3, None),
            (4, Some(Direction::Transmit)),
        ] {
            let mut sll = [0; 16];
            sll[1] = kind;
            assert_eq!(way(113, &sll), expected);
            let mut sll2 = [0; 20];
            sll2[10] = kind;
            assert_eq!(way(276, &sll2), expected);
        }
        for (first, expected) in [(0, Direction::Receive), (1, Direction::Transmit)] {
            assert_eq!(way(204, &[first, 0xff, 3, 0, 0x21]), Some(expected));
            assert_eq!(way(166, &[first, 3, 0, 0x21]), Some(expected));
            assert_eq!(way(205, &[first, 0x0f, 0, 8, 0]), Some(expected));
            assert_eq!(way(206, &[first, 0x18, 0x41, 3, 0xcc]), Some(expected));
            assert_eq!(way(123, &[first << 7 | 2, 0, 0, 32]), Some(expected));
        }
        let mut tap = vec![108, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        tap.resize(108, 0);
        assert_eq!(way(258, &tap), None);
        tap[36] = 2;
        assert_eq!(way(258, &tap), Some(Direction::Transmit));
        assert_eq!(way(1, &[0; 14]), None);
    }

    #[test]
    fn serial_lines_are_ppp_or_cisco() {
        for number in [9, 50] {
            assert_eq!(stripped(number, &[0xff, 3, 0, 0x21]), Some((Link::Ppp, 0)));
            assert_eq!(stripped(number, &[0x0f, 0, 8, 0]), Some((IPV4, 4)));
        }
        assert_eq!(stripped(104, &[0x8f, 0, 8, 0]), Some((IPV4, 4)));
        assert_eq!(stripped(204, &[1, 0xff, 3, 0, 0x21]), Some((Link::Ppp, 1)));
        assert_eq!(stripped(166, &[1, 3, 0, 0x21]), Some((Link::Ppp, 2)));
        assert_eq!(stripped(205, &[1, 0x0f, 0, 8, 0]), Some((IPV4, 5)));
        assert_eq!(stripped(206, &[0, 0x18, 0x41, 3, 0xcc]), Some((Link::Ip, 5)));
    }

    #[test]
    fn frame_relay_in_its_three_encapsulations() {
        assert_eq!(stripped(107, &[0x18, 0x41, 3, 0xcc]), Some((Link::Ip, 4)));
        assert_eq!(stripped(107, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]), Some((IPV4, 10)));
        assert_eq!(stripped(107, &[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7]), Some((Link::Ethernet, 10)));
        assert_eq!(stripped(107, &[0x18, 0x41, 8, 0]), Some((IPV4, 4)));
        assert_eq!(stripped(107, &[0x18, 0x40, 0x40, 0x41, 3, 0xcc]), Some((Link::Ip, 6)));
    }

    #[test]
    fn wireless_data_in_the_clear_leads_to_llc() {
        let mut data = [0; 24];
        data[0] = 0x08;
        assert_eq!(stripped(105, &data), Some((LLC, 24)));
        let mut four_addresses = [0; 30];
        four_addresses[..2].copy_from_slice(&[0x08, 0x03]);
        assert_eq!(stripped(105, &four_addresses), Some((LLC, 30)));
        let mut quality = [0; 26];
        quality[0] = 0x88;
        assert_eq!(stripped(105, &quality), Some((LLC, 26)));
        // The same behind radiotap: 18 bytes with time and flags, which say that it is padded.
        let mut radio = vec![0, 0, 18, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0];
        radio.extend(quality);
        assert_eq!(stripped(127, &radio), Some((LLC, 18 + 28)));
        for (first, flags) in [(0x80, 0), (0x48, 0), (0x08, 0x40), (0xc4, 0)] {
            let mut other = data;
            other[..2].copy_from_slice(&[first, flags]);
            assert_eq!(stripped(105, &other), Some((NOT_IP, 0)), "{first:02x} {flags:02x}");
        }
    }

    #[test]
    fn headers_that_name_a_link_type_lead_to_it() {
        let mut ppi = vec![0, 0, 8, 0];
        ppi.extend(101u32.to_le_bytes());
        assert_eq!(stripped(192, &ppi), Some((Link::Ip, 8)));
        let mut tap = vec![20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        tap.resize(20, 0);
        assert_eq!(stripped(258, &tap), Some((Link::Ethernet, 20)));
        // One that leads to itself without getting on.
        let mut circle = vec![0, 0, 0, 0];
        circle.extend(192u32.to_le_bytes());
        assert_eq!(stripped(192, &circle), Some((NOT_IP, 0)));
    }

    #[test]
    fn the_payload_attribute_of_a_netfilter_log_is_found() {
        let little = [2, 0, 0, 0, 8, 0, 1, 0, 8, 0, 1, 0, 5, 0, 10, 0, 0, 0, 0, 0, 24, 0, 9, 0];
        assert_eq!(stripped(239, &little), Some((Link::Ip, 24)));
        let big = [2, 0, 0, 0, 0, 8, 0, 1, 8, 0, 1, 0, 0, 24, 0, 9];
        assert_eq!(stripped(239, &big), Some((Link::Ip, 16)));
    }

    #[test]
    fn others_are_not_known() {
        for link_type in [2, 147, 195, 65535, u32::MAX] {
            assert_eq!(strip(link_type, &IP), None);
        }
    }
}
