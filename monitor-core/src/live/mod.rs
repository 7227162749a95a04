//! What people who watch want to know: the last minutes by name, the last hour by second, and the life of
//! the heaviest flows, in bounded memory.
//!
//! Sums by name are taken where [`crate::engine`] counts bytes by name, so that they equal the families of
//! [`crate::totals::Families`]. They lie in buckets: twelve make a window, and each bucket keeps between
//! [`DOMAINS`] and twice as many domains (and so on for the rest of what has a bound below); lighter ones are
//! folded into one rest, so that no sum is ever lost. At worst, with every key different and as long as may
//! be, all of this holds about 20 MiB; normally it is a tenth.

mod bucket;
mod counters;
mod history;
mod past;
mod rates;
mod risks;
mod surge;
mod timeline;
mod who;
mod window;
mod windows;

pub use bucket::{Asked, Bucket, Client, Edge, EdgeKey, ServicePort, Taken};
pub use counters::{Counters, Marks};
pub use history::{History, Point};
pub use rates::{InterfaceRates, Rates};
pub use risks::Risks;
pub use surge::Surge;
pub use timeline::{Line, Passage, Sample, Timelines};
pub use who::Who;
pub use window::{NoWindow, Window};
pub use windows::{Sums, Windows};

use crate::{
    payload::Payloads,
    record::{AnyRecord, DnsKind},
    totals::{InterfaceTotals, Io, Totals},
};

/// Domains that a bucket keeps at least.
pub const DOMAINS: usize = 128;
/// Names that a bucket keeps at least.
pub const NAMES: usize = 256;
/// Services that a bucket keeps at least.
pub const SERVICES: usize = 64;
/// Other hosts that a bucket keeps at least.
pub const HOSTS: usize = 128;
/// Edges of the flow map that a bucket keeps at least.
pub const EDGES: usize = 256;
/// Owners that a bucket keeps at least.
pub const OWNERS: usize = 128;
/// Names of DNS that a bucket keeps at least.
pub const ASKED: usize = 128;

/// The memory of those who watch.
#[derive(Debug, Default)]
pub struct Live {
    /// Nobody watches a capture: without this nothing is kept.
    on: bool,
    windows: Windows,
    rates: Rates,
    history: History,
    past: past::Past,
    timelines: Timelines,
    surges: surge::Surges,
    risks: Risks,
}

impl Live {
    /// One that has seen nothing, at `now`. `step`: nanoseconds of a step of the history; `None`: nothing is
    /// kept.
    pub fn new(step: Option<u64>, now: u64) -> Self {
        Self {
            on: step.is_some(),
            windows: Windows::new(now),
            history: History::new(step.unwrap_or_default(), now),
            past: past::Past::new(step.unwrap_or_default(), now),
            timelines: Timelines::new(step.unwrap_or_default()),
            ..Self::default()
        }
    }

    /// Whether anything is kept.
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Counts what a flow took under its name.
    #[inline]
    pub(crate) fn named(&mut self, edge: Edge<'_>, taken: Taken) {
        if self.on {
            self.windows.named(edge, taken);
        }
    }

    /// Counts what an owner sent, and what was sent to it from elsewhere.
    #[inline]
    pub(crate) fn owned(&mut self, who: impl FnOnce() -> Who, taken: Taken) {
        if self.on {
            self.windows.owned(who(), taken);
        }
    }

    /// Looks at a record of payload.
    pub(crate) fn said(&mut self, record: &AnyRecord) {
        if !self.on {
            return;
        }
        match record {
            AnyRecord::Dns(dns) if dns.kind == DnsKind::Dns => {
                if let Some(question) = dns.questions.first() {
                    let failed = dns.rcode.is_some_and(|code| code != 0);
                    self.windows.asked(&question.name, !dns.response, failed);
                }
            }
            AnyRecord::Finding(finding) => self.risks.found(finding),
            _ => {}
        }
    }

    /// A drain at `now` has ended. Returns the surges that began.
    pub(crate) fn drained(
        &mut self,
        now: u64,
        counted: [Io; 2],
        totals: &Totals,
        interfaces: &[InterfaceTotals],
        payloads: &Payloads,
    ) -> Vec<Surge> {
        if !self.on {
            return Vec::new();
        }
        self.rates.drained(now, counted, totals, interfaces, payloads);
        let surges = self.surges.drained(self.rates.interval(), self.rates.counters());
        let active = totals.flows.active.iter().sum();
        self.history.drained(now, self.rates.counters(), active);
        self.past.drained(now, self.rates.counters(), active, self.rates.interfaces_seen());
        self.windows.drained(now, || Marks::of(self.rates.counters(), totals, payloads));
        surges
    }

    /// The risks that were found last.
    pub const fn risks(&self) -> &Risks {
        &self.risks
    }

    /// Sums by name.
    pub const fn windows(&self) -> &Windows {
        &self.windows
    }

    /// What the last drain brought, by the second.
    pub const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The last hour.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The last day, in minutes.
    pub const fn day(&self) -> &History {
        self.past.day()
    }

    /// The last hour of an interface in steps of ten seconds, or its last day in minutes; of bytes and packets alone.
    /// None: nothing passed it, or others have more.
    pub fn interface(&self, name: &str, day: bool) -> Option<&History> {
        self.past.interface(name, day)
    }

    /// The lives of the heaviest flows.
    pub const fn timelines(&self) -> &Timelines {
        &self.timelines
    }

    pub(crate) const fn timelines_mut(&mut self) -> &mut Timelines {
        &mut self.timelines
    }
}
