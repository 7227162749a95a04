//! What the datapath's cost is measured against; none of it is loaded on a live host.
#![expect(unsafe_code, reason = "a helper of the kernel and values of a per-CPU map")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::bpf_get_prandom_u32,
    macros::map,
    maps::{PerCpuArray, PerCpuHashMap},
};
use core::hint::black_box;
use monitor_common::{
    abi::{Address, bench_flags},
    account::Clock as _,
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
    if u16::from_be_bytes([e[12], e[13]]) != 0x0800 || h[0] != 0x45 || h[9] != 6 {
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
