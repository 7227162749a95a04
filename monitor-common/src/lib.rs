//! What both sides of Weir must agree on, and the two rules that both must apply alike.
//!
//! * [`abi`]: the layouts of the kernel maps and of the ring buffer's messages.
//! * [`wire`]: bytes of a frame to a [`wire::Packet`].
//! * [`account`]: what one packet does to a flow.
//!
//! Compiled for the kernel (target `bpf`) and for user space from one source, so that a live
//! host and a capture file give the same numbers.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        internal_features,
        reason = "the BPF target offers no other way to an atomic addition without fetch"
    )
)]
#![deny(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "a kernel program is one function: the verifier follows pointers and bounds through it"
)]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod account;
pub mod cell;
pub mod wire;
