//! What one packet does to a flow.
//!
//! The same function runs in the kernel on a slot of the shared map and in user space on a slot of
//! its own; only the clock differs.

mod fragment;
mod tcp;

pub use fragment::{FragmentTable, resolve};

use crate::abi::{Address, ClientRule, Direction, Flow, FlowKey, Side, View, hook_flags};
use crate::wire::{Fragment, Packet, tcp_flags};

/// The time, in nanoseconds of one monotonic clock.
pub trait Clock {
    /// Cheap, up to a scheduler tick behind: for when something was last seen.
    fn coarse(&self) -> u64;
    /// Exact: for where a measured time starts or ends.
    fn precise(&self) -> u64;
}

/// A packet's time in a capture: both clocks at once.
#[derive(Clone, Copy, Debug)]
pub struct At(pub u64);

impl Clock for At {
    #[inline(always)]
    fn coarse(&self) -> u64 {
        self.0
    }
    #[inline(always)]
    fn precise(&self) -> u64 {
        self.0
    }
}

/// The view of a packet: see [`View`].
#[inline(always)]
const fn view(one_sided: bool, direction: Direction, sender: Side) -> View {
    match (one_sided, direction, sender) {
        (true, Direction::Receive, _) => View::AllReceived,
        (true, Direction::Transmit, _) => View::AllTransmitted,
        (false, Direction::Transmit, Side::Lower) | (false, Direction::Receive, Side::Upper) => {
            View::LowerTransmits
        }
        (false, Direction::Receive, Side::Lower) | (false, Direction::Transmit, Side::Upper) => {
            View::LowerReceives
        }
    }
}

/// Which endpoint of the key sent the packet.
#[inline(always)]
pub fn sender(source: &Address, source_port: u16, destination: &Address, destination_port: u16) -> Side {
    match source.before(destination) {
        Some(true) => Side::Lower,
        None if source_port <= destination_port => Side::Lower,
        Some(false) | None => Side::Upper,
    }
}

/// Writes the key of a packet seen at a hook, and says which side sent it.
#[inline(always)]
pub fn key(packet: &Packet, ifindex: u32, hook_flags: u32, direction: Direction, key: &mut FlowKey) -> Side {
    let side = sender(&packet.source, packet.source_port, &packet.destination, packet.destination_port);
    match side {
        Side::Lower => {
            key.lower = packet.source;
            key.upper = packet.destination;
            key.lower_port = packet.source_port;
            key.upper_port = packet.destination_port;
        }
        Side::Upper => {
            key.lower = packet.destination;
            key.upper = packet.source;
            key.lower_port = packet.destination_port;
            key.upper_port = packet.source_port;
        }
    }
    key.ifindex = ifindex;
    key.segment = packet.segment();
    key.protocol = packet.protocol;
    key.ip_version = packet.ip_version;
    key.view = view(hook_flags & hook_flags::ONE_SIDED != 0, direction, side) as u8;
    key.reserved = 0;
    side
}

/// Through which hook a side's packets of an entry were seen.
pub const fn direction(view: View, sender: Side) -> Direction {
    match (view, sender) {
        (View::AllReceived, _) | (View::LowerReceives, Side::Lower) | (View::LowerTransmits, Side::Upper) => {
            Direction::Receive
        }
        _ => Direction::Transmit,
    }
}

/// What the first packet of a flow says once and for all. The slot must be empty, the key written.
#[inline(always)]
pub fn open(flow: &Flow, packet: &Packet, side: Side, now: u64) {
    flow.head.first.set(now);
    flow.head.vlans[0].set(packet.vlans[0]);
    flow.head.vlans[1].set(packet.vlans[1]);
    flow.head.tunnel.set(packet.tunnel);
    flow.head.set_client(side, ClientRule::First);
}

/// A slot as a flow's first packet leaves it, with nothing counted yet, and who sent that packet: flows without a
/// kernel, for tests and measurements.
#[cfg(not(target_arch = "bpf"))]
pub fn opened(
    packet: &Packet,
    ifindex: u32,
    hook_flags: u32,
    direction: Direction,
    now: u64,
) -> (Flow, Side) {
    let (flow, mut of) = (Flow::default(), FlowKey::default());
    let side = key(packet, ifindex, hook_flags, direction, &mut of);
    flow.head.key.set(&of);
    flow.head.live.set(1);
    open(&flow, packet, side, now);
    (flow, side)
}

/// Counts a packet that `side` sent.
#[inline(always)]
pub fn account<C: Clock>(flow: &Flow, packet: &Packet, side: Side, clock: &C) {
    let i = side.index() & 1;
    let hot = &flow.hot[i];
    let segments = packet.segments as u64;
    hot.packets.add(segments);
    hot.bytes.add(packet.wire_length as u64);
    if packet.payload_length != 0 {
        hot.payload_bytes.add(packet.payload_length as u64);
    }
    let overhead = (packet.wire_length as u64)
        .wrapping_sub(packet.ip_length as u64)
        .wrapping_sub(segments.wrapping_mul(14));
    if overhead != 0 {
        flow.timing[i].overhead.add(overhead);
    }
    if packet.fragment != Fragment::None as u8 {
        flow.counters[i].fragments.add(1);
    }
    // The side's first packet: asked of a line that is in the cache anyway.
    if hot.last.get() == 0 {
        flow.timing[i].ttl.set(packet.ttl);
    }
    // Without flags there is no TCP header to speak of: a later fragment, one that was cut, or a probe
    // whose sequence number means nothing.
    if packet.protocol == 6 && packet.tcp_flags != 0 {
        tcp::account(flow, packet, side, clock);
    } else {
        hot.last.set(clock.coarse());
    }
}

/// Whether a packet begins a new connection on the 5-tuple of a flow that already had one: a SYN
/// that does not repeat the last one. Offline such a flow ends and a new record begins.
#[inline(always)]
pub fn starts_anew(flow: &Flow, packet: &Packet, side: Side) -> bool {
    packet.protocol == 6
        && packet.fragment != Fragment::Later as u8
        && packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN
        && tcp::fresh_syn(&flow.head, &flow.hot[side.index() & 1], packet)
}
