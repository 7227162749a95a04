//! Payload of flows: what it says becomes records, and what is known of its flow.

use monitor_common::abi::{Flow, FlowKey, Side, Transport};

use super::{
    books::Books,
    flows::{Flows, packets},
};
use crate::{
    flow::{
        Claim,
        entry::{Entry, Sighting},
        table::Table,
    },
    payload::{Payload, Payloads, Place, Subject, Talk, Talks},
    record::AnyRecord,
};

impl Flows {
    /// See [`super::Engine::payload`].
    pub(super) fn payload(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        payload: &Payload<'_>,
        talks: &mut Talks,
    ) -> bool {
        let key = &flow.head.key.get();
        let client = self.client(key, flow.head.client(), &books.config);
        let subject = Subject { slot, key, client, interface: "", owned: None };
        let said = &mut books.outbox.said;
        let wanted = self.payloads.read(&subject, payload, talks.at(slot), said);
        while let Some(place) = self.payloads.surplus() {
            self.payloads.evict(talks.at(place.slot), payload.time, said);
        }
        books.tell(&mut self.payloads);
        wanted
    }

    /// See [`super::Engine::sample`].
    pub(super) fn sample(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        connection: u32,
        payload: &Payload<'_>,
        claims: impl FnOnce(&FlowKey) -> [Claim; 2],
    ) -> bool {
        let packets = packets(flow);
        let is_ahead = |entry: &Entry| entry.told < connection || entry.was_replaced(flow, packets);
        if let Some(entry) = self.table.entry_mut(slot)
            && entry.group.is_none()
            && entry.speaks(connection)
            && !is_ahead(entry)
        {
            let seen = flow.head.client();
            if entry.hears_of_client(seen) {
                let parties = self.host.parties(&entry.key, seen, &books.config.services);
                entry.set_parties(parties);
            }
            let wanted = books.hear(&mut self.payloads, slot, entry, payload);
            self.make_room(books, payload.time);
            return wanted;
        }
        // Of a flow or connection that was not observed yet, or is not the present one of its slot.
        if self.table.entry(slot).is_none_or(is_ahead) {
            self.observe_owned(books, slot, flow, claims);
            self.settle(books);
        }
        let Some(entry) = self.table.entry(slot) else { return false };
        if entry.sighting == Sighting::Further {
            return self.sample_further(books, slot, payload);
        }
        // Elsewhere the side's packets are seen, too, and heard there.
        if !self.is_voice(slot, payload.sender) {
            return false;
        }
        if !self.turn_to(books, slot, connection) {
            return false;
        }
        let Self { payloads, table, .. } = self;
        let Some(entry) = table.entry_mut(slot) else { return false };
        let wanted = match entry.earlier.as_deref_mut() {
            Some(earlier) => books.hear(payloads, slot, earlier, payload),
            None => books.hear(payloads, slot, entry, payload),
        };
        self.make_room(books, payload.time);
        wanted
    }

    /// Whether what a side says is heard by this sighting of its flow: datagrams where most of its packets were
    /// seen, of a stream whatever comes.
    fn is_voice(&self, slot: u32, sender: Side) -> bool {
        let Some(entry) = self.table.entry(slot) else { return false };
        if entry.transport() == Transport::Tcp {
            return true;
        }
        let first = if entry.is_representative() { Some(slot) } else { self.table.first(slot) };
        let group = first.and_then(|first| self.table.entry(first)).and_then(|e| e.group.as_deref());
        let (place, direction) = (entry.place(), entry.directions()[sender.index()]);
        let turned = first.is_some_and(|first| self.is_turned(slot, first));
        let sender = if turned { sender.other() } else { sender };
        group.and_then(|group| group.fullest(sender)).is_none_or(|fullest| fullest == (place, direction))
    }

    /// Takes a payload of a further sighting: what the representative does not see, its flow hears here.
    fn sample_further(&mut self, books: &mut Books, slot: u32, payload: &Payload<'_>) -> bool {
        let Some(first) = self.table.first(slot).filter(|first| *first != slot) else { return false };
        if !self.is_voice(slot, payload.sender) {
            return false;
        }
        let turned = self.is_turned(slot, first);
        let Some(entry) = self.table.entry_mut(first).filter(|e| e.earlier.is_none()) else { return false };
        let sender = if turned { payload.sender.other() } else { payload.sender };
        let wanted = books.hear(&mut self.payloads, first, entry, &Payload { sender, ..*payload });
        self.make_room(books, payload.time);
        wanted
    }

    /// Gives up conversations while there are too many, and queues what was said.
    fn make_room(&mut self, books: &mut Books, now: u64) {
        while let Some(place) = self.payloads.surplus() {
            self.hang_up(books, place, |payloads, talk, said| payloads.evict(talk, now, said));
        }
        books.tell(&mut self.payloads);
    }

    /// Does something with the talk that has the conversation of a place.
    fn hang_up(
        &mut self,
        books: &mut Books,
        place: Place,
        with: impl FnOnce(&mut Payloads, &mut Talk, &mut Vec<AnyRecord>),
    ) {
        let talk = self.table.entry_mut(place.slot).and_then(|entry| {
            let earlier = entry.earlier.as_mut().map(|earlier| &mut earlier.talk);
            earlier.into_iter().chain([&mut entry.talk]).find(|talk| talk.is_at(place))
        });
        match talk {
            Some(talk) => with(&mut self.payloads, talk, &mut books.outbox.said),
            None => self.payloads.abandon(place),
        }
    }

    /// A flow without payload has the name that DNS gave to its server before it began: a connection that
    /// was refused, or has not got to speak yet.
    pub(super) fn name_silent(payloads: &Payloads, entry: &mut Entry) {
        if entry.is_representative() && entry.talk.known.name.is_none() {
            entry.talk.known.name = payloads.name_before(&entry.key, entry.parties.client, entry.begun);
        }
    }

    /// A flow of QUIC without a handshake gets the name of the connection with which it goes on, perhaps.
    pub(super) fn find_moved(table: &mut Table, payloads: &Payloads, slot: u32) {
        let Some(entry) = table.entry_mut(slot).filter(|entry| entry.talk.stray) else { return };
        let (key, first) = (entry.key, entry.first);
        let mut talk = std::mem::take(&mut entry.talk);
        payloads.find_moved(&key, &mut talk, first, |slot, id| {
            table.entry(slot).filter(|entry| entry.talk.id == id).map(|entry| entry.last)
        });
        if let Some(entry) = table.entry_mut(slot) {
            entry.talk = talk;
        }
    }

    /// No payload of a flow comes any more: it keeps what is known of it.
    pub(super) fn end_talk(&mut self, books: &mut Books, talk: &mut Talk, last: u64) {
        self.payloads.close(talk, last, &mut books.outbox.said);
        books.tell(&mut self.payloads);
    }

    /// Gives up waiting for answers that have not come.
    pub(super) fn expire_payloads(&mut self, books: &mut Books, now: u64) {
        while let Some(place) = self.payloads.silent(now) {
            self.hang_up(books, place, |payloads, talk, said| payloads.close(talk, now, said));
        }
        self.payloads.expire_queries(now);
        books.tell(&mut self.payloads);
    }
}

impl Books {
    /// Hands a payload to the talk of an entry.
    fn hear(&mut self, payloads: &mut Payloads, slot: u32, entry: &mut Entry, payload: &Payload<'_>) -> bool {
        let interface = self.interfaces.name(entry.attachment);
        let owned = entry.owners.shown();
        let subject = Subject { slot, key: &entry.key, client: entry.parties.client, interface, owned };
        payloads.read(&subject, payload, &mut entry.talk, &mut self.outbox.said)
    }
}
