//! Outputs of a running instance, on a thread of their own: a slow or full disk never holds up the counting.

mod lines;
mod packets;
mod place;
mod rotation;
mod tables;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use monitor_core::record::AnyRecord;

pub use lines::Lines;
pub use packets::{PacketFiles, Recorder, Tap};
pub use place::{LINES, Place};
pub use rotation::Rotation;
pub use tables::Tables;

use super::OutputError;
use crate::{state::State, telemetry::Event};

/// Batches, one a drain, that wait for a slow output. A batch is bounded by the engine's queue.
const WAITING: usize = 8;

/// The first thing that went wrong, if anything did.
pub type Failure = Option<OutputError>;

/// Where records of a running instance go. One that fails is tried again with the next records.
pub trait Sink: Send {
    /// The label of its metrics.
    fn name(&self) -> &'static str;

    /// Writes records, none of them when only time has passed. Adds to `lost` what will be in no file.
    fn write(&mut self, records: &[AnyRecord], lost: &mut u64) -> Result<(), OutputError>;

    /// Nothing more comes.
    fn finish(&mut self, lost: &mut u64) -> Result<(), OutputError>;
}

/// The way to the outputs. They end when it is dropped.
#[derive(Debug)]
pub struct Queue {
    to: SyncSender<Vec<AnyRecord>>,
    state: Arc<State>,
    names: Vec<&'static str>,
}

impl Queue {
    /// Hands over records without waiting; what finds the queue full is counted as lost.
    pub fn send(&self, records: Vec<AnyRecord>) {
        if let Err(TrySendError::Full(records) | TrySendError::Disconnected(records)) =
            self.to.try_send(records)
        {
            for name in &self.names {
                self.state.own.output_lost.with_label_values(&[name]).inc_by(records.len() as u64);
            }
        }
    }
}

/// Starts the outputs.
pub fn start(state: Arc<State>, sinks: Vec<Box<dyn Sink>>) -> std::io::Result<(Queue, JoinHandle<Failure>)> {
    let (to, from) = sync_channel(WAITING);
    let names: Vec<&'static str> = sinks.iter().map(|sink| sink.name()).collect();
    for name in &names {
        // Shown at 0 from the start.
        for family in [&state.own.output_records, &state.own.output_errors, &state.own.output_lost] {
            family.with_label_values(&[name]);
        }
    }
    let queue = Queue { to, state: Arc::clone(&state), names };
    let sinks = sinks.into_iter().map(|sink| Watched { sink, failing: false, failure: None }).collect();
    let thread =
        std::thread::Builder::new().name("outputs".to_owned()).spawn(move || run(&state, sinks, &from))?;
    Ok((queue, thread))
}

/// An output, and whether it failed last time.
struct Watched {
    sink: Box<dyn Sink>,
    failing: bool,
    failure: Failure,
}

fn run(state: &State, mut sinks: Vec<Watched>, from: &Receiver<Vec<AnyRecord>>) -> Failure {
    while let Ok(records) = from.recv() {
        for sink in &mut sinks {
            sink.work(state, records.len() as u64, |sink, lost| sink.write(&records, lost));
        }
    }
    for sink in &mut sinks {
        sink.work(state, 0, |sink, lost| sink.finish(lost));
    }
    sinks.into_iter().find_map(|sink| sink.failure)
}

impl Watched {
    fn work(
        &mut self,
        state: &State,
        records: u64,
        work: impl FnOnce(&mut dyn Sink, &mut u64) -> Result<(), OutputError>,
    ) {
        let output = self.sink.name();
        let mut lost = 0;
        let done = work(&mut *self.sink, &mut lost);
        let own = &state.own;
        own.output_records.with_label_values(&[output]).inc_by(records.saturating_sub(lost));
        own.output_lost.with_label_values(&[output]).inc_by(lost);
        match done {
            Ok(()) if self.failing && records != 0 => {
                self.failing = false;
                state.events.emit(&Event::OutputRecovered { output });
            }
            Ok(()) => {}
            Err(error) => {
                own.output_errors.with_label_values(&[output]).inc();
                // One line a failure, however long it lasts.
                if !std::mem::replace(&mut self.failing, true) {
                    state.events.emit(&Event::OutputFailed { output, error: &error });
                }
                self.failure.get_or_insert(error);
            }
        }
    }
}
