//! The queue of a sink, and its instruments.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use monitor_core::record::AnyRecord;
use prometheus::{IntCounter, IntGauge};

use super::{Named, Reason};
use crate::sink::number::Numbers;
use crate::state::State;

/// Records of one drain, which all sinks share.
pub(super) type Batch = Arc<Numbered>;

/// Records with their numbers.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    pub(super) records: Vec<AnyRecord>,
    pub(super) numbers: Option<Numbers>,
}

/// Batches that wait at most, however few records they have.
const BATCHES: usize = 4096;

/// The way to a sink, which ends when all of these are dropped.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    to: SyncSender<Batch>,
    shared: Arc<Shared>,
}

/// What a queue and its sink share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: String,
    /// Records that may wait.
    limit: u64,
    waiting: AtomicU64,
    reopen: AtomicBool,
    ended: AtomicBool,
    pub(super) instruments: Instruments,
}

/// Counters of one output.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) written: IntCounter,
    pub(super) errors: IntCounter,
    lost: [IntCounter; Reason::ALL.len()],
    queue: IntGauge,
}

impl Instruments {
    /// Shown at 0 from the start.
    fn new(state: &State, output: &Named) -> Self {
        let own = &state.own;
        let labels = [output.0.as_str(), output.1.to.kind()];
        Self {
            written: own.output_records.with_label_values(&labels),
            errors: own.output_errors.with_label_values(&labels),
            lost: Reason::ALL
                .map(|reason| own.output_lost.with_label_values(&[labels[0], labels[1], reason.as_str()])),
            queue: own.output_queue.with_label_values(&labels),
        }
    }

    pub(super) fn lose(&self, reason: Reason, records: u64) {
        self.lost[reason as usize].inc_by(records);
    }
}

impl Shared {
    /// Whether files are to be opened anew.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Acquire)
    }

    /// So many that waited wait no more.
    pub(super) fn taken(&self, records: u64) {
        let before = self.waiting.fetch_sub(records, Relaxed);
        self.instruments.queue.set(before.saturating_sub(records) as i64);
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn lose(&self, reason: Reason, records: u64) {
        self.instruments.lose(reason, records);
    }
}

impl Queue {
    pub(super) fn new(state: &State, output: &Named) -> (Self, Receiver<Batch>) {
        let (to, from) = sync_channel(BATCHES);
        let shared = Shared {
            name: output.0.clone(),
            limit: output.1.queue.into(),
            waiting: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            instruments: Instruments::new(state, output),
        };
        (Self { to, shared: Arc::new(shared) }, from)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Hands over a batch, if there is room for it. One that is larger than the queue has room when nothing waits.
    pub(super) fn send(&self, batch: &Batch) {
        let records = batch.records.len() as u64;
        let before = self.shared.waiting.fetch_add(records, Relaxed);
        let full = before != 0 && before + records > self.shared.limit;
        let lost = match if full { None } else { Some(self.to.try_send(Arc::clone(batch))) } {
            Some(Ok(())) => return self.shared.instruments.queue.set((before + records) as i64),
            None | Some(Err(TrySendError::Full(_))) => Reason::QueueFull,
            // Its thread has died.
            Some(Err(TrySendError::Disconnected(_))) => Reason::WriteFailed,
        };
        self.shared.waiting.fetch_sub(records, Relaxed);
        self.shared.lose(lost, records);
    }

    /// Has files opened anew, before the next records.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Release);
        // It wakes a sink that waits. One that does not looks by itself.
        drop(self.to.try_send(Batch::default()));
    }

    /// Nothing more comes from here.
    pub(super) fn close(self) -> Arc<Shared> {
        self.shared
    }
}
