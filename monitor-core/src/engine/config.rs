//! What an engine is told.

use monitor_common::abi::Transport;

use crate::{
    fanout::FanoutConfig, payload::UnderstandingConfig, series::SeriesConfig, services::ServiceTable,
};

/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// When flows end and records are written. Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A TCP flow without a packet.
    pub idle_tcp: u64,
    /// A UDP flow without a packet.
    pub idle_udp: u64,
    /// Any other flow without a packet.
    pub idle_other: u64,
    /// Interval of the records of a flow that goes on.
    pub active: u64,
    /// After both directions of a TCP connection were closed and acknowledged.
    pub fin: u64,
    /// After a RST.
    pub rst: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle_tcp: 300 * SECOND,
            idle_udp: 60 * SECOND,
            idle_other: 30 * SECOND,
            active: 60 * SECOND,
            fin: 5 * SECOND,
            rst: 2 * SECOND,
        }
    }
}

impl Timeouts {
    /// The idle timeout of a transport.
    pub const fn idle(&self, transport: Transport) -> u64 {
        match transport {
            Transport::Tcp => self.idle_tcp,
            Transport::Udp => self.idle_udp,
            _ => self.idle_other,
        }
    }
}

/// Bounds of the families whose keys traffic chooses; see [`crate::totals::Families`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Services.
    pub services: SeriesConfig,
    /// Peers.
    pub peers: SeriesConfig,
    /// Domains.
    pub domains: SeriesConfig,
    /// Names.
    pub names: SeriesConfig,
    /// Applications.
    pub applications: SeriesConfig,
    /// Latencies by domain.
    pub latencies: SeriesConfig,
}

/// How an engine counts. All of it may change while it runs: [`super::Engine::reconfigure`].
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// When flows end.
    pub timeouts: Timeouts,
    /// Bounds of the families whose keys traffic chooses.
    pub series: Budgets,
    /// Names of ports.
    pub services: ServiceTable,
    /// Size of the kernel's flow table: above 90 % of it, the flows that are idle longest make room.
    pub max_flows: u32,
    /// Whether traffic is counted by peer address as well.
    pub peers: bool,
    /// Which sources reach unusually many hosts or ports.
    pub fanout: FanoutConfig,
    /// What turns a time of the flow clock into nanoseconds since the Unix epoch.
    pub wall_offset: i64,
    /// Whether records are written.
    pub records: bool,
    /// Length of a step of the history that is kept for those who watch, nanoseconds; `None`: nobody does.
    /// As it was when the engine began.
    pub live: Option<u64>,
    /// How payload is understood; its bounds are those with which the engine began.
    pub payloads: UnderstandingConfig,
    /// How many records wait at most to be taken.
    pub record_queue: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            series: Budgets::default(),
            services: ServiceTable::default(),
            max_flows: 131_072,
            peers: false,
            fanout: FanoutConfig::default(),
            wall_offset: 0,
            records: false,
            live: None,
            payloads: UnderstandingConfig::default(),
            record_queue: 65_536,
        }
    }
}
