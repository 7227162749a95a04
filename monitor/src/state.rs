//! What the parts of a running agent share.

mod health;
mod turns;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use monitor_core::engine::Engine;
use tokio::sync::watch;

pub use health::deadline;
pub use turns::{Drain, FLOWS, SLOTS};

use crate::clock::Stopwatch;
use crate::host;
use crate::sync::lock;
use crate::telemetry::{Events, KernelStatus, Own};

/// One agent's state.
#[derive(Debug)]
pub struct State {
    /// Flows and numbers.
    pub engine: Mutex<Engine>,
    /// What the kernel side said last.
    pub kernel: Mutex<KernelStatus>,
    /// Weir's own instruments.
    pub own: Own,
    /// Name of this host.
    pub host: String,
    /// Since this state is there.
    pub started: Stopwatch,
    /// Weir's own events.
    pub events: Events,
    turns: turns::Turns,
    health: health::Health,
    drains: watch::Sender<u64>,
    ready: AtomicBool,
    owns: AtomicBool,
    config_ok: AtomicBool,
    created: AtomicBool,
}

impl State {
    /// From now on it is asked whose the flows are.
    pub fn set_owns(&self) {
        self.owns.store(true, Ordering::Relaxed);
    }

    /// Whether it is asked whose the flows are.
    pub fn owns(&self) -> bool {
        self.owns.load(Ordering::Relaxed)
    }

    /// The state of an agent that has seen nothing.
    pub fn new(engine: Engine, own: Own) -> Self {
        Self {
            engine: Mutex::new(engine),
            kernel: Mutex::default(),
            host: host::name(),
            started: Stopwatch::start(),
            own,
            events: Events::default(),
            turns: turns::Turns::default(),
            health: health::Health::new(),
            drains: watch::Sender::new(0),
            ready: AtomicBool::new(false),
            owns: AtomicBool::new(false),
            config_ok: AtomicBool::new(true),
            created: AtomicBool::new(false),
        }
    }

    /// The engine, for the thread that counts. Whoever else wants something of it takes a [`turn`](Self::turn).
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    /// A reader's turn with the engine: for a bounded amount of work ([`SLOTS`], [`FLOWS`]), and for nothing that can
    /// be done with a copy. Waits while a drain is under way.
    pub fn turn<T>(&self, work: impl FnOnce(&mut Engine) -> T) -> T {
        let _turn = self.turns.take();
        work(&mut self.engine())
    }

    /// A drain begins: readers wait until this is dropped. Returns once the last of them has had its turn, which is
    /// what [`Own::drain_wait_seconds`] observes.
    pub fn begin_drain(&self) -> Drain<'_> {
        let watch = Stopwatch::start();
        let drain = self.turns.hold_back();
        drop(self.engine());
        self.own.drain_wait_seconds.observe(watch.elapsed().as_secs_f64());
        drain
    }

    /// Drains are to come this often.
    pub fn expect_drains(&self, interval: Duration) {
        self.health.expect_every(interval);
    }

    /// The flows were read: so many, with so many programs attached.
    pub fn counted(&self, attached: usize, flows: usize) {
        self.health.drained(attached, flows);
    }

    /// For how long the flows were not read, if that is longer than can be.
    pub fn overdue(&self) -> Option<Duration> {
        self.health.overdue()
    }

    /// As if so much time had passed since the last drain.
    #[cfg(test)]
    pub(crate) fn let_pass(&self, time: Duration) {
        self.health.let_pass(time);
    }

    /// Programs that were attached at the last drain.
    pub fn attached(&self) -> usize {
        self.health.attached()
    }

    /// Entries of the flow table that were in use at the last drain.
    pub fn flows(&self) -> usize {
        self.health.flows()
    }

    /// The engine is that of one more drain: whoever watches is told.
    pub fn drained(&self) {
        self.drains.send_modify(|drains| *drains += 1);
    }

    /// Drains so far.
    pub fn drains(&self) -> u64 {
        *self.drains.borrow()
    }

    /// Tells of each drain from now on, of several at once the last.
    pub fn watch_drains(&self) -> watch::Receiver<u64> {
        self.drains.subscribe()
    }

    /// Whether the flow table has been read once.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The flow table has been read once.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the configuration could be read when it was last asked for.
    pub fn config_ok(&self) -> bool {
        self.config_ok.load(Ordering::Relaxed)
    }

    /// Whether pages of OpenMetrics say when each series began.
    pub fn shows_created(&self) -> bool {
        self.created.load(Ordering::Relaxed)
    }

    /// From here on they do, or not.
    pub fn set_shows_created(&self, shows: bool) {
        self.created.store(shows, Ordering::Relaxed);
    }

    /// The configuration could be read, or not.
    pub fn set_config_ok(&self, ok: bool) {
        self.config_ok.store(ok, Ordering::Relaxed);
    }
}
