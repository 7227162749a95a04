//! What those who watch are told: kept in [`crate::live`].

use monitor_common::abi::Transport;

use super::Engine;
use crate::{
    flow::{
        FlowId, FlowView,
        entry::Entry,
        reading::{Event, Reading},
    },
    live::{Line, Live, Marks, Risks, Sample, Surge},
    record::FindingRecord,
};

impl Engine {
    /// What is kept for those who watch.
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// Sums since the start, of which the numbers of a window are made.
    pub fn marks(&self) -> Marks {
        Marks::of(self.live.rates().counters(), &self.totals, &self.payloads)
    }

    /// Takes the risks that were found since the last call; of one drain not all, if there are many.
    pub fn take_risks(&mut self) -> Vec<FindingRecord> {
        self.live.take_risks()
    }

    /// Takes the surges of failing connection attempts that began since the last call.
    pub fn take_surges(&mut self) -> Vec<Surge> {
        self.live.take_surges()
    }

    /// An active flow.
    pub fn flow(&self, id: FlowId) -> Option<FlowView<'_>> {
        let entry = self.table.entry(id.slot).filter(|entry| entry.first == id.first)?;
        Some(self.view(id.slot, entry))
    }

    /// Somebody looks at a flow. Returns it, its life, which may begin only now (there is none while too many are
    /// looked at), and the risks among which its own are.
    pub fn look_at(&mut self, id: FlowId) -> Option<(FlowView<'_>, Option<&Line>, &Risks)> {
        let entry = self.table.entry_mut(id.slot).filter(|entry| entry.first == id.first)?;
        if self.live.is_on() {
            let bytes = entry.reading.bytes();
            let at = self.live.timelines_mut().ask(entry.timeline, id, bytes, self.step.now());
            entry.timeline = at.unwrap_or(entry.timeline);
        }
        let at = entry.timeline;
        Some((self.flow(id)?, self.live.timelines().get(at, id), self.live.risks()))
    }

    /// A drain at `now` has ended.
    pub(super) fn watch(&mut self, now: u64) {
        let Self { live, table, counted, totals, payloads, step, .. } = self;
        live.drained(now, *counted, totals, payloads);
        live.timelines_mut().settle(step.now(), |id, at| {
            let entry = table.entry_mut(id.slot).filter(|entry| entry.first == id.first && entry.counts);
            entry.map(|entry| entry.timeline = at).is_some()
        });
    }
}

impl Live {
    /// A flow in `slot` gained `delta` since the drain before.
    #[inline]
    pub(super) fn gained(&mut self, entry: &Entry, slot: u32, delta: &Reading, now: u64) {
        if !self.is_on() {
            return;
        }
        let client = entry.parties.client;
        let sides = [client, client.other()].map(|side| delta.side(side));
        let tcp = entry.transport() == Transport::Tcp;
        let sample = Sample {
            bytes: sides.map(|side| side.bytes),
            packets: sides.map(|side| side.packets.min(u64::from(u32::MAX)) as u32),
            retransmissions: sides.map(|side| if tcp { side.event(Event::Retransmissions) } else { 0 }),
        };
        self.timelines_mut().gained(entry.timeline, entry.id(slot), entry.reading.bytes(), now, sample);
    }
}
