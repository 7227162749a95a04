//! What the increments of a flow add to the totals.

use std::net::IpAddr;

use monitor_common::abi::{Side, Transport};

use super::Ledger;
use crate::{
    engine::EngineConfig,
    flow::{
        entry::Entry,
        naming::{self, Due},
        reading::{Reading, SideReading},
        role::{self, Parties},
        state::Results,
    },
    label::{AttemptResult, Role, TcpState},
    live::{Client, Edge, ServicePort, Taken},
    totals::{Io, ServiceKey, io_values},
};

impl Ledger {
    /// Counts what a flow gained, and the attempts that got their result.
    pub(in crate::engine) fn count(
        &mut self,
        entry: &mut Entry,
        delta: &Reading,
        results: &Results,
        config: &EngineConfig,
        now: u64,
    ) {
        self.count_io(entry, delta, config, now);
        self.count_owners(entry, delta, results, config, now);
        if entry.transport() == Transport::Tcp {
            self.count_tcp(entry, delta, results);
        }
        self.name(entry, false, config, now);
    }

    /// Counts by name what a flow has gained, once it is settled which one it is; `end`: it must be now.
    pub(in crate::engine) fn name(&mut self, entry: &mut Entry, end: bool, config: &EngineConfig, now: u64) {
        if !matches!(entry.transport(), Transport::Tcp | Transport::Udp | Transport::Sctp) {
            return;
        }
        let parties = entry.parties;
        let direction = parties.direction(entry.view, parties.client);
        let (client, service, hosts) = (client(entry), service(entry), others(entry));
        let Some(Due { held, opened, labels, owners }) = naming::due(entry, &config.services, now, end)
        else {
            return;
        };
        let domain = labels.domain.as_ref().map(|domain| &domain.text);
        super::owners::by_domain(&mut self.families, owners, parties, &held.sent, domain, config.owners, now);
        let Self { families, live, .. } = self;
        let [received, transmitted, packets_received, packets_transmitted] = held.io;
        let bytes = [received, transmitted];
        let mut connections = [0; 2];
        connections[direction.index()] = u64::from(opened);
        let [accepted, begun] = connections;
        let values = [received, transmitted, packets_received, packets_transmitted, accepted, begun];
        let edge = Edge {
            client,
            domain: labels.registered(),
            name: labels.name().map(|name| &name.text),
            service,
            hosts,
            owner: owners.shown().map(|owned| &owned.near),
        };
        live.named(edge, Taken { received, transmitted, connections: u64::from(opened) });
        match &labels.domain {
            Some(domain) => families.domains.add(domain, values, now),
            None => accumulate(&mut families.unresolved, &values),
        }
        if let Some(name) = labels.name() {
            families.names.add(name, bytes, now);
        }
        match &labels.application {
            Some(application) => families.applications.add(application, bytes, now),
            None => families.applications.add_other(&bytes),
        }
        let took = |ns: Option<u64>| ns.map_or([0, 0], |ns| [ns / 1000, 1]);
        let ([handshake, handshakes], [response, responses]) = (took(held.handshake), took(held.response));
        if let Some(domain) = &labels.domain
            && handshakes + responses != 0
        {
            let values = [handshake, handshakes, response, responses];
            families.latencies.add_weighing(&domain.text, values, (handshakes + responses) as f64, now);
        }
    }

    fn count_io(&mut self, entry: &mut Entry, delta: &Reading, config: &EngineConfig, now: u64) {
        let parties = entry.parties;
        let mut values = [0; 4];
        for side in [Side::Lower, Side::Upper] {
            let (direction, io) = (parties.direction(entry.view, side), io(delta.side(side)));
            self.counted[direction.index()].add(io);
            for (sum, n) in values.iter_mut().zip(io_values(direction, io)) {
                *sum += n;
            }
        }
        let transport = entry.transport();
        if matches!(transport, Transport::Tcp | Transport::Udp | Transport::Sctp) {
            match service(entry) {
                Some(ServicePort { transport, port }) => {
                    let key = ServiceKey { transport, port, role: parties.role };
                    self.families.services.add(&key, values, now);
                }
                None => self.families.services.add_other(&values),
            }
            accumulate(&mut entry.naming.held.io, &values);
            for side in [Side::Lower, Side::Upper] {
                let (direction, io) = (parties.direction(entry.view, side), io(delta.side(side)));
                accumulate(&mut entry.naming.held.sent[side.index()], &io_values(direction, io));
            }
        }
        if config.peers && !parties.within {
            self.families.peers.add(&role::ip(&entry.key, parties.peer()), values, now);
        }
    }

    fn count_tcp(&mut self, entry: &mut Entry, delta: &Reading, results: &Results) {
        let parties = entry.parties;
        let tcp = &mut self.totals.tcp;
        for side in [Side::Lower, Side::Upper] {
            let (gained, d) = (delta.side(side), parties.direction(entry.view, side).index());
            tcp.segments[d] = tcp.segments[d].wrapping_add(gained.packets);
            for (sums, n) in tcp.counters.iter_mut().zip(&gained.tcp) {
                add(&mut sums[d], *n);
            }
        }
        let (r, s) = (parties.role.index(), parties.scope.index());
        for (sum, n) in tcp.attempts[r].iter_mut().zip(results) {
            add(sum, *n);
        }
        if let Some(mean) = delta.side(parties.near()).mean_round_trip() {
            self.totals.latency.round_trip[r][s].observe(mean);
        }
        let (handshake, response) = (entry.track.take_handshake(), entry.track.take_first_response());
        self.timed(parties, handshake, response);
        let held = &mut entry.naming.held;
        held.handshake = handshake.or(held.handshake);
        held.response = response.or(held.response);
    }

    /// Counts how long the handshake of a connection and its first response took, ns.
    pub(in crate::engine) fn timed(
        &mut self,
        parties: Parties,
        handshake: Option<u64>,
        response: Option<u64>,
    ) {
        let (r, s) = (parties.role.index(), parties.scope.index());
        let latency = &mut self.totals.latency;
        if let Some(ns) = handshake {
            latency.handshake[r][s].observe(ns as f64 / 1e9);
        }
        if let Some(ns) = response {
            latency.first_response[r][s].observe(ns as f64 / 1e9);
        }
    }

    /// Counts connections of which nobody knows how long their handshakes and first responses took.
    pub(in crate::engine) fn unmeasured(&mut self, connections: u32) {
        let missed = &mut self.totals.latency.unmeasured;
        *missed = missed.wrapping_add(u64::from(connections));
    }

    /// Counts one attempt.
    pub(in crate::engine) fn attempt(&mut self, entry: &Entry, result: AttemptResult) {
        add(&mut self.totals.tcp.attempts[entry.parties.role.index()][result.index()], 1);
    }

    /// A connection went from one state to another; `None` is outside the table.
    pub(in crate::engine) fn moved(&mut self, from: Option<TcpState>, to: Option<TcpState>) {
        let connections = &mut self.totals.tcp.connections;
        if let Some(from) = from {
            connections[from.index()] = connections[from.index()].saturating_sub(1);
        }
        if let Some(to) = to {
            connections[to.index()] += 1;
        }
    }
}

/// The service of a flow, once its server has answered.
const fn service(entry: &Entry) -> Option<ServicePort> {
    let (_, port) = entry.key.endpoint(entry.parties.client.other());
    if entry.answered && port != 0 { Some(ServicePort { transport: entry.transport(), port }) } else { None }
}

/// Who began a flow: whatever address it has, this host is one.
fn client(entry: &Entry) -> Client {
    let parties = entry.parties;
    if parties.within || parties.role == Role::Client {
        Client::Host
    } else {
        Client::Address(role::ip(&entry.key, parties.client))
    }
}

/// The ends of a flow that are not this host.
fn others(entry: &Entry) -> [Option<IpAddr>; 2] {
    let parties = entry.parties;
    let ip = |side| Some(role::ip(&entry.key, side));
    match parties.role {
        _ if parties.within => [None, None],
        Role::Client => [ip(parties.client.other()), None],
        Role::Server => [ip(parties.client), None],
        Role::Forwarded => [ip(parties.client), ip(parties.client.other())],
    }
}

const fn io(gained: &SideReading) -> Io {
    Io { packets: gained.packets, bytes: gained.bytes }
}

fn accumulate<const N: usize>(sums: &mut [u64; N], values: &[u64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(*value);
    }
}

fn add(sum: &mut u64, n: u32) {
    *sum = sum.wrapping_add(u64::from(n));
}
