//! Sinks of a running instance: each on a thread of its own, behind a bounded queue, with counters of its own. One
//! that is slow or blocked delays no other, no drain and no scrape: what its queue has no room for is counted as lost.
//!
//! They can be exchanged while records come. One that is taken away writes what it has been handed, its successor has
//! all that comes after: between the two nothing is missing.

mod queue;
mod worker;

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use monitor_core::record::AnyRecord;

use self::{
    queue::{Numbered, Queue},
    worker::{Ended, Worker},
};
use super::{
    Context, Dialer, Failure, OutputError, Reason, Sink, Tally,
    build::{Of, build},
    number::{Numbering, Origin},
};
use crate::{clock::Stopwatch, config::outputs::Output, state::State, sync::lock, telemetry::Event};

/// An output by its name.
pub type Named = (String, Output);

/// How long sinks may go on writing when a run ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sinks that are ready to be started.
pub struct Prepared {
    of: Of,
    sinks: Vec<Ready>,
}

struct Ready {
    output: Named,
    sink: Box<dyn Sink + Send>,
    tally: Tally,
}

impl Prepared {
    /// Makes the sinks of these outputs.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn new(outputs: Vec<Named>, of: Of) -> Result<Self, OutputError> {
        let ready = |output: Named| {
            let mut tally = Tally::default();
            let sink = build(&output.1, of, &mut tally)?;
            Ok(Ready { output, sink, tally })
        };
        Ok(Self { of, sinks: outputs.into_iter().map(ready).collect::<Result<_, _>>()? })
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }
}

/// The way of records to the sinks, whichever there are.
#[derive(Clone, Debug, Default)]
pub struct Feed(Arc<Mutex<Ways>>);

/// The queues, and the numbers of what goes into them.
#[derive(Debug, Default)]
struct Ways {
    queues: Arc<[Queue]>,
    numbering: Option<Numbering>,
}

impl Feed {
    /// Hands over records without waiting; what a queue has no room for is counted there. The first are the sign that
    /// what is recorded has begun, also if they are none.
    pub fn send(&self, records: Vec<AnyRecord>) {
        let (queues, numbers) = {
            let mut ways = lock(&self.0);
            let numbers = ways.numbering.as_mut().map(|numbering| numbering.give(&records));
            (Arc::clone(&ways.queues), numbers)
        };
        let batch = Arc::new(Numbered { records, numbers });
        for queue in &*queues {
            queue.send(&batch);
        }
    }

    fn set(&self, queues: Vec<Queue>) {
        lock(&self.0).queues = queues.into();
    }
}

enum Order {
    /// These are to be there, and no others.
    Change(Vec<Named>),
    /// Files were moved away.
    Reopen,
}

/// The sinks, and the thread that starts and ends them.
#[derive(Debug)]
pub struct Outputs {
    orders: Sender<Order>,
    feed: Feed,
    thread: JoinHandle<Failure>,
}

impl Outputs {
    /// Starts threads; they have the rights of the calling one. `dialer` connects for those that send to other hosts.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(state: Arc<State>, prepared: Prepared, dialer: Option<Dialer>) -> io::Result<Self> {
        let (orders, received) = channel();
        let origin = Origin::new(&state.host);
        let ways = Ways { numbering: Some(Numbering::new(origin.clone())), ..Ways::default() };
        let feed = Feed(Arc::new(Mutex::new(ways)));
        let mut keeper = Keeper {
            state,
            origin: Arc::new(origin),
            dialer,
            of: prepared.of,
            feed: feed.clone(),
            running: Vec::new(),
            all: channel(),
            open: 0,
        };
        for ready in prepared.sinks {
            let queue = keeper.begin(ready)?;
            keeper.running.push(queue);
        }
        feed.set(keeper.queues());
        let name = "outputs".to_owned();
        let thread = std::thread::Builder::new().name(name).spawn(move || keeper.run(&received))?;
        Ok(Self { orders, feed, thread })
    }

    /// The way to them.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Has these outputs instead of those that there are; those that are the same go on.
    pub fn change(&self, outputs: Vec<Named>) {
        // A thread that has ended is told when the run is.
        drop(self.orders.send(Order::Change(outputs)));
    }

    /// Has files opened anew.
    pub fn reopen(&self) {
        drop(self.orders.send(Order::Reopen));
    }

    /// Ends them: what was handed over is written, as far as it can be within a time. The first failure of all.
    pub fn end(self) -> Failure {
        drop(self.orders);
        drop(self.feed);
        self.thread.join().ok().flatten()
    }
}

struct Running {
    output: Named,
    queue: Queue,
}

/// Starts and ends sinks.
struct Keeper {
    state: Arc<State>,
    origin: Arc<Origin>,
    dialer: Option<Dialer>,
    of: Of,
    feed: Feed,
    running: Vec<Running>,
    /// Whoever ends says so.
    all: (Sender<Ended>, Receiver<Ended>),
    /// How many have not yet.
    open: usize,
}

impl Keeper {
    fn begin(&mut self, ready: Ready) -> io::Result<Running> {
        let Ready { output, mut sink, tally } = ready;
        sink.attach(Context {
            state: Arc::clone(&self.state),
            name: output.0.clone(),
            origin: Arc::clone(&self.origin),
            dialer: self.dialer.clone(),
        });
        let (queue, from) = Queue::new(&self.state, &output);
        let worker = Worker::new(Arc::clone(&self.state), sink, from, &queue);
        worker.take(&tally);
        worker.start(self.all.0.clone())?;
        self.open += 1;
        Ok(Running { output, queue })
    }

    fn queues(&self) -> Vec<Queue> {
        self.running.iter().map(|running| running.queue.clone()).collect()
    }

    fn run(mut self, orders: &Receiver<Order>) -> Failure {
        let mut failure = None;
        while let Ok(order) = orders.recv() {
            match order {
                Order::Change(outputs) => self.change(outputs),
                Order::Reopen => self.running.iter().for_each(|running| running.queue.reopen()),
            }
            while let Ok(ended) = self.all.1.try_recv() {
                self.open -= 1;
                failure = failure.or(ended.failure);
            }
        }
        failure.or(self.end())
    }

    fn change(&mut self, outputs: Vec<Named>) {
        let mut next = Vec::with_capacity(outputs.len());
        for output in outputs {
            if let Some(at) = self.running.iter().position(|running| running.output == output) {
                next.push(self.running.swap_remove(at));
                continue;
            }
            let started = Prepared::new(vec![output.clone()], self.of).and_then(|prepared| {
                let thread = |error| OutputError::Thread { output: output.0.clone(), source: error };
                prepared.sinks.into_iter().map(|ready| self.begin(ready).map_err(thread)).collect()
            });
            let started: Vec<Running> = started.unwrap_or_else(|error| {
                self.state.events.emit(&Event::OutputRefused { output: &output.0, error: &error });
                self.state.set_config_ok(false);
                // Rather the old one than none.
                let old = self.running.iter().position(|running| running.output.0 == output.0);
                old.map(|at| self.running.swap_remove(at)).into_iter().collect()
            });
            next.extend(started);
        }
        // First the new ones get records, then the old ones no more: what came until then is theirs to write.
        self.running = next;
        self.feed.set(self.queues());
    }

    /// Waits for all to write what they have, but not for ever.
    fn end(&mut self) -> Failure {
        let waits = self.of == Of::Recording;
        let queues = std::mem::take(&mut self.running);
        self.feed.set(Vec::new());
        let queues: Vec<_> = queues.into_iter().map(|running| running.queue.close()).collect();
        let (since, mut failure) = (Stopwatch::start(), None);
        while self.open != 0 {
            let left = if waits { Duration::MAX } else { PATIENCE.saturating_sub(since.elapsed()) };
            match self.all.1.recv_timeout(left) {
                Ok(ended) => {
                    self.open -= 1;
                    failure = failure.or(ended.failure);
                }
                // Never the other error: this has a sender itself.
                Err(_) => break,
            }
        }
        for queue in queues.iter().filter(|queue| !queue.has_ended()) {
            let records = queue.waiting();
            queue.lose(Reason::Unfinished, records);
            self.state.events.emit(&Event::OutputUnfinished { output: queue.name(), records });
        }
        failure
    }
}

#[cfg(test)]
mod tests;
