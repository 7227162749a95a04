//! The live snapshot: what the live page and the terminal show, at one drain.

use std::collections::BTreeMap;

use monitor_core::record::Time;
use serde::{Deserialize, Serialize};

use super::OwnerRow;
use crate::telemetry::Happening;

/// One state of the engine for people who watch. Sums are of the window unless they say otherwise; a field
/// whose value is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// End of the last drain.
    pub time: Time,
    /// Version of Weir.
    pub version: String,
    /// Name of the host.
    pub host: String,
    /// Seconds since this process began to count.
    pub uptime_seconds: f64,
    /// Seconds between the last two drains; 0 before the second.
    pub interval_seconds: f64,
    /// Length of the window of the sums, seconds: 60, 300 or 3600.
    pub window_seconds: u64,
    /// Seconds that the sums really cover: less than the window at first, up to a tenth more later.
    pub covered_seconds: f64,
    /// Traffic of each interface; a flow that passes two of them is in both.
    pub interfaces: Vec<InterfaceIo>,
    /// Received by this host, each flow counted once.
    pub received: Io,
    /// Transmitted by this host, each flow counted once.
    pub transmitted: Io,
    /// Flows.
    pub flows: Flows,
    /// Share of traffic, most bytes of the window first: at most 50 domains, then what has no name, then
    /// what is left.
    pub domains: Vec<Domain>,
    /// Services, most bytes of the window first: at most 50, then what is left.
    pub services: Vec<Service>,
    /// Other hosts, most bytes of the window first: at most 50, then what is left.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Whose the traffic is, most bytes of the window first: at most 100 owners, then what is left. Empty where
    /// owners are not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<OwnerRow>,
    /// Who talks to which domain over which service, most bytes of the window first: at most 100 rows. Parts
    /// that are not told apart are `other`.
    pub map: Vec<MapRow>,
    /// TCP.
    pub tcp: Tcp,
    /// DNS.
    pub dns: Dns,
    /// What could not be counted or kept since the start.
    pub losses: Losses,
    /// What happened, newest first: at most 100.
    pub events: Vec<Happening>,
}

/// Traffic in one direction: sums since the start, rates since the drain before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Io {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Packets a second.
    pub packets_per_second: f64,
}

/// Traffic of an interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceIo {
    /// Its name.
    pub name: String,
    /// Received by it.
    pub received: Io,
    /// Transmitted by it.
    pub transmitted: Io,
}

/// Flows, each counted once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flows {
    /// Active now.
    pub active: u64,
    /// The same by transport; those without any are left out.
    pub by_transport: BTreeMap<String, u64>,
    /// Begun a second.
    pub started_per_second: f64,
    /// Ended a second.
    pub ended_per_second: f64,
    /// Entries of the flow table in use: a flow that passes two interfaces has two.
    pub slots: u64,
    /// Room of the flow table.
    pub max_flows: u64,
}

/// What a row of the domains stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainKind {
    /// One domain.
    #[default]
    Domain,
    /// All flows without a name.
    Unresolved,
    /// All domains without a row.
    Other,
}

/// What a domain takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Registrable domain of the server's name, or the name itself if it has none; empty where `kind` is
    /// `unresolved`.
    pub domain: String,
    /// What the row stands for.
    pub kind: DomainKind,
    /// Bytes that this host received.
    pub received_bytes: u64,
    /// Bytes that this host transmitted.
    pub transmitted_bytes: u64,
    /// Bytes a second of both directions over the last few seconds.
    pub bytes_per_second: f64,
    /// Flows that began.
    pub connections: u64,
    /// Share of the bytes of all rows, 0 to 1.
    pub share: f64,
    /// Names of servers behind it, most bytes first: at most 20.
    pub names: Vec<String>,
    /// Bytes of each of these names.
    #[serde(default)]
    pub names_bytes: Vec<u64>,
}

/// What another host takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its address; `other`: all without a row.
    pub address: String,
    /// Bytes that this host received of its flows.
    pub received_bytes: u64,
    /// Bytes that this host transmitted of its flows.
    pub transmitted_bytes: u64,
    /// Flows that began.
    pub connections: u64,
    /// Share of all bytes, 0 to 1. A forwarded flow counts for both of its ends.
    pub share: f64,
}

/// What a service takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Name of the server's port, or its number; `other`: all services without a row, and servers that have
    /// not answered.
    pub service: String,
    /// Transport; empty for `other`.
    pub transport: String,
    /// Bytes that this host received.
    pub received_bytes: u64,
    /// Bytes that this host transmitted.
    pub transmitted_bytes: u64,
    /// Flows that began.
    pub connections: u64,
    /// Share of the bytes of all rows, 0 to 1.
    pub share: f64,
}

/// Traffic between a client and a domain over a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapRow {
    /// Address of the client, or `other`.
    pub client: String,
    /// What kind of owner the flows have on this host, or `other`; absent where owners are not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Unit of that owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Name of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Domain of the server as in [`Domain`], empty without a name, or `other`.
    pub domain: String,
    /// Service as in [`Service`].
    pub service: String,
    /// Bytes of both directions.
    pub bytes: u64,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of the values are not above it; seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 95 % of the values are not above it; seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
}

/// How TCP is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tcp {
    /// Connections now, by state; states without any are left out.
    pub connections: BTreeMap<String, u64>,
    /// Attempts that ended in the window, by result.
    pub attempts: BTreeMap<String, u64>,
    /// Segments a second.
    pub segments_per_second: f64,
    /// Segments sent again a second.
    pub retransmitted_per_second: f64,
    /// Segments sent again in the window as a part of all, 0 to 1; absent without segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmission_ratio: Option<f64>,
    /// Segments a second that came after a later one.
    pub out_of_order_per_second: f64,
    /// Duplicate acknowledgments a second.
    pub duplicate_acks_per_second: f64,
    /// Segments a second that advertise a window of zero.
    pub zero_windows_per_second: f64,
    /// From the SYN to the handshake's last ACK.
    pub handshake_seconds: Quantiles,
    /// From data to its acknowledgment.
    pub rtt_seconds: Quantiles,
}

/// How DNS is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// Queries a second.
    pub queries_per_second: f64,
    /// Responses in the window by response code.
    pub responses: BTreeMap<String, u64>,
    /// Queries in the window that got no response.
    pub unanswered: u64,
    /// From a query to its response.
    pub latency_seconds: Quantiles,
    /// Names that were asked for, most queries first: at most 20.
    pub names: Vec<DnsName>,
}

/// How often a name was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsName {
    /// The name; empty for the root.
    pub name: String,
    /// Queries in the window.
    pub queries: u64,
    /// Responses in the window with a code other than NOERROR.
    pub errors: u64,
}

/// What could not be counted or kept since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Packets that found no room in the flow table: they count in the sums of interfaces alone.
    pub overflow_packets: u64,
    /// Payload samples.
    pub samples: u64,
    /// Records.
    pub records: u64,
    /// Drains whose sums did not add up.
    pub violations: u64,
}
