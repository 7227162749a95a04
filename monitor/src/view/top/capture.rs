//! A capture as the screens show it: the same picture, made from its report and its heaviest flows.

use std::collections::BTreeMap;

use monitor_common::abi::Transport;
use monitor_core::{
    filter::Filter,
    flow::FlowId,
    label::TcpState,
    protocol::rcode,
    record::{AnyRecord, ApplicationSource, FlowRecord, NameSource, Protocol, Text, Traffic},
    report::{Latency, Report, Weighed as _},
};

use super::asked::Live;
use crate::view::{
    flows::{Distribution, Flow, RoundTrips, Side},
    live::{
        Dns, DnsName, Domain, DomainKind, Flows, Happening, History, Io, Losses, Quantiles, Service,
        Severity, Snapshot, Tcp,
    },
    units,
};

/// Flows that are kept, those with most bytes; on the way up to twice as many.
const FLOWS: usize = 20_000;
/// Rows of domains, services and names.
const ROWS: usize = 500;
/// Steps over time.
const STEPS: usize = 600;

/// What a capture says, in bounded memory.
#[derive(Debug, Default)]
pub struct Browsed {
    /// Sums of everything.
    pub report: Report,
    flows: Vec<FlowRecord>,
    /// Flows that were not kept.
    lighter: usize,
}

fn weight(flow: &FlowRecord) -> u64 {
    flow.sent.bytes.saturating_add(flow.received.bytes)
}

impl Browsed {
    /// Takes a record of any kind.
    pub fn record(&mut self, record: &AnyRecord) {
        self.report.record(record);
        if let AnyRecord::Flow(flow) = record {
            self.flows.push((**flow).clone());
            if self.flows.len() >= 2 * FLOWS {
                self.lighten();
            }
        }
    }

    /// Keeps the heaviest.
    fn lighten(&mut self) {
        if self.flows.len() > FLOWS {
            self.flows.select_nth_unstable_by_key(FLOWS, |flow| std::cmp::Reverse(weight(flow)));
            self.lighter += self.flows.len() - FLOWS;
            self.flows.truncate(FLOWS);
        }
    }

    /// Nothing more comes.
    pub fn settle(&mut self) {
        self.report.capture.settle();
        self.lighten();
        self.flows.sort_by_key(|flow| std::cmp::Reverse(weight(flow)));
    }

    /// Its bytes over time.
    pub fn history(&self) -> History {
        let timeline = &self.report.capture.timeline;
        History { received_bytes_per_second: timeline.rates(STEPS), ..History::default() }
    }

    /// The picture of all of it, with the flows that pass a filter.
    pub fn picture(&self, filter: Option<&Filter>) -> Live {
        let passes = |flow: &&FlowRecord| filter.is_none_or(|filter| filter.matches(*flow));
        let flows: Vec<_> =
            self.flows.iter().filter(passes).enumerate().map(|(at, flow)| shown(flow, at)).collect();
        let matched = flows.len() + if filter.is_none() { self.lighter } else { 0 };
        Live { snapshot: self.snapshot(), matched, flows }
    }

    fn snapshot(&self) -> Snapshot {
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

/// A record as a row; what only a live run knows is left empty.
fn shown(flow: &FlowRecord, at: usize) -> Flow<'static> {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.to_string().into());
    let identity = &flow.identity;
    let side = |sent: &Traffic| {
        let tcp = sent.tcp.clone().unwrap_or_default();
        Side {
            direction: "".into(),
            packets: sent.packets,
            bytes: sent.bytes,
            payload_bytes: sent.payload_bytes,
            retransmissions: tcp.retransmissions as u32,
            out_of_order: tcp.out_of_order as u32,
            duplicate_acks: tcp.duplicate_acks as u32,
            zero_windows: tcp.zero_windows as u32,
            bytes_per_second: 0.0,
            packets_per_second: 0.0,
        }
    };
    let Protocol(protocol) = identity.transport;
    let transport = match Transport::from_protocol(protocol) {
        Transport::Other => protocol.to_string().into(),
        known => known.as_str().into(),
    };
    Flow {
        id: FlowId { slot: at as u32, first: flow.start.0 },
        interface: "".into(),
        transport,
        client_ip: identity.client_ip,
        client_port: identity.client_port,
        server_ip: identity.server_ip,
        server_port: identity.server_port,
        client_rule: flow.client_rule.as_str().into(),
        service: None,
        name: text(&flow.name),
        name_source: flow.name_source.map(NameSource::as_str).map(Into::into),
        domain: text(&flow.domain),
        application: text(&flow.application),
        application_source: flow.application_source.map(ApplicationSource::as_str).map(Into::into),
        role: "".into(),
        scope: "".into(),
        state: flow.state.map(|state| state.as_str().into()),
        duplicate: false,
        start: flow.start,
        last: flow.end,
        sent: side(&flow.sent),
        received: side(&flow.received),
        handshake_seconds: flow.handshake_seconds,
        first_response_seconds: flow.first_response_seconds,
        rtt_seconds: RoundTrips {
            client: flow.rtt_seconds.client.map(Distribution::from),
            server: flow.rtt_seconds.server.map(Distribution::from),
        },
    }
}

#[cfg(test)]
mod tests;
