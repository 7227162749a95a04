//! Who opened connections to how many others, and who looks like a scanner.

use std::net::IpAddr;

use super::{Distinct, Findings, Top, Weighed};
use crate::{
    label::{FanoutKind, TcpState},
    record::{FlowRecord, Protocol},
};

/// Sources that are kept at least; each may hold two sketches of about 2 KiB.
const SOURCES: usize = 2_048;
/// Fewer destinations or ports than this are nothing unusual.
const MANY: u64 = 15;

/// Upper bounds of connections by source, inclusive; a last bucket has none.
pub const CONNECTION_BOUNDS: [u64; 5] = [1, 9, 99, 999, 9_999];

/// All sources.
#[derive(Debug)]
pub struct Sources {
    /// By address, weighed by connections.
    pub all: Top<IpAddr, Source>,
}

/// What a source opened.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Flows that it opened.
    pub flows: u64,
    /// Of those without success: refused, or never answered.
    pub failed: u64,
    /// Different addresses.
    pub destinations: Distinct,
    /// Different ports, of all addresses together.
    pub ports: Distinct,
}

/// What a source seems to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Nothing unusual.
    Usual,
    /// It speaks with many more hosts than others do, or a record tells of its fan-out.
    FanOut,
    /// Most of what it tries at many ports fails.
    PortScan,
    /// Most of what it tries at many hosts fails.
    HostScan,
}

impl Source {
    /// Share of flows without success.
    pub fn failure(&self) -> f64 {
        if self.flows == 0 { 0.0 } else { self.failed as f64 / self.flows as f64 }
    }
}

impl Weighed for Source {
    fn weight(&self) -> u64 {
        self.flows
    }

    fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.failed += other.failed;
        self.destinations.merge(&other.destinations);
        self.ports.merge(&other.ports);
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self { all: Top::new(SOURCES) }
    }
}

impl Sources {
    pub(super) fn flow(&mut self, flow: &FlowRecord) {
        let Protocol(protocol) = flow.identity.transport;
        // Neighbour discovery and errors are answers to traffic, not attempts at something.
        if !matches!(protocol, 6 | 17 | 132) && flow.received.packets == 0 {
            return;
        }
        let failed = match flow.state {
            Some(state) => matches!(state, TcpState::SynSent | TcpState::Refused | TcpState::TimedOut),
            None => flow.received.packets == 0 && !is_group(flow.identity.server_ip),
        };
        let source = self.all.entry(flow.identity.client_ip);
        source.flows += 1;
        source.failed += u64::from(failed);
        source.destinations.insert(&flow.identity.server_ip);
        source.ports.insert(&(protocol, flow.identity.server_port));
    }

    /// Sources by how many flows they opened, as [`CONNECTION_BOUNDS`].
    pub fn distribution(&self) -> [u64; CONNECTION_BOUNDS.len() + 1] {
        let mut counts = [0; CONNECTION_BOUNDS.len() + 1];
        for (_, source) in self.all.iter() {
            let bucket = CONNECTION_BOUNDS.partition_point(|&bound| bound < source.flows);
            if let Some(count) = counts.get_mut(bucket) {
                *count += 1;
            }
        }
        counts
    }

    /// All sources with what they seem to do: the most suspicious first, then by destinations.
    pub fn ranked(&self, findings: &Findings) -> Vec<(IpAddr, &Source, Behaviour)> {
        let mut destinations: Vec<u64> = self.all.iter().map(|(_, s)| s.destinations.count()).collect();
        destinations.sort_unstable();
        let median = destinations.get(destinations.len() / 2).copied().unwrap_or(0);
        let known =
            |ip: IpAddr| [FanoutKind::Hosts, FanoutKind::Ports].map(|kind| findings.fanouts.get(&(ip, kind)));
        let behaviour = |ip: IpAddr, source: &Source| {
            let (hosts, ports) = (source.destinations.count(), source.ports.count());
            let fails = source.failure() >= 0.5;
            if hosts >= MANY && fails {
                Behaviour::HostScan
            } else if ports >= MANY && fails {
                Behaviour::PortScan
            } else if known(ip).iter().any(Option::is_some)
                || (destinations.len() > 2 && hosts >= MANY.max(10 * median))
            {
                Behaviour::FanOut
            } else {
                Behaviour::Usual
            }
        };
        let mut all: Vec<_> =
            self.all.iter().map(|(ip, source)| (*ip, source, behaviour(*ip, source))).collect();
        all.sort_by_cached_key(|(ip, source, behaviour)| {
            use std::cmp::Reverse;
            (Reverse(*behaviour), Reverse(source.destinations.count()), Reverse(source.flows), *ip)
        });
        all
    }
}

/// Whether nobody need answer: multicast, or broadcast on this link.
const fn is_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}
