//! The thread that sends what is in a spool, in order, until a peer has acknowledged it.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Fault, meter::Meter};
use crate::{
    clock::{self, Stopwatch},
    sink::spool::{Chunk, Spool},
    state::State,
    sync::lock,
    telemetry::Event,
};

/// The first pause after a fault, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long there is nothing to do before what has to be said in between is.
const IDLE: Duration = Duration::from_millis(250);

/// What is sent together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Records at most.
    pub(super) records: u64,
    /// Bytes at most.
    pub(super) bytes: usize,
    /// How long fewer records wait for more.
    pub(super) linger: Duration,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// Records that the peer will never take.
    pub(super) refused: u64,
    /// Bytes that were sent.
    pub(super) bytes: u64,
}

/// Speaks with a peer; one a kind of output.
pub(super) trait Deliver: Send {
    /// What suits it.
    fn portion(&self) -> Portion;

    /// Sends frames, and comes back when the peer has acknowledged them. `count` is a number that is kept with the
    /// spool. Connects if need be.
    ///
    /// # Errors
    /// When they have to be sent again; the connection is closed then.
    fn deliver(&mut self, chunk: &Chunk, count: &mut u64) -> Result<Delivered, Fault>;

    /// Nothing was to be sent for a moment.
    ///
    /// # Errors
    /// When the connection is gone.
    fn idle(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// Closes the connection.
    fn close(&mut self);
}

/// The thread.
pub(super) struct Runner {
    thread: JoinHandle<()>,
    ends: Arc<Ends>,
    spool: Arc<Spool>,
}

/// What tells it to end.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) stop: Arc<AtomicBool>,
    pausing: Mutex<bool>,
    wake: Condvar,
}

struct Work {
    state: Arc<State>,
    name: String,
    meter: Meter,
    spool: Arc<Spool>,
    deliver: Box<dyn Deliver>,
    ends: Arc<Ends>,
    failing: bool,
    faults: u32,
}

impl Runner {
    pub(super) fn start(
        state: Arc<State>,
        name: String,
        meter: Meter,
        spool: Arc<Spool>,
        deliver: Box<dyn Deliver>,
        ends: Arc<Ends>,
    ) -> std::io::Result<Self> {
        let thread_name = format!("net-{name}");
        // The kernel keeps 15 bytes of it.
        let thread_name = thread_name.get(..15).unwrap_or(&thread_name).to_owned();
        let (shared, kept) = (Arc::clone(&ends), Arc::clone(&spool));
        let mut work =
            Work { state, name, meter, spool: kept, deliver, ends: shared, failing: false, faults: 0 };
        let thread = std::thread::Builder::new().name(thread_name).spawn(move || work.run())?;
        Ok(Self { thread, ends, spool })
    }

    /// Ends it when all is sent, the peer does not answer, or the time is over. What was not sent stays where it is.
    pub(super) fn end(self, patience: Duration) {
        self.spool.close();
        let since = Stopwatch::start();
        while !self.thread.is_finished() && since.elapsed() < patience && !*lock(&self.ends.pausing) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.ends.stop.store(true, Relaxed);
        self.ends.wake.notify_all();
        drop(self.thread.join());
    }
}

impl Work {
    fn run(&mut self) {
        let (mut intended, mut count) = self.spool.intended();
        let mut last = Stopwatch::start();
        let mut again: Option<Chunk> = None;
        let portion = self.deliver.portion();
        while !self.stops() {
            let filling = self.spool.filling();
            let held = again.as_ref().map_or(0, |chunk| chunk.records);
            self.meter.filling(&filling, held);
            let waits = filling.records < portion.records && last.elapsed() < portion.linger;
            if again.is_none() && waits && intended.is_none() && !self.spool.is_closed() {
                self.idle();
                std::thread::park_timeout(IDLE.min(portion.linger));
                continue;
            }
            let chunk = match again.take() {
                Some(chunk) => chunk,
                None => match self.spool.next(portion.records, portion.bytes, intended.take(), IDLE) {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) if self.spool.is_closed() => break,
                    Ok(None) => {
                        self.idle();
                        continue;
                    }
                    Err(error) => {
                        self.failed(&Fault::Spool(error));
                        continue;
                    }
                },
            };
            // A note that cannot be made costs a batch that is sent twice, after a kill alone.
            drop(self.spool.intend(chunk.begin, chunk.end, count));
            last = Stopwatch::start();
            match self.deliver.deliver(&chunk, &mut count) {
                Ok(delivered) => {
                    self.delivered(&chunk, delivered);
                    if let Err(error) = self.spool.acknowledge(chunk.end, count) {
                        self.failed(&Fault::Spool(error));
                    }
                }
                Err(fault) => {
                    self.deliver.close();
                    self.meter.retried(chunk.records);
                    again = Some(chunk);
                    self.failed(&fault);
                }
            }
        }
        self.meter.filling(&self.spool.filling(), again.map_or(0, |chunk| chunk.records));
        self.deliver.close();
    }

    fn stops(&self) -> bool {
        self.ends.stop.load(Relaxed)
    }

    fn idle(&mut self) {
        if let Err(fault) = self.deliver.idle() {
            // Nothing was under way: the next records connect anew.
            self.meter.fault(&fault);
            self.deliver.close();
        }
    }

    fn delivered(&mut self, chunk: &Chunk, delivered: Delivered) {
        self.faults = 0;
        self.meter.acknowledged(chunk.records, delivered);
        if std::mem::take(&mut self.failing) {
            self.state.events.emit(&Event::OutputRecovered { output: &self.name });
        }
    }

    /// Counts a fault, says it if it is the first, and waits.
    fn failed(&mut self, fault: &Fault) {
        self.meter.fault(fault);
        if !std::mem::replace(&mut self.failing, true) {
            self.state.events.emit(&Event::OutputFailed { output: &self.name, error: fault });
        }
        let pause = PAUSES.0.saturating_mul(1 << self.faults.min(10)).min(PAUSES.1);
        self.faults = self.faults.saturating_add(1);
        // Half of it to all of it, so that hosts that lost one peer do not come back together.
        let jitter = (clock::now() / 1000 % 1000) as u32;
        let pause = pause / 2 + pause * jitter / 2000;
        let mut pausing = lock(&self.ends.pausing);
        *pausing = true;
        let goes_on = || !self.stops();
        let since = Stopwatch::start();
        while goes_on() && since.elapsed() < pause {
            let left = pause.saturating_sub(since.elapsed());
            pausing = self.ends.wake.wait_timeout(pausing, left).unwrap_or_else(PoisonError::into_inner).0;
            if self.spool.is_closed() {
                break;
            }
        }
        *pausing = self.spool.is_closed();
    }
}
