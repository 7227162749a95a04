//! Counters of an output to another host.

use std::collections::HashMap;

use prometheus::{Gauge, IntCounter, IntGauge};

use super::{Fault, runner::Delivered};
use crate::{
    clock,
    sink::{Reason, spool::Filling},
    state::State,
};

/// Its instruments.
#[derive(Debug)]
pub(super) struct Meter {
    acknowledged: IntCounter,
    retried: IntCounter,
    bytes: IntCounter,
    refused: IntCounter,
    faults: HashMap<&'static str, IntCounter>,
    spool_bytes: IntGauge,
    spool_records: IntGauge,
    lag: Gauge,
}

impl Meter {
    /// Shown at 0 from the start.
    pub(super) fn new(state: &State, name: &str, kind: &str) -> Self {
        let own = &state.own;
        let labels = [name, kind];
        let fault = |fault| (fault, own.output_faults.with_label_values(&[name, kind, fault]));
        Self {
            acknowledged: own.output_acknowledged.with_label_values(&labels),
            retried: own.output_retried.with_label_values(&labels),
            bytes: own.output_sent_bytes.with_label_values(&labels),
            refused: own.output_lost.with_label_values(&[name, kind, Reason::Refused.as_str()]),
            faults: Fault::KINDS.into_iter().map(fault).collect(),
            spool_bytes: own.output_spool_bytes.with_label_values(&labels),
            spool_records: own.output_spool_records.with_label_values(&labels),
            lag: own.output_lag.with_label_values(&labels),
        }
    }

    pub(super) fn acknowledged(&self, records: u64, delivered: Delivered) {
        self.acknowledged.inc_by(records.saturating_sub(delivered.refused));
        self.refused.inc_by(delivered.refused);
        self.bytes.inc_by(delivered.bytes);
    }

    pub(super) fn retried(&self, records: u64) {
        self.retried.inc_by(records);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        if let Some(counter) = self.faults.get(fault.as_str()) {
            counter.inc();
        }
    }

    /// What stands in the spool, and what was read of it and is under way.
    pub(super) fn filling(&self, filling: &Filling, held: u64) {
        self.spool_bytes.set(filling.bytes as i64);
        self.spool_records.set((filling.records + held) as i64);
        let age = clock::wall().saturating_sub(filling.since as i64) as f64 / 1e9;
        self.lag.set(if filling.since == 0 { 0.0 } else { age.max(0.0) });
    }
}
