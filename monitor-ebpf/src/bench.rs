//! What the datapath's cost is measured against; none of it is loaded on a live host.
#![expect(unsafe_code, reason = "a helper of the kernel and values of a per-CPU map")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::bpf_get_prandom_u32,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap},
};
use core::hint::black_box;
use monitor_common::{
    abi::{Address, bench_flags},
    account::Clock as _,
    cell::{Cell32, Cell64},
    wire::{Packet, PacketBytes as _},
};

use crate::{
    bytes::Skb,
    clock::KernelClock,
    maps::{config, this_cpu},
};

/// A random address under the mask.
#[inline(always)]
fn random() -> u32 {
    // SAFETY: no arguments.
    let random = unsafe { bpf_get_prandom_u32() };
    random & config::bench_mask()
}

/// Makes one packet many flows.
#[inline(always)]
pub(crate) fn spread(packet: &mut Packet) {
    packet.source = Address::from_v4_word(random());
}

/// By CPU: the sequence number after the last packet.
#[map]
static NEXT_SEQ: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// What [`bench_flags`] ask for.
#[inline(always)]
pub(crate) fn change(packet: &mut Packet) {
    if config::bench_flags() & bench_flags::ADVANCE != 0
        && let Some(next) = this_cpu(&NEXT_SEQ)
    {
        packet.seq = *next;
        *next = next.wrapping_add(packet.payload_length);
    }
    if config::bench_flags() & bench_flags::WITHOUT_TCP != 0 {
        packet.tcp_flags = 0;
    }
}

/// Waits, with the slot in hand.
#[inline(never)]
pub(crate) fn hold() {
    let mut i = 0;
    while i < 1024 && i < config::bench_hold() {
        black_box(KernelClock.precise());
        i += 1;
    }
}

/// Nothing but what `spread` costs.
#[inline(always)]
pub(crate) fn empty() {
    if config::bench_mask() != 0 {
        black_box(random());
    }
}

/// IPv4 5-tuple.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct MinimalKey {
    source: u32,
    destination: u32,
    ports: u32,
    protocol: u32,
}

/// Two counters.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct MinimalCounters {
    packets: u64,
    bytes: u64,
}

/// The map type and size that a simple counter would take.
#[map]
static MINIMAL: PerCpuHashMap<MinimalKey, MinimalCounters> = PerCpuHashMap::with_max_entries(131_072, 0);

/// Counts packets and bytes by IPv4 5-tuple, nothing else.
#[inline(always)]
pub(crate) fn minimal(ctx: Skb) {
    let s = ctx.fields();
    let linear = ctx.linear();
    let Some(e) = linear.read::<14>(0) else { return };
    let Some(h) = linear.read::<20>(14) else { return };
    let Some(t) = linear.read::<4>(34) else { return };
    if u16::from_be_bytes([e[12], e[13]]) != 0x0800 || h[0] != 0x45 || (h[9] != 6 && h[9] != 17) {
        return;
    }
    let mut key = MinimalKey {
        source: u32::from_ne_bytes([h[12], h[13], h[14], h[15]]),
        destination: u32::from_ne_bytes([h[16], h[17], h[18], h[19]]),
        ports: u32::from_ne_bytes(t),
        protocol: h[9] as u32,
    };
    if config::bench_mask() != 0 {
        key.source = random();
    }
    if let Some(counters) = MINIMAL.get_ptr_mut(&key) {
        // SAFETY: this CPU's value, and programs of one CPU do not interrupt each other.
        let counters = unsafe { &mut *counters };
        counters.packets += 1;
        counters.bytes += s.len as u64;
    } else {
        let first = MinimalCounters { packets: 1, bytes: s.len as u64 };
        let _ = MINIMAL.insert(&key, first, BPF_NOEXIST as u64);
    }
}

/// Five-tuple, interface and direction as a plain agent would take them: 44 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct PlainKey {
    lower: [u32; 4],
    upper: [u32; 4],
    ports: u32,
    ifindex: u32,
    protocol: u32,
}

/// What it counts of one direction: a line.
#[repr(C, align(64))]
pub(crate) struct PlainSide {
    packets: Cell64,
    bytes: Cell64,
    last: Cell64,
    seq: Cell32,
    ack: Cell32,
    duplicates: Cell32,
    window: Cell32,
}

/// A flow of it: 192 bytes.
#[repr(C, align(64))]
pub(crate) struct PlainSlot {
    first: Cell64,
    sides: [PlainSide; 2],
}

const _: () = assert!(size_of::<PlainSlot>() == 192);

/// A hash from keys to slots. User space makes room in both when it measures.
#[map]
static PLAIN: HashMap<PlainKey, u32> = HashMap::with_max_entries(1, 0);
#[map]
static PLAIN_SLOTS: Array<PlainSlot> = Array::with_max_entries(1, 0);
#[map]
static PLAIN_NEXT: Array<Cell32> = Array::with_max_entries(1, 0);

/// A stand-in for a plain agent, to measure against: IPv4, TCP and UDP, a hash and a slot, atomic counters, the coarse
/// clock, and of TCP sequence and acknowledgment numbers. It forgets nothing and samples nothing.
#[inline(always)]
pub(crate) fn plain(ctx: Skb) {
    let s = ctx.fields();
    let linear = ctx.linear();
    let Some(e) = linear.read::<14>(0) else { return };
    let Some(h) = linear.read::<20>(14) else { return };
    let Some(t) = linear.read::<8>(34) else { return };
    if u16::from_be_bytes([e[12], e[13]]) != 0x0800 || h[0] != 0x45 {
        return;
    }
    let word = |at: usize| u32::from_be_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
    let (source, destination) = (word(12), word(16));
    let (from, to) = (u16::from_be_bytes([t[0], t[1]]) as u32, u16::from_be_bytes([t[2], t[3]]) as u32);
    let mut key = PlainKey { ifindex: s.ifindex, protocol: h[9] as u32, ..PlainKey::default() };
    let side = if source < destination {
        (key.lower[3], key.upper[3], key.ports) = (source, destination, from << 16 | to);
        0
    } else {
        (key.lower[3], key.upper[3], key.ports) = (destination, source, to << 16 | from);
        1
    };
    key.lower[2] = 0xffff;
    key.upper[2] = 0xffff;
    let Some(slot) = plain_slot(&key) else { return };
    let this = &slot.sides[side & 1];
    this.packets.add(1);
    this.bytes.add(s.len as u64);
    this.last.set(KernelClock.coarse());
    if h[9] != 6 {
        return;
    }
    let Some(t) = linear.read::<12>(38) else { return };
    let seq = u32::from_be_bytes([t[0], t[1], t[2], t[3]]);
    let ack = u32::from_be_bytes([t[4], t[5], t[6], t[7]]);
    let window = u16::from_be_bytes([t[10], t[11]]) as u32;
    if (seq.wrapping_sub(this.seq.get()) as i32) > 0 {
        this.seq.set(seq);
    }
    if this.ack.get() == ack && this.window.get() == window {
        this.duplicates.add(1);
    } else {
        this.ack.set(ack);
        this.window.set(window);
    }
}

/// The slot of a key; one that it has not yet it gets.
#[inline(always)]
fn plain_slot(key: &PlainKey) -> Option<&'static PlainSlot> {
    if let Some(pointer) = PLAIN.get_ptr(key) {
        // SAFETY: values of a preallocated map stay readable.
        return PLAIN_SLOTS.get(unsafe { pointer.read() });
    }
    let next = PLAIN_NEXT.get(0)?;
    let index = next.get();
    next.add(1);
    let slot = PLAIN_SLOTS.get(index)?;
    slot.first.set(KernelClock.precise());
    let _ = PLAIN.insert(key, index, BPF_NOEXIST as u64);
    Some(slot)
}
