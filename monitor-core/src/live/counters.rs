//! What was counted by a moment: differences of two make the sums between them.

use std::collections::BTreeMap;

use crate::{
    histogram::{HANDSHAKE_SECONDS, Histogram, RESPONSE_SECONDS, ROUND_TRIP_SECONDS},
    label::{AttemptResult, TcpCounter},
    payload::Payloads,
    record::DnsKind,
    totals::{ByRoleAndScope, Io, Totals},
};

/// Sums since the start, of which rates are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Each flow counted once, by [`monitor_common::abi::Direction`].
    pub io: [Io; 2],
    /// Flows that began.
    pub started: u64,
    /// Flows that ended.
    pub ended: u64,
    /// TCP segments.
    pub segments: u64,
    /// Counters of TCP, by [`TcpCounter`].
    pub tcp: [u64; TcpCounter::COUNT],
    /// Connection attempts by result.
    pub attempts: [u64; AttemptResult::COUNT],
    /// Queries of DNS proper: nobody need answer those of mDNS and LLMNR.
    pub dns_queries: u64,
    /// Responses of DNS with another code than NOERROR.
    pub dns_errors: u64,
    /// Queries without a response.
    pub dns_unanswered: u64,
}

impl Counters {
    /// What was counted by now.
    pub(super) fn of(io: [Io; 2], totals: &Totals, payloads: &Payloads) -> Self {
        let (flows, tcp) = (&totals.flows, &totals.tcp);
        let protocols = payloads.protocols();
        let dns = DnsKind::Dns.as_str();
        let mut attempts = [0; AttemptResult::COUNT];
        for (result, sum) in attempts.iter_mut().enumerate() {
            *sum = tcp.attempts.iter().map(|role| role[result]).sum();
        }
        Self {
            io,
            started: flows.started.iter().sum(),
            ended: flows.ended.iter().flatten().sum(),
            segments: tcp.segments.iter().sum(),
            tcp: tcp.counters.map(|directions| directions.iter().sum()),
            attempts,
            dns_queries: protocols
                .dns_queries
                .iter()
                .filter(|([kind, _], _)| *kind == dns)
                .map(|q| q.1)
                .sum(),
            dns_errors: protocols
                .dns_responses
                .iter()
                .filter(|([kind, _, code], _)| *kind == dns && *code != "NOERROR")
                .map(|r| r.1)
                .sum(),
            dns_unanswered: payloads.totals().dns_unanswered,
        }
    }

    /// A counter of TCP.
    pub const fn tcp(&self, counter: TcpCounter) -> u64 {
        self.tcp[counter.index()]
    }

    /// Attempts that did not come about.
    pub const fn failed_attempts(&self) -> u64 {
        let [_, refused, timed_out, reset] = self.attempts;
        refused + timed_out + reset
    }
}

/// Values of a histogram by bucket.
type Values<const N: usize> = Histogram<N>;

/// Sums since the start, of which the numbers of a window are made.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Counters.
    pub counters: Counters,
    /// Round trips.
    pub round_trip: Values<{ ROUND_TRIP_SECONDS.len() }>,
    /// Handshakes.
    pub handshake: Values<{ HANDSHAKE_SECONDS.len() }>,
    /// From a DNS query to its response.
    pub dns_latency: Values<{ RESPONSE_SECONDS.len() }>,
    /// Responses of DNS by code.
    pub dns_responses: BTreeMap<&'static str, u64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            round_trip: Histogram::new(&ROUND_TRIP_SECONDS),
            handshake: Histogram::new(&HANDSHAKE_SECONDS),
            dns_latency: Histogram::new(&RESPONSE_SECONDS),
            dns_responses: BTreeMap::new(),
        }
    }
}

impl Marks {
    /// What was counted by now.
    pub fn of(counters: &Counters, totals: &Totals, payloads: &Payloads) -> Self {
        let protocols = payloads.protocols();
        let mut dns_responses = BTreeMap::new();
        for ([kind, _, code], count) in protocols.dns_responses.iter() {
            if *kind == DnsKind::Dns.as_str() {
                *dns_responses.entry(*code).or_insert(0) += count;
            }
        }
        Self {
            counters: *counters,
            round_trip: together(&totals.latency.round_trip, &ROUND_TRIP_SECONDS),
            handshake: together(&totals.latency.handshake, &HANDSHAKE_SECONDS),
            dns_latency: protocols.dns_latency_seconds.clone(),
            dns_responses,
        }
    }
}

/// Of all roles and scopes.
fn together<const N: usize>(of: &ByRoleAndScope<Histogram<N>>, bounds: &'static [f64; N]) -> Histogram<N> {
    let mut all = Histogram::new(bounds);
    for histogram in of.iter().flatten() {
        all.merge(histogram);
    }
    all
}
