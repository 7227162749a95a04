//! DNS: what was asked, what was answered, and how fast.

use std::net::IpAddr;

use super::{Latency, Top, Weighed};
use crate::record::{DnsKind, DnsRecord, Text};

/// Names that are kept at least.
const NAMES: usize = 4_096;
/// Types and codes that are kept at least.
const VALUES: usize = 256;

/// Totals of all messages.
#[derive(Debug)]
pub struct Dns {
    /// Queries of DNS proper, retransmissions left out.
    pub queries: u64,
    /// Queries that were sent again.
    pub retransmissions: u64,
    /// Responses of DNS proper.
    pub responses: u64,
    /// Responses whose query was seen.
    pub matched: u64,
    /// Responses that were cut.
    pub truncated: u64,
    /// Messages of multicast DNS and LLMNR, queries and responses.
    pub local: u64,
    /// By type that was asked for.
    pub types: Top<Text, u64>,
    /// Responses by code.
    pub codes: Top<u16, u64>,
    /// By name that was asked for.
    pub names: Top<Text, DnsName>,
    /// By server.
    pub resolvers: Top<IpAddr, Resolver>,
    /// From query to response.
    pub latency: Latency,
}

/// Questions for a name.
#[derive(Clone, Debug, Default)]
pub struct DnsName {
    /// Queries.
    pub queries: u64,
    /// Responses whose query was seen.
    pub matched: u64,
    /// Responses with another code than 0.
    pub failed: u64,
    /// From query to response.
    pub latency: Latency,
}

impl DnsName {
    /// Queries without a response.
    pub const fn unanswered(&self) -> u64 {
        self.queries.saturating_sub(self.matched)
    }
}

impl Weighed for DnsName {
    fn weight(&self) -> u64 {
        self.queries.max(self.matched)
    }

    fn merge(&mut self, other: Self) {
        self.queries += other.queries;
        self.matched += other.matched;
        self.failed += other.failed;
        self.latency.merge(&other.latency);
    }
}

/// Queries to a server.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    /// Queries.
    pub queries: u64,
    /// Responses whose query was seen.
    pub matched: u64,
    /// From query to response.
    pub latency: Latency,
}

impl Weighed for Resolver {
    fn weight(&self) -> u64 {
        self.queries.max(self.matched)
    }

    fn merge(&mut self, other: Self) {
        self.queries += other.queries;
        self.matched += other.matched;
        self.latency.merge(&other.latency);
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            queries: 0,
            retransmissions: 0,
            responses: 0,
            matched: 0,
            truncated: 0,
            local: 0,
            types: Top::new(VALUES),
            codes: Top::new(VALUES),
            names: Top::new(NAMES),
            resolvers: Top::new(NAMES),
            latency: Latency::default(),
        }
    }
}

impl Dns {
    pub(super) fn message(&mut self, dns: &DnsRecord) {
        if dns.kind != DnsKind::Dns {
            // Nobody need answer these: they would spoil every rate.
            self.local += 1;
            return;
        }
        let name = dns.questions.first().map(|question| {
            let name =
                if question.name.as_str().is_empty() { Text::from(".") } else { question.name.clone() };
            self.names.entry(name)
        });
        if dns.retransmission {
            self.retransmissions += 1;
            return;
        }
        let resolver = self.resolvers.entry(dns.identity.server_ip);
        if !dns.response {
            self.queries += 1;
            resolver.queries += 1;
            if let Some(name) = name {
                name.queries += 1;
            }
            if let Some(question) = dns.questions.first() {
                *self.types.entry(question.r#type.clone()) += 1;
            }
            return;
        }
        self.responses += 1;
        self.truncated += u64::from(dns.truncated);
        let code = dns.rcode.unwrap_or_default();
        *self.codes.entry(code) += 1;
        if let Some(seconds) = dns.latency_seconds {
            self.matched += 1;
            self.latency.observe(seconds);
            resolver.matched += 1;
            resolver.latency.observe(seconds);
        }
        if let Some(name) = name {
            name.failed += u64::from(code != 0);
            if let Some(seconds) = dns.latency_seconds {
                name.matched += 1;
                name.latency.observe(seconds);
            }
        }
    }

    /// Queries whose response was not seen.
    pub const fn unanswered(&self) -> u64 {
        self.queries.saturating_sub(self.matched)
    }
}
