//! Active flows as JSON: the field names of the flow records where they mean the same.

use std::cmp::Ordering;
use std::net::IpAddr;

use monitor_common::abi::{Direction, Transport};
use monitor_core::flow::{FlowView, Rate, RoundTrip, Sent};
use monitor_core::label::TcpState;
use monitor_core::names::Name;
use monitor_core::record::Time;
use serde::Serialize;

/// By what flows are sorted, most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Bytes a second, smoothed.
    #[default]
    Rate,
    /// Bytes since the flow began.
    Bytes,
    /// Packets since the flow began.
    Packets,
    /// Latest beginning.
    Start,
    /// Latest packet.
    Last,
}

impl Order {
    /// As it is asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Start => "start",
            Self::Last => "last",
        }
    }

    fn compare(self, a: &FlowView<'_>, b: &FlowView<'_>) -> Ordering {
        match self {
            Self::Rate => b.smoothed_bytes().total_cmp(&a.smoothed_bytes()),
            Self::Bytes => b.bytes().cmp(&a.bytes()),
            Self::Packets => b.packets().cmp(&a.packets()),
            Self::Start => b.start.cmp(&a.start),
            Self::Last => b.last.cmp(&a.last),
        }
        // Equals keep one order from page to page.
        .then(a.slot.cmp(&b.slot))
    }
}

/// The first `limit` flows of an order, in memory for twice as many.
pub fn top<'a>(
    flows: impl Iterator<Item = FlowView<'a>>,
    order: Order,
    limit: usize,
) -> (Vec<FlowView<'a>>, usize) {
    let mut best: Vec<FlowView<'a>> = Vec::new();
    let mut matched = 0;
    for flow in flows {
        matched += 1;
        if limit == 0 {
            continue;
        }
        best.push(flow);
        if best.len() >= limit.saturating_mul(2) {
            best.select_nth_unstable_by(limit - 1, |a, b| order.compare(a, b));
            best.truncate(limit);
        }
    }
    best.sort_unstable_by(|a, b| order.compare(a, b));
    best.truncate(limit);
    (best, matched)
}

/// The answer of the API.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// Flows that the filter lets through.
    pub matched: usize,
    /// The first of them.
    pub flows: Vec<Flow<'a>>,
}

/// A flow.
#[derive(Debug, Serialize)]
pub struct Flow<'a> {
    interface: &'a str,
    transport: String,
    client_ip: IpAddr,
    client_port: u16,
    server_ip: IpAddr,
    server_port: u16,
    client_rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_source: Option<&'static str>,
    role: &'static str,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    duplicate: bool,
    start: Time,
    last: Time,
    sent: Side,
    received: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_response_seconds: Option<f64>,
    rtt_seconds: RoundTrips,
}

#[derive(Debug, Serialize)]
struct Side {
    direction: &'static str,
    packets: u64,
    bytes: u64,
    payload_bytes: u64,
    retransmissions: u32,
    out_of_order: u32,
    duplicate_acks: u32,
    zero_windows: u32,
    bytes_per_second: f64,
    packets_per_second: f64,
}

#[derive(Debug, Serialize)]
struct RoundTrips {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Distribution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Distribution>,
}

#[derive(Debug, Serialize)]
struct Distribution {
    min: f64,
    mean: f64,
    max: f64,
    samples: u32,
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
            direction: direction.as_str(),
            packets: sent.packets,
            bytes: sent.bytes,
            payload_bytes: sent.payload_bytes,
            retransmissions: sent.retransmissions,
            out_of_order: sent.out_of_order,
            duplicate_acks: sent.duplicate_acks,
            zero_windows: sent.zero_windows,
            bytes_per_second: rate.smoothed_bytes,
            packets_per_second: rate.smoothed_packets,
        };
        Self {
            interface: flow.interface,
            transport: match flow.transport {
                Transport::Other => flow.protocol.to_string(),
                known => known.as_str().to_owned(),
            },
            client_ip: flow.client.ip,
            client_port: flow.client.port,
            server_ip: flow.server.ip,
            server_port: flow.server.port,
            client_rule: flow.client_rule.as_str(),
            service: flow.service,
            name: flow.name.map(|name| name.text.as_str()),
            name_source: flow.name.map(|name| name.source.as_str()),
            domain: flow.name.and_then(Name::domain),
            application: flow.application.map(|(application, _)| application),
            application_source: flow.application.map(|(_, source)| source.as_str()),
            role: flow.role.as_str(),
            scope: flow.scope.as_str(),
            state: flow.state.map(TcpState::as_str),
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
        }
    }
}
