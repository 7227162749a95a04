//! What a capture says, for people: totals, the heaviest of everything, and what is unusual.
//!
//! Records and packets go in, in any order; what is kept is bounded whatever the length of the capture (see
//! [`Top`], [`Timeline`], [`Distinct`]). How it is shown is not decided here.

mod capture;
mod distinct;
mod dns;
mod findings;
mod http;
mod latency;
mod sources;
mod tcp;
mod timeline;
mod tls;
mod traffic;

#[cfg(test)]
mod tests;

pub use capture::{Capture, SIZE_BOUNDS};
pub use distinct::Distinct;
pub use dns::{Dns, DnsName, Resolver};
pub use findings::{Findings, Most};
pub use http::{Host, Http};
pub use latency::Latency;
pub use sources::{Behaviour, CONNECTION_BOUNDS, Source, Sources};
pub use tcp::Tcp;
pub use timeline::{Step, Timeline};
pub use tls::Tls;
pub use traffic::{
    Conversation, Endpoint, Fragmented, FragmentedKey, Label, NameStat, Service, ServiceKey, Traffic,
};

pub use crate::top::{Top, Weighed};

use crate::record::AnyRecord;

/// Everything of a report.
#[derive(Debug, Default)]
pub struct Report {
    /// Packets: how many, when, how long.
    pub capture: Capture,
    /// Who sent how much to whom, over what, by what name.
    pub traffic: Traffic,
    /// Health of TCP.
    pub tcp: Tcp,
    /// Hellos of TLS.
    pub tls: Tls,
    /// DNS messages.
    pub dns: Dns,
    /// HTTP requests and responses.
    pub http: Http,
    /// Who opened connections to how many others.
    pub sources: Sources,
    /// Risks.
    pub findings: Findings,
}

impl Report {
    /// Takes a record of any kind.
    pub fn record(&mut self, record: &AnyRecord) {
        match record {
            AnyRecord::Flow(flow) => {
                self.traffic.flow(flow);
                self.tcp.flow(flow);
                self.sources.flow(flow);
            }
            AnyRecord::Tls(tls) => self.tls.hello(tls),
            AnyRecord::Dns(dns) => self.dns.message(dns),
            AnyRecord::Http(http) => self.http.message(http),
            AnyRecord::Finding(finding) => self.findings.finding(finding),
            AnyRecord::Fanout(fanout) => self.findings.fanout(fanout),
            AnyRecord::Detection(detection) => self.findings.detection(detection),
        }
    }
}
