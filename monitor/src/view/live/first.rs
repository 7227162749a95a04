//! Snapshot and history from the state of an agent.

use std::collections::BTreeMap;

use monitor_common::abi::{Direction, Transport};
use monitor_core::engine::Engine;
use monitor_core::label::{Outcome, TcpState};
use monitor_core::live::Window;
use monitor_core::record::Time;
use monitor_core::totals::{self, InterfaceTotals, OTHER};

use super::{Domain, DomainKind, Flows, History, InterfaceIo, Io, Losses, Snapshot, Tcp};
use crate::state::{State, lock};

impl Snapshot {
    /// What is known now, with the sums of a window.
    pub fn of(state: &State, window: Window) -> Self {
        let samples = lock(&state.kernel).lost_samples.iter().map(|(_, n)| n).sum();
        let engine = state.engine();
        let totals = engine.totals();
        let all = |f: fn(&InterfaceTotals) -> u64| totals.interfaces.iter().map(f).sum::<u64>();
        Self {
            time: Time(totals.last_drain),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: state.host.clone(),
            uptime_seconds: state.started.elapsed().as_secs_f64(),
            window_seconds: window.seconds(),
            interfaces: totals.interfaces.iter().map(interface).collect(),
            received: once(&engine, Direction::Receive),
            transmitted: once(&engine, Direction::Transmit),
            flows: Flows {
                active: totals.flows.active.iter().sum(),
                by_transport: Transport::ALL
                    .into_iter()
                    .map(|t| (t.as_str().to_owned(), totals.flows.active[t.index()]))
                    .filter(|(_, n)| *n > 0)
                    .collect(),
                slots: totals.flows.slots,
                max_flows: u64::from(engine.config().max_flows),
                ..Flows::default()
            },
            domains: domains(&engine),
            tcp: Tcp {
                connections: TcpState::ALL
                    .into_iter()
                    .map(|s| (s.as_str().to_owned(), totals.tcp.connections[s.index()]))
                    .filter(|(_, n)| *n > 0)
                    .collect(),
                ..Tcp::default()
            },
            losses: Losses {
                overflow_packets: all(|i| {
                    i.hooks.iter().map(|h| h.accounted[Outcome::Overflow.index()]).sum()
                }),
                samples,
                records: totals.records_dropped,
                violations: totals.conservation_violations,
            },
            ..Self::default()
        }
    }
}

impl History {
    /// The last hour.
    pub fn of(_state: &State) -> Self {
        Self { step_seconds: 1.0, ..Self::default() }
    }
}

fn once(engine: &Engine, direction: Direction) -> Io {
    let rate = engine.rate(direction);
    let total = engine.families().services.total();
    let i = direction.index();
    Io {
        bytes: total[i],
        packets: total[i + 2],
        bytes_per_second: rate.bytes,
        packets_per_second: rate.packets,
    }
}

fn interface(interface: &InterfaceTotals) -> InterfaceIo {
    let io = |direction: Direction| {
        let mut sum = totals::Io::default();
        for io in &interface.io[direction.index()] {
            sum.add(*io);
        }
        Io { bytes: sum.bytes, packets: sum.packets, ..Io::default() }
    };
    InterfaceIo {
        name: interface.name.clone(),
        received: io(Direction::Receive),
        transmitted: io(Direction::Transmit),
    }
}

fn domains(engine: &Engine) -> Vec<Domain> {
    let families = engine.families();
    let mut rows: BTreeMap<&str, [u64; 6]> = BTreeMap::new();
    for series in families.domains.iter() {
        let sums = rows.entry(series.key.text.as_str()).or_default();
        for (sum, n) in sums.iter_mut().zip(series.values) {
            *sum += n;
        }
    }
    let row = |domain: &str, kind: DomainKind, n: &[u64; 6]| Domain {
        domain: domain.to_owned(),
        kind,
        received_bytes: n[0],
        transmitted_bytes: n[1],
        connections: n[4] + n[5],
        ..Domain::default()
    };
    let mut rows: Vec<Domain> = rows.iter().map(|(d, n)| row(d, DomainKind::Domain, n)).collect();
    rows.sort_by_key(|d| std::cmp::Reverse(d.received_bytes + d.transmitted_bytes));
    rows.truncate(50);
    rows.push(row("", DomainKind::Unresolved, &families.unresolved));
    rows.push(row(OTHER, DomainKind::Other, families.domains.other()));
    let sum: u64 = rows.iter().map(|d| d.received_bytes + d.transmitted_bytes).sum();
    for row in &mut rows {
        row.share = (row.received_bytes + row.transmitted_bytes) as f64 / sum.max(1) as f64;
    }
    rows
}
