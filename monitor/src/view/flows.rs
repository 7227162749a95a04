//! Active flows as JSON: the field names of the flow records where they mean the same.

use std::borrow::Cow;
use std::net::IpAddr;

use monitor_common::abi::{Direction, Transport};
use monitor_core::flow::{FlowId, FlowView, Rate, RoundTrip, Sent};
use monitor_core::label::TcpCounter;
use monitor_core::names::Name;
use monitor_core::record::{Owned, Time};
use serde::{Deserialize, Serialize};

/// The answer of the API.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer<'a> {
    /// Flows that the filter lets through.
    pub matched: usize,
    /// The first of them.
    pub flows: Vec<Flow<'a>>,
}

/// A flow. Read from JSON it owns its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow<'a> {
    /// Tells it from all others as long as it lives.
    pub id: FlowId,
    /// Interface that saw it first.
    pub interface: Cow<'a, str>,
    /// All that see it, that one first.
    #[serde(default)]
    pub interfaces: Vec<Cow<'a, str>>,
    /// Transport by name, or the number of its IP protocol.
    pub transport: Cow<'a, str>,
    /// Who began: address.
    pub client_ip: IpAddr,
    /// Who began: port; 0 where the protocol has none.
    pub client_port: u16,
    /// Who was spoken to: address.
    pub server_ip: IpAddr,
    /// Who was spoken to: port.
    pub server_port: u16,
    /// How it is known who the client is.
    pub client_rule: Cow<'a, str>,
    /// Name of the server's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Cow<'a, str>>,
    /// Name of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// Where the name comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_source: Option<Cow<'a, str>>,
    /// Registrable domain of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Cow<'a, str>>,
    /// What is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Cow<'a, str>>,
    /// How that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_source: Option<Cow<'a, str>>,
    /// What this host is in it.
    pub role: Cow<'a, str>,
    /// Where the peer is.
    pub scope: Cow<'a, str>,
    /// TCP: its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Cow<'a, str>>,
    /// Why it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<Cow<'a, str>>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// Whether it is a copy of a flow that another interface saw first: leave it out of sums. Only where copies were
    /// asked for.
    pub duplicate: bool,
    /// First packet.
    pub start: Time,
    /// Last packet.
    pub last: Time,
    /// Client to server.
    pub sent: Side<'a>,
    /// Server to client.
    pub received: Side<'a>,
    /// From the SYN to the handshake's last ACK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake_seconds: Option<f64>,
    /// From the client's last byte before the server's first byte to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_response_seconds: Option<f64>,
    /// Round trips.
    pub rtt_seconds: RoundTrips,
    /// Whose it is, under the names of the records' fields; see [`monitor_core::record::Owned`].
    #[serde(flatten)]
    pub owned: serde_json::Map<String, serde_json::Value>,
}

/// What one side of a flow sent since it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side<'a> {
    /// `receive` or `transmit`, as this host sees it.
    pub direction: Cow<'a, str>,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// TCP or UDP payload.
    pub payload_bytes: u64,
    /// TCP segments sent again.
    pub retransmissions: u32,
    /// TCP segments that came after a later one.
    pub out_of_order: u32,
    /// Duplicate acknowledgments.
    pub duplicate_acks: u32,
    /// Segments that advertise a window of zero.
    pub zero_windows: u32,
    /// Bytes per second over the last 2 s.
    pub bytes_per_second: f64,
    /// Bytes per second over the last 10 s.
    #[serde(default)]
    pub bytes_per_second_10s: f64,
    /// Bytes per second over the last 40 s.
    #[serde(default)]
    pub bytes_per_second_40s: f64,
    /// Packets per second over the last 2 s.
    pub packets_per_second: f64,
}

/// Round trips by whose acknowledgments they end with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundTrips {
    /// Of the server's data, acknowledged by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Distribution>,
    /// Of the client's data, acknowledged by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Distribution>,
}

/// Times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Shortest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Longest.
    pub max: f64,
    /// How many.
    pub samples: u32,
}

impl Flow<'_> {
    /// The same with texts of its own.
    pub fn into_owned(self) -> Flow<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Flow {
            id: self.id,
            interface: Cow::Owned(self.interface.into_owned()),
            interfaces: self.interfaces.into_iter().map(|name| Cow::Owned(name.into_owned())).collect(),
            transport: Cow::Owned(self.transport.into_owned()),
            client_ip: self.client_ip,
            client_port: self.client_port,
            server_ip: self.server_ip,
            server_port: self.server_port,
            client_rule: Cow::Owned(self.client_rule.into_owned()),
            service: own(self.service),
            name: own(self.name),
            name_source: own(self.name_source),
            domain: own(self.domain),
            application: own(self.application),
            application_source: own(self.application_source),
            role: Cow::Owned(self.role.into_owned()),
            scope: Cow::Owned(self.scope.into_owned()),
            state: own(self.state),
            end_reason: own(self.end_reason),
            end: self.end,
            duplicate: self.duplicate,
            start: self.start,
            last: self.last,
            sent: self.sent.into_owned(),
            received: self.received.into_owned(),
            handshake_seconds: self.handshake_seconds,
            first_response_seconds: self.first_response_seconds,
            rtt_seconds: self.rtt_seconds,
            owned: self.owned,
        }
    }
}

/// The fields of whose a flow is.
fn owned(owned: Option<&Owned>) -> serde_json::Map<String, serde_json::Value> {
    match owned.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    }
}

/// Interfaces that a row names; of more, how many more there are.
const NAMED: usize = 3;

impl Flow<'_> {
    /// The interfaces that see it, for a column.
    pub fn seen_on(&self) -> Cow<'_, str> {
        match &*self.interfaces {
            [] => Cow::Borrowed(&self.interface),
            [one] => Cow::Borrowed(one),
            several => {
                let mut text = several.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(",");
                if several.len() > NAMED {
                    text.push_str(" +");
                    text.push_str(&(several.len() - NAMED).to_string());
                }
                Cow::Owned(text)
            }
        }
    }

    /// The process on this host; else what kind of owner it has, in parentheses so that it is not taken for a
    /// process's name. Of an unknown owner nothing.
    pub fn process(&self) -> Option<Cow<'_, str>> {
        let text = |name| self.owned.get(name).and_then(serde_json::Value::as_str);
        match (text("process"), text("owner")) {
            (Some(process), _) => Some(process.into()),
            (None, None | Some("unknown")) => None,
            (None, Some(owner)) => Some(format!("({owner})").into()),
        }
    }

    /// A text of whose it is; where both ends are on this host that of both, the client's first.
    pub fn owner(&self, field: &str) -> Option<Cow<'_, str>> {
        let text = |name: &str| self.owned.get(name).and_then(serde_json::Value::as_str);
        let ends = [text(&format!("client_{field}")), text(&format!("server_{field}"))];
        match ends {
            [Some(client), Some(server)] if client != server => Some(format!("{client} > {server}").into()),
            _ => text(field).map(Cow::Borrowed),
        }
    }
}

impl Side<'_> {
    fn into_owned(self) -> Side<'static> {
        Side {
            direction: Cow::Owned(self.direction.into_owned()),
            packets: self.packets,
            bytes: self.bytes,
            payload_bytes: self.payload_bytes,
            retransmissions: self.retransmissions,
            out_of_order: self.out_of_order,
            duplicate_acks: self.duplicate_acks,
            zero_windows: self.zero_windows,
            bytes_per_second: self.bytes_per_second,
            bytes_per_second_10s: self.bytes_per_second_10s,
            bytes_per_second_40s: self.bytes_per_second_40s,
            packets_per_second: self.packets_per_second,
        }
    }
}

impl From<RoundTrip> for Distribution {
    fn from(r: RoundTrip) -> Self {
        Self { min: r.min, mean: r.mean, max: r.max, samples: r.samples }
    }
}

impl<'a> From<&FlowView<'a>> for Flow<'a> {
    fn from(flow: &FlowView<'a>) -> Self {
        let other = match flow.sent_direction {
            Direction::Receive => Direction::Transmit,
            Direction::Transmit => Direction::Receive,
        };
        let side = |sent: &Sent, rate: &Rate, direction: Direction| Side {
            direction: direction.as_str().into(),
            packets: sent.packets,
            bytes: sent.bytes,
            payload_bytes: sent.payload_bytes,
            retransmissions: sent.tcp(TcpCounter::Retransmissions),
            out_of_order: sent.tcp(TcpCounter::OutOfOrder),
            duplicate_acks: sent.tcp(TcpCounter::DuplicateAcks),
            zero_windows: sent.tcp(TcpCounter::ZeroWindows),
            bytes_per_second: rate.bytes,
            bytes_per_second_10s: rate.bytes_10s,
            bytes_per_second_40s: rate.bytes_40s,
            packets_per_second: rate.packets,
        };
        Self {
            id: flow.id,
            interface: flow.interface.into(),
            interfaces: [flow.interface]
                .into_iter()
                .chain(flow.further_interfaces.iter().copied())
                .map(Into::into)
                .collect(),
            transport: match flow.transport {
                Transport::Other => flow.protocol.to_string().into(),
                known => known.as_str().into(),
            },
            client_ip: flow.client.ip,
            client_port: flow.client.port,
            server_ip: flow.server.ip,
            server_port: flow.server.port,
            client_rule: flow.client_rule.as_str().into(),
            service: flow.service.map(Into::into),
            name: flow.name.map(|name| name.text.as_str().into()),
            name_source: flow.name.map(|name| name.source.as_str().into()),
            domain: flow.name.and_then(Name::domain).map(Into::into),
            application: flow.application.map(|(application, _)| application.into()),
            application_source: flow.application.map(|(_, source)| source.as_str().into()),
            role: flow.role.as_str().into(),
            scope: flow.scope.as_str().into(),
            state: flow.state.map(|state| state.as_str().into()),
            end_reason: flow.end.map(|end| end.reason.as_str().into()),
            end: flow.end.map(|end| Time(end.time)),
            duplicate: flow.duplicate,
            start: Time(flow.start),
            last: Time(flow.last),
            sent: side(&flow.sent, &flow.sent_rate, flow.sent_direction),
            received: side(&flow.received, &flow.received_rate, other),
            handshake_seconds: flow.handshake_seconds,
            first_response_seconds: flow.first_response_seconds,
            rtt_seconds: RoundTrips {
                client: flow.client_rtt.map(Into::into),
                server: flow.server_rtt.map(Into::into),
            },
            owned: owned(flow.owned),
        }
    }
}
