//! HTTP in clear text: what was asked for, and what came back.

use super::{Latency, Top, Weighed};
use crate::record::{HttpRecord, Text};

/// Hosts that are kept at least.
const HOSTS: usize = 4_096;
/// Methods, statuses and types that are kept at least.
const VALUES: usize = 256;

/// Totals of all requests and responses.
#[derive(Debug)]
pub struct Http {
    /// Requests.
    pub requests: u64,
    /// Responses.
    pub responses: u64,
    /// Requests by method.
    pub methods: Top<Text, u64>,
    /// Responses by status.
    pub statuses: Top<u16, u64>,
    /// Responses by media type.
    pub types: Top<Text, u64>,
    /// By host.
    pub hosts: Top<Text, Host>,
    /// By host and path.
    pub paths: Top<(Text, Text), Host>,
    /// From request to response.
    pub response: Latency,
}

/// Requests to a host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Requests.
    pub requests: u64,
    /// Responses.
    pub responses: u64,
    /// Responses with a status of 400 or more.
    pub errors: u64,
    /// From request to response.
    pub response: Latency,
}

impl Weighed for Host {
    fn weight(&self) -> u64 {
        self.requests.max(self.responses)
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.responses += other.responses;
        self.errors += other.errors;
        self.response.merge(&other.response);
    }
}

impl Host {
    fn message(&mut self, http: &HttpRecord) {
        let Some(status) = http.status else {
            self.requests += 1;
            return;
        };
        self.responses += 1;
        self.errors += u64::from(status >= 400);
        http.response_seconds.into_iter().for_each(|s| self.response.observe(s));
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            requests: 0,
            responses: 0,
            methods: Top::new(VALUES),
            statuses: Top::new(VALUES),
            types: Top::new(VALUES),
            hosts: Top::new(HOSTS),
            paths: Top::new(HOSTS),
            response: Latency::default(),
        }
    }
}

impl Http {
    pub(super) fn message(&mut self, http: &HttpRecord) {
        let host = http.host.clone();
        let host = host.unwrap_or_else(|| Text::from(http.identity.server_ip.to_string().as_str()));
        self.hosts.entry(host.clone()).message(http);
        if let Some(uri) = &http.uri {
            self.paths.entry((host, uri.clone())).message(http);
        }
        let Some(status) = http.status else {
            self.requests += 1;
            if let Some(method) = &http.method {
                *self.methods.entry(method.clone()) += 1;
            }
            return;
        };
        self.responses += 1;
        *self.statuses.entry(status) += 1;
        if let Some(kind) = &http.content_type {
            *self.types.entry(kind.clone()) += 1;
        }
        http.response_seconds.into_iter().for_each(|s| self.response.observe(s));
    }
}
