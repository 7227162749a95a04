//! What user space tells the kernel side.

use crate::wire::TunnelPorts;

/// Constants of a loaded object (`.rodata`): the verifier removes what they rule out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelConfig {
    /// 1: `bpf_ktime_get_coarse_ns` exists (kernel 5.11).
    pub coarse_clock: u8,
    /// 1: time comes from the map `TEST_CLOCK`, so that two runs can be compared byte for byte.
    pub test_clock: u8,
    /// 1: payload samples are copied to the ring buffer.
    pub samples: u8,
    /// 1: `bpf_xdp_load_bytes` exists (kernel 5.18).
    pub xdp_load_bytes: u8,
    /// Not 0 in benchmarks: the source address becomes a random number under this mask, so that one
    /// packet makes many flows.
    pub bench_mask: u32,
    /// Not 0 in tests of races: a program holds the slot that it found this many clock reads long
    /// before it counts, so that what happens in between happens.
    pub bench_hold: u32,
    /// Not 0 in benchmarks: [`bench_flags`].
    pub bench_flags: u32,
    /// Cells for interfaces, a power of two: see [`super::cells_for`].
    pub cells: u32,
    /// 1: sockets at the ends of flows are asked for; see [`super::FlowOwners`].
    pub owners: u32,
    /// UDP ports of tunnels.
    pub tunnels: TunnelPorts,
}

const _: () = assert!(size_of::<KernelConfig>() == 48);

/// Bits of [`KernelConfig::bench_flags`].
pub mod bench_flags {
    /// TCP is counted like any other protocol: packets and bytes, without what its headers say.
    pub const WITHOUT_TCP: u32 = 1;
    /// The sequence number is each time the one after the packet before, as in a transfer.
    pub const ADVANCE: u32 = 2;
    /// There is room for the stand-in of a plain agent.
    pub const PLAIN: u32 = 4;
}

/// Bounds of payload samples; may change while running. 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Payload bytes of a TCP flow and direction that are copied before user space has said enough.
    pub flow_bytes: u32,
    /// Samples a second and CPU.
    pub per_second: u32,
    /// Longest sample in bytes, at most [`super::SAMPLE_DATA_MAX`].
    pub sample_bytes: u32,
    /// Samples of a UDP flow and direction that is no DNS (QUIC Initials).
    pub udp_packets: u32,
}

const _: () = assert!(size_of::<Sampling>() == 16);
