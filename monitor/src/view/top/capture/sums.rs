//! The sums of a capture, in the form of a live snapshot.

use std::collections::BTreeMap;

use monitor_core::{
    label::TcpState,
    protocol::rcode,
    record::{Protocol, Text},
    report::{Endpoint, Latency, Weighed as _},
};

use super::Browsed;
use crate::view::{
    live::{
        Dns, DnsName, Domain, DomainKind, Flows, Happening, Host, Io, Losses, Quantiles, Service, Severity,
        Snapshot, Tcp,
    },
    units,
};

/// Rows of domains, services and names.
const ROWS: usize = 500;

impl Browsed {
    pub(super) fn snapshot(&self) -> Snapshot {
        let capture = &self.report.capture;
        let seconds = capture.seconds();
        let rate = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let traffic = &self.report.traffic;
        let mut by_transport = BTreeMap::new();
        for (key, service) in traffic.services.iter() {
            *by_transport.entry(Protocol(key.protocol).to_string()).or_insert(0) += service.flows;
        }
        Snapshot {
            time: capture.span().map(|(_, last)| last).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            covered_seconds: seconds,
            received: Io {
                bytes: capture.bytes,
                packets: capture.packets,
                bytes_per_second: rate(capture.bytes),
                packets_per_second: rate(capture.packets),
            },
            flows: Flows { active: traffic.flows, by_transport, ..Flows::default() },
            domains: self.domains(),
            services: self.services(),
            hosts: self.hosts(),
            tcp: self.tcp(),
            dns: self.dns(),
            losses: Losses { overflow_packets: capture.overflow, ..Losses::default() },
            events: self.events(),
            ..Snapshot::default()
        }
    }

    fn domains(&self) -> Vec<Domain> {
        let traffic = &self.report.traffic;
        let all = traffic.domains.sorted();
        let row = |domain: String, kind, sent: u64, received: u64, connections| Domain {
            domain,
            kind,
            received_bytes: received,
            transmitted_bytes: sent,
            connections,
            share: share(sent.saturating_add(received), traffic.bytes),
            ..Domain::default()
        };
        let mut rows: Vec<Domain> = all
            .iter()
            .take(ROWS)
            .map(|(domain, stat)| {
                let kind = if domain.is_some() { DomainKind::Domain } else { DomainKind::Unresolved };
                let name = domain.as_ref().map_or_else(String::new, Text::to_string);
                row(name, kind, stat.sent, stat.received, stat.flows)
            })
            .collect();
        let mut rest = traffic.domains.rest().clone();
        all.into_iter().skip(ROWS).for_each(|(_, stat)| rest.merge(stat.clone()));
        if rest.flows > 0 {
            rows.push(row(String::new(), DomainKind::Other, rest.sent, rest.received, rest.flows));
        }
        rows
    }

    fn services(&self) -> Vec<Service> {
        let traffic = &self.report.traffic;
        let all = traffic.services.sorted();
        let mut rows: Vec<Service> = all
            .iter()
            .take(ROWS)
            .map(|(key, stat)| Service {
                service: match (&key.application, key.port) {
                    (Some(application), 0) => application.to_string(),
                    (Some(application), port) => format!("{application} {port}"),
                    (None, 0) => String::new(),
                    (None, port) => port.to_string(),
                },
                transport: Protocol(key.protocol).to_string(),
                received_bytes: stat.bytes,
                connections: stat.flows,
                share: share(stat.bytes, traffic.bytes),
                ..Service::default()
            })
            .collect();
        let mut rest = *traffic.services.rest();
        all.into_iter().skip(ROWS).for_each(|(_, stat)| rest.merge(*stat));
        if rest.flows > 0 {
            rows.push(Service {
                received_bytes: rest.bytes,
                connections: rest.flows,
                share: share(rest.bytes, traffic.bytes),
                ..Service::default()
            });
        }
        rows
    }

    fn hosts(&self) -> Vec<Host> {
        let traffic = &self.report.traffic;
        let row = |address: String, host: &Endpoint| Host {
            address,
            received_bytes: host.received,
            transmitted_bytes: host.sent,
            connections: host.opened.saturating_add(host.accepted),
            share: share(host.weight(), traffic.bytes),
        };
        let all = traffic.endpoints.sorted();
        let mut rows: Vec<Host> = all.iter().take(ROWS).map(|(ip, host)| row(ip.to_string(), host)).collect();
        let mut rest = *traffic.endpoints.rest();
        all.into_iter().skip(ROWS).for_each(|(_, host)| rest.merge(*host));
        if rest.weight() > 0 {
            rows.push(row("other".to_owned(), &rest));
        }
        rows
    }

    fn tcp(&self) -> Tcp {
        let tcp = &self.report.tcp;
        let ended = [TcpState::Refused, TcpState::TimedOut, TcpState::SynSent];
        let failed = ended.into_iter().map(|state| (state.as_str(), tcp.state(state)));
        Tcp {
            connections: TcpState::ALL
                .into_iter()
                .map(|state| (state.as_str().to_owned(), tcp.state(state)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            attempts: std::iter::once((TcpState::Established.as_str(), tcp.established))
                .chain(failed)
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            retransmission_ratio: (tcp.packets > 0).then(|| share(tcp.segments.retransmissions, tcp.packets)),
            handshake_seconds: quantiles(&tcp.handshake),
            rtt_seconds: quantiles(&tcp.server_rtt),
            ..Tcp::default()
        }
    }

    fn dns(&self) -> Dns {
        let dns = &self.report.dns;
        let mut responses = BTreeMap::new();
        for (code, count) in dns.codes.iter() {
            *responses.entry(rcode(*code).to_owned()).or_insert(0) += count;
        }
        let names = dns.names.sorted().into_iter().take(ROWS).map(|(name, stat)| DnsName {
            name: name.to_string(),
            queries: stat.queries,
            errors: stat.failed,
        });
        Dns {
            responses,
            unanswered: dns.unanswered(),
            latency_seconds: quantiles(&dns.latency),
            names: names.collect(),
            ..Dns::default()
        }
    }

    /// Risks, and what is in no row.
    fn events(&self) -> Vec<Happening> {
        let findings = &self.report.findings;
        let mut told: Vec<(String, Severity, String)> = Vec::new();
        for ((source, kind), most) in findings.fanouts.sorted() {
            let text = format!("{source} reached {} {} at once", units::count(most.0), kind.as_str());
            told.push(("fanout".to_owned(), Severity::Warning, text));
        }
        for record in &findings.detections {
            told.push(("detection".to_owned(), Severity::Warning, record.line()));
        }
        for ((kind, detail, server), flows) in findings.all.sorted() {
            let text = format!("{detail} at {server}, in {}", units::counted(*flows, "flow"));
            told.push((kind.as_str().to_owned(), Severity::Warning, text));
        }
        if self.lighter > 0 {
            let text = format!(
                "{} have no row; they are in all sums",
                units::counted(self.lighter as u64, "lighter flow")
            );
            told.push(("flows".to_owned(), Severity::Info, text));
        }
        (0..)
            .zip(told.into_iter().take(ROWS))
            .map(|(id, (kind, severity, text))| Happening {
                id,
                kind,
                severity,
                text,
                ..Happening::default()
            })
            .collect()
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn quantiles(of: &Latency) -> Quantiles {
    Quantiles { p50: of.quantile(0.5), p95: of.quantile(0.95) }
}
