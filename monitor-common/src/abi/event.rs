//! Messages of the ring buffer: payload samples.

use super::FlowKey;

/// Longest payload copied in one sample: a post-quantum `ClientHello` in a super-packet stays whole.
pub const SAMPLE_DATA_MAX: usize = 4096;

/// Why a payload was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SampleKind {
    /// First bytes of a direction of a TCP flow.
    Tcp = 0,
    /// A message from or to port 53, 5353 or 5355 over UDP.
    Dns = 1,
    /// The beginning of another UDP flow (QUIC Initials, DTLS).
    Udp = 2,
    /// No payload: another connection begins on the 5-tuple of a flow, and [`Superseded`] follows the header.
    Superseded = 3,
}

/// What was measured of a connection that another one follows in its slot, which forgets it. 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Superseded {
    /// [`super::Head::handshake`].
    pub handshake: u64,
    /// [`super::Head::first_response`].
    pub first_response: u64,
}

const _: () = assert!(size_of::<Superseded>() == 16);

/// What stands before the payload in a message of the ring. 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleHeader {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time: u64,
    /// The flow.
    pub key: FlowKey,
    /// Its slot.
    pub slot: u32,
    /// Sequence number of the first byte (TCP), else 0.
    pub seq: u32,
    /// Payload bytes of the packet; more than `captured` when it was cut.
    pub payload_length: u32,
    /// Bytes that follow this header.
    pub captured: u32,
    /// TCP flags of the packet.
    pub tcp_flags: u8,
    /// A [`SampleKind`] as a number.
    pub kind: u8,
    /// A [`super::Side`] as a number: who sent it.
    pub side: u8,
    /// Zero.
    pub reserved: u8,
    /// Acknowledgment number (TCP), if the flags say that it is one.
    pub ack: u32,
    /// Connections before this one in the slot: [`super::Head::reused`].
    pub connection: u32,
    /// Urgent pointer (TCP); 0: none.
    pub urgent: u16,
    /// Zero.
    pub reserved16: u16,
    /// Lost samples of this CPU before this one (ring full or over the budget of the second).
    pub lost: u64,
}

const _: () = assert!(size_of::<SampleHeader>() == 96);

/// What a CPU has sampled and lost. 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleState {
    /// The second that `count` is of (`CLOCK_MONOTONIC`).
    pub second: u64,
    /// Samples in that second.
    pub count: u64,
    /// Samples lost because the ring was full.
    pub ring_full: u64,
    /// Samples not taken because the second's budget was used up.
    pub over_budget: u64,
    /// Samples not taken because their bytes could not be read.
    pub unreadable: u64,
}

const _: () = assert!(size_of::<SampleState>() == 40);
