//! Payload samples: the first bytes of each direction, copied for user space to understand.
//!
//! Nothing above the transport is understood here. What is copied is bounded by a budget a flow
//! (which user space ends early by setting [`monitor_common::abi::Head::enough`]) and by a budget a
//! second and CPU; every sample that should have been and was not is counted.
#![expect(unsafe_code, reason = "copies from packet memory")]

use aya_ebpf::helpers::generated::{bpf_ringbuf_output, bpf_skb_load_bytes, bpf_xdp_load_bytes};
use core::{hint::black_box, mem::offset_of};
use monitor_common::{
    abi::{Flow, SAMPLE_DATA_MAX, SampleKind, Side, Superseded, bits},
    account::Clock as _,
    wire::Packet,
};

use crate::{
    bytes::{Skb, Xdp},
    clock::KernelClock,
    maps::{SAMPLE, SAMPLE_STATE, SAMPLES, SAMPLING, SLOTS, Sample, config, this_cpu},
};

/// Where the bytes come from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Skb(Skb),
    XdpFrags(Xdp),
    XdpLinear(Xdp),
}

/// A packet with payload, counted on its flow.
pub(crate) struct Payload<'a> {
    pub(crate) source: &'a Source,
    pub(crate) flow: &'a Flow,
    pub(crate) index: u32,
    pub(crate) packet: &'a Packet,
    pub(crate) side: Side,
}

/// Ports whose every UDP message is wanted: DNS, mDNS, LLMNR.
#[inline(always)]
fn is_dns(port: u16) -> bool {
    port == 53 || port == 5353 || port == 5355
}

/// Copies the payload if somebody still wants it.
#[inline(always)]
pub(crate) fn consider(p: &Payload<'_>) {
    let i = p.side.index() & 1;
    let hot = &p.flow.hot[i];
    // Most packets are of flows that are understood: they need not look further than the line they count on.
    if hot.bits.get() & bits::SATED != 0 {
        return;
    }
    let head = &p.flow.head;
    let Some(bounds) = SAMPLING.get(0) else { return };
    let sampled = &head.sampled[i];
    let (kind, bound) = match p.packet.protocol {
        6 => (SampleKind::Tcp, bounds.flow_bytes),
        17 if is_dns(p.packet.source_port) || is_dns(p.packet.destination_port) => {
            (SampleKind::Dns, u32::MAX)
        }
        17 => (SampleKind::Udp, bounds.udp_packets),
        _ => return,
    };
    if !matches!(kind, SampleKind::Dns) && (head.is_enough(p.side) || sampled.get() >= bound) {
        hot.bits.set(hot.bits.get() | bits::SATED);
        return;
    }
    sampled.add(if matches!(kind, SampleKind::Tcp) { p.packet.payload_length } else { 1 });
    take(p, kind, bounds.sample_bytes, bounds.per_second);
}

#[inline(always)]
fn take(p: &Payload<'_>, kind: SampleKind, sample_bytes: u32, per_second: u32) {
    let Some(state) = this_cpu(&SAMPLE_STATE) else { return };
    let now = KernelClock.precise();
    let second = now >> 30;
    if state.second != second {
        state.second = second;
        state.count = 0;
    }
    if state.count >= per_second as u64 {
        state.over_budget += 1;
        return;
    }
    state.count += 1;
    let Some(sample) = this_cpu(&SAMPLE) else { return };
    let length = p.packet.payload_length.min(sample_bytes).min(SAMPLE_DATA_MAX as u32);
    let h = &mut sample.header;
    h.time = now;
    h.key = p.flow.head.key.get();
    h.slot = p.index;
    h.seq = p.packet.seq;
    h.payload_length = p.packet.payload_length;
    h.captured = length;
    h.tcp_flags = p.packet.tcp_flags;
    h.kind = kind as u8;
    h.side = p.side as u8;
    h.reserved = 0;
    h.ack = p.packet.ack;
    h.urgent = p.packet.urgent();
    h.connection = p.flow.head.reused.get();
    h.lost = state.ring_full + state.over_budget + state.unreadable;
    if !copy(p.source, p.packet.payload_offset, length, &mut sample.data) {
        state.unreadable += 1;
        return;
    }
    if !output(sample, length) {
        state.ring_full += 1;
    }
}

/// A packet begins another connection in a slot: tells what was measured of the one that it holds. A function of its
/// own, with no frame to speak of: it comes once a connection at most.
///
/// What finds no room in the ring is missed: user space sees by the slot how many connections there were.
#[inline(never)]
pub(crate) fn superseded(index: u32) {
    let Some(flow) = SLOTS.get(index) else { return };
    let Some(sample) = this_cpu(&SAMPLE) else { return };
    let head = &flow.head;
    let h = &mut sample.header;
    h.time = KernelClock.precise();
    h.key = head.key.get();
    h.slot = index;
    h.seq = 0;
    h.payload_length = 0;
    h.captured = 0;
    h.tcp_flags = 0;
    h.kind = SampleKind::Superseded as u8;
    h.side = 0;
    h.reserved = 0;
    h.ack = 0;
    h.urgent = 0;
    h.connection = head.reused.get();
    h.lost = 0;
    let [handshake, response] = [head.handshake.get(), head.first_response.get()];
    let data = sample.data.as_mut_ptr().cast::<[u8; 8]>();
    // SAFETY: the data is longer than two words.
    unsafe {
        data.write(handshake.to_ne_bytes());
        data.add(1).write(response.to_ne_bytes());
    }
    output(sample, size_of::<Superseded>() as u32);
}

/// Writes header and `length` bytes of data to the ring.
#[inline(always)]
fn output(sample: &mut Sample, length: u32) -> bool {
    let total = (offset_of!(Sample, data) as u32 + length) as u64;
    let total = black_box(total);
    if total > size_of::<Sample>() as u64 {
        return false;
    }
    // SAFETY: `total` bytes of `sample` are initialised map memory; the helper copies them.
    unsafe {
        bpf_ringbuf_output((&raw const SAMPLES).cast_mut().cast(), (&raw mut *sample).cast(), total, 0) == 0
    }
}

/// Copies `length` bytes of payload, 1 to the maximum.
///
/// The branch is for us, the mask for the verifier: before 6.8 it does not learn from `length == 0`
/// that what is left is at least 1 (kernel/bpf/verifier.c, `reg_set_min_max`), and the helpers take
/// no zero.
#[inline(always)]
fn copy(source: &Source, offset: u32, length: u32, data: &mut [u8; SAMPLE_DATA_MAX]) -> bool {
    const { assert!(SAMPLE_DATA_MAX.is_power_of_two()) };
    if length == 0 || length > SAMPLE_DATA_MAX as u32 {
        return false;
    }
    let length = (black_box(length - 1) & (SAMPLE_DATA_MAX as u32 - 1)) + 1;
    match *source {
        // SAFETY: the helper checks the offset; `length` fits `data`.
        Source::Skb(ctx) => unsafe {
            bpf_skb_load_bytes(ctx.as_ptr().cast(), offset, data.as_mut_ptr().cast(), length) == 0
        },
        Source::XdpFrags(ctx) => {
            // SAFETY: as above.
            config::xdp_load_bytes() != 0
                && unsafe { bpf_xdp_load_bytes(ctx.as_ptr(), offset, data.as_mut_ptr().cast(), length) == 0 }
        }
        Source::XdpLinear(ctx) => chunks(ctx, offset, length, data),
    }
}

/// Before kernel 5.18 XDP has no helper that copies: eight bytes at a time, to the end of a usual frame.
#[inline(always)]
fn chunks(ctx: Xdp, offset: u32, length: u32, data: &mut [u8; SAMPLE_DATA_MAX]) -> bool {
    const CHUNK: usize = 8;
    const FRAME: usize = 1536;
    if offset as usize > FRAME || length as usize > FRAME {
        return false;
    }
    let (start, end) = (ctx.fields().data as usize, ctx.fields().data_end as usize);
    let start = black_box(start + (black_box(offset as usize) & 0x7ff));
    let mut i = 0;
    while i < FRAME {
        if i >= length as usize {
            return true;
        }
        let from = start + i;
        if black_box(from + CHUNK) <= end {
            // SAFETY: just checked, and `i + CHUNK` is at most FRAME.
            unsafe {
                let word = (from as *const u64).read();
                data.as_mut_ptr().add(i).cast::<u64>().write_unaligned(word);
            }
        } else {
            let mut j = 0;
            while j < CHUNK {
                if black_box(from + j + 1) > end {
                    break;
                }
                // SAFETY: just checked.
                unsafe { *data.as_mut_ptr().add(i + j) = ((from + j) as *const u8).read() };
                j += 1;
            }
            return i + j >= length as usize;
        }
        i += CHUNK;
    }
    true
}
