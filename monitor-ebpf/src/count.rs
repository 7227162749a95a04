//! The way of a packet: hook, parser, flow, and last the hook's own total.
#![expect(unsafe_code, reason = "a helper of the kernel")]

use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use monitor_common::{
    abi::{Direction, FlowKey, HookCounters, bits, hook_flags},
    account,
    account::Clock as _,
    wire::{self, Fragment, Link, Packet, PacketBytes, ParseError},
};

use crate::{
    bench,
    bytes::{Skb, Xdp, XdpFrags, XdpLinear},
    clock::KernelClock,
    fragments, hooks,
    maps::{SCRATCH, config, this_cpu},
    overflow, owners,
    samples::{self, Payload, Source},
    slots,
};

/// Counts an skb. A super-packet counts as the packets that it is on the wire.
///
/// The usual packet and any other are functions of their own: side by side they share the stack.
#[inline(always)]
pub(crate) fn skb(ctx: Skb, direction: Direction) {
    let mut done = usual_skb(ctx, direction);
    if done == 0 {
        let outcome = general_skb(ctx, direction);
        done = finish_skb(ctx, direction, outcome);
    }
    if config::owners() != 0 && done == UNOWNED {
        owners::ask(ctx, direction);
    }
}

/// The packet is counted.
const COUNTED: u32 = 1;
/// The same, and whose it is was not asked yet.
const UNOWNED: u32 = 2;

/// Counts the usual packet; 0: it is none.
#[inline(never)]
fn usual_skb(ctx: Skb, direction: Direction) -> u32 {
    let s = ctx.fields();
    let Some(hook) = hooks::find(s.ifindex, direction) else { return COUNTED };
    if s.vlan_present != 0 || hook.flags & hook_flags::LAYER_3 != 0 {
        return 0;
    }
    let Some(mut packet) = wire::parse_fast(&ctx.linear(), s.len, config::tunnels) else { return 0 };
    if s.gso_size != 0 {
        wire::super_packet(&mut packet, s.gso_size, s.gso_segs, 0);
    }
    flow(hook, packet, direction, &Source::Skb(ctx))
}

/// Counts what [`general_skb`] made of a packet.
#[inline(never)]
fn finish_skb(ctx: Skb, direction: Direction, outcome: u32) -> u32 {
    match hooks::find(ctx.fields().ifindex, direction) {
        Some(hook) => finish(hook, outcome, direction, &Source::Skb(ctx)),
        None => COUNTED,
    }
}

/// Counts an XDP frame that may lie in several buffers.
#[inline(always)]
pub(crate) fn xdp_frags(ctx: Xdp) {
    // SAFETY: the context is valid while the program runs; the helper takes nothing else.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr()) } as u32;
    if usual_xdp_frags(ctx, length) == 0 {
        let outcome = general_xdp_frags(ctx, length);
        finish_xdp_frags(ctx, outcome);
    }
}

/// Counts an XDP frame in one buffer.
#[inline(always)]
pub(crate) fn xdp_linear(ctx: Xdp) {
    let length = ctx.fields().data_end - ctx.fields().data;
    if usual_xdp_linear(ctx, length) == 0 {
        let outcome = general_xdp_linear(ctx, length);
        finish_xdp_linear(ctx, outcome);
    }
}

#[inline(never)]
fn usual_xdp_frags(ctx: Xdp, length: u32) -> u32 {
    usual_xdp(ctx, length, &Source::XdpFrags(ctx))
}

#[inline(never)]
fn usual_xdp_linear(ctx: Xdp, length: u32) -> u32 {
    usual_xdp(ctx, length, &Source::XdpLinear(ctx))
}

#[inline(never)]
fn finish_xdp_frags(ctx: Xdp, outcome: u32) {
    finish_xdp(ctx, outcome, &Source::XdpFrags(ctx));
}

#[inline(never)]
fn finish_xdp_linear(ctx: Xdp, outcome: u32) {
    finish_xdp(ctx, outcome, &Source::XdpLinear(ctx));
}

/// Counts the usual frame; 0: it is none.
#[inline(always)]
fn usual_xdp(ctx: Xdp, length: u32, source: &Source) -> u32 {
    let x = ctx.fields();
    let Some(hook) = hooks::find(x.ingress_ifindex, Direction::Receive) else { return 1 };
    if hook.flags & hook_flags::LAYER_3 != 0 {
        return 0;
    }
    let Some(packet) = wire::parse_fast(&ctx.linear(), length, config::tunnels) else { return 0 };
    flow(hook, packet, Direction::Receive, source)
}

/// Counts what the general way made of a frame.
#[inline(always)]
fn finish_xdp(ctx: Xdp, outcome: u32, source: &Source) {
    if let Some(hook) = hooks::find(ctx.fields().ingress_ifindex, Direction::Receive) {
        // At XDP packets have no sockets, and what is kept with one cannot be read.
        let _ = finish(hook, outcome, Direction::Receive, source);
    }
}

/// What the general way made of a frame. A packet is in the scratch memory then.
mod outcome {
    pub(crate) const PACKET: u32 = 0;
    pub(crate) const NOT_IP: u32 = 1;
    pub(crate) const UNDECODABLE: u32 = 2;
}

/// Any link, tags, options, fragments, tunnels.
#[inline(never)]
fn general_skb(ctx: Skb, direction: Direction) -> u32 {
    let s = ctx.fields();
    let outcome = general(&ctx, s.len, s.ifindex, direction);
    if let Some(scratch) = this_cpu(&SCRATCH) {
        if s.gso_size != 0 {
            let transient = scratch.state.transient();
            wire::super_packet(&mut scratch.packet, s.gso_size, s.gso_segs, transient);
        }
        if s.vlan_present != 0 {
            wire::push_outer_vlan(&mut scratch.packet, s.vlan_tci as u16);
        }
    }
    outcome
}

/// As [`general_skb`], for a frame in several buffers.
#[inline(never)]
fn general_xdp_frags(ctx: Xdp, length: u32) -> u32 {
    general(&XdpFrags(ctx), length, ctx.fields().ingress_ifindex, Direction::Receive)
}

/// As [`general_skb`], for a frame in one buffer.
#[inline(never)]
fn general_xdp_linear(ctx: Xdp, length: u32) -> u32 {
    general(&XdpLinear(ctx), length, ctx.fields().ingress_ifindex, Direction::Receive)
}

#[inline(always)]
fn general<B: PacketBytes>(bytes: &B, length: u32, ifindex: u32, direction: Direction) -> u32 {
    let Some(hook) = hooks::find(ifindex, direction) else { return outcome::NOT_IP };
    let Some(scratch) = this_cpu(&SCRATCH) else { return outcome::UNDECODABLE };
    let link = if hook.flags & hook_flags::LAYER_3 == 0 { Link::Ethernet } else { Link::Ip };
    let packet = &mut scratch.packet;
    match wire::parse(bytes, link, length, &config::tunnels(), &mut scratch.state, packet) {
        Ok(()) => {}
        Err(ParseError::NotIp) => return outcome::NOT_IP,
        Err(ParseError::Truncated | ParseError::Malformed | ParseError::TooDeep) => {
            return outcome::UNDECODABLE;
        }
    }
    if packet.fragment != Fragment::None as u8 {
        fragments::resolve(scratch, ifindex);
    }
    outcome::PACKET
}

/// Counts the packet that the general way left, or its other outcome.
#[inline(always)]
fn finish(hook: &mut HookCounters, outcome: u32, direction: Direction, source: &Source) -> u32 {
    let Some(scratch) = this_cpu(&SCRATCH) else { return COUNTED };
    let packet = &scratch.packet;
    let segments = packet.segments as u64;
    match outcome {
        outcome::PACKET => {
            if packet.fragment != Fragment::None as u8 {
                hook.fragments += segments;
            }
            return flow(hook, *packet, direction, source);
        }
        outcome::NOT_IP => hook.not_ip += segments,
        _ => hook.undecodable += segments,
    }
    done(hook, packet.segments);
    COUNTED
}

/// Counts a packet on its flow, or as overflow. Returns [`COUNTED`] or [`UNOWNED`].
#[inline(always)]
fn flow(hook: &mut HookCounters, mut packet: Packet, direction: Direction, source: &Source) -> u32 {
    let mut outcome = COUNTED;
    if config::bench_mask() != 0 {
        bench::spread(&mut packet);
    }
    if config::bench_flags() != 0 {
        bench::change(&mut packet);
    }
    let mut key = FlowKey::default();
    let side = account::key(&packet, hook.ifindex, hook.flags, direction, &mut key);
    let slot = match slots::find(&key) {
        Some(slot) => Some(slot),
        None => slots::create(&key, &packet, side, KernelClock.precise()),
    };
    if config::bench_hold() != 0 {
        bench::hold();
    }
    if let Some((index, flow)) = slot {
        if config::samples() != 0 && account::starts_anew(flow, &packet, side) {
            samples::superseded(index);
        }
        account::account(flow, &packet, side, &KernelClock);
        // Samples are enough only after this was asked.
        if config::owners() != 0
            && flow.hot[side.index() & 1].bits.get() & bits::SATED == 0
            && owners::is_open(flow, index, side)
        {
            owners::note(index, &packet, side, hook.flags);
            outcome = UNOWNED;
        }
        if config::samples() != 0 && packet.payload_length != 0 && packet.is_readable() {
            samples::consider(&Payload { source, flow, index, packet: &packet, side });
        }
    } else {
        overflow::count(hook, &packet);
    }
    done(hook, packet.segments);
    outcome
}

/// The hook's total, last: who reads it and then the others finds nothing missing.
#[inline(always)]
fn done(hook: &mut HookCounters, segments: u32) {
    hook.skbs += 1;
    hook.packets += segments as u64;
}
