//! Weir's kernel side: counts every packet that passes a hook and lets it go on untouched.
//!
//! One program a hook; all do the same, see [`count`].
#![no_std]
#![expect(missing_docs, unreachable_pub, reason = "programs are entered from the macros' own functions")]
#![expect(clippy::needless_pass_by_value, reason = "programs take their context as the macros hand it over")]
#![expect(
    clippy::inline_always,
    reason = "a call costs instructions, and the verifier walks a function alone"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key by value is one more copy on 512 bytes of stack"
)]
#![expect(unsafe_code, reason = "contexts that the kernel gives")]
#![no_main]

mod bench;
mod bytes;
mod clock;
mod count;
mod fill;
mod fragments;
mod hooks;
mod maps;
mod overflow;
mod report;
mod samples;
mod slots;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, TC_ACT_UNSPEC, xdp_action, xdp_md},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use monitor_common::abi::Direction;

use bytes::{Skb, Xdp};

#[inline(always)]
fn skb(ctx: &TcContext) -> Skb {
    // SAFETY: the kernel gave it to the program that is running.
    unsafe { Skb::new(ctx.as_ptr().cast::<__sk_buff>()) }
}

#[inline(always)]
fn frame(ctx: &XdpContext) -> Xdp {
    // SAFETY: the kernel gave it to the program that is running.
    unsafe { Xdp::new(ctx.as_ptr().cast::<xdp_md>()) }
}

/// Into the host, at TC.
#[classifier]
pub fn weir_ingress(ctx: TcContext) -> i32 {
    count::skb(skb(&ctx), Direction::Receive);
    // On TCX this is TCX_NEXT, on clsact "no opinion": whoever comes after us still decides.
    TC_ACT_UNSPEC
}

/// Out of the host, at TC.
#[classifier]
pub fn weir_egress(ctx: TcContext) -> i32 {
    count::skb(skb(&ctx), Direction::Transmit);
    TC_ACT_UNSPEC
}

/// Into the host, at XDP, frames in one or many buffers (kernel 5.18).
#[xdp(frags)]
pub fn weir_xdp_frags(ctx: XdpContext) -> u32 {
    count::xdp_frags(frame(&ctx));
    xdp_action::XDP_PASS
}

/// Into the host, at XDP, frames in one buffer.
#[xdp]
pub fn weir_xdp(ctx: XdpContext) -> u32 {
    count::xdp_linear(frame(&ctx));
    xdp_action::XDP_PASS
}

/// Offers free slots until all are. Run by user space before anything is attached.
#[classifier]
pub fn weir_fill(_: TcContext) -> i32 {
    fill::offer();
    TC_ACT_UNSPEC
}

/// What a run costs without a program in it.
#[classifier]
pub fn bench_empty(_: TcContext) -> i32 {
    bench::empty();
    TC_ACT_UNSPEC
}

/// What the least that can be counted costs.
#[classifier]
pub fn bench_minimal(ctx: TcContext) -> i32 {
    bench::minimal(skb(&ctx));
    TC_ACT_UNSPEC
}

/// What a plain agent's counting costs.
#[classifier]
pub fn bench_plain(ctx: TcContext) -> i32 {
    bench::plain(skb(&ctx));
    TC_ACT_UNSPEC
}

/// Never runs: the verifier refuses a program that could get here. Where the whole workspace is checked for the
/// host there is the standard library's.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lends some helpers only to programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
