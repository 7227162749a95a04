//! The tabs: each is a table, a panel, or both.

mod dns;
mod domains;
mod events;
mod flows;
pub(super) mod owners;
mod tcp;

pub(super) use flows::state_paint;

use super::{
    draw::Block,
    grid::{Column, Row, Sort},
    model::Top,
};
use crate::view::order;

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tab {
    /// Flows.
    #[default]
    Flows,
    /// Share of traffic by domain.
    Domains,
    /// Share of traffic by service.
    Services,
    /// TCP health.
    Tcp,
    /// DNS health.
    Dns,
    /// Events.
    Events,
    /// Share of traffic by address of other hosts.
    Hosts,
    /// Share of traffic by unit and process of this host.
    Owners,
}

impl Tab {
    /// All, in their order.
    pub const ALL: [Self; 8] = [
        Self::Flows,
        Self::Domains,
        Self::Services,
        Self::Tcp,
        Self::Dns,
        Self::Events,
        Self::Hosts,
        Self::Owners,
    ];

    /// Position in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Flows => "Flows",
            Self::Domains => "Domains",
            Self::Services => "Services",
            Self::Tcp => "TCP",
            Self::Dns => "DNS",
            Self::Events => "Events",
            Self::Hosts => "Hosts",
            Self::Owners => "Owners",
        }
    }

    /// Columns of its table; none: it has no table.
    pub(super) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Flows => &flows::COLUMNS,
            Self::Domains => &domains::DOMAINS,
            Self::Services => &domains::SERVICES,
            Self::Tcp => &[],
            Self::Dns => &dns::COLUMNS,
            Self::Events => &events::COLUMNS,
            Self::Hosts => &domains::HOSTS,
            Self::Owners => &owners::COLUMNS,
        }
    }

    /// How its table is sorted at first.
    pub(super) const fn sort(self, capture: bool) -> Sort {
        let column = match self {
            Self::Flows if capture => flows::BYTES,
            Self::Flows => flows::RATE,
            Self::Domains | Self::Services | Self::Dns | Self::Hosts => 1,
            Self::Owners => owners::SHARE,
            Self::Tcp | Self::Events => 0,
        };
        Sort { column, down: true }
    }

    /// In which order flows are asked for.
    pub(super) fn order(sort: Sort) -> order::Sort {
        flows::order(sort)
    }

    /// Rows of its table, as they were reported.
    pub(super) fn rows(self, top: &Top) -> Vec<Row<'_>> {
        match self {
            Self::Flows => flows::rows(top),
            Self::Domains => domains::domains(top),
            Self::Services => domains::services(top),
            Self::Tcp => Vec::new(),
            Self::Dns => dns::rows(top),
            Self::Events => events::rows(top),
            Self::Hosts => domains::hosts(top),
            Self::Owners => owners::rows(top),
        }
    }

    /// What stands above its table, or instead of one.
    pub(super) fn panel(self, top: &Top) -> Vec<Block<'_>> {
        match self {
            Self::Tcp => tcp::panel(top),
            Self::Dns => dns::panel(top),
            _ => Vec::new(),
        }
    }

    /// What a table without rows says.
    pub(super) fn nothing(self, top: &Top) -> &'static str {
        match self {
            _ if top.snapshot().is_none() => "waiting for the first snapshot",
            Self::Flows if !top.filter().is_empty() => "no flow matches the filter",
            Self::Flows => "no flows",
            Self::Owners if top.is_capture() => "a capture does not say whose its flows are",
            Self::Owners => "no owners: see weir check",
            Self::Domains | Self::Services | Self::Hosts => "no traffic",
            Self::Tcp => "",
            Self::Dns => "no queries",
            Self::Events => "no events",
        }
    }
}
