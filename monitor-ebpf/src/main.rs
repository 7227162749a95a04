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
mod owners;
mod report;
mod samples;
mod slots;
mod sockets;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, TC_ACT_UNSPEC, xdp_action, xdp_md},
    macros::{cgroup_sock, cgroup_sock_addr, classifier, xdp},
    programs::{SockAddrContext, SockContext, TcContext, XdpContext},
};
use monitor_common::abi::{Direction, owner_flags};

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

/// A process creates a socket of an Internet protocol.
#[cgroup_sock(sock_create)]
pub fn weir_create(ctx: SockContext) -> i32 {
    sockets::created(&ctx);
    sockets::ALLOW
}

/// Makes a program for each call by which a process uses a socket.
macro_rules! socket_calls {
    ($($(#[$doc:meta])* $name:ident: $call:ident, $flag:ident;)+) => {$(
        $(#[$doc])*
        #[cgroup_sock_addr($call)]
        pub fn $name(ctx: SockAddrContext) -> i32 {
            sockets::used(&ctx, owner_flags::$flag);
            sockets::ALLOW
        }
    )+};
}

socket_calls! {
    /// A process connects a socket to an IPv4 address.
    weir_connect4: connect4, CONNECTED;
    /// A process connects a socket to an IPv6 address.
    weir_connect6: connect6, CONNECTED;
    /// A process binds a socket to an IPv4 address.
    weir_bind4: bind4, BOUND;
    /// A process binds a socket to an IPv6 address.
    weir_bind6: bind6, BOUND;
    /// A process sends a datagram to an IPv4 address.
    weir_sendmsg4: sendmsg4, SENT;
    /// A process sends a datagram to an IPv6 address.
    weir_sendmsg6: sendmsg6, SENT;
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
