//! The key of a flow: the innermost 5-tuple, the interface, the segment and the view.

use crate::cell::{Cell8, Cell16, Cell32};

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

/// The key of a flow. 48 bytes, no padding.
#[repr(C)]
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

const _: () = assert!(size_of::<FlowKey>() == 48 && align_of::<FlowKey>() == 4);

impl FlowKey {
    /// Address and port of one endpoint.
    #[inline(always)]
    pub const fn endpoint(&self, side: Side) -> (Address, u16) {
        match side {
            Side::Lower => (self.lower, self.lower_port),
            Side::Upper => (self.upper, self.upper_port),
        }
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
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct KeyCells {
    lower: [Cell32; 4],
    upper: [Cell32; 4],
    ifindex: Cell32,
    segment: Cell32,
    lower_port: Cell16,
    upper_port: Cell16,
    protocol: Cell8,
    ip_version: Cell8,
    view: Cell8,
    reserved: Cell8,
}

const _: () = assert!(size_of::<KeyCells>() == size_of::<FlowKey>());

impl KeyCells {
    /// The key. While a slot changes hands it may be of both flows; who reads must find it live before and after.
    #[inline(always)]
    pub fn get(&self) -> FlowKey {
        let address =
            |cells: &[Cell32; 4]| Address([cells[0].get(), cells[1].get(), cells[2].get(), cells[3].get()]);
        FlowKey {
            lower: address(&self.lower),
            upper: address(&self.upper),
            ifindex: self.ifindex.get(),
            segment: self.segment.get(),
            lower_port: self.lower_port.get(),
            upper_port: self.upper_port.get(),
            protocol: self.protocol.get(),
            ip_version: self.ip_version.get(),
            view: self.view.get(),
            reserved: self.reserved.get(),
        }
    }

    /// Writes the key. Only who has the slot to itself may.
    #[inline(always)]
    pub fn set(&self, key: &FlowKey) {
        let address = |cells: &[Cell32; 4], address: &Address| {
            cells[0].set(address.0[0]);
            cells[1].set(address.0[1]);
            cells[2].set(address.0[2]);
            cells[3].set(address.0[3]);
        };
        address(&self.lower, &key.lower);
        address(&self.upper, &key.upper);
        self.ifindex.set(key.ifindex);
        self.segment.set(key.segment);
        self.lower_port.set(key.lower_port);
        self.upper_port.set(key.upper_port);
        self.protocol.set(key.protocol);
        self.ip_version.set(key.ip_version);
        self.view.set(key.view);
        self.reserved.set(key.reserved);
    }

    /// The IP protocol number alone.
    #[inline(always)]
    pub fn protocol(&self) -> u8 {
        self.protocol.get()
    }
}
