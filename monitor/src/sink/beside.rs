//! A sink of a capture on a thread of its own: what is read next does not wait for what is written, as long as its
//! bounded queue has room. Nothing is lost: where there is none, the reader waits.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use monitor_core::record::AnyRecord;

use super::{OutputError, Sink, Tally};

/// Records that are handed over together.
const BATCH: usize = 512;
/// Batches that wait at most.
const WAITING: usize = 8;

type Done = Result<(), OutputError>;

/// The way to a sink that takes records alone.
#[derive(Debug)]
pub struct Beside {
    batch: Vec<AnyRecord>,
    /// `None`: all was handed over.
    to: Option<SyncSender<Vec<AnyRecord>>>,
    /// Whether what was handed over is all, and not what an error left.
    whole: Arc<AtomicBool>,
    thread: Option<JoinHandle<Done>>,
}

impl Beside {
    /// Starts the thread of a sink.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn start(name: &str, sink: Box<dyn Sink + Send>) -> Result<Self, OutputError> {
        let (to, from) = sync_channel(WAITING);
        let whole = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&whole);
        let thread = std::thread::Builder::new()
            .name(format!("out-{name}"))
            .spawn(move || run(sink, &from, &told))
            .map_err(|source| OutputError::Thread { output: name.to_owned(), source })?;
        Ok(Self { batch: Vec::with_capacity(BATCH), to: Some(to), whole, thread: Some(thread) })
    }

    fn add(&mut self, record: AnyRecord) -> Done {
        self.batch.push(record);
        if self.batch.len() == BATCH { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Done {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        match &self.to {
            Some(to) if to.send(batch).is_err() => self.join(),
            _ => Ok(()),
        }
    }

    /// Waits for the end of the thread.
    fn join(&mut self) -> Done {
        self.to = None;
        let done = self.thread.take().map(JoinHandle::join);
        done.map_or(Ok(()), |done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

fn run(mut sink: Box<dyn Sink + Send>, from: &Receiver<Vec<AnyRecord>>, whole: &AtomicBool) -> Done {
    // An error ends the capture: what is lost then is nothing that anybody counts.
    let mut tally = Tally::default();
    for batch in from {
        sink.write(&batch, &mut tally)?;
    }
    if whole.load(Acquire) { sink.finish(&mut tally) } else { Ok(()) }
}

impl Sink for Beside {
    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Done {
        records.iter().cloned().try_for_each(|record| self.add(record))
    }

    fn take(&mut self, records: &mut Vec<AnyRecord>, _: &mut Tally) -> Done {
        records.drain(..).try_for_each(|record| self.add(record))
    }

    fn finish(&mut self, _: &mut Tally) -> Done {
        self.send()?;
        self.whole.store(true, Release);
        self.join()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.to = None;
        // Files that are not whole go before the process does.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::sink::samples::records;

    /// Takes so many records, and then no more.
    struct Room {
        left: usize,
        finished: Arc<Mutex<bool>>,
    }

    impl Sink for Room {
        fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Done {
            self.left = self
                .left
                .checked_sub(records.len())
                .ok_or_else(|| OutputError::Standard(std::io::ErrorKind::BrokenPipe.into()))?;
            Ok(())
        }

        fn finish(&mut self, _: &mut Tally) -> Done {
            assert_eq!(self.left, 0);
            *self.finished.lock().unwrap() = true;
            Ok(())
        }
    }

    fn started(left: usize) -> (Beside, Arc<Mutex<bool>>) {
        let finished = Arc::new(Mutex::new(false));
        let room = Room { left, finished: Arc::clone(&finished) };
        (Beside::start("room", Box::new(room)).unwrap(), finished)
    }

    #[test]
    fn all_is_written_before_the_end() {
        let (mut beside, finished) = started(3_000);
        let records = records(300);
        for _ in 0..5 {
            beside.write(&records, &mut Tally::default()).unwrap();
            let mut records = records.clone();
            beside.take(&mut records, &mut Tally::default()).unwrap();
            assert!(records.is_empty());
        }
        beside.finish(&mut Tally::default()).unwrap();
        assert!(*finished.lock().unwrap());
    }

    #[test]
    fn a_failure_ends_the_reading_and_what_is_not_all_is_not_finished() {
        let (mut beside, finished) = started(1_000);
        let records = records(300);
        let failed = (0..10_000).find_map(|_| beside.write(&records, &mut Tally::default()).err());
        assert!(failed.is_some_and(|error| error.is_broken_pipe()));
        assert!(!*finished.lock().unwrap());
        let (beside, finished) = started(1_000);
        drop(beside);
        assert!(!*finished.lock().unwrap());
    }
}
