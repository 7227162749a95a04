//! What an engine is told.

use crate::{
    detection::DetectionConfig, fanout::FanoutConfig, flow::Timeouts, payload::PayloadConfig,
    services::ServiceTable, totals::Budgets,
};

/// Which families count by owner; none where owners are not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerConfig {
    /// By unit, connections included.
    pub units: bool,
    /// By process.
    pub processes: bool,
    /// By user.
    pub users: bool,
    /// By container.
    pub containers: bool,
    /// By unit and domain.
    pub unit_domains: bool,
    /// By container and domain.
    pub container_domains: bool,
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
    /// Whose traffic is counted by whom.
    pub owners: OwnerConfig,
    /// Which sources reach unusually many hosts or ports.
    pub fanout: FanoutConfig,
    /// What behaviour over many flows is told of.
    pub detection: DetectionConfig,
    /// What turns a time of the flow clock into nanoseconds since the Unix epoch.
    pub wall_offset: i64,
    /// Whether records are written.
    pub records: bool,
    /// Length of a step of the history that is kept for those who watch, nanoseconds; `None`: nobody does.
    /// As it was when the engine began.
    pub live: Option<u64>,
    /// How payload is understood; its bounds are those with which the engine began.
    pub payloads: PayloadConfig,
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
            owners: OwnerConfig::default(),
            fanout: FanoutConfig::default(),
            detection: DetectionConfig::default(),
            wall_offset: 0,
            records: false,
            live: None,
            payloads: PayloadConfig::default(),
            record_queue: 65_536,
        }
    }
}
