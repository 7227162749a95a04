//! Whether the counting goes on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::clock;

/// Intervals that may pass without a drain.
const MISSED: u32 = 3;
/// What a drain may take besides: a host that is busy, or that has just woken, is not a broken instance.
const GRACE: Duration = Duration::from_secs(10);

/// How long the flows may go unread where they are read this often.
pub fn deadline(interval: Duration) -> Duration {
    interval.saturating_mul(MISSED) + GRACE
}

/// When the flows were read last, and where.
#[derive(Debug)]
pub(super) struct Health {
    /// Flow clock, ns.
    drained: AtomicU64,
    /// Nanoseconds.
    deadline: AtomicU64,
    /// Hooks.
    attached: AtomicUsize,
    /// Entries of the flow table in use.
    flows: AtomicUsize,
}

impl Health {
    /// That of an instance which begins now.
    pub(super) fn new() -> Self {
        Self {
            drained: AtomicU64::new(clock::now()),
            deadline: AtomicU64::new(u64::MAX),
            attached: AtomicUsize::new(0),
            flows: AtomicUsize::new(0),
        }
    }

    /// The flows are read this often from now on.
    pub(super) fn expect_every(&self, interval: Duration) {
        let before = self.deadline.swap(deadline(interval).as_nanos() as u64, Relaxed);
        if before == u64::MAX {
            // However long the start took, no reading was missed.
            self.drained.store(clock::now(), Relaxed);
        }
    }

    pub(super) fn drained(&self, attached: usize, flows: usize) {
        self.drained.store(clock::now(), Relaxed);
        self.attached.store(attached, Relaxed);
        self.flows.store(flows, Relaxed);
    }

    /// How long ago the flows were read, if that is too long.
    pub(super) fn overdue(&self) -> Option<Duration> {
        let since = clock::now().saturating_sub(self.drained.load(Relaxed));
        (since > self.deadline.load(Relaxed)).then(|| Duration::from_nanos(since))
    }

    pub(super) fn attached(&self) -> usize {
        self.attached.load(Relaxed)
    }

    pub(super) fn flows(&self) -> usize {
        self.flows.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn let_pass(&self, time: Duration) {
        self.drained.fetch_sub(time.as_nanos() as u64, Relaxed);
    }
}
