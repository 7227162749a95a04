//! Packets without a slot: sums by hook and class, and who is behind them.

use aya_ebpf::bindings::BPF_NOEXIST;
use monitor_common::{
    abi::{CoarseCells, CoarseKey, HookCounters, TRAFFIC_CLASSES},
    cell::Cell64,
    wire::{Packet, tcp_flags},
};

use crate::maps::COARSE;

/// Counts a packet that found no slot.
#[inline(always)]
pub(crate) fn count(hook: &mut HookCounters, packet: &Packet) {
    let segments = packet.segments as u64;
    hook.overflow += segments;
    let class = HookCounters::class(packet.protocol, packet.ip_version);
    if class < TRAFFIC_CLASSES {
        hook.overflow_packets[class] += segments;
        hook.overflow_bytes[class] += packet.wire_length as u64;
    }
    let mut key = CoarseKey {
        server: packet.destination,
        ifindex: hook.ifindex,
        port: packet.destination_port,
        protocol: packet.protocol,
        ip_version: packet.ip_version,
    };
    if server_is_source(packet) {
        key.server = packet.source;
        key.port = packet.source_port;
    }
    coarse(&key, segments, packet.wire_length as u64);
}

/// The server is who receives a SYN or sends a SYN-ACK, else the side with the lower port.
#[inline(always)]
fn server_is_source(packet: &Packet) -> bool {
    if packet.tcp_flags & tcp_flags::SYN != 0 {
        packet.tcp_flags & tcp_flags::ACK != 0
    } else {
        packet.source_port < packet.destination_port
    }
}

/// Takes no packet: one whose address is taken lies on the stack for all that comes before, too.
#[inline(never)]
fn coarse(key: &CoarseKey, packets: u64, bytes: u64) {
    if let Some(cells) = find(key) {
        cells.packets.add(packets);
        cells.bytes.add(bytes);
        return;
    }
    let zero = CoarseCells { packets: Cell64::new(packets), bytes: Cell64::new(bytes) };
    // A full map shows the victims that it has until user space makes room; the sums above are whole
    // without it.
    let _ = COARSE.insert(key, zero, BPF_NOEXIST as u64);
}

#[inline(always)]
#[expect(unsafe_code, reason = "a map value by reference")]
fn find(key: &CoarseKey) -> Option<&'static CoarseCells> {
    let pointer = COARSE.get_ptr(key)?;
    // SAFETY: values of a preallocated map stay readable; one that is removed meanwhile gets a count that
    // shows nobody, or the next victim with a packet too many.
    Some(unsafe { &*pointer })
}
