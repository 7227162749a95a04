//! The engine: one drain after another, readings of slots and hooks become numbers.
//!
//! A drain is, in this order: [`Engine::begin_drain`], [`Engine::observe`] for each slot,
//! [`Engine::expired`], [`Engine::close`] for each slot that it named (after their keys were deleted
//! and a grace period passed), [`Engine::end_drain`].

mod anew;
mod carry;
mod config;
mod count;
mod hooks;
mod live;
mod payload;
mod reach;
mod records;
mod view;

use monitor_common::abi::{self, CoarseCounters, CoarseKey, Direction, Flow, FlowKey, HookCounters, View};

pub use crate::label::EndReason;
use crate::{
    fanout::{Detection, Fanout},
    filter::Network,
    flow::{
        Rate,
        entry::{Entry, Fuller},
        expiry,
        rate::{Meter, Step},
        reading::{Reading, SideReading},
        record::Unwritten,
        role::Host,
        state::Results,
        table::{Left, Table},
    },
    host::{Interface, Listener, LocalNetwork},
    label::{AttemptResult, ClientRule},
    live::Live,
    payload::Understanding,
    record::AnyRecord,
    series::Family,
    totals::{Families, Io, Totals},
};
pub use carry::{Carried, CarriedAttachment};
pub(crate) use config::SECOND;
pub use config::{Budgets, EngineConfig, Timeouts};
use count::{Once, count_sighting};
use hooks::Hooks;
use records::Writer;

/// A reading of one hook's counters, summed over the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookReading {
    /// The kernel's index of the interface.
    pub ifindex: u32,
    /// Direction.
    pub direction: Direction,
    /// Its counters since it was attached.
    pub counters: HookCounters,
}

/// A hook whose numbers did not add up: not `before` ≤ `accounted` ≤ `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the interface.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// H0: packets that the hook had seen before the slots were read.
    pub before: u64,
    /// Packets of flows, overflow, not IP and undecodable together.
    pub accounted: u64,
    /// H1: packets that the hook had seen at the end.
    pub after: u64,
}

/// What a drain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Slots that were read and live.
    pub live: u32,
    /// Slots that had changed since the drain before.
    pub changed: u32,
    /// Flows that began (duplicates included).
    pub opened: u32,
    /// Flows that ended.
    pub closed: u32,
    /// Hooks for which H0 = H1: there the sums are equal to the packet, not only bounded.
    pub quiet_hooks: u32,
    /// Hooks that were checked.
    pub checked_hooks: u32,
    /// Hooks whose numbers did not add up.
    pub violations: Vec<Violation>,
}

/// Flows, counters and records of one host or capture.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    totals: Totals,
    families: Families,
    hooks: Hooks,
    host: Host,
    table: Table,
    /// Slots whose flows began in this drain: which sighting counts is found out when all are known.
    fresh: Vec<u32>,
    /// Slots whose flows wait for their names, and when they began.
    unnamed: Vec<(u32, u64)>,
    /// Slots whose 5-tuple began a new connection since samples were last read.
    anew: Vec<u32>,
    /// Slots of further sightings that see both sides of their flow and changed in this drain.
    fuller: Vec<u32>,
    coarse: Vec<(CoarseKey, CoarseCounters)>,
    step: Step,
    /// What was counted once in this drain, by direction.
    counted: [Io; 2],
    meters: [Meter; 2],
    report: DrainReport,
    records: Vec<AnyRecord>,
    payloads: Understanding,
    /// Records of payload on their way into the queue.
    said: Vec<AnyRecord>,
    live: Live,
    fanout: Fanout,
    /// Sources that passed a threshold and were not taken yet.
    found: Vec<Detection>,
    /// Flows are told of when they begin, not when their slots are read.
    told_early: bool,
    /// Slots whose watermarks have moved, for a successor; none: there is to be no successor.
    moved: Option<Vec<u32>>,
}

impl Engine {
    /// An engine that has seen nothing, at `now`.
    pub fn new(config: EngineConfig, now: u64) -> Self {
        let families = Families {
            services: Family::new(config.series.services, now),
            peers: Family::new(config.series.peers, now),
            domains: Family::new(config.series.domains, now),
            names: Family::new(config.series.names, now),
            applications: Family::new(config.series.applications, now),
            latencies: Family::new(config.series.latencies, now),
            unresolved: [0; 6],
        };
        let mut payloads = Understanding::new(config.payloads.clone());
        payloads.set_wall_offset(config.wall_offset);
        let fanout = Fanout::new(config.fanout);
        let live = Live::new(config.live, now);
        Self {
            live,
            config,
            fanout,
            found: Vec::new(),
            told_early: false,
            moved: None,
            totals: Totals::default(),
            families,
            hooks: Hooks::default(),
            host: Host::default(),
            table: Table::default(),
            fresh: Vec::new(),
            unnamed: Vec::new(),
            anew: Vec::new(),
            fuller: Vec::new(),
            coarse: Vec::new(),
            step: Step::new(now, now),
            counted: [Io::default(); 2],
            meters: [Meter::default(); 2],
            report: DrainReport::default(),
            records: Vec::new(),
            payloads,
            said: Vec::new(),
        }
    }

    /// Goes on with another configuration; what was counted stays.
    pub fn reconfigure(&mut self, config: EngineConfig) {
        let now = self.step.now();
        if config.series != self.config.series {
            self.families.services.reconfigure(config.series.services, now);
            self.families.peers.reconfigure(config.series.peers, now);
            self.families.domains.reconfigure(config.series.domains, now);
            self.families.names.reconfigure(config.series.names, now);
            self.families.applications.reconfigure(config.series.applications, now);
            self.families.latencies.reconfigure(config.series.latencies, now);
        }
        self.payloads.set_wall_offset(config.wall_offset);
        self.payloads.reconfigure(&config.payloads);
        self.fanout.reconfigure(config.fanout);
        self.config = config;
        self.review(|_| true);
    }

    /// What turns a time of the flow clock into nanoseconds since the Unix epoch, from now on: the
    /// wall clock may be set, and `CLOCK_MONOTONIC` stands still while a host sleeps.
    pub fn set_wall_offset(&mut self, wall_offset: i64) {
        self.config.wall_offset = wall_offset;
        self.payloads.set_wall_offset(wall_offset);
    }

    /// The interfaces that are watched now. New ones are added, renamed ones count under their new
    /// name from now on, the numbers of removed ones stay under theirs. Flows of a removed interface
    /// end at the next drain, for which its hooks may still be read.
    pub fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.hooks.set_interfaces(interfaces, &mut self.totals);
    }

    /// The interface is gone, and so are its hook counters: another one may begin at 0 under the same
    /// index. Call it after the last drain that reads them.
    pub fn forget_interface(&mut self, ifindex: u32) {
        self.hooks.publish(&mut self.totals);
        self.hooks.forget(ifindex, &mut self.totals);
    }

    /// The host's own addresses. Role and scope of active flows follow.
    pub fn set_local_networks(&mut self, networks: &[LocalNetwork]) {
        if self.host.set_networks(networks) {
            self.review(|_| true);
        }
    }

    /// Networks of which every address counts as this host's: whose side a capture is looked at from.
    pub fn set_inside(&mut self, networks: &[Network]) {
        self.host.set_inside(networks);
        self.review(|_| true);
    }

    /// Which way the directions of a flow pass by its addresses, if one is this host's.
    pub(crate) fn view_by_address(&self, key: &FlowKey) -> Option<View> {
        self.host.view(key)
    }

    /// The listening sockets of this host, for flows whose beginning was not seen. Whose client was
    /// found by its listener keeps it when that closes.
    pub fn set_listeners(&mut self, listeners: &[Listener]) {
        if self.host.set_listeners(listeners) {
            self.review(|e| e.seen.1 == abi::ClientRule::First && e.parties.rule != ClientRule::Listener);
        }
    }

    /// Looks at flows again, because what is known around them has changed.
    fn review(&mut self, which: impl Fn(&Entry) -> bool) {
        for slot in 0..self.table.lines().len() as u32 {
            if let Some(entry) = self.table.entry_mut(slot).filter(|entry| which(entry)) {
                entry.parties = self.host.parties(&entry.key, entry.seen, &self.config.services);
                entry.naming.review();
                let deadline = expiry::deadline(entry, &self.config.timeouts);
                self.table.line(slot).deadline = deadline;
            }
        }
    }

    /// What the coarse table holds now: packets that found no slot, by server.
    pub fn set_coarse(&mut self, entries: Vec<(CoarseKey, CoarseCounters)>) {
        self.coarse = entries;
    }

    /// Begins a drain. `before` is H0: all hooks, read before the slots.
    pub fn begin_drain(&mut self, now: u64, before: &[HookReading]) {
        self.step = Step::new(self.step.now(), now);
        self.report = DrainReport::default();
        self.counted = [Io::default(); 2];
        self.hooks.before(before, &mut self.totals);
    }

    /// Reads a slot. Costs next to nothing when no packet came since the last time.
    #[inline]
    pub fn observe(&mut self, slot: u32, flow: &Flow) {
        let packets = [flow.hot[0].packets.get(), flow.hot[1].packets.get()];
        let line = self.table.line(slot);
        if line.packets == packets && line.settled {
            return;
        }
        self.observe_changed(slot, flow, packets);
    }

    /// Reads a slot that may have changed.
    #[inline(never)]
    fn observe_changed(&mut self, slot: u32, flow: &Flow, packets: [u64; 2]) {
        if self.table.entry(slot).is_some_and(|e| e.was_replaced(flow, packets)) {
            // Emptied without a word: what it counted last is lost, what comes is a new flow.
            self.leave(slot, EndReason::Evicted);
        }
        if self.table.entry(slot).is_none() {
            if packets == [0; 2] {
                return;
            }
            self.open(slot, flow);
        }
        self.read(slot, flow, packets);
    }

    /// A flow has appeared in a slot.
    fn open(&mut self, slot: u32, flow: &Flow) {
        let key = flow.head.key;
        let seen = flow.head.client();
        let entry = Entry {
            key,
            view: key.view(),
            attachment: self.hooks.attachment(key.ifindex, &mut self.totals),
            first: flow.head.first.get(),
            begun: flow.head.first.get(),
            seen,
            parties: self.host.parties(&key, seen, &self.config.services),
            ..Entry::default()
        };
        self.hooks.hold(entry.attachment, true);
        self.table.insert(slot, entry);
        self.fresh.push(slot);
        self.totals.flows.slots += 1;
        self.report.opened += 1;
    }

    /// Reads a slot for the first time whose flow's directions pass otherwise than its key says.
    pub(crate) fn open_as(&mut self, slot: u32, flow: &Flow, view: View) {
        if self.table.entry(slot).is_none() {
            self.open(slot, flow);
        }
        if let Some(entry) = self.table.entry_mut(slot) {
            entry.view = view;
        }
    }

    /// Takes a reading of a slot with a flow.
    fn read(&mut self, slot: u32, flow: &Flow, packets: [u64; 2]) {
        self.begin_anew(slot, flow);
        let Self {
            table,
            hooks,
            host,
            config,
            totals,
            families,
            live,
            counted,
            step,
            report,
            fuller,
            moved,
            ..
        } = self;
        let Some((line, entry)) = table.pair(slot) else { return };
        if let Some(moved) = moved {
            moved.push(slot);
        }
        line.settled = line.packets == packets;
        line.packets = packets;
        let reading = Reading::of(flow);
        let delta = reading.since(&entry.reading);
        let seen = flow.head.client();
        if seen != entry.seen {
            entry.seen = seen;
            entry.parties = host.parties(&entry.key, seen, &config.services);
        }
        if config.records {
            let (written, at) = (entry.reading, entry.begun);
            entry.unwritten.get_or_insert_with(|| Unwritten::new(written, at)).take(flow);
        } else {
            entry.unwritten = None;
        }
        entry.take(flow, reading);
        for (meter, gained) in entry.meters.iter_mut().zip(&delta.0) {
            meter.update(step, gained.packets, gained.bytes);
        }
        count_sighting(entry, &delta, hooks, totals);
        live.gained(entry, slot, &delta, step.now());
        if entry.linked {
            let before = entry.state();
            let results = entry.advance(&delta);
            let state = entry.state();
            if before != state
                && let Some(state) = state
            {
                live.timelines_mut().passed(entry.timeline, entry.id(slot), step.now(), state);
            }
            if entry.counts {
                let mut once = Once { totals, families, live, counted, config, now: step.now() };
                once.count(entry, &delta, &results);
                once.moved(before, entry.state());
            } else if entry.fuller != Fuller::No && entry.reading.is_two_sided() {
                fuller.push(slot);
            }
        }
        line.deadline = expiry::deadline(entry, &config.timeouts);
        report.changed += 1;
    }

    /// Finds out which of the new flows are further sightings of others, and counts those that are not.
    fn settle(&mut self) {
        if !self.fresh.is_empty() {
            self.settle_fresh();
        }
        if !self.fuller.is_empty() {
            self.settle_fuller();
        }
    }

    fn settle_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable_by_key(|slot| (self.table.entry(*slot).map(|e| e.first), *slot));
        for slot in fresh.drain(..) {
            if self.table.entry(slot).is_none_or(|e| e.linked) {
                continue;
            }
            let counts = self.table.link(slot);
            let Self {
                table, config, totals, families, live, counted, step, fuller, fanout, told_early, ..
            } = self;
            let Some((line, entry)) = table.pair(slot) else { continue };
            let inherited = entry.inherited.as_deref().copied();
            let delta = entry.reading.since(&inherited.unwrap_or_default());
            let results = entry.advance(&delta);
            line.deadline = expiry::deadline(entry, &config.timeouts);
            if counts {
                self.unnamed.push((slot, entry.first));
                let transport = entry.transport().index();
                totals.flows.started[transport] += u64::from(inherited.is_none());
                totals.flows.active[transport] += 1;
                let mut once = Once { totals, families, live, counted, config, now: step.now() };
                once.count(entry, &delta, &results);
                once.moved(None, entry.state());
                if !*told_early && inherited.is_none() {
                    reach::note(fanout, &entry.key, entry.parties, entry.first);
                }
            } else {
                totals.flows.duplicates += 1;
                if entry.reading.is_two_sided() {
                    fuller.push(slot);
                }
            }
        }
        self.fresh = fresh;
    }

    /// Where a flow's ways in and out are different interfaces and a third (a bond, a bridge) sees
    /// both, that one counts: from then on, and all that came from the side which the first never saw.
    fn settle_fuller(&mut self) {
        let mut slots = std::mem::take(&mut self.fuller);
        for slot in slots.drain(..) {
            let Some(first) = self.table.first(slot).filter(|first| *first != slot) else { continue };
            self.end_earlier(first);
            let Some(mut earlier) = self.table.entry(first).cloned() else { continue };
            let Some(entry) = self.table.entry_mut(slot) else { continue };
            if earlier.reading.is_two_sided() {
                entry.fuller = Fuller::No;
                continue;
            }
            if entry.fuller == Fuller::Unknown {
                entry.fuller = Fuller::Once;
                continue;
            }
            self.table.swap(first, slot);
            let Self { table, hooks, config, totals, families, live, counted, step, records, .. } = self;
            let now = step.now();
            let Some((line, entry)) = table.pair(slot) else { continue };
            let mut once = Once { totals, families, live, counted, config, now };
            once.moved(earlier.state(), entry.state());
            if let Some(result) = entry.track.inherit(&earlier.track) {
                once.attempt(entry, result);
            }
            once.name(&mut earlier, true);
            entry.findings.clone_from(&earlier.findings);
            entry.naming = std::mem::take(&mut earlier.naming);
            let mut unseen = entry.reading;
            for (side, seen) in unseen.0.iter_mut().zip(&earlier.reading.0) {
                if seen.packets != 0 {
                    *side = SideReading::default();
                }
            }
            once.count(entry, &unseen, &Results::default());
            let written = entry.reading.since(&unseen);
            if let Some(unwritten) = &mut entry.unwritten {
                unwritten.wrote(written, now);
            }
            line.deadline = expiry::deadline(entry, &config.timeouts);
            Writer { config, hooks, totals, records, now }.interim(&mut earlier);
        }
        self.fuller = slots;
    }

    /// Counts the flows that waited long enough for their names.
    fn name_waiting(&mut self) {
        let Self { table, config, totals, families, live, counted, step, unnamed, payloads, .. } = self;
        let mut once = Once { totals, families, live, counted, config, now: step.now() };
        unnamed.retain(|&(slot, first)| {
            let Some(entry) = table.entry_mut(slot).filter(|e| e.first == first && e.counts) else {
                return false;
            };
            Self::name_silent(payloads, entry);
            once.name(entry, false);
            !entry.naming.is_decided()
        });
    }

    /// After all slots: which of them must end now. `others` is read after the slots; what it says
    /// of not IP, undecodable and overflow belongs to this drain. A slot that is not closed in this
    /// drain is named again in the next.
    pub fn expired(&mut self, others: &[HookReading]) -> Vec<(u32, EndReason)> {
        self.settle();
        self.name_waiting();
        self.hooks.others(others, &mut self.totals);
        let now = self.step.now();
        let any_removed = self.hooks.any_removed();
        let mut ending = Vec::new();
        for slot in 0..self.table.lines().len() as u32 {
            if !any_removed && self.table.line(slot).deadline > now {
                continue;
            }
            let Self { table, hooks, config, totals, families, live, counted, records, moved, .. } = self;
            let Some((line, entry)) = table.pair(slot) else { continue };
            let (end, reason) = expiry::end(entry, &config.timeouts);
            if end <= now {
                ending.push((slot, reason));
                continue;
            }
            if hooks.is_removed(entry.attachment) {
                ending.push((slot, EndReason::Idle));
                continue;
            }
            if expiry::attempt(entry) <= now {
                let before = entry.state();
                if entry.track.give_up() && entry.counts {
                    let mut once = Once { totals, families, live, counted, config, now };
                    once.attempt(entry, AttemptResult::TimedOut);
                    once.moved(before, entry.state());
                    if let Some(moved) = moved {
                        moved.push(slot);
                    }
                }
            }
            if expiry::record(entry, &config.timeouts) <= now {
                Writer { config, hooks, totals, records, now }.interim(entry);
                if let Some(moved) = moved {
                    moved.push(slot);
                }
            }
            line.deadline = expiry::deadline(entry, &config.timeouts);
        }
        expiry::with_sightings(&self.table, &self.config.timeouts, now, &mut ending);
        let room = self.config.max_flows as usize / 10 * 9 + self.config.max_flows as usize % 10 * 9 / 10;
        let wanted = (self.table.len() - ending.len()).saturating_sub(room);
        let evicted = expiry::evict(&self.table, wanted, &ending);
        ending.extend(evicted.into_iter().map(|slot| (slot, EndReason::Evicted)));
        ending
    }

    /// The last reading of a slot, after its key was deleted and a grace period passed. From then on
    /// the slot may hold another flow.
    pub fn close(&mut self, slot: u32, flow: &Flow, reason: EndReason) {
        let packets = [flow.hot[0].packets.get(), flow.hot[1].packets.get()];
        self.observe_changed(slot, flow, packets);
        // Whoever was never observed before counts now, under the name that its payload told.
        self.learn(slot);
        self.leave(slot, reason);
    }

    /// Takes the flow out of a slot.
    fn leave(&mut self, slot: u32, reason: EndReason) {
        self.settle();
        self.end_earlier(slot);
        self.forget_payload(slot);
        let Some((mut entry, left)) = self.table.remove(slot) else { return };
        Self::name_silent(&self.payloads, &mut entry);
        self.live.timelines_mut().ended(entry.timeline, entry.id(slot));
        self.hooks.hold(entry.attachment, false);
        self.totals.flows.slots -= 1;
        self.report.closed += 1;
        let Self { table, config, hooks, totals, families, live, counted, step, records, .. } = self;
        let now = step.now();
        let mut once = Once { totals, families, live, counted, config, now };
        match left {
            Left::Duplicate => {}
            Left::HandedOver(next) => {
                let Some((line, heir)) = table.pair(next) else { return };
                once.name(&mut entry, true);
                heir.findings.clone_from(&entry.findings);
                heir.naming = std::mem::take(&mut entry.naming);
                once.moved(entry.state(), None);
                if let Some(result) = heir.track.inherit(&entry.track) {
                    once.attempt(heir, result);
                }
                once.moved(None, heir.state());
                Writer { config, hooks, totals, records, now }.interim(&mut entry);
                if let Some(unwritten) = &mut heir.unwritten {
                    unwritten.wrote(heir.reading, now);
                }
                line.deadline = expiry::deadline(heir, &config.timeouts);
            }
            Left::Ended => {
                once.name(&mut entry, true);
                once.moved(entry.state(), None);
                // When the program ends, an attempt that may still be answered has no result.
                if (reason != EndReason::Shutdown || expiry::attempt(&entry) <= now) && entry.track.give_up()
                {
                    once.attempt(&entry, AttemptResult::TimedOut);
                }
                let transport = entry.transport().index();
                totals.flows.active[transport] -= 1;
                totals.flows.ended[transport][reason.index()] += 1;
                Writer { config, hooks, totals, records, now }.last(&mut entry, reason);
            }
        }
    }

    /// Ends a drain. `after` is H1: all hooks, read at least one grace period after the last slot.
    pub fn end_drain(&mut self, now: u64, after: &[HookReading]) -> DrainReport {
        self.settle();
        self.end_all_earlier();
        self.expire_payloads(now);
        let mut report = std::mem::take(&mut self.report);
        self.hooks.after(after, &mut self.totals, &mut report);
        for (meter, io) in self.meters.iter_mut().zip(self.counted) {
            meter.update(&self.step, io.packets, io.bytes);
        }
        self.fanout.expire(now);
        self.tell_fanout();
        self.watch(now);
        report.live = self.table.len() as u32;
        self.totals.drains += 1;
        self.totals.last_drain = self.wall(now);
        report
    }

    /// Ends all flows with [`EndReason::Shutdown`], after the last drain.
    pub fn shutdown(&mut self, now: u64) {
        self.step = Step::new(self.step.now(), now);
        for slot in 0..self.table.lines().len() as u32 {
            self.leave(slot, EndReason::Shutdown);
        }
        self.hooks.publish(&mut self.totals);
    }

    /// A time of the flow clock in nanoseconds since the Unix epoch.
    fn wall(&self, time: u64) -> u64 {
        time.saturating_add_signed(self.config.wall_offset)
    }

    /// All counters. Those of hooks move together, at the end of a drain.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The families whose keys traffic chooses.
    pub const fn families(&self) -> &Families {
        &self.families
    }

    /// The same, to tell them what was exposed.
    pub const fn families_mut(&mut self) -> &mut Families {
        &mut self.families
    }

    /// The configuration.
    pub const fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Overall rate of what was counted once, by direction.
    pub fn rate(&self, direction: Direction) -> Rate {
        self.meters[direction.index()].rate(&self.step)
    }

    /// Servers whose packets found no slot, most packets first.
    pub fn top_overflow(&self, count: usize) -> Vec<(CoarseKey, CoarseCounters)> {
        let mut top = self.coarse.clone();
        top.sort_unstable_by_key(|(_, c)| std::cmp::Reverse(c.packets));
        top.truncate(count);
        top
    }
}

#[cfg(test)]
mod tests;
