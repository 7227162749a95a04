//! An active flow as others see it: the API, the filter, the live page.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use monitor_common::abi::{Direction, IpVersion, Transport};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::label::{ClientRule, EndReason, Role, Scope, TcpCounter, TcpState};
use crate::names::Name;
pub use crate::record::RoundTrip;
use crate::record::{ApplicationSource, Id, Owned};

/// Tells an active flow from all others, also from those that have its slot later. Shown as the time of the
/// first packet on the flow clock and the slot, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId {
    /// The slot that it is in.
    pub slot: u32,
    /// Its first packet, flow clock.
    pub first: u64,
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.first, self.slot)
    }
}

/// A text that is no [`FlowId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFlowId;

impl fmt::Display for NoFlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no id of a flow")
    }
}

impl std::error::Error for NoFlowId {}

impl FromStr for FlowId {
    type Err = NoFlowId;

    fn from_str(text: &str) -> Result<Self, NoFlowId> {
        let (first, slot) = text.split_once('-').ok_or(NoFlowId)?;
        // Signs are numbers to the standard library.
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits(first) || !digits(slot) {
            return Err(NoFlowId);
        }
        let first = u64::from_str_radix(first, 16).map_err(|_| NoFlowId)?;
        let slot = u32::from_str_radix(slot, 16).map_err(|_| NoFlowId)?;
        Ok(Self { slot, first })
    }
}

impl Serialize for FlowId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FlowId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Address and port of one end; port 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address.
    pub ip: IpAddr,
    /// Port, host byte order.
    pub port: u16,
}

/// What one side sent since the flow began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire, from the link layer on.
    pub bytes: u64,
    /// Bytes of the IP packets, headers included.
    pub ip_bytes: u64,
    /// TCP or UDP payload bytes.
    pub payload_bytes: u64,
    /// IP fragments.
    pub fragments: u32,
    /// What is counted of TCP, by [`TcpCounter`]'s index; see [`Self::tcp`].
    pub tcp: [u32; TcpCounter::COUNT],
}

impl Sent {
    /// A counter of TCP.
    pub const fn tcp(&self, counter: TcpCounter) -> u32 {
        self.tcp[counter.index()]
    }
}

/// Means of what one side sent, over windows that end with the last drain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Bytes per second over the last 2 s, or the last drain interval if that is longer.
    pub bytes: f64,
    /// Packets per second over the same time.
    pub packets: f64,
    /// Bytes per second over the last 10 s.
    pub bytes_10s: f64,
    /// Bytes per second over the last 40 s.
    pub bytes_40s: f64,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// By what.
    pub reason: EndReason,
    /// When that was found, nanoseconds since the Unix epoch.
    pub time: u64,
}

/// A flow, active or ended a short while ago.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowView<'a> {
    /// Tells it from all others.
    pub id: FlowId,
    /// Its number in records.
    pub record_id: Id,
    /// Interface that saw it first.
    pub interface: &'a str,
    /// The others that see it, each once; none where this is a duplicate.
    pub further_interfaces: Vec<&'a str>,
    /// That interface's index.
    pub ifindex: u32,
    /// Whether the same flow is counted on another interface: leave it out of sums.
    pub duplicate: bool,
    /// Transport.
    pub transport: Transport,
    /// IP protocol number.
    pub protocol: u8,
    /// IP version.
    pub version: IpVersion,
    /// Who began.
    pub client: Endpoint,
    /// Who was spoken to.
    pub server: Endpoint,
    /// How that is known.
    pub client_rule: ClientRule,
    /// Name of the server's port, if the port table or the config knows one.
    pub service: Option<&'a str>,
    /// Name of the server and where it comes from, if one is known.
    pub name: Option<&'a Name>,
    /// What it speaks and how that is known.
    pub application: Option<(&'a str, ApplicationSource)>,
    /// Whose it is, where that is asked for.
    pub owned: Option<&'a Owned>,
    /// What this host is in it.
    pub role: Role,
    /// Where the peer is.
    pub scope: Scope,
    /// TCP: its state.
    pub state: Option<TcpState>,
    /// Whether and how it ended.
    pub end: Option<End>,
    /// First packet, nanoseconds since the Unix epoch.
    pub start: u64,
    /// Last packet, nanoseconds since the Unix epoch.
    pub last: u64,
    /// Client to server.
    pub sent: Sent,
    /// Server to client.
    pub received: Sent,
    /// Through which hook the client's packets came.
    pub sent_direction: Direction,
    /// Rate of what the client sent.
    pub sent_rate: Rate,
    /// Rate of what the server sent.
    pub received_rate: Rate,
    /// From the SYN to the handshake's last ACK, seconds.
    pub handshake_seconds: Option<f64>,
    /// Time to the first response, seconds.
    pub first_response_seconds: Option<f64>,
    /// Round trips of the server's data, acknowledged by the client.
    pub client_rtt: Option<RoundTrip>,
    /// Round trips of the client's data, acknowledged by the server.
    pub server_rtt: Option<RoundTrip>,
}

impl FlowView<'_> {
    /// Packets of both directions.
    pub const fn packets(&self) -> u64 {
        self.sent.packets.wrapping_add(self.received.packets)
    }

    /// Bytes of both directions.
    pub const fn bytes(&self) -> u64 {
        self.sent.bytes.wrapping_add(self.received.bytes)
    }

    /// Bytes per second of both directions over the last 2 s.
    pub fn bytes_per_second(&self) -> f64 {
        self.sent_rate.bytes + self.received_rate.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        let id = FlowId { slot: 0x1f, first: u64::MAX };
        assert_eq!(id.to_string(), "ffffffffffffffff-1f");
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<FlowId>(&json).unwrap(), id);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "-", "1", "1-", "+1-1", "1-+1", "x-1", "1-1-1", "1-100000000", "10000000000000000-1"]
        {
            assert_eq!(text.parse::<FlowId>(), Err(NoFlowId), "{text}");
        }
    }
}
