//! What the parts of a running agent share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use monitor_core::engine::Engine;
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::host;
use crate::telemetry::Events;
use crate::view::live::Shared;
use crate::view::prometheus::{KernelStatus, Own};

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
    /// What was made for watchers since the last drain.
    pub shared: Shared,
    drains: watch::Sender<u64>,
    ready: AtomicBool,
    config_ok: AtomicBool,
}

/// Locks; a panic elsewhere while it was held is no reason to stop counting.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The state of an agent that has seen nothing.
    pub fn new(engine: Engine, own: Own) -> Self {
        Self {
            engine: Mutex::new(engine),
            kernel: Mutex::default(),
            host: host::name(),
            started: Stopwatch::start(),
            own,
            events: Events::default(),
            shared: Shared::default(),
            drains: watch::Sender::new(0),
            ready: AtomicBool::new(false),
            config_ok: AtomicBool::new(true),
        }
    }

    /// The engine.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
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

    /// The configuration could be read, or not.
    pub fn set_config_ok(&self, ok: bool) {
        self.config_ok.store(ok, Ordering::Relaxed);
    }
}
