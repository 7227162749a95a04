//! Every fixed counter since the start, indexed by closed sets.
//!
//! Counters only grow for the life of the [`crate::engine::Engine`], whatever interfaces and flows
//! come and go. Where a flow is seen on several interfaces, the families of [`InterfaceTotals`] count
//! it on each; all others count it once, on the interface that saw it first.

mod families;

use monitor_common::abi::{Direction, IpVersion, TRAFFIC_CLASSES, Transport};

use serde::{Deserialize, Serialize};

use crate::{
    histogram::{HANDSHAKE_SECONDS, Histogram, RESPONSE_SECONDS, ROUND_TRIP_SECONDS},
    label::{AttemptResult, EndReason, LetGo, Outcome, Role, Scope, TcpCounter, TcpState},
    record::OwnerClass,
};

pub use families::{Budgets, ContainerKey, Families, OTHER, OwnerDomainKey, OwnerKey, ServiceKey, io_values};

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire, from the link layer on.
    pub bytes: u64,
}

impl Io {
    /// Adds both.
    pub const fn add(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

/// Counters of one hook: an interface and a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookTotals {
    /// Packets on the wire that the hook saw, as of the end of the last drain.
    pub packets: u64,
    /// Buffers of the kernel; a super-packet is one.
    pub skbs: u64,
    /// Packets by [`Outcome`]. Their sum is [`Self::packets`] whenever traffic pauses for a drain.
    pub accounted: [u64; Outcome::COUNT],
    /// IP fragments; they count in an outcome as well.
    pub fragments: u64,
}

impl HookTotals {
    /// Packets that are accounted for, all outcomes together.
    pub fn accounted_sum(&self) -> u64 {
        self.accounted.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

/// Everything that is counted for each interface. The label is the name: an interface that comes
/// back under its name goes on where it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceTotals {
    /// Name of the interface.
    pub name: String,
    /// The kernel's index now; `None`: the interface is gone, its numbers stay.
    pub ifindex: Option<u32>,
    /// By [`Direction`].
    pub hooks: [HookTotals; 2],
    /// By [`Direction`], then traffic class: see [`Self::io`].
    pub io: [[Io; TRAFFIC_CLASSES]; 2],
}

impl InterfaceTotals {
    /// Nothing counted yet.
    pub const fn new(name: String, ifindex: Option<u32>) -> Self {
        const ZERO: Io = Io { packets: 0, bytes: 0 };
        Self {
            name,
            ifindex,
            hooks: [HookTotals { packets: 0, skbs: 0, accounted: [0; Outcome::COUNT], fragments: 0 }; 2],
            io: [[ZERO; TRAFFIC_CLASSES]; 2],
        }
    }

    /// Takes the numbers of another interface in.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.hooks.iter_mut().zip(&other.hooks) {
            mine.packets = mine.packets.wrapping_add(theirs.packets);
            mine.skbs = mine.skbs.wrapping_add(theirs.skbs);
            mine.fragments = mine.fragments.wrapping_add(theirs.fragments);
            for (mine, theirs) in mine.accounted.iter_mut().zip(&theirs.accounted) {
                *mine = mine.wrapping_add(*theirs);
            }
        }
        for (mine, theirs) in self.io.iter_mut().flatten().zip(other.io.iter().flatten()) {
            mine.add(*theirs);
        }
    }

    /// Traffic of a transport and IP version, overflow included.
    pub const fn io(&self, direction: Direction, transport: Transport, version: IpVersion) -> Io {
        let v6 = matches!(version, IpVersion::V6) as usize;
        self.io[direction.index()][(transport.index() << 1) | v6]
    }
}

/// Flows, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTotals {
    /// In the table now, by [`Transport`].
    pub active: [u64; 6],
    /// Begun, by [`Transport`].
    pub started: [u64; 6],
    /// Ended, by [`Transport`], then [`EndReason`].
    pub ended: [[u64; EndReason::COUNT]; 6],
    /// Further sightings of a flow on another interface (or in and out of one), matched to the first.
    pub duplicates: u64,
    /// Entries in the table now, duplicates included: slots of the kernel in use.
    pub slots: u64,
    /// Flows that are in the table again after they had ended by silence: not begun anew, and they end again.
    pub resumed: u64,
    /// Connections that ended by silence and are remembered now, in case they go on.
    pub remembered: u64,
    /// Those that were forgotten because there were too many.
    pub forgotten: u64,
    /// Entries that made room before their time, by [`LetGo`].
    pub let_go: [u64; LetGo::COUNT],
    /// The last drain found the table short of room.
    pub pressure: bool,
}

/// TCP, each connection counted once. Directions are the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpTotals {
    /// Connections in the table now, by [`TcpState`].
    pub connections: [u64; TcpState::COUNT],
    /// Connection attempts by [`Role`] of this host, then [`AttemptResult`].
    pub attempts: [[u64; AttemptResult::COUNT]; Role::COUNT],
    /// Segments, by [`Direction`].
    pub segments: [u64; 2],
    /// Counters by [`TcpCounter`], then [`Direction`]; see [`Self::get`].
    pub counters: [[u64; 2]; TcpCounter::COUNT],
}

impl TcpTotals {
    /// A counter, by [`Direction`].
    pub const fn get(&self, counter: TcpCounter) -> [u64; 2] {
        self.counters[counter.index()]
    }
}

impl Default for TcpTotals {
    fn default() -> Self {
        Self {
            connections: [0; TcpState::COUNT],
            attempts: [[0; AttemptResult::COUNT]; Role::COUNT],
            segments: [0; 2],
            counters: [[0; 2]; TcpCounter::COUNT],
        }
    }
}

/// Histograms by [`Role`], then [`Scope`].
pub type ByRoleAndScope<T> = [[T; Scope::COUNT]; Role::COUNT];

/// How long TCP takes, each connection counted once. Seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpLatency {
    /// From a segment with data that the end nearer to this host sent to its acknowledgment by the
    /// other end: one observation a flow and drain, the mean of the round trips since the last.
    pub round_trip: ByRoleAndScope<Histogram<{ ROUND_TRIP_SECONDS.len() }>>,
    /// From the SYN to the handshake's last ACK: one observation a connection.
    pub handshake: ByRoleAndScope<Histogram<{ HANDSHAKE_SECONDS.len() }>>,
    /// From the client's last byte before the server's first byte to that: one observation a connection.
    pub first_response: ByRoleAndScope<Histogram<{ RESPONSE_SECONDS.len() }>>,
    /// Connections that another one on the same 5-tuple followed before they were read, and of which it got lost how
    /// long that took.
    pub unmeasured: u64,
}

impl Default for TcpLatency {
    fn default() -> Self {
        fn each<const N: usize>(bounds: &'static [f64; N]) -> ByRoleAndScope<Histogram<N>> {
            std::array::from_fn(|_| std::array::from_fn(|_| Histogram::new(bounds)))
        }
        Self {
            round_trip: each(&ROUND_TRIP_SECONDS),
            handshake: each(&HANDSHAKE_SECONDS),
            first_response: each(&RESPONSE_SECONDS),
            unmeasured: 0,
        }
    }
}

/// Translations of addresses on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translations {
    /// Those that are known now.
    pub known: u64,
    /// Those for which there was no room: flows behind them count beside those before.
    pub lost: u64,
    /// Times that news of them were lost, and all were read again.
    pub anew: u64,
}

/// Everything that is counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// All flows, each counted once, by [`OwnerClass`] and then [`Direction`].
    pub owners: [[Io; 2]; OwnerClass::COUNT],
    /// Flows.
    pub flows: FlowTotals,
    /// TCP.
    pub tcp: TcpTotals,
    /// How long TCP takes.
    pub latency: TcpLatency,
    /// Drains completed.
    pub drains: u64,
    /// End of the last drain, nanoseconds since the Unix epoch; 0: none yet.
    pub last_drain: u64,
}
