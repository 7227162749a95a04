//! Which sighting of a flow counts, where several interfaces see it, and under which name.

use monitor_common::abi::{Direction, Side};

use super::{Books, Flows};
use crate::{
    flow::{Claim, entry::Sighting, expiry, group::Group, naming::WAIT, reading::Reading, state::Connection},
    host::Translating,
};

/// What is by side, in the other order.
const fn turn([lower, upper]: [Direction; 2], turned: bool) -> [Direction; 2] {
    if turned { [upper, lower] } else { [lower, upper] }
}

impl Flows {
    /// Finds out which of the new flows are further sightings of others, counts those that are not, and what
    /// flows gained that are seen in several places.
    pub(in crate::engine) fn settle(&mut self, books: &mut Books) {
        if !self.fresh.is_empty() {
            self.settle_fresh(books);
        }
        if !self.together.is_empty() {
            self.settle_together(books);
        }
    }

    fn settle_fresh(&mut self, books: &mut Books) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable_by_key(|slot| (self.table.entry(*slot).map(|e| e.first), *slot));
        fresh.retain(|slot| self.table.entry(*slot).is_some_and(|e| e.sighting == Sighting::New));
        self.find_translations(&fresh);
        for slot in &fresh {
            if self.table.link(*slot) {
                self.unnamed.extend(self.table.entry(*slot).map(|e| (*slot, e.first)));
                if let Some(entry) = self.table.entry(*slot) {
                    self.silents.forget(entry);
                }
            } else {
                books.ledger.duplicate_began();
                self.join(*slot, true);
            }
        }
        for slot in fresh.drain(..) {
            let Some((line, entry)) = self.table.pair(slot) else { continue };
            let inherited = entry.inherited.as_deref().copied();
            let delta = entry.reading.since(&inherited.unwrap_or_default());
            entry.entered = true;
            line.deadline = expiry::deadline(entry, &books.config.timeouts);
            if entry.is_representative() {
                let new = inherited.is_none() && !entry.resumed;
                books.ledger.flow_began(entry.transport(), new, entry.resumed && inherited.is_none());
                books.ledger.moved(None, entry.state());
                if entry.group.is_none() {
                    let connection = entry.connection;
                    Self::gained(books, slot, entry, connection, &delta);
                    line.deadline = expiry::deadline(entry, &books.config.timeouts);
                }
                if !self.noted_early && new {
                    books.ledger.reached(&entry.key, entry.parties, entry.first);
                }
                if entry.group.is_some() {
                    self.seen_further(slot, &delta);
                }
            } else {
                books.meter(entry, &delta);
                books.show(entry, slot, &delta);
                let _ = entry.advance(&delta);
                self.seen_further(slot, &delta);
            }
        }
        self.fresh = fresh;
    }

    /// Finds out which of these flows are seen before or behind a translation of their addresses.
    fn find_translations(&mut self, fresh: &[u32]) {
        if self.translations.is_empty() {
            return;
        }
        for slot in fresh {
            let Some(entry) = self.table.entry_mut(*slot) else { continue };
            entry.translated = self.translations.find(&entry.key).cloned().map(Box::new);
            if let Some(translated) = &entry.translated {
                entry.owners.translate(translated.shown.clone(), entry.parties);
            }
        }
    }

    /// The flow of a further sighting counts from now on by all of them; `new`: that sighting is.
    fn join(&mut self, slot: u32, new: bool) {
        let Some(first) = self.table.first(slot).filter(|first| *first != slot) else { return };
        let turned = self.is_turned(slot, first);
        let further = self.table.entry(slot);
        let seed = further.and_then(|e| {
            let inherited = e.inherited.as_deref().copied().filter(|_| new)?;
            Some((e.place(), turn(e.directions(), turned), inherited.turned(turned)))
        });
        let Some(entry) = self.table.entry_mut(first) else { return };
        let (place, directions) = (entry.place(), entry.directions());
        let counted = if entry.entered {
            entry.reading
        } else {
            entry.inherited.as_deref().copied().unwrap_or_default()
        };
        let before = entry.whole();
        let group = entry.group.get_or_insert_with(|| Box::new(Group::new(place, directions, &counted)));
        // What another engine counted is not counted again.
        if let Some((place, directions, inherited)) = seed {
            group.add(place, directions, &inherited);
            let _ = group.take(&self.devices);
            let whole = group.counted();
            if let Some(unwritten) = &mut entry.unwritten {
                unwritten.rebase(if entry.entered { &before } else { &counted }, &whole);
            }
        }
    }

    /// Whether sides of a sighting are the other ones of the flow that counts in `first`: a translation changed the
    /// order of its ends.
    pub(in crate::engine) fn is_turned(&self, slot: u32, first: u32) -> bool {
        match (self.table.entry(slot), self.table.entry(first)) {
            (Some(entry), Some(first)) => entry.is_turned(first),
            _ => false,
        }
    }

    /// A sighting of a flow that has several gained this much.
    pub(super) fn seen_further(&mut self, slot: u32, gained: &Reading) {
        let Some(further) = self.table.entry(slot) else { return };
        let (place, directions, seen) = (further.place(), further.directions(), further.seen);
        let first = if further.is_representative() { Some(slot) } else { self.table.first(slot) };
        let Some(first) = first else { return };
        let turned = self.is_turned(slot, first);
        let (directions, gained) = (turn(directions, turned), &gained.turned(turned));
        let seen = if turned { (seen.0.other(), seen.1) } else { seen };
        if self.table.entry(first).is_some_and(|e| e.group.is_none()) {
            self.join(slot, false);
        }
        let Some(entry) = self.table.entry_mut(first) else { return };
        let Some(group) = &mut entry.group else { return };
        if !group.changed {
            self.together.push(first);
        }
        group.add(place, directions, gained);
        group.changed = true;
        if seen.1 > entry.seen.1 {
            entry.seen = seen;
        }
    }

    fn settle_together(&mut self, books: &mut Books) {
        let mut slots = std::mem::take(&mut self.together);
        for slot in slots.drain(..) {
            let Some(first) = self.table.entry(slot) else { continue };
            let sightings = || {
                self.table.sightings(slot).map(|(_, e)| {
                    let client = e.parties.client;
                    (if e.is_turned(first) { client.other() } else { client }, &e.connection)
                })
            };
            let mut connection = Connection::together(sightings());
            if let Some((client, left)) = first.group.as_ref().and_then(|group| group.left(&connection)) {
                connection = Connection::together(sightings().chain([(client, &left)]));
            }
            let claims = first.translated.is_some().then(|| self.claims_of_all(slot));
            let Self { table, devices, host, moved, .. } = self;
            let Some((line, entry)) = table.pair(slot) else { continue };
            let Some(group) = entry.group.as_mut().filter(|group| group.changed) else { continue };
            let delta = group.take(devices);
            let whole = group.counted();
            let parties = host.parties(&entry.key, entry.seen, &books.config.services);
            entry.set_parties(parties);
            if let Some(claims) = claims {
                entry.owners.translated(claims, parties);
            }
            if !(entry.resumed && entry.answered) {
                entry.is_answered(&whole);
            }
            Self::gained(books, slot, entry, connection, &delta);
            line.deadline = expiry::deadline(entry, &books.config.timeouts);
            if let Some(moved) = moved {
                moved.push(slot);
            }
        }
        self.together = slots;
    }

    /// Who is at the ends of a flow that is translated, as its other sightings say.
    fn claims_of_all(&self, first: u32) -> [Option<Claim>; 2] {
        let mut claims = [None, None];
        let Some(counts) = self.table.entry(first) else { return claims };
        for (_, entry) in self.table.sightings(first).skip(1) {
            for side in [Side::Lower, Side::Upper] {
                let of = if entry.is_turned(counts) { side.other() } else { side };
                if let Some(claim) = entry.owners.user(of) {
                    claims[side.index()].get_or_insert_with(|| claim.clone());
                }
            }
        }
        claims
    }

    /// Translations of addresses on this host began or ended.
    pub(in crate::engine) fn translate(&mut self, news: &Translating) {
        match news {
            Translating::Began(translation) => self.translations.begin(translation),
            Translating::Ended(translation) => self.translations.end(translation),
            Translating::Anew => {
                self.translations.clear();
                self.translations.totals.anew += 1;
            }
        }
    }

    /// The devices of the host are stacked otherwise, perhaps.
    pub(in crate::engine) fn devices_changed(&mut self, books: &mut Books, devices: &[crate::host::Device]) {
        self.settle(books);
        if !self.devices.set(devices) {
            return;
        }
        for slot in self.table.slots() {
            if let Some(group) = self.table.entry_mut(slot).and_then(|entry| entry.group.as_mut()) {
                group.graph_changed(&self.devices);
            }
        }
    }

    /// Counts the flows that waited long enough for their names. Samples were read: an answer of DNS that came before a
    /// flow is known by now.
    pub(in crate::engine) fn name_waiting(&mut self, books: &mut Books) {
        let Self { table, unnamed, payloads, .. } = self;
        let now = books.now();
        unnamed.retain(|&(slot, first)| {
            if now >= first.saturating_add(WAIT) {
                Self::find_moved(table, payloads, slot);
            }
            let Some(entry) = table.entry_mut(slot).filter(|e| e.first == first && e.is_representative())
            else {
                return false;
            };
            Self::name_silent(payloads, entry);
            books.name(entry, false);
            !entry.naming.is_decided()
        });
    }
}
