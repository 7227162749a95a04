//! A capture as the screens show it: the same picture, made from its report and its heaviest flows.

mod row;
mod sums;

use monitor_core::{
    filter::Filter,
    record::{AnyRecord, FlowRecord},
    report::Report,
};

use super::asked::Live;
use crate::view::live::History;

/// Flows that are kept, those with most bytes; on the way up to twice as many.
const FLOWS: usize = 20_000;
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
            self.flows.iter().filter(passes).enumerate().map(|(at, flow)| row::shown(flow, at)).collect();
        let matched = flows.len() + if filter.is_none() { self.lighter } else { 0 };
        Live { snapshot: self.snapshot(), matched, flows, history: History::default() }
    }
}

#[cfg(test)]
mod tests;
