//! A 5-tuple that begins a new connection in the slot of the old one.
//!
//! The counters of the slot go on, and a reading has those of both connections: what was gained since the
//! reading before belongs to the new one. Samples come after the reading: until they were all read, what
//! is known of the old connection may still grow, and only then it is counted and told.

use std::cmp::Ordering;

use monitor_common::abi::{Flow, FlowKey, Superseded};

use super::{
    books::Books,
    flows::{Flows, packets},
};
use crate::{
    flow::{
        Claim,
        entry::{Entry, Sighting},
        expiry,
        naming::Naming,
        reading::Reading,
        record::Unwritten,
    },
    payload::Talk,
    record::Id,
};

impl Flows {
    /// Sets aside what was read of the connection in a slot, if the slot holds another one now.
    pub(super) fn begin_anew(&mut self, books: &Books, slot: u32, flow: &Flow) {
        let reused = flow.head.reused.get();
        let id = Id(self.ids.0 + 1);
        let Some(entry) = self.table.entry_mut(slot).filter(|entry| entry.told < reused) else { return };
        if matches!(entry.sighting, Sighting::Further) {
            entry.told = reused;
            return;
        }
        self.ids = id;
        let talk = std::mem::replace(&mut entry.talk, Talk::new(id));
        if entry.earlier.is_none() {
            let earlier = Entry { talk, ..entry.clone() };
            if earlier.reading != Reading::default() {
                let begun = Some(flow.head.syn_time.get()).filter(|at| *at != 0);
                entry.begun = begun.unwrap_or_else(|| books.now());
                entry.unwritten =
                    earlier.unwritten.is_some().then(|| Unwritten::new(earlier.whole(), entry.begun));
            }
            entry.naming = Naming::default();
            entry.earlier = Some(Box::new(earlier));
        }
        entry.naming.begin_anew();
        entry.owners.begin_anew();
        entry.told = reused;
        entry.resumed = false;
        self.unnamed.push((slot, entry.first));
        self.anew.push(slot);
    }

    /// A sample is of this connection of a slot. Returns whether it still says something.
    pub(super) fn turn_to(&mut self, books: &mut Books, slot: u32, connection: u32) -> bool {
        let Some(entry) = self.table.entry(slot) else { return false };
        match connection.cmp(&entry.told) {
            Ordering::Equal => {
                self.end_earlier(books, slot);
                true
            }
            Ordering::Less => match &entry.earlier {
                Some(earlier) if earlier.told == connection => true,
                Some(earlier) if earlier.told < connection => {
                    // Several within a drain: each counts as a connection, the last has the bytes.
                    self.end_earlier(books, slot);
                    self.ids.0 += 1;
                    let Some(entry) = self.table.entry_mut(slot) else { return false };
                    let mut earlier = entry.clone();
                    earlier.talk = Talk::new(self.ids);
                    earlier.naming = Naming::default();
                    earlier.reading = Reading::default();
                    earlier.group = None;
                    earlier.told = connection;
                    entry.earlier = Some(Box::new(earlier));
                    self.anew.push(slot);
                    true
                }
                _ => false,
            },
            Ordering::Greater => true,
        }
    }

    /// See [`super::Engine::superseded`].
    pub(super) fn superseded(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        connection: u32,
        of: &Superseded,
        claims: impl FnOnce(&FlowKey) -> [Claim; 2],
    ) {
        let seen = packets(flow);
        let is_ahead = |entry: &Entry| entry.told < connection || entry.was_replaced(flow, seen);
        if self.table.entry(slot).is_none_or(is_ahead) {
            self.observe_owned(books, slot, flow, claims);
            self.settle(books);
        }
        let Some(entry) = self.table.entry_mut(slot).filter(|entry| entry.is_representative()) else {
            return;
        };
        let (handshake, response) = entry.track.measured(connection, of);
        if (handshake, response) == (None, None) {
            return;
        }
        books.ledger.timed(entry.parties, handshake, response);
        if !self.turn_to(books, slot, connection) {
            return;
        }
        let Some(entry) = self.table.entry_mut(slot) else { return };
        let held = match entry.earlier.as_deref_mut() {
            Some(earlier) => &mut earlier.naming.held,
            None => &mut entry.naming.held,
        };
        held.handshake = handshake.or(held.handshake);
        held.response = response.or(held.response);
    }

    /// All samples of earlier connections were read.
    pub(super) fn end_all_earlier(&mut self, books: &mut Books) {
        while let Some(slot) = self.anew.pop() {
            self.end_earlier(books, slot);
            self.end_passed(books, slot);
        }
    }

    /// Everything has come that was measured of earlier connections in a slot.
    pub(super) fn end_passed(&mut self, books: &mut Books, slot: u32) {
        if let Some(entry) = self.table.entry_mut(slot).filter(|entry| entry.is_representative()) {
            books.ledger.unmeasured(entry.track.missed());
        }
    }

    /// Counts and tells what was known of the earlier connection of a slot, if there is one.
    pub(super) fn end_earlier(&mut self, books: &mut Books, slot: u32) {
        let Some(entry) = self.table.entry_mut(slot) else { return };
        let Some(mut earlier) = entry.earlier.take() else { return };
        let counts = entry.is_representative();
        self.end_talk(books, &mut earlier.talk, earlier.last);
        if !counts {
            return;
        }
        books.name(&mut earlier, true);
        if earlier.reading != Reading::default() {
            let reason = expiry::end(&earlier, &books.config.timeouts).1;
            books.last(&mut earlier, reason);
        }
    }
}
