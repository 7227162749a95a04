//! Tunnels: data in the names and answers of DNS, and in echoes of ICMP.
//!
//! A tunnel through DNS must say something new in each query, so the bytes of different names below one registrable
//! domain tell it from everything else (ibHH, arXiv 2307.02614); the entropy of names does not. Where a name has no
//! registrable domain the pair of client and resolver stands for it.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use super::{Contact, Sign, TunnelConfig};
use crate::{
    label::DetectionKind,
    lru::Lru,
    names,
    record::{DetectionCounts, DnsKind, DnsRecord, Id, Text},
};

/// Different names below a domain that are told apart; of further ones none is new.
const NAMES: usize = 4096;
/// Mean length from which on names below a domain may carry data. What people and programs make up is shorter.
const LENGTH_MIN: u64 = 20;
/// Fewest different names.
const NAMES_MIN: u64 = 20;
/// Fewest answers that carry data.
const ANSWERS_MIN: u64 = 16;

/// What was asked below one domain.
#[derive(Clone, Debug)]
struct Zone {
    since: u64,
    names: Vec<u32>,
    name_bytes: u64,
    answers: u64,
    answer_bytes: u64,
    messages: u64,
    first: Id,
}

/// A client, and what is one in its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Under {
    Domain(u64),
    Resolver(IpAddr),
}

#[derive(Debug)]
pub(super) struct Tunnels {
    zones: Lru<(IpAddr, Under), Zone>,
    evicted: u64,
}

impl Tunnels {
    pub(super) fn new(max: u32) -> Self {
        Self { zones: Lru::new(max), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.zones.len() as u64, self.evicted)
    }

    /// A message passed.
    pub(super) fn dns(&mut self, dns: &DnsRecord, time: u64, config: &TunnelConfig, signs: &mut Vec<Sign>) {
        let Some(question) = dns.questions.first() else { return };
        let name = question.name.as_str().trim_end_matches('.');
        let lower = name.to_ascii_lowercase();
        let last = lower.rsplit('.').next().unwrap_or_default();
        if dns.kind != DnsKind::Dns || name.is_empty() || matches!(last, "arpa" | "local") {
            return;
        }
        let (client, server) = (dns.identity.client_ip, dns.identity.server_ip);
        // A name that is a domain itself says nothing new below one: those together are the resolver's.
        let domain = names::domain(&lower).filter(|domain| domain.len() < lower.len());
        let under = domain.map_or(Under::Resolver(server), |domain| Under::Domain(hash(domain.as_bytes())));
        let key = (client, under);
        let id = dns.identity.id;
        let fresh = || Zone {
            since: time,
            names: Vec::new(),
            name_bytes: 0,
            answers: 0,
            answer_bytes: 0,
            messages: 0,
            first: id,
        };
        if self.zones.peek(&key).is_none() && self.zones.insert(key, fresh()).is_some() {
            self.evicted += 1;
        }
        let Some(zone) = self.zones.get(&key) else { return };
        if time.saturating_sub(zone.since) > config.window {
            *zone = fresh();
        }
        zone.messages += 1;
        // Letters keep their case: a tunnel may carry bits in it.
        let under = domain.map_or_else(|| lower.rsplit('.').next().map_or(0, str::len), str::len);
        let below = name.len().saturating_sub(under);
        let hashed = hash(name.as_bytes()) as u32;
        if let Err(at) = zone.names.binary_search(&hashed)
            && zone.names.len() < NAMES
        {
            zone.names.insert(at, hashed);
            zone.name_bytes += below.saturating_sub(1) as u64;
        }
        if dns.response && carries(question.r#type.as_str()) {
            let bytes: usize = dns
                .answers
                .iter()
                .filter_map(|answer| answer.data.as_ref())
                .map(|data| data.as_str().len())
                .sum();
            zone.answers += u64::from(bytes != 0);
            zone.answer_bytes += bytes as u64;
        }
        let different = zone.names.len() as u64;
        let by_names = config.name_bytes != 0
            && zone.name_bytes >= config.name_bytes
            && different >= NAMES_MIN
            && zone.name_bytes / different >= LENGTH_MIN;
        let by_answers = config.answer_bytes != 0
            && zone.answer_bytes >= config.answer_bytes
            && zone.answers >= ANSWERS_MIN
            && different >= NAMES_MIN;
        if !by_names && !by_answers {
            return;
        }
        let share = zone.name_bytes as f64 / (zone.name_bytes + config.name_bytes) as f64;
        signs.push(Sign {
            kind: DetectionKind::Tunnel,
            detail: "dns",
            source: Some(client),
            target: if domain.is_none() { Some(server) } else { None },
            port: None,
            name: domain.map(Text::from),
            score: if by_answers { 1.0 } else { share },
            counts: DetectionCounts {
                flows: None,
                names: Some(different),
                packets: Some(zone.messages),
                bytes: Some(zone.name_bytes + zone.answer_bytes),
                window_seconds: time.saturating_sub(zone.since) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: zone.since,
            time,
            first: zone.first,
            last: id,
        });
    }

    /// A contact ended: echoes answer with what they were sent, a tunnel's answers are its own.
    #[expect(clippy::unused_self, reason = "beside the other kind of tunnel, which keeps something")]
    pub(super) fn icmp(&self, contact: &Contact, config: &TunnelConfig, signs: &mut Vec<Sign>) {
        if !matches!(contact.transport, Transport::Icmp | Transport::Icmpv6) || config.echoes == 0 {
            return;
        }
        let (sent, received) = (contact.sent, contact.received);
        if sent.packets < config.echoes || received.packets < config.echoes {
            return;
        }
        let mean = |volume: super::Volume| volume.bytes as f64 / volume.packets as f64;
        let (out, back) = (mean(sent), mean(received));
        let asymmetry = (out - back).abs() / out.max(back);
        // Errors about what the other side sends are small and of one length.
        let carries = out.max(back) >= 100.0 && sent.bytes.max(received.bytes) >= 4096;
        if !carries || asymmetry < 0.2 {
            return;
        }
        signs.push(Sign {
            kind: DetectionKind::Tunnel,
            detail: "icmp",
            source: Some(contact.client),
            target: Some(contact.server),
            port: None,
            name: contact.name.clone(),
            score: asymmetry,
            counts: DetectionCounts {
                flows: Some(1),
                packets: Some(sent.packets + received.packets),
                bytes: Some(sent.bytes + received.bytes),
                window_seconds: contact.end.saturating_sub(contact.start) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: contact.start,
            time: contact.end,
            first: contact.id,
            last: contact.id,
        });
    }
}

/// Types whose answers are data of any kind.
fn carries(kind: &str) -> bool {
    matches!(kind, "TXT" | "NULL" | "10" | "KEY" | "SRV")
        || kind.parse::<u16>().is_ok_and(|number| number >= 65_280)
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, BuildHasherDefault};
    BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(bytes)
}
