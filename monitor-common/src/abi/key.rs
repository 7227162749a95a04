//! The key of a flow: the innermost 5-tuple, the interface, the segment and the view.

use crate::cell::Cell64;

/// An IP address in network byte order; IPv4 as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2).
///
/// Kept as words: the kernel side copies and compares it four bytes at a time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address([u32; 4]);

impl Address {
    /// The word before the IPv4 address in an IPv4-mapped address.
    const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

    /// An IPv4 address; `word` holds its four bytes in memory order (network byte order).
    #[inline(always)]
    pub const fn from_v4_word(word: u32) -> Self {
        Self([0, 0, Self::MAPPED, word])
    }

    /// An IPv6 address; the words hold its bytes in memory order (network byte order).
    #[inline(always)]
    pub const fn from_v6_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The words, whose bytes in memory are those of the address; the last is an IPv4 address's.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    /// The 16 bytes in network byte order.
    pub const fn octets(self) -> [u8; 16] {
        let mut out = [0; 16];
        let mut i = 0;
        while i < 4 {
            let w = self.0[i].to_ne_bytes();
            out[i * 4] = w[0];
            out[i * 4 + 1] = w[1];
            out[i * 4 + 2] = w[2];
            out[i * 4 + 3] = w[3];
            i += 1;
        }
        out
    }

    /// From 16 bytes in network byte order.
    pub const fn from_octets(o: [u8; 16]) -> Self {
        Self([
            u32::from_ne_bytes([o[0], o[1], o[2], o[3]]),
            u32::from_ne_bytes([o[4], o[5], o[6], o[7]]),
            u32::from_ne_bytes([o[8], o[9], o[10], o[11]]),
            u32::from_ne_bytes([o[12], o[13], o[14], o[15]]),
        ])
    }

    /// From the four bytes of an IPv4 address.
    pub const fn from_v4_octets(o: [u8; 4]) -> Self {
        Self::from_v4_word(u32::from_ne_bytes(o))
    }

    /// Whether `self` sorts before `other` byte by byte; `None` when they are equal.
    #[inline(always)]
    pub fn before(&self, other: &Self) -> Option<bool> {
        // Unrolled by hand: the last word first decides nothing, but a loop over a pointer here
        // costs the verifier more than it reads well.
        if self.0[0] != other.0[0] {
            return Some(u32::from_be(self.0[0]) < u32::from_be(other.0[0]));
        }
        if self.0[1] != other.0[1] {
            return Some(u32::from_be(self.0[1]) < u32::from_be(other.0[1]));
        }
        if self.0[2] != other.0[2] {
            return Some(u32::from_be(self.0[2]) < u32::from_be(other.0[2]));
        }
        if self.0[3] != other.0[3] {
            return Some(u32::from_be(self.0[3]) < u32::from_be(other.0[3]));
        }
        None
    }

    /// As the standard library's address, given the version that the packet had.
    #[cfg(not(target_arch = "bpf"))]
    pub fn to_ip(self, version: IpVersion) -> core::net::IpAddr {
        let o = self.octets();
        match version {
            IpVersion::V4 => core::net::IpAddr::V4(core::net::Ipv4Addr::new(o[12], o[13], o[14], o[15])),
            IpVersion::V6 => core::net::IpAddr::V6(core::net::Ipv6Addr::from(o)),
        }
    }
}

/// The version field of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// One of the two endpoints of a flow, in the order of the key. Indexes the pairs of a [`super::Flow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Side {
    /// The endpoint whose (address, port) sorts first.
    Lower = 0,
    /// The other one.
    Upper = 1,
}

impl Side {
    /// The other endpoint.
    #[must_use]
    #[inline(always)]
    pub const fn other(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }

    /// 0 or 1.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Through which hook which direction of the flow was seen. A packet that passes one interface
/// twice (in and out again) falls into two views, so each entry is one clean view of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum View {
    /// The lower endpoint's packets leave through the interface, the upper's come in.
    LowerTransmits = 0,
    /// The lower endpoint's packets come in, the upper's leave.
    LowerReceives = 1,
    /// A one-sided interface (loopback, mirror port): both directions at ingress.
    AllReceived = 2,
    /// A one-sided interface: both directions at egress.
    AllTransmitted = 3,
}

/// Words of eight bytes that a key has.
pub const KEY_WORDS: usize = 6;

/// Two words of four bytes as they lie in memory.
#[inline(always)]
const fn word(first: u32, second: u32) -> u64 {
    let (a, b) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]])
}

/// The other way round.
#[inline(always)]
const fn halves(word: u64) -> [u32; 2] {
    let w = word.to_ne_bytes();
    [u32::from_ne_bytes([w[0], w[1], w[2], w[3]]), u32::from_ne_bytes([w[4], w[5], w[6], w[7]])]
}

/// The key of a flow. 48 bytes, no padding; aligned so that it can be compared in whole words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Address of the endpoint whose (address, port) sorts first.
    pub lower: Address,
    /// Address of the other endpoint.
    pub upper: Address,
    /// Kernel's index of the interface.
    pub ifindex: u32,
    /// The layer 2 network that the packet's tags and tunnel name: [`crate::wire::Packet::segment`]; 0: none.
    pub segment: u32,
    /// Port of the lower endpoint in host byte order, 0 where the protocol has none.
    pub lower_port: u16,
    /// Port of the upper endpoint.
    pub upper_port: u16,
    /// IP protocol number (IANA) after IPv6 extension headers.
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// A [`View`] as a number.
    pub view: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<FlowKey>() == 48 && align_of::<FlowKey>() == 8);

impl FlowKey {
    /// Address and port of one endpoint.
    #[inline(always)]
    pub const fn endpoint(&self, side: Side) -> (Address, u16) {
        match side {
            Side::Lower => (self.lower, self.lower_port),
            Side::Upper => (self.upper, self.upper_port),
        }
    }

    /// The key in whole words, as it lies in memory.
    #[inline(always)]
    pub const fn words(&self) -> [u64; KEY_WORDS] {
        let (lower, upper) = (self.lower.0, self.upper.0);
        let ports = self.lower_port.to_ne_bytes();
        let others = self.upper_port.to_ne_bytes();
        [
            word(lower[0], lower[1]),
            word(lower[2], lower[3]),
            word(upper[0], upper[1]),
            word(upper[2], upper[3]),
            word(self.ifindex, self.segment),
            u64::from_ne_bytes([
                ports[0],
                ports[1],
                others[0],
                others[1],
                self.protocol,
                self.ip_version,
                self.view,
                self.reserved,
            ]),
        ]
    }

    /// The view as a type; every unlisted number is the last one.
    pub const fn view(&self) -> View {
        match self.view {
            0 => View::LowerTransmits,
            1 => View::LowerReceives,
            2 => View::AllReceived,
            _ => View::AllTransmitted,
        }
    }

    /// The version as a type.
    pub const fn version(&self) -> IpVersion {
        if self.ip_version == 4 { IpVersion::V4 } else { IpVersion::V6 }
    }
}

/// A [`FlowKey`] in a slot that user space maps: one word at a time, since the kernel side may be writing the
/// next flow's key while user space still looks at the slot.
///
/// In the place of the key's last byte, which is zero, it says whether the slot may be found without the hash: from
/// when its key is in there ([`KeyCells::publish`], by the kernel side) until user space ends it ([`KeyCells::end`]).
/// One after the other writes it, never both.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct KeyCells {
    words: [Cell64; KEY_WORDS],
}

const _: () = assert!(size_of::<KeyCells>() == size_of::<FlowKey>());

/// The bits of [`FlowKey::reserved`] in the last word.
const MARK: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 0xff]);
/// The key is in the hash, and the slot is its.
const PUBLISHED: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 1]);
/// User space is about to delete the key.
const ENDING: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 2]);

impl KeyCells {
    /// The key. While a slot changes hands it may be of both flows; who reads must find it live before and after.
    #[inline(always)]
    pub fn get(&self) -> FlowKey {
        let pair = |at: usize| halves(self.words[at].get());
        let address = |at: usize| {
            let ([a, b], [c, d]) = (pair(at), pair(at + 1));
            Address([a, b, c, d])
        };
        let [ifindex, segment] = pair(4);
        let [p0, p1, p2, p3, protocol, ip_version, view, _] = self.words[5].get().to_ne_bytes();
        FlowKey {
            lower: address(0),
            upper: address(2),
            ifindex,
            segment,
            lower_port: u16::from_ne_bytes([p0, p1]),
            upper_port: u16::from_ne_bytes([p2, p3]),
            protocol,
            ip_version,
            view,
            reserved: 0,
        }
    }

    /// Writes the key, which is not published yet. Only who has the slot to itself may.
    #[inline(always)]
    pub fn set(&self, key: &FlowKey) {
        for (cell, word) in self.words.iter().zip(key.words()) {
            cell.set(word);
        }
    }

    /// From now on the slot may be found without the hash, by whoever is sure of the key's words.
    #[inline(always)]
    pub fn publish(&self) {
        let last = &self.words[KEY_WORDS - 1];
        last.set(last.get() & !MARK | PUBLISHED);
    }

    /// From now on the slot is found through the hash alone. `false`: its key is just being published, or was not.
    pub fn end(&self) -> bool {
        let last = &self.words[KEY_WORDS - 1];
        let word = last.get();
        if word & MARK == 0 {
            return false;
        }
        last.set(word & !MARK | ENDING);
        true
    }

    /// Whether this is the published slot of a key. The last word is read first: who finds it published finds the
    /// words that belong to it.
    #[inline(always)]
    pub fn is(&self, words: &[u64; KEY_WORDS]) -> bool {
        let last = self.words[5].get() ^ (words[5] | PUBLISHED);
        let others = (self.words[0].get() ^ words[0])
            | (self.words[1].get() ^ words[1])
            | (self.words[2].get() ^ words[2])
            | (self.words[3].get() ^ words[3])
            | (self.words[4].get() ^ words[4]);
        last | others == 0
    }

    /// The IP protocol number alone.
    #[inline(always)]
    pub fn protocol(&self) -> u8 {
        self.words[5].get().to_ne_bytes()[4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FlowKey = FlowKey {
        lower: Address([1, 2, 3, 4]),
        upper: Address([5, 6, 7, 8]),
        ifindex: 9,
        segment: 10,
        lower_port: 11,
        upper_port: 12,
        protocol: 6,
        ip_version: 4,
        view: 1,
        reserved: 0,
    };

    #[test]
    fn a_key_comes_out_of_a_slot_as_it_went_in_whatever_is_marked() {
        let cells = KeyCells::default();
        cells.set(&KEY);
        assert_eq!((cells.get(), cells.protocol()), (KEY, 6));
        cells.publish();
        assert_eq!(cells.get(), KEY);
        assert!(cells.end());
        assert_eq!((cells.get(), cells.protocol()), (KEY, 6));
    }

    #[test]
    fn a_slot_is_found_without_the_hash_from_publishing_to_its_end_alone() {
        let cells = KeyCells::default();
        cells.set(&KEY);
        assert!(!cells.is(&KEY.words()) && !cells.end());
        cells.publish();
        assert!(cells.is(&KEY.words()));
        for other in [
            FlowKey { lower: Address([1, 2, 3, 5]), ..KEY },
            FlowKey { upper: Address([0, 6, 7, 8]), ..KEY },
            FlowKey { segment: 0, ..KEY },
            FlowKey { upper_port: 13, ..KEY },
            FlowKey { view: 0, ..KEY },
        ] {
            assert!(!cells.is(&other.words()), "{other:?}");
        }
        assert!(cells.end());
        assert!(!cells.is(&KEY.words()));
        assert!(cells.end(), "what ended may be ended again");
        cells.set(&KEY);
        assert!(!cells.is(&KEY.words()), "another flow with this key, not published yet");
    }
}
