//! The books: what flows are entered into as they change.

use monitor_common::{
    abi::{HookCounters, Side},
    account,
};

use super::{DrainReport, EngineConfig, HookReading, Interfaces, Ledger, Outbox, ended::Ended};
use crate::{
    detection::Detector,
    flow::{
        entry::Entry,
        rate::Step,
        reading::Reading,
        record::{self, Context},
        state::Results,
    },
    label::{AttemptResult, EndReason},
    payload::Payloads,
    record::AnyRecord,
    totals::Io,
};

/// Ledger, interfaces and outbox, and what is needed to write into them.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) config: EngineConfig,
    pub(super) step: Step,
    pub(super) report: DrainReport,
    pub(super) ledger: Ledger,
    pub(super) interfaces: Interfaces,
    pub(super) outbox: Outbox,
    pub(super) detection: Detector,
    pub(super) ended: Ended,
}

impl Books {
    pub(super) fn new(config: EngineConfig, now: u64) -> Self {
        Self {
            ledger: Ledger::new(&config, now),
            detection: Detector::new(config.detection.clone()),
            config,
            step: Step::first(now),
            report: DrainReport::default(),
            interfaces: Interfaces::default(),
            outbox: Outbox::default(),
            ended: Ended::default(),
        }
    }

    /// Goes on with another configuration; what was counted stays.
    pub(super) fn reconfigure(&mut self, config: EngineConfig) {
        self.ledger.reconfigure(&self.config, &config, self.step.now());
        self.detection.reconfigure(&config.detection);
        self.config = config;
    }

    /// Begin of the drain.
    pub(super) const fn now(&self) -> u64 {
        self.step.now()
    }

    /// A time of the flow clock in nanoseconds since the Unix epoch.
    pub(super) const fn wall(&self, time: u64) -> u64 {
        time.saturating_add_signed(self.config.wall_offset)
    }

    /// Begins a drain, or what is as good as one, at `now`.
    pub(super) fn step_to(&mut self, now: u64) {
        self.step = self.step.next(now);
    }

    /// See [`super::Engine::begin_drain`].
    pub(super) fn begin_drain(&mut self, now: u64, before: &[HookReading]) {
        self.step_to(now);
        self.report = DrainReport::default();
        self.ledger.begin_drain();
        self.interfaces.before(before);
    }

    /// See [`super::Engine::end_drain`].
    pub(super) fn end_drain(&mut self, now: u64, after: &[HookReading]) -> DrainReport {
        let mut report = std::mem::take(&mut self.report);
        self.interfaces.after(after, &mut report);
        self.ledger.fanout_mut().expire(now);
        self.detection.advance(now);
        let wall = self.wall(now);
        self.ledger.end_drain(&self.step, wall);
        report
    }

    /// Counts what a flow gained where each sighting counts: on its interface.
    pub(super) fn count_sighting(&mut self, entry: &Entry, delta: &Reading) {
        let class = HookCounters::class(entry.key.protocol, entry.key.ip_version);
        for side in [Side::Lower, Side::Upper] {
            let gained = delta.side(side);
            if gained.packets != 0 || gained.bytes != 0 {
                let direction = account::direction(entry.view, side);
                let io = Io { packets: gained.packets, bytes: gained.bytes };
                self.interfaces.count_flow(entry.attachment, direction, class, io);
            }
        }
    }

    /// Counts what a flow gained where it counts once, and the attempts that got their result.
    pub(super) fn count(&mut self, entry: &mut Entry, delta: &Reading, results: &Results) {
        let now = self.now();
        self.ledger.count(entry, delta, results, &self.config, now);
        self.gained(entry, delta);
    }

    /// Counts one attempt.
    pub(super) fn attempt(&mut self, entry: &Entry, result: AttemptResult) {
        let (owners, now) = (self.config.owners, self.now());
        self.ledger.attempt(entry, result);
        self.ledger.attempt_of(entry, result, owners, now);
    }

    /// Counts by name what a flow has gained, once it is settled which one it is; `end`: it must be now.
    pub(super) fn name(&mut self, entry: &mut Entry, end: bool) {
        let now = self.now();
        self.ledger.name(entry, end, &self.config, now);
    }

    /// Writes the last record of a flow.
    pub(super) fn last(&mut self, entry: &mut Entry, reason: EndReason) {
        // Of a connection that was silent they were told when it fell silent.
        if !entry.resumed {
            self.contact(entry);
        }
        self.write(entry, reason);
    }

    /// Writes what came since the last record, if anything did: the flow goes on.
    pub(super) fn interim(&mut self, entry: &mut Entry) {
        let (reading, now) = (entry.whole(), self.now());
        match &mut entry.unwritten {
            Some(unwritten) if unwritten.has_news(&reading) => self.write(entry, EndReason::Active),
            Some(unwritten) => unwritten.at = now,
            None => {}
        }
    }

    fn write(&mut self, entry: &mut Entry, reason: EndReason) {
        let Some(mut unwritten) = entry.unwritten.take() else { return };
        let Self { config, interfaces, outbox, .. } = self;
        outbox.record(config.record_queue, || {
            let context = Context {
                interface: interfaces.name(entry.attachment),
                services: &config.services,
                wall_offset: config.wall_offset,
            };
            AnyRecord::Flow(Box::new(record::write(entry, &unwritten, reason, &context)))
        });
        unwritten.wrote(entry.whole(), self.now());
        entry.unwritten = Some(unwritten);
    }

    /// Counts and queues the records that payload gave.
    pub(super) fn tell(&mut self, payloads: &mut Payloads) {
        let mut said = std::mem::take(&mut self.outbox.said);
        for record in said.drain(..) {
            self.said(&record);
            let Self { config, ledger, outbox, .. } = self;
            payloads.count(&record);
            ledger.live_mut().said(&record);
            if let AnyRecord::Finding(finding) = &record
                && ledger.live().is_on()
            {
                outbox.risk(finding);
            }
            if config.records {
                outbox.record(config.record_queue, || record);
            }
        }
        self.outbox.said = said;
    }

    /// A drain at `now` has ended: those who watch look at what it brought.
    pub(super) fn watch(&mut self, now: u64, payloads: &Payloads) {
        for surge in self.ledger.watch(now, self.interfaces.totals(), payloads) {
            self.outbox.surge(surge);
        }
    }

    /// Queues what was found of fan-out; `take`: somebody takes detections, beside the records of them.
    pub(super) fn tell_fanout(&mut self, take: bool) {
        let Self { config, ledger, outbox, .. } = self;
        for detection in ledger.fanout_mut().take_news() {
            if config.records {
                let record = detection.record(config.wall_offset);
                outbox.record(config.record_queue, || AnyRecord::Fanout(Box::new(record)));
            }
            if take {
                outbox.fanout(detection);
            }
        }
    }
}
