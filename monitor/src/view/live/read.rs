//! A snapshot from the state of an agent.

use std::collections::BTreeMap;

use monitor_common::abi::{Direction, Transport};
use monitor_core::engine::Engine;
use monitor_core::histogram::Histogram;
use monitor_core::label::{AttemptResult, TcpCounter, TcpState};
use monitor_core::live::{Marks, ServicePort, Sums, Taken, Window};
use monitor_core::record::{Text, Time};
use monitor_core::totals::OTHER;

use super::{
    Dns, DnsName, Domain, DomainKind, Flows, Host, InterfaceIo, Io, Losses, Quantiles, Service, Snapshot,
    Tcp, owners, paths,
};
use crate::state::State;
use crate::sync::lock;

/// Domains with a row of their own.
const DOMAINS: usize = 50;
/// Names that are shown behind a domain.
const NAMES: usize = 20;
/// Services with a row of their own.
const SERVICES: usize = 50;
/// Other hosts with a row of their own.
const HOSTS: usize = 50;
/// Names of DNS.
const ASKED: usize = 20;
/// Events.
const EVENTS: usize = 100;

impl Snapshot {
    /// What is known now, with the sums of a window.
    pub fn of(state: &State, window: Window) -> Self {
        let samples = lock(&state.kernel).lost_samples.iter().map(|(_, n)| n).sum();
        let records = state.own.lost_records();
        // Its rows are few, whatever the traffic.
        let mut snapshot = state.turn(|engine| {
            let sums = engine.ledger().live().windows().sums(window);
            Self::of_engine(engine, &state.host, window, &sums)
        });
        snapshot.uptime_seconds = state.started.elapsed().as_secs_f64();
        snapshot.losses.samples = samples;
        snapshot.losses.records += records;
        snapshot.events = state.events.feed().latest(EVENTS);
        if !state.owns() {
            snapshot.owners.clear();
        }
        snapshot
    }

    fn of_engine(engine: &Engine, host: &str, window: Window, sums: &Sums) -> Self {
        let totals = engine.ledger().totals();
        let rates = engine.ledger().live().rates();
        let (now, before) = (engine.marks(), &sums.before);
        Self {
            time: Time(totals.last_drain),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.to_owned(),
            interval_seconds: rates.interval() as f64 / 1e9,
            window_seconds: window.seconds(),
            covered_seconds: sums.covered as f64 / 1e9,
            interfaces: rates
                .interfaces_seen()
                .iter()
                .map(|interface| {
                    let io = |direction: Direction| {
                        let (bytes_per_second, packets_per_second) = rates.of_interface(interface, direction);
                        let io = interface.io[direction.index()];
                        Io { bytes: io.bytes, packets: io.packets, bytes_per_second, packets_per_second }
                    };
                    InterfaceIo {
                        name: interface.name.clone(),
                        received: io(Direction::Receive),
                        transmitted: io(Direction::Transmit),
                    }
                })
                .collect(),
            received: once(engine, Direction::Receive),
            transmitted: once(engine, Direction::Transmit),
            flows: Flows {
                active: totals.flows.active.iter().sum(),
                by_transport: some(Transport::ALL.map(|t| (t.as_str(), totals.flows.active[t.index()]))),
                started_per_second: rates.per_second(|c| c.started),
                ended_per_second: rates.per_second(|c| c.ended),
                slots: totals.flows.slots,
                max_flows: u64::from(engine.config().max_flows),
            },
            domains: domains(sums),
            services: services(engine, sums),
            hosts: hosts(sums),
            owners: owners::rows(sums),
            map: paths::rows(engine, sums, host),
            tcp: tcp(engine, &now, before),
            dns: dns(engine, sums, &now),
            losses: Losses {
                overflow_packets: engine.interfaces().overflow_packets(),
                records: engine.outbox().records_dropped(),
                violations: engine.interfaces().conservation_violations(),
                ..Losses::default()
            },
            ..Self::default()
        }
    }
}

/// Those that are not 0.
fn some<const N: usize>(all: [(&'static str, u64); N]) -> BTreeMap<String, u64> {
    all.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
}

fn once(engine: &Engine, direction: Direction) -> Io {
    let total = engine.ledger().live().rates().counters().io[direction.index()];
    let mean = engine.ledger().rate(direction);
    Io {
        bytes: total.bytes,
        packets: total.packets,
        bytes_per_second: mean.bytes,
        packets_per_second: mean.packets,
    }
}

/// A part of a whole that may be nothing.
pub(super) fn part(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

fn domains(sums: &Sums) -> Vec<Domain> {
    let names = sums.names(NAMES);
    let (recent, recent_unresolved, span) = &sums.recent;
    let rate = |bytes: u64| if *span == 0 { 0.0 } else { bytes as f64 * 1e9 / *span as f64 };
    let row = |domain: &str, kind, taken: Taken, names: Vec<(&Text, u64)>, recent: u64| Domain {
        domain: domain.to_owned(),
        kind,
        received_bytes: taken.received,
        transmitted_bytes: taken.transmitted,
        bytes_per_second: rate(recent),
        connections: taken.connections,
        share: 0.0,
        names: names.iter().map(|(name, _)| name.as_str().to_owned()).collect(),
        names_bytes: names.iter().map(|(_, bytes)| *bytes).collect(),
    };
    let by_name = &sums.by_name;
    let sorted = by_name.domains.sorted();
    let (shown, folded) = sorted.split_at(sorted.len().min(DOMAINS));
    let recent_of = |domain: &Text| recent.get(domain).map_or(0, |taken| taken.bytes());
    let mut rows: Vec<Domain> = shown
        .iter()
        .map(|(domain, taken)| {
            row(domain.as_str(), DomainKind::Domain, **taken, names(domain), recent_of(domain))
        })
        .collect();
    let unresolved = by_name.unresolved;
    if unresolved != Taken::default() {
        rows.push(row("", DomainKind::Unresolved, unresolved, Vec::new(), recent_unresolved.bytes()));
    }
    let other = Taken::sum(folded.iter().map(|(_, taken)| **taken).chain([*by_name.domains.rest()]));
    if other != Taken::default() {
        let shown: u64 = shown.iter().map(|(domain, _)| recent_of(domain)).sum();
        let all = Taken::sum(recent.iter().map(|(_, taken)| *taken).chain([*recent.rest()]));
        rows.push(row(OTHER, DomainKind::Other, other, Vec::new(), all.bytes().saturating_sub(shown)));
    }
    let all = rows.iter().map(|row| row.received_bytes + row.transmitted_bytes).sum();
    for row in &mut rows {
        row.share = part(row.received_bytes + row.transmitted_bytes, all);
    }
    rows
}

/// A service as people say it: its name where that means one port, `name:port` where configured names are of several.
pub(super) fn service_name(engine: &Engine, service: ServicePort) -> String {
    let services = &engine.config().services;
    match services.name(service.transport, service.port) {
        "" => service.port.to_string(),
        name if services.is_shared(name) => format!("{name}:{}", service.port),
        name => name.to_owned(),
    }
}

fn services(engine: &Engine, sums: &Sums) -> Vec<Service> {
    let row = |service: String, transport: &str, taken: Taken| Service {
        service,
        transport: transport.to_owned(),
        received_bytes: taken.received,
        transmitted_bytes: taken.transmitted,
        connections: taken.connections,
        share: 0.0,
    };
    let services = &sums.by_name.services;
    let sorted = services.sorted();
    let (shown, folded) = sorted.split_at(sorted.len().min(SERVICES));
    let mut rows: Vec<Service> = shown
        .iter()
        .map(|(key, taken)| row(service_name(engine, **key), key.transport.as_str(), **taken))
        .collect();
    let other = Taken::sum(folded.iter().map(|(_, taken)| **taken).chain([*services.rest()]));
    if other != Taken::default() {
        rows.push(row(OTHER.to_owned(), "", other));
    }
    let all = rows.iter().map(|row| row.received_bytes + row.transmitted_bytes).sum();
    for row in &mut rows {
        row.share = part(row.received_bytes + row.transmitted_bytes, all);
    }
    rows
}

fn hosts(sums: &Sums) -> Vec<Host> {
    let hosts = &sums.by_name.hosts;
    // What stays within this host is of no other.
    let domains = sums.by_name.domains.iter().map(|(_, taken)| *taken);
    let all = Taken::sum(domains.chain([*sums.by_name.domains.rest(), sums.by_name.unresolved])).bytes();
    let row = |address: String, taken: Taken| Host {
        address,
        received_bytes: taken.received,
        transmitted_bytes: taken.transmitted,
        connections: taken.connections,
        share: part(taken.bytes(), all),
    };
    let sorted = hosts.sorted();
    let (shown, folded) = sorted.split_at(sorted.len().min(HOSTS));
    let mut rows: Vec<Host> = shown.iter().map(|(ip, taken)| row(ip.to_string(), **taken)).collect();
    let other = Taken::sum(folded.iter().map(|(_, taken)| **taken).chain([*hosts.rest()]));
    if other != Taken::default() {
        rows.push(row(OTHER.to_owned(), other));
    }
    rows
}

fn quantiles<const N: usize>(now: &Histogram<N>, before: &Histogram<N>) -> Quantiles {
    let since = now.since(before);
    Quantiles { p50: since.quantile(0.5), p95: since.quantile(0.95) }
}

fn tcp(engine: &Engine, now: &Marks, before: &Marks) -> Tcp {
    let connections = engine.ledger().totals().tcp.connections;
    let rates = engine.ledger().live().rates();
    let (sums, old) = (&now.counters, &before.counters);
    let segments = sums.segments.wrapping_sub(old.segments);
    let retransmitted =
        sums.tcp(TcpCounter::Retransmissions).wrapping_sub(old.tcp(TcpCounter::Retransmissions));
    Tcp {
        connections: some(TcpState::ALL.map(|state| (state.as_str(), connections[state.index()]))),
        attempts: some(AttemptResult::ALL.map(|result| {
            let i = result.index();
            (result.as_str(), sums.attempts[i].wrapping_sub(old.attempts[i]))
        })),
        segments_per_second: rates.per_second(|c| c.segments),
        retransmitted_per_second: rates.per_second(|c| c.tcp(TcpCounter::Retransmissions)),
        retransmission_ratio: (segments > 0).then(|| part(retransmitted, segments)),
        out_of_order_per_second: rates.per_second(|c| c.tcp(TcpCounter::OutOfOrder)),
        duplicate_acks_per_second: rates.per_second(|c| c.tcp(TcpCounter::DuplicateAcks)),
        zero_windows_per_second: rates.per_second(|c| c.tcp(TcpCounter::ZeroWindows)),
        handshake_seconds: quantiles(&now.handshake, &before.handshake),
        rtt_seconds: quantiles(&now.round_trip, &before.round_trip),
    }
}

fn dns(engine: &Engine, sums: &Sums, now: &Marks) -> Dns {
    let before = &sums.before;
    let responses = now.dns_responses.iter().filter_map(|(code, count)| {
        let gained = count - before.dns_responses.get(code).copied().unwrap_or(0);
        (gained > 0).then(|| ((*code).to_owned(), gained))
    });
    Dns {
        queries_per_second: engine.ledger().live().rates().per_second(|c| c.dns_queries),
        responses: responses.collect(),
        unanswered: now.counters.dns_unanswered.wrapping_sub(before.counters.dns_unanswered),
        latency_seconds: quantiles(&now.dns_latency, &before.dns_latency),
        names: sums
            .asked(ASKED)
            .into_iter()
            .map(|(name, asked)| DnsName {
                name: name.as_str().to_owned(),
                queries: asked.queries,
                errors: asked.errors,
            })
            .collect(),
    }
}
