//! The thread of a sink.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use super::{
    super::{Failure, Note, OutputError, Sink, Tally},
    queue::{Batch, Queue, Shared},
};
use crate::{state::State, telemetry::Event};

/// Between two looks at the time, when no records come.
const TICK: Duration = Duration::from_millis(500);

/// A sink that has ended.
pub(super) struct Ended {
    pub(super) failure: Failure,
}

/// Says so when the thread is over, however it is.
struct Says {
    to: Sender<Ended>,
    failure: Failure,
}

impl Drop for Says {
    fn drop(&mut self) {
        // Nobody waits for one that took too long.
        drop(self.to.send(Ended { failure: self.failure.take() }));
    }
}

/// A sink, and whether it failed last time.
pub(super) struct Worker {
    state: Arc<State>,
    sink: Box<dyn Sink + Send>,
    from: Receiver<Batch>,
    shared: Arc<Shared>,
    failing: bool,
    failure: Failure,
}

impl Worker {
    pub(super) fn new(
        state: Arc<State>,
        sink: Box<dyn Sink + Send>,
        from: Receiver<Batch>,
        queue: &Queue,
    ) -> Self {
        Self { state, sink, from, shared: Arc::clone(queue.shared()), failing: false, failure: None }
    }

    pub(super) fn start(self, ended: Sender<Ended>) -> io::Result<()> {
        let name = format!("out-{}", self.shared.name());
        // The kernel keeps 15 bytes of it.
        let name = name.get(..15).unwrap_or(&name).to_owned();
        let says = Says { to: ended, failure: None };
        std::thread::Builder::new().name(name).spawn(move || {
            let mut says = says;
            says.failure = self.run();
        })?;
        Ok(())
    }

    fn run(mut self) -> Failure {
        let mut begun = self.sink.begins_at_once();
        loop {
            match self.from.recv_timeout(TICK) {
                Ok(batch) => {
                    begun = true;
                    let records = batch.records.len() as u64;
                    self.reopen();
                    if let Some(numbers) = &batch.numbers {
                        self.sink.numbers(numbers);
                    }
                    self.work(records, |sink, tally| sink.write(&batch.records, tally));
                    self.shared.taken(records);
                }
                // What has not begun has nothing to look at.
                Err(RecvTimeoutError::Timeout) if begun => {
                    self.reopen();
                    self.work(0, |sink, tally| sink.write(&[], tally));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.work(0, |sink, tally| sink.finish(tally));
        self.shared.end();
        self.failure
    }

    fn reopen(&mut self) {
        if self.shared.take_reopen() {
            self.work(0, |sink, tally| sink.reopen(tally));
        }
    }

    fn work(
        &mut self,
        records: u64,
        work: impl FnOnce(&mut dyn Sink, &mut Tally) -> Result<(), OutputError>,
    ) {
        let output = self.shared.name();
        let mut tally = Tally::default();
        let done = work(&mut *self.sink, &mut tally);
        self.shared.instruments.written.inc_by(records.saturating_sub(tally.unwritten()));
        self.take(&tally);
        match done {
            Ok(()) if self.failing && records != 0 => {
                self.failing = false;
                self.state.events.emit(&Event::OutputRecovered { output });
            }
            Ok(()) => {}
            Err(error) => {
                self.shared.instruments.errors.inc();
                // One line a failure, however long it lasts.
                if !std::mem::replace(&mut self.failing, true) {
                    self.state.events.emit(&Event::OutputFailed { output, error: &error });
                }
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Counts and logs what came of it.
    pub(super) fn take(&self, tally: &Tally) {
        for (reason, records) in tally.lost() {
            self.shared.lose(reason, records);
        }
        let output = self.shared.name();
        for note in tally.notes() {
            let event = match note {
                Note::Removed { path, records } => Event::OutputRemoved { output, path, records: *records },
                Note::Finished { path } => Event::LeftoverFinished { output, path },
                Note::Discarded { path } => Event::LeftoverDiscarded { output, path },
            };
            self.state.events.emit(&event);
        }
    }
}
