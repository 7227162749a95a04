//! What detections are made of: flows that have ended, and what they gained on the way.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use crate::{
    application::Application,
    record::{Id, Text},
};

/// What became of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered as servers do.
    Success,
    /// It refused, or nothing came.
    Failure,
    /// The beginning was not seen.
    Unknown,
}

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
    /// Payload of TCP or UDP.
    pub payload: u64,
}

/// A flow that has ended.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its number.
    pub id: Id,
    /// What carries it.
    pub transport: Transport,
    /// Who began it.
    pub client: IpAddr,
    /// With whom.
    pub server: IpAddr,
    /// The server's port; 0 where there is none.
    pub port: u16,
    /// First packet, flow clock.
    pub start: u64,
    /// Last packet, flow clock.
    pub end: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// TCP without any connection: the probe that its flags look like.
    pub probe: Option<&'static str>,
    /// What the client sent.
    pub sent: Volume,
    /// What the server sent.
    pub received: Volume,
    /// The server's name.
    pub name: Option<Text>,
    /// What was read on the wire of what it speaks.
    pub application: Option<Application>,
}

/// What a flow gained in a time.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// The flow's number.
    pub id: Id,
    /// What carries it.
    pub transport: Transport,
    /// Who began it.
    pub client: IpAddr,
    /// With whom.
    pub server: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// The server's port.
    pub port: u16,
    /// Begin of the time, flow clock.
    pub from: u64,
    /// End of the time, flow clock.
    pub to: u64,
    /// What the client sent.
    pub sent: Volume,
    /// What the server sent.
    pub received: Volume,
    /// SYNs of the client, without those that it sent again.
    pub syn: u32,
    /// SYN-ACKs of the server.
    pub syn_ack: u32,
    /// The client completed a handshake.
    pub established: bool,
}
