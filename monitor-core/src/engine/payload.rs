//! Payload of flows: what it says becomes records, and what is known of its flow.

use monitor_common::abi::Flow;

use super::{
    books::Books,
    flows::{Flows, packets},
};
use crate::{
    flow::entry::{Coverage, Entry, Sighting},
    payload::{
        Understanding,
        inspector::{Payload, Subject},
    },
};

impl Flows {
    /// See [`super::Engine::sample`].
    pub(super) fn sample(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        connection: u32,
        payload: &Payload<'_>,
    ) -> bool {
        let packets = packets(flow);
        let is_ahead = |entry: &Entry| entry.told < connection || entry.was_replaced(flow, packets);
        if self.table.entry(slot).is_none_or(is_ahead) {
            self.observe_changed(books, slot, flow, packets);
            self.settle(books);
        }
        let Some(entry) = self.table.entry(slot) else { return false };
        if let Sighting::Further(coverage) = entry.sighting {
            // If it turns out to see more than the one that counts, what comes later is wanted.
            return coverage != Coverage::NotMore;
        }
        if !self.turn_to(books, slot, connection) {
            return false;
        }
        let wanted = self.understand(books, slot, flow, connection, payload);
        self.learn(slot);
        wanted
    }

    /// See [`super::Engine::payload`].
    pub(super) fn understand(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        connection: u32,
        payload: &Payload<'_>,
    ) -> bool {
        let head = &flow.head;
        let key = &head.key.get();
        if let Some(wanted) = self.payloads.pass(slot, key, head.first.get(), payload) {
            return wanted;
        }
        let client = self.client(key, head.client(), &books.config);
        let interface = self.table.entry(slot).map_or("", |entry| books.interfaces.name(entry.attachment));
        let subject = Subject { slot, key, first: head.first.get(), connection, client, interface };
        let wanted = self.payloads.payload(&subject, payload, &mut books.outbox.said);
        books.tell(&mut self.payloads);
        wanted
    }

    /// Gives the flow in a slot what is known of it by its payload.
    pub(super) fn learn(&mut self, slot: u32) {
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
        if entry.is_representative() && entry.findings.name.is_none() {
            entry.findings.name = payloads.name_before(&entry.key, entry.parties.client, entry.begun);
        }
    }

    /// No payload of the flow in a slot, or of its earlier connection if there is one, comes any more: it
    /// keeps what is known of it.
    pub(super) fn forget_payload(&mut self, books: &mut Books, slot: u32) {
        let Some(entry) = self.table.entry(slot) else { return };
        let of = entry.earlier.as_deref().unwrap_or(entry);
        let own = self.payloads.findings(slot, of.told()).is_some();
        let findings = self.payloads.close(slot, of.last, &mut books.outbox.said);
        if own && let Some(entry) = self.table.entry_mut(slot) {
            let of = match entry.earlier.as_deref_mut() {
                Some(earlier) => earlier,
                None => entry,
            };
            of.find(findings);
        }
        books.tell(&mut self.payloads);
    }

    /// Gives up waiting for answers that have not come.
    pub(super) fn expire_payloads(&mut self, books: &mut Books, now: u64) {
        self.payloads.expire(now, &mut books.outbox.said);
        books.tell(&mut self.payloads);
    }
}
