//! What goes into [`Dpi`](super::Dpi) and what comes out.

use std::sync::Arc;

use monitor_common::abi::{Side, Transport};

use crate::parse::tls::{ClientHello, Handshake};

/// The payload of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The flow, by a number that no other flow has at the same time.
    pub flow: u64,
    /// Who sent it.
    pub from: Side,
    /// Its transport: other than TCP and UDP say nothing.
    pub transport: Transport,
    /// Sequence number of the first byte, or of the SYN (TCP).
    pub seq: u32,
    /// Whether the segment begins the sequence numbers (TCP): the first byte is the next after `seq`.
    pub syn: bool,
    /// The bytes, as far as they were captured.
    pub bytes: &'a [u8],
    /// Time of the packet, nanoseconds of the flow clock.
    pub time: u64,
}

/// Something that a payload said.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The flow.
    pub flow: u64,
    /// Who sent it.
    pub from: Side,
    /// Time of the packet that completed it, nanoseconds of the flow clock.
    pub time: u64,
    /// What.
    pub what: What,
}

/// What a payload said.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A client began TLS: its hello, as soon as it is whole.
    Hello(Arc<ClientHello>),
    /// The name that a client of Google's QUIC asks for, and the version.
    GoogleName {
        /// Bytes as sent.
        name: Box<[u8]>,
        /// Version of QUIC.
        version: u32,
    },
    /// A hello with what came of it: once for each [`What::Hello`], later.
    Tls(Box<Handshake>),
    /// A protocol was begun, and something in it could not be read.
    Failure(Failure),
}

/// Why something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// In which protocol.
    pub protocol: Protocol,
    /// Why: one of few words, fit for a label.
    pub reason: &'static str,
}

/// Protocols that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TLS over TCP.
    Tls,
    /// TLS over datagrams.
    Dtls,
    /// QUIC.
    Quic,
}

impl Protocol {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Dtls => "dtls",
            Self::Quic => "quic",
        }
    }
}
