//! A thread that reads for others: configuration, certificates and keys are root's, and who asks for them again is
//! not root any more.

use std::io;
use std::sync::mpsc::{Sender, channel};

use super::{Confinement, Report, Role};

type Work = Box<dyn FnOnce() + Send>;

/// The way to that thread. It ends with the last of these.
#[derive(Clone, Debug)]
pub struct Reader(Sender<Work>);

impl Reader {
    /// Starts the thread; it may open what [`Confinement`] has of configuration and web config, for reading.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn start(confinement: &Confinement) -> io::Result<(Self, Option<Report>)> {
        let (to, from) = channel::<Work>();
        let start = || {
            std::thread::Builder::new().name(Role::Files.as_str().to_owned()).spawn(move || {
                for work in from {
                    work();
                }
            })
        };
        let (thread, report) = confinement.within(Role::Files, start)?;
        // It ends by itself: nobody waits.
        drop(thread?);
        Ok((Self(to), report))
    }

    /// Does something there, and waits for it; `None`: it has panicked.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (to, from) = channel();
        let work = move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // Whoever asked waits.
            drop(done.map(|done| to.send(done)));
        };
        self.0.send(Box::new(work)).ok()?;
        from.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_on_the_thread_and_a_panic_does_not_end_it() {
        let (reader, _) = Reader::start(&Confinement { off: true, ..Confinement::default() }).unwrap();
        let name = || std::thread::current().name().map(str::to_owned);
        assert_eq!(reader.run(name).flatten().as_deref(), Some("files"));
        assert_eq!(reader.run(|| panic!("on purpose")), None::<()>);
        assert_eq!(reader.run(|| 1), Some(1));
    }
}
