//! Counting for a view in this process: no log, no records, no port, and no more rights than that takes.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::counter::Counter;
use super::orders::{Order, Orders, orders};
use super::{
    RunError,
    error::system,
    parts::{self, identity},
    threads::{confined, count, identified},
};
use crate::config::Config;
use crate::confine::{Confinement, Role};
use crate::source::ebpf;
use crate::state::State;
use crate::systemd::Watchdog;

/// A run of this process's own; it ends, and its programs leave the kernel, when it is dropped.
#[derive(Debug)]
pub struct OwnRun {
    state: Arc<State>,
    orders: Orders,
    thread: Option<JoinHandle<()>>,
}

impl OwnRun {
    /// Begins to count. The calling thread, and those that it starts from then on, have given up what a screen does
    /// not need.
    pub fn start(config: &Config) -> Result<Self, RunError> {
        if !ebpf::is_embedded() {
            return Err(ebpf::Error::NoKernelSide.into());
        }
        let state = parts::state(config, false)?;
        // What is pinned is another instance's to go on from.
        let config = Config { pin: None, ..config.clone() };
        let confinement = Confinement {
            off: !config.confine,
            identity: identity(&config)?,
            packets: config.promiscuous,
            ..Confinement::default()
        };
        let counter = Counter::open(Arc::clone(&state), config, None, None)?;
        identified(&state, &confinement);
        let (orders, received) = orders().map_err(system("starting threads"))?;
        // systemd has not started this: nobody waits for a word.
        let watchdog = Watchdog::new(Arc::default());
        let thread = count(counter, received, watchdog, &state, &confinement, oneshot::channel().0)?;
        confined(&state, Role::Screen, confinement.enter(Role::Screen).as_ref());
        Ok(Self { state, orders, thread: Some(thread) })
    }

    /// What is counted.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for OwnRun {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.orders.give(Order::Stop);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
