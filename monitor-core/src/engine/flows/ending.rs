//! How flows end: by their deadlines, to make room, or with the program.

use monitor_common::abi::Flow;

use super::{Books, Flows, packets};
use crate::{
    engine::HookReading,
    flow::{End, entry::Entry, expiry, pressure::Pressure, table::Left},
    label::{AttemptResult, EndReason},
};

impl Flows {
    /// See [`crate::engine::Engine::expired`].
    pub(in crate::engine) fn expired(
        &mut self,
        books: &mut Books,
        others: &[HookReading],
    ) -> Vec<(u32, EndReason)> {
        self.settle(books);
        self.translations.forget();
        books.interfaces.others(others);
        let mut ending = self.due(books);
        expiry::with_sightings(&self.table, &books.config.timeouts, books.now(), &mut ending);
        self.let_go_early(books, &mut ending);
        ending
    }

    /// Adds to the flows that end those that make room before their time.
    fn let_go_early(&mut self, books: &mut Books, ending: &mut Vec<(u32, EndReason)>) {
        let (before, now) = (books.step.before(), books.now());
        self.demand.take(books.report.opened, now - before);
        let pressure = Pressure { room: books.config.max_flows as usize, demand: self.demand, before, now };
        let gone = pressure.let_go(&self.table, &books.config.timeouts, ending);
        books.ledger.made_room(gone.as_deref());
        ending.extend(gone.into_iter().flatten().filter_map(|(slot, kind)| {
            let entry = self.table.entry(slot)?;
            Some((slot, kind.reason(entry)))
        }));
    }

    /// Does what is due without a packet. Returns the slots whose flows end by that, sorted.
    fn due(&mut self, books: &mut Books) -> Vec<(u32, EndReason)> {
        let now = books.now();
        let any_removed = books.interfaces.any_removed();
        let mut ending = Vec::new();
        for slot in self.table.slots() {
            if !any_removed && self.table.line(slot).deadline > now {
                continue;
            }
            let Some((line, entry)) = self.table.pair(slot) else { continue };
            let (end, reason) = expiry::end(entry, &books.config.timeouts);
            if end <= now {
                ending.push((slot, reason));
                continue;
            }
            if books.interfaces.is_removed(entry.attachment) {
                ending.push((slot, EndReason::Idle));
                continue;
            }
            let mut news = false;
            if expiry::attempt(entry) <= now {
                let before = entry.state();
                if entry.track.give_up() && entry.is_representative() {
                    books.attempt(entry, AttemptResult::TimedOut);
                    books.ledger.moved(before, entry.state());
                    news = true;
                }
            }
            if expiry::record(entry, &books.config.timeouts) <= now {
                books.interim(entry);
                news = true;
            }
            if news && let Some(moved) = &mut self.moved {
                moved.push(slot);
            }
            line.deadline = expiry::deadline(entry, &books.config.timeouts);
        }
        ending
    }

    /// See [`crate::engine::Engine::close`].
    pub(in crate::engine) fn close(&mut self, books: &mut Books, slot: u32, flow: &Flow, reason: EndReason) {
        self.observe_changed(books, slot, flow, packets(flow));
        self.leave(books, slot, reason);
    }

    /// See [`crate::engine::Engine::shutdown`].
    pub(in crate::engine) fn shutdown(&mut self, books: &mut Books) {
        for slot in self.table.slots() {
            self.leave(books, slot, EndReason::Shutdown);
        }
        books.interfaces.publish();
    }

    /// Takes the flow out of a slot.
    pub(in crate::engine) fn leave(&mut self, books: &mut Books, slot: u32, reason: EndReason) {
        self.settle(books);
        self.end_earlier(books, slot);
        self.end_passed(books, slot);
        Self::find_moved(&mut self.table, &self.payloads, slot);
        let first = self.table.first(slot);
        let Some((mut entry, left)) = self.table.remove(slot) else { return };
        if !matches!(left, Left::HandedOver(_)) {
            self.end_talk(books, &mut entry.talk, entry.last);
        }
        self.payloads.ended(&entry.talk, &entry.key, entry.last);
        Self::name_silent(&self.payloads, &mut entry);
        books.ledger.live_mut().timelines_mut().ended(entry.timeline, entry.id(slot));
        books.interfaces.hold(entry.attachment, false);
        books.ledger.slot_freed();
        books.report.closed += 1;
        match left {
            Left::Duplicate => self.left(first, &entry),
            Left::HandedOver(next) => self.hand_over(books, entry, next),
            Left::Ended => {
                if matches!(reason, EndReason::Idle | EndReason::Evicted) {
                    self.silents.keep(&entry);
                }
                books.end(slot, entry, reason);
            }
        }
    }

    /// A further sighting has ended: what it saw of the connection stays known.
    fn left(&mut self, first: Option<u32>, entry: &Entry) {
        let Some(flow) = first.and_then(|first| self.table.entry_mut(first)) else { return };
        let client = entry.parties.client;
        let client = if entry.is_turned(flow) { client.other() } else { client };
        let reused = flow.connection.reused;
        if let Some(group) = &mut flow.group {
            group.leave(client, entry.connection, reused);
        }
    }

    /// Another sighting of a flow counts from now on.
    fn hand_over(&mut self, books: &mut Books, mut entry: Entry, next: u32) {
        let Some((line, heir)) = self.table.pair(next) else { return };
        books.name(&mut entry, true);
        let turned = entry.is_turned(heir);
        if turned {
            // Behind a translation the flow's sides are the other ones: it goes on there, and what it was saying does not.
            self.payloads.close(&mut entry.talk, entry.last, &mut books.outbox.said);
            self.payloads.close(&mut heir.talk, entry.last, &mut books.outbox.said);
            heir.talk = entry.talk.clone();
            entry.parties.client = entry.parties.client.other();
            entry.seen.0 = entry.seen.0.other();
        } else {
            self.payloads.hand_over(&mut entry.talk, &mut heir.talk, next);
        }
        heir.naming = std::mem::take(&mut entry.naming);
        books.interim(&mut entry);
        if let Some(group) = entry.group.as_mut().filter(|_| turned) {
            group.turn();
        }
        // Whatever is known of the flow goes on, and what its sightings saw adds up as before.
        heir.group = entry.group.take();
        if let Some(group) = &mut heir.group {
            group.leave(entry.parties.client, entry.connection, heir.connection.reused);
        }
        heir.track = entry.track;
        heir.seen = entry.seen;
        heir.set_parties(entry.parties);
        heir.begun = entry.begun;
        heir.told = entry.told;
        heir.answered = entry.answered;
        heir.resumed = entry.resumed;
        let whole = heir.whole();
        if let Some(unwritten) = &mut heir.unwritten {
            unwritten.wrote(whole, books.now());
        }
        line.deadline = expiry::deadline(heir, &books.config.timeouts);
        books.tell(&mut self.payloads);
    }
}

impl Books {
    /// The flow in a slot has ended.
    fn end(&mut self, slot: u32, mut entry: Entry, reason: EndReason) {
        self.name(&mut entry, true);
        self.ledger.moved(entry.state(), None);
        // When the program ends, an attempt that may still be answered has no result.
        let failed = reason != EndReason::Shutdown || expiry::attempt(&entry) <= self.now();
        if failed && entry.track.give_up() {
            self.attempt(&entry, AttemptResult::TimedOut);
        }
        self.ledger.flow_ended(entry.transport(), reason);
        self.last(&mut entry, reason);
        if self.ledger.live().is_on() && reason != EndReason::Shutdown {
            let seen = entry.group.as_ref().map(|group| group.ifindexes()).unwrap_or_default();
            let mut interfaces = vec![self.interfaces.name(entry.attachment).to_owned()];
            for name in seen.iter().filter_map(|ifindex| self.interfaces.name_of(*ifindex)) {
                if !interfaces.iter().any(|known| known == name) {
                    interfaces.push(name.to_owned());
                }
            }
            self.ended.keep(slot, entry, interfaces, End { reason, time: self.wall(self.now()) });
        }
    }
}
