//! Payload of flows: what it says becomes records, and what is known of its flow.

use monitor_common::abi::Flow;

use super::Engine;
use crate::{
    flow::entry::{Entry, Fuller},
    payload::{
        Understanding,
        inspector::{Payload, Subject},
    },
    record::AnyRecord,
};

impl Engine {
    /// What reads payload, with what it met.
    pub const fn payloads(&self) -> &Understanding {
        &self.payloads
    }

    /// Takes a payload of the flow in a slot, which need not have been observed. Returns whether more of
    /// its direction is wanted.
    pub fn payload(&mut self, slot: u32, flow: &Flow, payload: &Payload<'_>) -> bool {
        self.understand(slot, flow, flow.head.reused.get(), payload)
    }

    /// Takes a payload of a flow that several interfaces may see: only of the sighting that counts.
    /// `connection` says how many connections in the slot came before its own. Returns whether more of its
    /// direction is wanted.
    pub fn sample(&mut self, slot: u32, flow: &Flow, connection: u32, payload: &Payload<'_>) -> bool {
        let packets = [flow.hot[0].packets.get(), flow.hot[1].packets.get()];
        let is_ahead = |entry: &Entry| entry.told < connection || entry.was_replaced(flow, packets);
        if self.table.entry(slot).is_none_or(is_ahead) {
            self.observe_changed(slot, flow, packets);
            self.settle();
        }
        let Some(entry) = self.table.entry(slot) else { return false };
        if entry.linked && !entry.counts {
            // If it turns out to see more than the one that counts, what comes later is wanted.
            return entry.fuller != Fuller::No;
        }
        if !self.turn_to(slot, connection) {
            return false;
        }
        let wanted = self.understand(slot, flow, connection, payload);
        self.learn(slot);
        wanted
    }

    fn understand(&mut self, slot: u32, flow: &Flow, connection: u32, payload: &Payload<'_>) -> bool {
        let head = &flow.head;
        if let Some(wanted) = self.payloads.pass(slot, &head.key, head.first.get(), payload) {
            return wanted;
        }
        let client = self.client(&head.key, head.client());
        let Self { payloads, said, table, hooks, totals, .. } = self;
        let interface = table
            .entry(slot)
            .and_then(|entry| hooks.interface_of(entry.attachment))
            .and_then(|at| totals.interfaces.get(at))
            .map_or("", |interface| interface.name.as_str());
        let subject =
            Subject { slot, key: &head.key, first: head.first.get(), connection, client, interface };
        let wanted = payloads.payload(&subject, payload, said);
        self.tell();
        wanted
    }

    /// Gives the flow in a slot what is known of it by its payload.
    pub(crate) fn learn(&mut self, slot: u32) {
        let Some(entry) = self.table.entry_mut(slot) else { return };
        let of = match entry.earlier.as_deref_mut() {
            Some(earlier) => earlier,
            None => entry,
        };
        if let Some(findings) = self.payloads.findings(slot, of.told())
            && of.findings != *findings
        {
            of.find(findings.clone());
        }
    }

    /// A flow without payload has the name that DNS gave to its server before it began: a connection that
    /// was refused, or has not got to speak yet.
    pub(super) fn name_silent(payloads: &Understanding, entry: &mut Entry) {
        if entry.counts && entry.findings.name.is_none() {
            entry.findings.name = payloads.name_before(&entry.key, entry.parties.client, entry.begun);
        }
    }

    /// No payload of the flow in a slot, or of its earlier connection if there is one, comes any more: it
    /// keeps what is known of it.
    pub(super) fn forget_payload(&mut self, slot: u32) {
        let Some(entry) = self.table.entry(slot) else { return };
        let of = entry.earlier.as_deref().unwrap_or(entry);
        let own = self.payloads.findings(slot, of.told()).is_some();
        let findings = self.payloads.close(slot, of.last, &mut self.said);
        if own && let Some(entry) = self.table.entry_mut(slot) {
            let of = match entry.earlier.as_deref_mut() {
                Some(earlier) => earlier,
                None => entry,
            };
            of.find(findings);
        }
        self.tell();
    }

    /// Gives up waiting for answers that have not come.
    pub(super) fn expire_payloads(&mut self, now: u64) {
        self.payloads.expire(now, &mut self.said);
        self.tell();
    }

    /// Gives up waiting for responses of DNS.
    pub(crate) fn expire_queries(&mut self, now: u64) {
        self.payloads.expire_queries(now);
    }

    /// Queues the records that payload gave.
    fn tell(&mut self) {
        for record in self.said.drain(..) {
            self.payloads.count(&record);
            self.live.said(&record);
            if self.config.records {
                queue(&mut self.records, self.config.record_queue, &mut self.totals.records_dropped, record);
            }
        }
    }
}

/// Puts a record into the queue, or counts it where that is full.
pub(super) fn queue(records: &mut Vec<AnyRecord>, most: u32, dropped: &mut u64, record: AnyRecord) {
    if records.len() < most as usize {
        records.push(record);
    } else {
        *dropped += 1;
    }
}
