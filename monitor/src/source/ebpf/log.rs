//! What the kernel side says of itself: rare errors, through a ring of their own.

use std::sync::{Arc, Mutex, PoisonError};

use aya::Ebpf;
use aya_log::EbpfLogger;

use super::{Error, Source};

/// Lines as they come, until somebody takes them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// The reading end of the kernel side's log.
pub(super) struct KernelLog {
    lines: Lines,
    logger: EbpfLogger<Lines>,
}

impl KernelLog {
    /// Before the programs are loaded.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let lines = Lines::default();
        let logger =
            EbpfLogger::init_with_logger(ebpf, lines.clone()).map_err(|_| Error::Incomplete("AYA_LOGS"))?;
        Ok(Self { lines, logger })
    }
}

impl Source {
    /// Takes what the kernel side has said since the last time.
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.logger.flush();
        std::mem::take(&mut *self.log.lines.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
