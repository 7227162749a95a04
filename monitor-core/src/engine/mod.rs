//! The engine: one drain after another, readings of slots and hooks become numbers.
//!
//! A drain is, in this order: [`Engine::begin_drain`], [`Engine::observe`] for each slot,
//! [`Engine::expired`], [`Engine::close`] for each slot that it named (after their keys were deleted
//! and a grace period passed), [`Engine::end_drain`].
//!
//! [`Engine`] is a facade over four parts. The *flows* know the slots: sightings, roles, states, when they end.
//! As they change they are entered into the books: the [`Ledger`] has all sums, the [`Interfaces`] have the
//! counters of hooks and check that they add up, and the [`Outbox`] holds records and findings until they are taken.

mod anew;
mod books;
mod capture;
mod carry;
mod config;
mod detect;
mod ended;
mod flows;
mod interfaces;
mod ledger;
mod outbox;
mod payload;
mod surroundings;
mod view;

use monitor_common::abi::{
    CoarseCounters, CoarseKey, Direction, Flow, FlowKey, HookCounters, IpVersion, Superseded, Transport,
};

pub use crate::flow::{Claim, Socket, Timeouts};
pub use crate::label::EndReason;
pub use crate::totals::Budgets;
use crate::{
    detection::Detector,
    live::Marks,
    payload::{Payload, Payloads, Talks},
};
use books::Books;
pub use carry::{Carried, CarriedAttachment, Succession};
pub use config::{EngineConfig, OwnerConfig};
pub use ended::ENDED_MAX;
use flows::Flows;
pub use interfaces::Interfaces;
pub use ledger::Ledger;
pub use outbox::Outbox;
pub use surroundings::Surroundings;

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
    flows: Flows,
    books: Books,
}

impl Engine {
    /// An engine that has seen nothing, at `now`.
    pub fn new(config: EngineConfig, now: u64) -> Self {
        Self { flows: Flows::new(&config), books: Books::new(config, now) }
    }

    /// Goes on with another configuration; what was counted stays.
    pub fn reconfigure(&mut self, config: EngineConfig) {
        self.books.reconfigure(config);
        self.flows.reconfigure(&self.books.config);
    }

    /// The configuration.
    pub const fn config(&self) -> &EngineConfig {
        &self.books.config
    }

    /// Where to say what changes around the engine.
    pub const fn surroundings(&mut self) -> Surroundings<'_> {
        Surroundings(self)
    }

    /// What is needed where one engine goes on after another, on the same slots.
    pub const fn succession(&mut self) -> Succession<'_> {
        Succession(self)
    }

    /// Begins a drain. `before` is H0: all hooks, read before the slots.
    pub fn begin_drain(&mut self, now: u64, before: &[HookReading]) {
        self.books.begin_drain(now, before);
    }

    /// Reads a slot. Costs next to nothing when no packet came since the last time.
    #[inline]
    pub fn observe(&mut self, slot: u32, flow: &Flow) {
        self.flows.observe(&mut self.books, slot, flow);
    }

    /// The same, and asks whose the flow is as long as that is not known: of a new flow or connection before what it
    /// gained is counted. `claims` says what is known of the sockets by side.
    #[inline]
    pub fn observe_owned(&mut self, slot: u32, flow: &Flow, claims: impl FnOnce(&FlowKey) -> [Claim; 2]) {
        self.flows.observe_owned(&mut self.books, slot, flow, claims);
    }

    /// Takes a payload of a flow that several interfaces may see: only of the sighting that counts.
    /// `connection` says how many connections in the slot came before its own. Returns whether more of its
    /// direction is wanted. `claims` as in [`Self::observe_owned`]: of flows that began since then.
    pub fn sample(
        &mut self,
        slot: u32,
        flow: &Flow,
        connection: u32,
        payload: &Payload<'_>,
        claims: impl FnOnce(&FlowKey) -> [Claim; 2],
    ) -> bool {
        self.flows.sample(&mut self.books, slot, flow, connection, payload, claims)
    }

    /// Takes what was measured of a connection, the `connection`th of its slot, when another one on the same 5-tuple
    /// followed it: the slot has forgotten it. `claims` as in [`Self::sample`].
    pub fn superseded(
        &mut self,
        slot: u32,
        flow: &Flow,
        connection: u32,
        of: &Superseded,
        claims: impl FnOnce(&FlowKey) -> [Claim; 2],
    ) {
        self.flows.superseded(&mut self.books, slot, flow, connection, of, claims);
    }

    /// Takes a payload of a flow that need not have been observed: that of a capture, whose talk lies in its
    /// slot of `talks` until it ends. Returns whether more of its direction is wanted.
    pub fn payload(&mut self, slot: u32, flow: &Flow, payload: &Payload<'_>, talks: &mut Talks) -> bool {
        self.flows.payload(&mut self.books, slot, flow, payload, talks)
    }

    /// After all slots: which of them must end now. `others` is read after the slots; what it says
    /// of not IP, undecodable and overflow belongs to this drain. A slot that is not closed in this
    /// drain is named again in the next.
    pub fn expired(&mut self, others: &[HookReading]) -> Vec<(u32, EndReason)> {
        self.flows.expired(&mut self.books, others)
    }

    /// The last reading of a slot, after its key was deleted and a grace period passed. From then on
    /// the slot may hold another flow.
    pub fn close(&mut self, slot: u32, flow: &Flow, reason: EndReason) {
        self.flows.close(&mut self.books, slot, flow, reason);
    }

    /// Ends a drain. `after` is H1: all hooks, read at least one grace period after the last slot.
    pub fn end_drain(&mut self, now: u64, after: &[HookReading]) -> DrainReport {
        let Self { flows, books } = self;
        flows.settle(books);
        flows.end_all_earlier(books);
        flows.name_waiting(books);
        flows.expire_payloads(books, now);
        books.ledger.remembers(flows.silents.numbers());
        let mut report = books.end_drain(now, after);
        // Of a capture nobody takes them: records suffice.
        books.tell_fanout(!flows.noted_early);
        books.tell_detections(!flows.noted_early);
        flows.watch(books, now);
        report.live = flows.table.len() as u32;
        report
    }

    /// Ends all flows with [`EndReason::Shutdown`], after the last drain.
    pub fn shutdown(&mut self, now: u64) {
        self.books.step_to(now);
        self.flows.shutdown(&mut self.books);
        self.books.detection.finish();
        self.books.tell_detections(false);
    }

    /// What looks for behaviour over many flows.
    pub const fn detection(&self) -> &Detector {
        &self.books.detection
    }

    /// What the coarse table of the kernel holds now: packets that found no slot, by server. Detections are told
    /// what came since the last call.
    pub fn set_coarse(&mut self, entries: Vec<(CoarseKey, CoarseCounters)>) {
        let Books { ledger, detection, step, .. } = &mut self.books;
        for (key, counters) in &entries {
            let packets = counters.packets.saturating_sub(ledger.overflow_of(key));
            if packets != 0 {
                let server =
                    key.server.to_ip(if key.ip_version == 6 { IpVersion::V6 } else { IpVersion::V4 });
                let transport = Transport::from_protocol(key.protocol);
                detection.overflowed(server, transport, packets, step.now());
            }
        }
        ledger.set_coarse(entries);
    }

    /// All sums of flows.
    pub const fn ledger(&self) -> &Ledger {
        &self.books.ledger
    }

    /// The same, to note what was exposed.
    pub const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.books.ledger
    }

    /// All sums of interfaces and their hooks.
    pub const fn interfaces(&self) -> &Interfaces {
        &self.books.interfaces
    }

    /// Records and findings that wait to be taken.
    pub const fn outbox(&self) -> &Outbox {
        &self.books.outbox
    }

    /// The same, to take them.
    pub const fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.books.outbox
    }

    /// What reads payload, with what it met.
    pub const fn payloads(&self) -> &Payloads {
        &self.flows.payloads
    }

    /// Sums since the start, of which the numbers of a window are made.
    pub fn marks(&self) -> Marks {
        self.books.ledger.marks(&self.flows.payloads)
    }
}

#[cfg(test)]
mod tests;
