//! What is counted at a hook, whatever becomes of the packet, and where packets without a slot go.

use super::Address;
use crate::cell::Cell64;

/// Cells for interfaces that there always are. The cell of an interface is `ifindex` modulo their number, or one
/// of the [`HookCounters::PROBES`] after it; a cell is 512 bytes a CPU.
pub const MIN_CELLS: u32 = 4096;
/// Most cells, on a host that has very many interfaces when the kernel side is loaded.
pub const MAX_CELLS: u32 = 16_384;

/// How many cells a host with so many interfaces gets: a power of two, with room for as many again as there are.
pub const fn cells_for(interfaces: u32) -> u32 {
    let wanted = interfaces.saturating_mul(2);
    if wanted <= MIN_CELLS {
        MIN_CELLS
    } else if wanted >= MAX_CELLS {
        MAX_CELLS
    } else {
        wanted.next_power_of_two()
    }
}

/// Direction of a packet through an interface, as `/proc/net/dev` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// Into the host: TC or XDP ingress.
    Receive = 0,
    /// Out of the host: TC egress.
    Transmit = 1,
}

impl Direction {
    /// Both, in index order.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Transmit];

    /// 0 or 1.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
        }
    }
}

/// Transport protocols that have a label of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    /// Protocol 6.
    Tcp = 0,
    /// Protocol 17.
    Udp = 1,
    /// Protocol 1.
    Icmp = 2,
    /// Protocol 58.
    Icmpv6 = 3,
    /// Protocol 132.
    Sctp = 4,
    /// Everything else.
    Other = 5,
}

impl Transport {
    /// All, in index order.
    pub const ALL: [Self; 6] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Icmpv6, Self::Sctp, Self::Other];

    /// The transport of an IP protocol number (IANA).
    #[inline(always)]
    pub const fn from_protocol(protocol: u8) -> Self {
        match protocol {
            6 => Self::Tcp,
            17 => Self::Udp,
            1 => Self::Icmp,
            58 => Self::Icmpv6,
            132 => Self::Sctp,
            _ => Self::Other,
        }
    }

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Sctp => "sctp",
            Self::Other => "other",
        }
    }

    /// 0 to 5.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Transport × IP version: `transport × 2`, plus 1 for IPv6.
pub const TRAFFIC_CLASSES: usize = 12;

/// Bits of [`HookCounters::flags`], written by user space before it attaches.
pub mod hook_flags {
    /// Frames have no link header (tun, ipip): they begin with the IP header.
    pub const LAYER_3: u32 = 1;
    /// Both directions of a flow come through one hook (loopback, mirror port): see [`super::super::View`].
    pub const ONE_SIDED: u32 = 2;
}

/// Counters of one hook (interface and direction) on one CPU. 256 bytes.
///
/// A per-CPU array holds two of them a cell: cell × 2 + direction. Programs of one CPU do
/// not interrupt each other here, so the additions are plain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookCounters {
    /// Whose cell this is; 0: nobody's. Written by user space before it attaches.
    pub ifindex: u32,
    /// [`hook_flags`].
    pub flags: u32,
    /// Packets on the wire, counted last: the witness that all others are checked against.
    pub packets: u64,
    /// Buffers of the kernel: a super-packet is one.
    pub skbs: u64,
    /// Packets that are no IP.
    pub not_ip: u64,
    /// Packets whose headers are cut short or contradict themselves.
    pub undecodable: u64,
    /// Packets that found no slot.
    pub overflow: u64,
    /// IP fragments (they count in one of the other outcomes too).
    pub fragments: u64,
    /// Payload samples lost, all reasons together: see `lost_samples` of the ring.
    pub reserved: u64,
    /// Packets without a slot by traffic class (see [`TRAFFIC_CLASSES`]).
    pub overflow_packets: [u64; TRAFFIC_CLASSES],
    /// Bytes on the wire without a slot by traffic class.
    pub overflow_bytes: [u64; TRAFFIC_CLASSES],
}

const _: () = assert!(size_of::<HookCounters>() == 256);

impl HookCounters {
    /// How many cells after its own an interface may stand in.
    pub const PROBES: u32 = 4;

    /// The `probe`th cell to look at for an interface among `cells`, a power of two.
    #[inline(always)]
    pub const fn cell(ifindex: u32, probe: u32, cells: u32) -> u32 {
        ifindex.wrapping_add(probe) & cells.wrapping_sub(1)
    }

    /// Index in the map of a cell and direction.
    #[inline(always)]
    pub const fn map_index(cell: u32, direction: Direction) -> u32 {
        (cell << 1) | direction as u32
    }

    /// Index of a traffic class.
    #[inline(always)]
    pub const fn class(protocol: u8, ip_version: u8) -> usize {
        ((Transport::from_protocol(protocol) as usize) << 1) | (ip_version == 6) as usize
    }
}

/// Keys that the coarse table has room for.
pub const COARSE_ENTRIES: u32 = 4096;

/// Where packets without a slot are seen: enough to name a flood's victim. Sums do not depend on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CoarseKey {
    /// Address of the side that looks like the server.
    pub server: Address,
    /// Kernel's index of the interface.
    pub ifindex: u32,
    /// Port of the server.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
}

const _: () = assert!(size_of::<CoarseKey>() == 24);

/// What a [`CoarseKey`] saw since the start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoarseCounters {
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

const _: () = assert!(size_of::<CoarseCounters>() == 16);

/// [`CoarseCounters`] as the kernel side adds to them.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct CoarseCells {
    /// Packets on the wire.
    pub packets: Cell64,
    /// Bytes on the wire.
    pub bytes: Cell64,
}

const _: () = assert!(size_of::<CoarseCells>() == size_of::<CoarseCounters>());
