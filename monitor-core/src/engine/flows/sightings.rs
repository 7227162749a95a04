//! Which sighting of a flow counts, where several interfaces see it, and under which name.

use super::{Books, Flows};
use crate::flow::{
    entry::{Coverage, Sighting},
    expiry,
    reading::SideReading,
    state::Results,
};

impl Flows {
    /// Finds out which of the new flows are further sightings of others, and counts those that are not.
    pub(in crate::engine) fn settle(&mut self, books: &mut Books) {
        if !self.fresh.is_empty() {
            self.settle_fresh(books);
        }
        if !self.fuller.is_empty() {
            self.settle_fuller(books);
        }
    }

    fn settle_fresh(&mut self, books: &mut Books) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable_by_key(|slot| (self.table.entry(*slot).map(|e| e.first), *slot));
        for slot in fresh.drain(..) {
            if self.table.entry(slot).is_none_or(|e| e.sighting != Sighting::New) {
                continue;
            }
            let counts = self.table.link(slot);
            let Some((line, entry)) = self.table.pair(slot) else { continue };
            let inherited = entry.inherited.as_deref().copied();
            let delta = entry.reading.since(&inherited.unwrap_or_default());
            let results = entry.advance(&delta);
            line.deadline = expiry::deadline(entry, &books.config.timeouts);
            if counts {
                self.unnamed.push((slot, entry.first));
                books.ledger.flow_began(entry.transport(), inherited.is_none());
                books.count(entry, &delta, &results);
                books.ledger.moved(None, entry.state());
                if !self.noted_early && inherited.is_none() {
                    books.ledger.reached(&entry.key, entry.parties, entry.first);
                }
            } else {
                books.ledger.duplicate_began();
                if entry.reading.is_two_sided() {
                    self.fuller.push(slot);
                }
            }
        }
        self.fresh = fresh;
    }

    /// Where a flow's ways in and out are different interfaces and a third (a bond, a bridge) sees
    /// both, that one counts: from then on, and all that came from the side which the first never saw.
    fn settle_fuller(&mut self, books: &mut Books) {
        let mut slots = std::mem::take(&mut self.fuller);
        for slot in slots.drain(..) {
            let Some(first) = self.table.first(slot).filter(|first| *first != slot) else { continue };
            self.end_earlier(books, first);
            let Some(mut earlier) = self.table.entry(first).cloned() else { continue };
            let Some(entry) = self.table.entry_mut(slot) else { continue };
            if earlier.reading.is_two_sided() {
                entry.sighting = Sighting::Further(Coverage::NotMore);
                continue;
            }
            if entry.sighting == Sighting::Further(Coverage::Unknown) {
                entry.sighting = Sighting::Further(Coverage::More);
                continue;
            }
            self.table.swap(first, slot);
            let mut talk =
                self.table.entry_mut(first).map(|e| std::mem::take(&mut e.talk)).unwrap_or_default();
            let Some((line, entry)) = self.table.pair(slot) else { continue };
            books.ledger.moved(earlier.state(), entry.state());
            if let Some(result) = entry.track.inherit(&earlier.track) {
                books.ledger.attempt(entry, result);
            }
            books.name(&mut earlier, true);
            self.payloads.hand_over(&mut talk, &mut entry.talk, slot);
            entry.naming = std::mem::take(&mut earlier.naming);
            let mut unseen = entry.reading;
            for (side, seen) in unseen.0.iter_mut().zip(&earlier.reading.0) {
                if seen.packets != 0 {
                    *side = SideReading::default();
                }
            }
            books.count(entry, &unseen, &Results::default());
            let written = entry.reading.since(&unseen);
            if let Some(unwritten) = &mut entry.unwritten {
                unwritten.wrote(written, books.now());
            }
            line.deadline = expiry::deadline(entry, &books.config.timeouts);
            books.interim(&mut earlier);
        }
        self.fuller = slots;
    }

    /// Counts the flows that waited long enough for their names.
    pub(super) fn name_waiting(&mut self, books: &mut Books) {
        let Self { table, unnamed, payloads, .. } = self;
        unnamed.retain(|&(slot, first)| {
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
