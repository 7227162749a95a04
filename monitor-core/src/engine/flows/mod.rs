//! The flows in slots: what each reading says of them.

mod ending;
mod sightings;

use monitor_common::abi::{self, Flow, FlowKey, Side, Transport, View};

use super::{EngineConfig, books::Books};
use crate::{
    flow::{
        Claim, FlowId,
        devices::Devices,
        entry::{Entry, Sighting},
        expiry,
        pressure::Demand,
        reading::Reading,
        record::Unwritten,
        role::Host,
        silent::{Silents, Tuple},
        state::Connection,
        table::Table,
        translation::Translations,
    },
    label::{EndReason, TcpCounter},
    live::Sample,
    payload::{Payloads, Talk},
    record::Id,
    time::SECOND,
};

/// How long the owners of a connection are asked for after it began, ns of the flow clock: one whose handshake goes on
/// has no socket of its own yet, and of older sockets the kernel's list says more.
const OWNER_WAIT: u64 = 10 * SECOND;

/// The flow table with what is known around it.
#[derive(Debug)]
pub(super) struct Flows {
    pub(super) host: Host,
    pub(super) table: Table,
    pub(super) payloads: Payloads,
    /// The last number that a flow got.
    pub(super) ids: Id,
    /// Slots whose flows began in this drain: which sighting counts is found out when all are known.
    fresh: Vec<u32>,
    /// Slots whose flows wait for their names, and when they began.
    pub(super) unnamed: Vec<(u32, u64)>,
    /// Slots whose 5-tuple began a new connection since samples were last read.
    pub(super) anew: Vec<u32>,
    /// How the host's devices are stacked.
    pub(super) devices: Devices,
    /// Addresses that this host translates.
    pub(super) translations: Translations,
    /// Slots of the flows with several sightings that changed since they were counted.
    together: Vec<u32>,
    /// Beginnings of flows are noted by [`super::Engine::begins`], not when their slots are read.
    pub(super) noted_early: bool,
    /// Connections that ended because they were silent.
    pub(super) silents: Silents,
    /// What began lately.
    demand: Demand,
    /// Slots whose watermarks have moved, for a successor; none: there is to be no successor.
    pub(super) moved: Option<Vec<u32>>,
}

impl Flows {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            host: Host::default(),
            table: Table::default(),
            payloads: Payloads::new(config.payloads.clone(), config.wall_offset),
            ids: Id::default(),
            fresh: Vec::new(),
            unnamed: Vec::new(),
            anew: Vec::new(),
            devices: Devices::default(),
            translations: Translations::default(),
            together: Vec::new(),
            noted_early: false,
            silents: Silents::new(config.max_flows),
            demand: Demand::default(),
            moved: None,
        }
    }

    /// Goes on with another configuration.
    pub(super) fn reconfigure(&mut self, config: &EngineConfig) {
        self.payloads.set_wall_offset(config.wall_offset);
        self.payloads.reconfigure(&config.payloads);
        self.review(config, |_| true);
    }

    /// Looks at flows again, because what is known around them has changed.
    pub(super) fn review(&mut self, config: &EngineConfig, which: impl Fn(&Entry) -> bool) {
        for slot in self.table.slots() {
            if let Some((line, entry)) = self.table.pair(slot).filter(|(_, entry)| which(entry)) {
                let parties = self.host.parties(&entry.key, entry.seen, &config.services);
                entry.set_parties(parties);
                entry.naming.review();
                line.deadline = expiry::deadline(entry, &config.timeouts);
            }
        }
    }

    /// The client of a flow, from its key and what its packets said.
    pub(super) fn client(&self, key: &FlowKey, seen: (Side, abi::ClientRule), config: &EngineConfig) -> Side {
        self.host.parties(key, seen, &config.services).client
    }

    /// The flow with this id.
    pub(super) fn entry(&self, id: FlowId) -> Option<&Entry> {
        self.table.entry(id.slot).filter(|entry| entry.first == id.first)
    }

    /// Reads a slot. Costs next to nothing when no packet came since the last time.
    #[inline]
    pub(super) fn observe(&mut self, books: &mut Books, slot: u32, flow: &Flow) {
        let packets = packets(flow);
        let line = self.table.line(slot);
        if line.packets == packets && line.settled {
            return;
        }
        self.observe_changed(books, slot, flow, packets);
    }

    /// Reads a slot, and asks whose the flow is as long as that is not known.
    #[inline]
    pub(super) fn observe_owned(
        &mut self,
        books: &mut Books,
        slot: u32,
        flow: &Flow,
        claims: impl FnOnce(&FlowKey) -> [Claim; 2],
    ) {
        let packets = packets(flow);
        let line = self.table.line(slot);
        if line.packets == packets && line.settled && !line.unowned {
            return;
        }
        let key = flow.head.key.get();
        let entry = self.table.entry(slot).filter(|entry| entry.key == key);
        let known = entry.is_some();
        let anew = entry.is_none_or(|entry| entry.told < flow.head.reused.get());
        if !anew && !self.table.line(slot).unowned {
            self.observe_changed(books, slot, flow, packets);
            return;
        }
        let claims = claims(&key);
        let now = books.now();
        if !anew {
            // What it gained since the last reading is its owner's that is known by now.
            self.own(slot, claims, now);
            self.observe_changed(books, slot, flow, packets);
            return;
        }
        if known {
            self.begin_anew(books, slot, flow);
            self.own(slot, claims.clone(), now);
        }
        self.observe_changed(books, slot, flow, packets);
        self.own(slot, claims, now);
    }

    /// Takes what is known of the sockets of a flow.
    fn own(&mut self, slot: u32, claims: [Claim; 2], now: u64) {
        let Some((line, entry)) = self.table.pair(slot) else { return };
        let last = now > entry.begun.saturating_add(OWNER_WAIT);
        let parties = entry.parties;
        entry.owners.take(claims, parties, last);
        line.unowned = !entry.owners.is_settled();
    }

    /// Reads a slot that may have changed.
    #[inline(never)]
    pub(super) fn observe_changed(&mut self, books: &mut Books, slot: u32, flow: &Flow, packets: [u64; 2]) {
        if self.table.entry(slot).is_some_and(|e| e.was_replaced(flow, packets)) {
            // Emptied without a word: what it counted last is lost, what comes is a new flow.
            self.leave(books, slot, EndReason::Evicted);
        }
        if self.table.entry(slot).is_none() {
            if packets == [0; 2] {
                return;
            }
            self.open(books, slot, flow);
        }
        self.read(books, slot, flow, packets);
    }

    /// A flow has appeared in a slot.
    pub(super) fn open(&mut self, books: &mut Books, slot: u32, flow: &Flow) {
        let key = flow.head.key.get();
        let domain = self.devices.domain(&key, [flow.head.vlans[0].get(), flow.head.vlans[1].get()]);
        let mut entry = Entry {
            key,
            view: key.view(),
            domain,
            inside: flow.head.tunnel.get() != 0,
            attachment: books.interfaces.attachment(key.ifindex),
            first: flow.head.first.get(),
            begun: flow.head.first.get(),
            seen: flow.head.client(),
            ..Entry::default()
        };
        if let Some(silent) = self.silents.find(&Tuple::new(&key, domain), flow) {
            silent.resume(&mut entry);
        } else {
            self.ids.0 += 1;
            entry.talk = Talk::new(self.ids);
        }
        entry.parties = self.host.parties(&key, entry.seen, &books.config.services);
        books.interfaces.hold(entry.attachment, true);
        self.table.insert(slot, entry);
        self.fresh.push(slot);
        books.ledger.slot_taken();
        books.report.opened += 1;
    }

    /// Reads a slot for the first time whose flow's directions pass otherwise than its key says.
    pub(super) fn open_as(&mut self, books: &mut Books, slot: u32, flow: &Flow, view: View) {
        if self.table.entry(slot).is_none() {
            self.open(books, slot, flow);
        }
        if let Some(entry) = self.table.entry_mut(slot) {
            entry.view = view;
        }
    }

    /// Takes a reading of a slot with a flow.
    fn read(&mut self, books: &mut Books, slot: u32, flow: &Flow, packets: [u64; 2]) {
        self.begin_anew(books, slot, flow);
        let Self { table, host, moved, .. } = self;
        let Some((line, entry)) = table.pair(slot) else { return };
        if let Some(moved) = moved {
            moved.push(slot);
        }
        line.settled = line.packets == packets;
        line.packets = packets;
        let reading = Reading::of(flow);
        let delta = reading.since(&entry.reading);
        let seen = flow.head.client();
        // Another sighting may have seen more of the beginning.
        if (entry.group.is_none() || seen.1 >= entry.seen.1) && entry.hears_of_client(seen) {
            let parties = host.parties(&entry.key, seen, &books.config.services);
            entry.set_parties(parties);
        }
        if books.config.records {
            let (written, at) = (entry.whole(), entry.begun.max(entry.first));
            entry.unwritten.get_or_insert_with(|| Unwritten::new(written, at)).take(flow);
        } else {
            entry.unwritten = None;
        }
        entry.take(flow, reading);
        books.count_sighting(entry, &delta);
        books.report.changed += 1;
        match entry.sighting {
            Sighting::Representative if entry.group.is_none() => {
                let connection = entry.connection;
                Self::gained(books, slot, entry, connection, &delta);
            }
            Sighting::Further => {
                books.meter(entry, &delta);
                books.show(entry, slot, &delta);
                let _ = entry.advance(&delta);
            }
            // Counted when all sightings were read.
            Sighting::Representative | Sighting::New => {}
        }
        line.deadline = expiry::deadline(entry, &books.config.timeouts);
        if entry.group.is_some() || entry.sighting == Sighting::Further {
            self.seen_further(slot, &delta);
        }
    }

    /// Counts what a flow gained, of whose connection this is known now.
    fn gained(books: &mut Books, slot: u32, entry: &mut Entry, connection: Connection, delta: &Reading) {
        books.meter(entry, delta);
        books.show(entry, slot, delta);
        let before = entry.state();
        let results = entry.advance_to(connection, delta);
        let state = entry.state();
        if before != state
            && let Some(state) = state
        {
            let now = books.now();
            books.ledger.live_mut().timelines_mut().passed(entry.timeline, entry.id(slot), now, state);
        }
        books.count(entry, delta, &results);
        books.ledger.moved(before, state);
    }

    /// A drain at `now` has ended: those who watch look at it.
    pub(super) fn watch(&mut self, books: &mut Books, now: u64) {
        books.watch(now, &self.payloads);
        let timelines = books.ledger.live_mut().timelines_mut();
        timelines.settle(books.step.now(), |id, at| {
            let entry = self.table.entry_mut(id.slot);
            let entry = entry.filter(|entry| entry.first == id.first && entry.is_representative());
            entry.map(|entry| entry.timeline = at).is_some()
        });
    }
}

impl Books {
    /// Follows the rates of a flow.
    #[inline]
    fn meter(&self, entry: &mut Entry, delta: &Reading) {
        for (meter, gained) in entry.meters.iter_mut().zip(&delta.0) {
            meter.update(&self.step, gained.packets, gained.bytes);
        }
    }

    /// Shows what a flow in `slot` gained to those who watch.
    #[inline]
    fn show(&mut self, entry: &Entry, slot: u32, delta: &Reading) {
        if !self.ledger.live().is_on() {
            return;
        }
        let client = entry.parties.client;
        let sides = [client, client.other()].map(|side| delta.side(side));
        let tcp = entry.transport() == Transport::Tcp;
        let sample = Sample {
            bytes: sides.map(|side| side.bytes),
            packets: sides.map(|side| side.packets.min(u64::from(u32::MAX)) as u32),
            retransmissions: sides.map(|side| if tcp { side.tcp(TcpCounter::Retransmissions) } else { 0 }),
        };
        let (bytes, now) = (entry.whole().bytes(), self.now());
        self.ledger.live_mut().timelines_mut().gained(entry.timeline, entry.id(slot), bytes, now, sample);
    }
}

/// Packets of a slot, by side.
#[inline]
pub(super) fn packets(flow: &Flow) -> [u64; 2] {
    [flow.hot[0].packets.get(), flow.hot[1].packets.get()]
}
