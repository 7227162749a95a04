//! The ledger: everything that is counted of flows, as sums that only grow and as what people watch.

mod count;
mod owners;

use monitor_common::abi::{CoarseCounters, CoarseKey, Direction, FlowKey, Transport};

use super::EngineConfig;
use crate::{
    fanout::{Fanout, reaches},
    flow::{
        Rate,
        rate::{Meter, Step},
        role::{self, Parties},
    },
    label::{EndReason, LetGo, Role, Scope},
    live::{Live, Marks, Surge},
    payload::Payloads,
    totals::{Families, InterfaceTotals, Io, Totals},
};

/// All sums of an engine but those of its interfaces.
#[derive(Debug)]
pub struct Ledger {
    totals: Totals,
    families: Families,
    live: Live,
    fanout: Fanout,
    /// What was counted once in this drain, by direction.
    counted: [Io; 2],
    meters: [Meter; 2],
    rates: [Rate; 2],
    coarse: Vec<(CoarseKey, CoarseCounters)>,
}

impl Ledger {
    pub(super) fn new(config: &EngineConfig, now: u64) -> Self {
        Self {
            totals: Totals::default(),
            families: Families::new(&config.series, now),
            live: Live::new(config.live, now),
            fanout: Fanout::new(config.fanout),
            counted: [Io::default(); 2],
            meters: <[Meter; 2]>::default(),
            rates: [Rate::default(); 2],
            coarse: Vec::new(),
        }
    }

    /// Goes on with the bounds of `config` after those of `before`.
    pub(super) fn reconfigure(&mut self, before: &EngineConfig, config: &EngineConfig, now: u64) {
        if config.series != before.series {
            self.families.reconfigure(&config.series, now);
        }
        self.fanout.reconfigure(config.fanout);
    }

    /// Counters of flows and of TCP.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The families whose keys traffic chooses.
    pub const fn families(&self) -> &Families {
        &self.families
    }

    /// The same, to note what was exposed.
    pub const fn families_mut(&mut self) -> &mut Families {
        &mut self.families
    }

    /// What is kept for those who watch.
    pub const fn live(&self) -> &Live {
        &self.live
    }

    pub(super) const fn live_mut(&mut self) -> &mut Live {
        &mut self.live
    }

    /// Who reaches how many.
    pub const fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    pub(super) const fn fanout_mut(&mut self) -> &mut Fanout {
        &mut self.fanout
    }

    /// Overall rate of what was counted once, by direction: means as of flows, so that those of flows add up to it.
    pub const fn rate(&self, direction: Direction) -> Rate {
        self.rates[direction.index()]
    }

    /// Packets to a server that found no slot, as of the last [`Self::set_coarse`].
    pub(super) fn overflow_of(&self, key: &CoarseKey) -> u64 {
        self.coarse.iter().find(|(known, _)| known == key).map_or(0, |(_, counters)| counters.packets)
    }

    /// What the coarse table of the kernel holds now: packets that found no slot, by server.
    pub fn set_coarse(&mut self, entries: Vec<(CoarseKey, CoarseCounters)>) {
        self.coarse = entries;
    }

    /// Servers whose packets found no slot, most packets first.
    pub fn top_overflow(&self, count: usize) -> Vec<(CoarseKey, CoarseCounters)> {
        let mut top = self.coarse.clone();
        top.sort_unstable_by_key(|(_, c)| std::cmp::Reverse(c.packets));
        top.truncate(count);
        top
    }

    /// Sums since the start, of which the numbers of a window are made.
    pub(super) fn marks(&self, payloads: &Payloads) -> Marks {
        Marks::of(self.live.rates().counters(), &self.totals, payloads)
    }

    pub(super) const fn begin_drain(&mut self) {
        self.counted = [Io { packets: 0, bytes: 0 }; 2];
    }

    /// A drain has ended, at `wall` since the Unix epoch.
    pub(super) fn end_drain(&mut self, step: &Step, wall: u64) {
        for ((meter, rate), io) in self.meters.iter_mut().zip(&mut self.rates).zip(self.counted) {
            meter.update(step, io.packets, io.bytes);
            *rate = meter.rate(step);
        }
        self.totals.drains += 1;
        self.totals.last_drain = wall;
    }

    /// A drain at `now` has ended: those who watch look at what it brought. Returns the surges that began.
    pub(super) fn watch(
        &mut self,
        now: u64,
        interfaces: &[InterfaceTotals],
        payloads: &Payloads,
    ) -> Vec<Surge> {
        self.live.drained(now, self.counted, &self.totals, interfaces, payloads)
    }

    /// A slot has a flow.
    pub(super) const fn slot_taken(&mut self) {
        self.totals.flows.slots += 1;
    }

    /// A slot has none any more.
    pub(super) const fn slot_freed(&mut self) {
        self.totals.flows.slots -= 1;
    }

    /// A flow is in the table; `new`: no engine before this one counted it, and `resumed`: it was there before.
    pub(super) fn flow_began(&mut self, transport: Transport, new: bool, resumed: bool) {
        let flows = &mut self.totals.flows;
        flows.started[transport.index()] += u64::from(new);
        flows.resumed += u64::from(resumed);
        flows.active[transport.index()] += 1;
    }

    /// How many connections are remembered that were silent, and how many were forgotten.
    pub(super) const fn remembers(&mut self, (remembered, forgotten): (u64, u64)) {
        self.totals.flows.remembered = remembered;
        self.totals.flows.forgotten = forgotten;
    }

    /// A flow left the table.
    pub(super) const fn flow_ended(&mut self, transport: Transport, reason: EndReason) {
        let flows = &mut self.totals.flows;
        flows.active[transport.index()] -= 1;
        flows.ended[transport.index()][reason.index()] += 1;
    }

    /// The table is short of room, and these make some; `None`: it has room.
    pub(super) fn made_room(&mut self, gone: Option<&[(u32, LetGo)]>) {
        let flows = &mut self.totals.flows;
        flows.pressure = gone.is_some();
        for (_, kind) in gone.unwrap_or_default() {
            flows.let_go[kind.index()] += 1;
        }
    }

    /// A further sighting of a flow appeared.
    pub(super) const fn duplicate_began(&mut self) {
        self.totals.flows.duplicates += 1;
    }

    /// Notes who reached what, if the beginning of a flow says so.
    pub(super) fn reached(&mut self, key: &FlowKey, parties: Parties, time: u64) {
        let server = parties.client.other();
        let (_, port) = key.endpoint(server);
        // Fragments without their first have no ports.
        if port != 0 && reaches(Transport::from_protocol(key.protocol), parties.rule) {
            let inside = parties.role == Role::Client
                || parties.within
                || parties.scope == Scope::Local
                || parties.inner == Some(parties.client);
            let (source, server) = (role::ip(key, parties.client), role::ip(key, server));
            self.fanout.reached_from(source, inside, server, port, time);
        }
    }
}
