//! Numbers about protocols: how often, with what result, how long.
//!
//! Everything here is counted from records and failures as they come, the same live and offline. What
//! stands in a label is one of a closed set: a word from the wire that is not known is [`OTHER`], what is
//! absent [`NONE`]. A series appears when its combination is first seen and stays; how many there can be
//! is bounded by the sets.

mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    histogram::{Histogram, RESPONSE_SECONDS},
    label::FindingKind,
    record::{AnyRecord, Carrier, DnsRecord, HttpRecord, TlsRecord},
};

pub use words::rcode;

/// The word for what is not known.
pub const OTHER: &str = "other";
/// The word for what is absent.
pub const NONE: &str = "none";

/// A counter for each combination of `N` words that was seen, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<const N: usize>(BTreeMap<[&'static str; N], u64>);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<const N: usize> Counts<N> {
    /// Counts one more. The words are of closed sets.
    fn add(&mut self, words: [&'static str; N]) {
        *self.0.entry(words).or_insert(0) += 1;
    }

    /// Every combination that was seen with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&[&'static str; N], u64)> {
        self.0.iter().map(|(words, count)| (words, *count))
    }

    /// The number of a combination.
    pub fn get(&self, words: [&'static str; N]) -> u64 {
        self.0.get(&words).copied().unwrap_or(0)
    }
}

/// Times of protocols, seconds.
pub type Seconds = Histogram<{ RESPONSE_SECONDS.len() }>;

/// What protocols did since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtocolTotals {
    /// Hellos of TLS by carrier, version that the server chose, first protocol that the client offers,
    /// `present` or `absent` name, `true` or `false` for the extension of an encrypted hello, and result:
    /// `answered`, `alert` or `unanswered`. A hello that the server answered with a `HelloRetryRequest` is not among
    /// them: the one after it is.
    pub tls_handshakes: Counts<6>,
    /// `HelloRetryRequest`s by carrier.
    pub tls_hello_retries: Counts<1>,
    /// From a hello to the server's answer. Its end is not seen: it is encrypted since TLS 1.3.
    pub tls_handshake_seconds: Seconds,
    /// Connections of QUIC by version.
    pub quic_connections: Counts<1>,
    /// Queries by protocol (`dns`, `mdns`, `llmnr`) and type of the first question.
    pub dns_queries: Counts<2>,
    /// Responses by protocol, type of the first question and response code.
    pub dns_responses: Counts<3>,
    /// From a query to its response.
    pub dns_latency_seconds: Seconds,
    /// Requests of HTTP by method.
    pub http_requests: Counts<1>,
    /// Responses of HTTP by class of status.
    pub http_responses: Counts<1>,
    /// From the last byte of a request to the first of its response.
    pub http_response_seconds: Seconds,
    /// What could not be read, by protocol and reason.
    pub failures: Counts<2>,
    /// Risks, by [`FindingKind`]: each at most once a flow.
    pub findings: [u64; FindingKind::COUNT],
}

impl Default for ProtocolTotals {
    fn default() -> Self {
        let seconds = || Histogram::new(&RESPONSE_SECONDS);
        Self {
            tls_handshakes: Counts::default(),
            tls_hello_retries: Counts::default(),
            tls_handshake_seconds: seconds(),
            quic_connections: Counts::default(),
            dns_queries: Counts::default(),
            dns_responses: Counts::default(),
            dns_latency_seconds: seconds(),
            http_requests: Counts::default(),
            http_responses: Counts::default(),
            http_response_seconds: seconds(),
            failures: Counts::default(),
            findings: [0; FindingKind::COUNT],
        }
    }
}

impl ProtocolTotals {
    /// Counts a record. Flows and fan-out are counted elsewhere.
    pub fn observe(&mut self, record: &AnyRecord) {
        match record {
            AnyRecord::Tls(tls) => self.tls(tls),
            AnyRecord::Dns(dns) => self.dns(dns),
            AnyRecord::Http(http) => self.http(http),
            AnyRecord::Finding(finding) => self.findings[finding.kind.index()] += 1,
            AnyRecord::Flow(_) | AnyRecord::Fanout(_) | AnyRecord::Detection(_) => {}
        }
    }

    /// Counts what could not be read.
    pub fn fail(&mut self, protocol: &'static str, reason: &'static str) {
        self.failures.add([protocol, reason]);
    }

    /// Counts a connection of Google's QUIC, which gives no record.
    pub fn google_quic(&mut self, version: u32) {
        let name = crate::parse::quic::version_name(version);
        self.quic_connections.add([words::quic_version(&name)]);
    }

    fn tls(&mut self, tls: &TlsRecord) {
        if tls.hello_retry == Some(true) {
            return self.tls_hello_retries.add([tls.carrier.as_str()]);
        }
        let result = if tls.alert.is_some() {
            "alert"
        } else if tls.version.is_some() {
            "answered"
        } else {
            "unanswered"
        };
        self.tls_handshakes.add([
            tls.carrier.as_str(),
            tls.version.as_ref().map_or(NONE, |version| words::tls_version(version.as_str())),
            tls.alpn.first().map_or(NONE, |alpn| words::alpn(alpn.as_str())),
            if tls.server_name.is_some() { "present" } else { "absent" },
            if tls.ech { "true" } else { "false" },
            result,
        ]);
        if let Some(seconds) = tls.answer_seconds {
            self.tls_handshake_seconds.observe(seconds);
        }
        if tls.carrier == Carrier::Quic {
            let version = tls.quic_version.as_ref().map_or(NONE, |v| words::quic_version(v.as_str()));
            self.quic_connections.add([version]);
        }
    }

    fn dns(&mut self, dns: &DnsRecord) {
        let kind = dns.kind.as_str();
        let qtype = dns.questions.first().map_or(NONE, |question| words::qtype(question.r#type.as_str()));
        if dns.response {
            self.dns_responses.add([kind, qtype, dns.rcode.map_or(NONE, rcode)]);
        } else {
            self.dns_queries.add([kind, qtype]);
        }
        if let Some(seconds) = dns.latency_seconds {
            self.dns_latency_seconds.observe(seconds);
        }
    }

    fn http(&mut self, http: &HttpRecord) {
        match (http.status, &http.method) {
            (Some(status), _) => self.http_responses.add([words::status_class(status)]),
            (None, method) => {
                let method = method.as_ref().map_or(NONE, |method| words::method(method.as_str()));
                self.http_requests.add([method]);
            }
        }
        if let Some(seconds) = http.response_seconds {
            self.http_response_seconds.observe(seconds);
        }
    }
}
