//! Writing flow records into a bounded queue.

use super::{Engine, EngineConfig, hooks::Hooks};
use crate::{
    flow::{
        entry::Entry,
        record::{self, Context},
    },
    label::EndReason,
    record::AnyRecord,
    totals::Totals,
};

impl Engine {
    /// Takes the records of flows and of what payload said that were written since the last call, oldest first. The queue holds
    /// [`EngineConfig::record_queue`] of them; [`Totals::records_dropped`] counts what came beyond that.
    pub fn take_records(&mut self) -> Vec<AnyRecord> {
        std::mem::take(&mut self.records)
    }

    /// The same, appended to `out`.
    pub fn drain_records(&mut self, out: &mut Vec<AnyRecord>) {
        out.append(&mut self.records);
    }
}

/// Where records go, and what they need.
pub(super) struct Writer<'a> {
    pub(super) config: &'a EngineConfig,
    pub(super) hooks: &'a Hooks,
    pub(super) totals: &'a mut Totals,
    pub(super) records: &'a mut Vec<AnyRecord>,
    pub(super) now: u64,
}

impl Writer<'_> {
    /// Writes the last record of a flow.
    pub(super) fn last(&mut self, entry: &mut Entry, reason: EndReason) {
        self.write(entry, reason);
    }

    /// Writes what came since the last record, if anything did: the flow goes on.
    pub(super) fn interim(&mut self, entry: &mut Entry) {
        let reading = entry.reading;
        match &mut entry.unwritten {
            Some(unwritten) if unwritten.has_news(&reading) => self.write(entry, EndReason::Active),
            Some(unwritten) => unwritten.at = self.now,
            None => {}
        }
    }

    fn write(&mut self, entry: &mut Entry, reason: EndReason) {
        let Some(mut unwritten) = entry.unwritten.take() else { return };
        if self.records.len() < self.config.record_queue as usize {
            let interface = self
                .hooks
                .interface_of(entry.attachment)
                .and_then(|at| self.totals.interfaces.get(at))
                .map_or("", |i| i.name.as_str());
            let context =
                Context { interface, services: &self.config.services, wall_offset: self.config.wall_offset };
            let record = record::write(entry, &unwritten, reason, &context);
            self.records.push(AnyRecord::Flow(Box::new(record)));
        } else {
            self.totals.records_dropped += 1;
        }
        unwritten.wrote(entry.reading, self.now);
        entry.unwritten = Some(unwritten);
    }
}
