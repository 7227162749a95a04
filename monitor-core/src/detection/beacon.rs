//! Beacons: connections of a client with one server at intervals, and of sizes, that a program makes.
//!
//! Scored as RITA (version 5) does: a quarter each for intervals, sizes, how long and steadily it goes on, and how
//! evenly it fills that time. Services that poll by design (time, names, discovery) are not scored.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use super::{
    BeaconConfig, Contact, Outcome, Sign,
    scan::is_one,
    statistics::{mad, median, regularity},
};
use crate::{
    application::Application,
    label::DetectionKind,
    lru::Lru,
    record::{DetectionCounts, Id},
};

/// Connections of a pair that are remembered.
const CONNECTIONS: usize = 64;
/// Shortest interval of a beacon: what comes faster is a client at work.
const INTERVAL_MIN: f64 = 2.5e9;
/// Shortest time over which connections are a beacon's.
const SPAN_MIN: f64 = 40e9;
/// Parts of the time that are looked at for how evenly they are filled.
const PARTS: usize = 24;

/// Connections of a client with a server's port.
#[derive(Clone, Debug)]
struct Pair {
    /// Beginnings and what the client sent, the oldest first.
    connections: Vec<(u64, u32)>,
    all: u64,
    since: u64,
    first: Id,
}

#[derive(Debug)]
pub(super) struct Beacons {
    pairs: Lru<(IpAddr, IpAddr, u16, bool), Pair>,
    evicted: u64,
}

/// Whether a protocol is there to ask again and again, or is asked by whoever works.
const fn polls(contact: &Contact) -> bool {
    use Application as A;
    matches!(
        contact.application,
        Some(
            A::Dns
                | A::Mdns
                | A::Llmnr
                | A::Ntp
                | A::Ssdp
                | A::Dhcp
                | A::Dhcpv6
                | A::Snmp
                | A::Ptp
                | A::Stun
                | A::Syslog
                | A::NetFlow
                | A::Ipfix
                | A::SFlow
                | A::Collectd
                | A::Zabbix
                | A::Munin
                | A::NatPmp
                | A::NetbiosNs
                | A::NetbiosDgm
                | A::Bfd
                | A::Hsrp
                | A::Radius
                | A::BitTorrent
                | A::Rtp
                | A::Rtcp
                | A::WsDiscovery
                | A::Modbus
                | A::Dnp3
                | A::Bacnet
                | A::EthernetIp
                | A::Slp
                | A::Coap
                | A::Kerberos
                | A::Ldap
                | A::SunRpc
                | A::Nfs
                | A::Sip
        )
    ) || matches!(
        contact.port,
        0 | 53 | 67 | 68 | 123 | 137 | 138 | 161 | 514 | 546 | 547 | 1900 | 5353 | 5355
    )
}

impl Beacons {
    pub(super) fn new(max: u32) -> Self {
        Self { pairs: Lru::new(max), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.pairs.len() as u64, self.evicted)
    }

    /// A contact ended.
    pub(super) fn contact(&mut self, contact: &Contact, config: &BeaconConfig, signs: &mut Vec<Sign>) {
        let streams = contact.transport == Transport::Tcp;
        if !(streams || contact.transport == Transport::Udp)
            || contact.outcome != Outcome::Success
            || contact.sent.payload == 0
            || polls(contact)
            || !is_one(contact.server)
        {
            return;
        }
        let key = (contact.client, contact.server, contact.port, streams);
        let fresh = Pair { connections: Vec::new(), all: 0, since: contact.start, first: contact.id };
        if self.pairs.peek(&key).is_none() && self.pairs.insert(key, fresh).is_some() {
            self.evicted += 1;
        }
        let Some(pair) = self.pairs.get(&key) else { return };
        pair.all += 1;
        // A long flow ends after shorter ones that began later.
        let sent = contact.sent.payload.min(u64::from(u32::MAX)) as u32;
        let at = pair.connections.partition_point(|(start, _)| *start <= contact.start);
        pair.connections.insert(at, (contact.start, sent));
        if pair.connections.len() > CONNECTIONS {
            pair.connections.remove(0);
        }
        // Each fourth connection is often enough.
        let enough = pair.all >= u64::from(config.connections.max(4));
        if !enough || !(pair.all - u64::from(config.connections.max(4))).is_multiple_of(4) {
            return;
        }
        let Some(score) = pair.score() else { return };
        if score.total < config.score {
            return;
        }
        signs.push(Sign {
            kind: DetectionKind::Beacon,
            detail: if streams { "tcp" } else { "udp" },
            source: Some(contact.client),
            target: Some(contact.server),
            port: Some(contact.port),
            name: contact.name.clone(),
            score: score.total,
            counts: DetectionCounts {
                flows: Some(pair.all),
                period_seconds: Some(score.period / 1e9),
                jitter_seconds: Some(score.jitter / 1e9),
                window_seconds: contact.start.saturating_sub(pair.since) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: pair.since,
            time: contact.start,
            first: pair.first,
            last: contact.id,
        });
    }
}

/// How much the connections of a pair are those of a beacon.
struct Score {
    total: f64,
    /// Median of intervals, and deviation from it, ns.
    period: f64,
    jitter: f64,
}

impl Pair {
    /// `None`: they are no beacon's whatever else they are.
    fn score(&self) -> Option<Score> {
        let (first, last) = (self.connections.first()?.0, self.connections.last()?.0);
        let gaps: Vec<f64> = self
            .connections
            .iter()
            .zip(self.connections.iter().skip(1))
            .map(|(a, b)| b.0.saturating_sub(a.0) as f64)
            .collect();
        let sizes: Vec<f64> = self.connections.iter().map(|(_, sent)| f64::from(*sent)).collect();
        let period = median(&gaps);
        if period < INTERVAL_MIN {
            return None;
        }
        let span = (last - first) as f64;
        if span < SPAN_MIN {
            return None;
        }
        // Most intervals are of the period: what pauses for long is not steady.
        let steady = gaps.iter().filter(|gap| **gap <= period * 3.0).count() as f64 / gaps.len() as f64;
        // How often each part of the time is filled; alike: a beacon, and so is one that comes less often than
        // there are parts.
        let parts = PARTS.min(self.connections.len() / 2).max(1);
        let mut filled = vec![0.0_f64; parts];
        for (start, _) in &self.connections {
            let at = ((start - first) as f64 / span * parts as f64) as usize;
            if let Some(part) = filled.get_mut(at.min(parts - 1)) {
                *part += 1.0;
            }
        }
        let mean = self.connections.len() as f64 / parts as f64;
        let variance = filled.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / parts as f64;
        let even = (1.0 - variance.sqrt() / mean).clamp(0.0, 1.0);
        let total = (regularity(&gaps) + regularity(&sizes) + steady + even) / 4.0;
        Some(Score { total, period, jitter: mad(&gaps, period) })
    }
}
