//! How far reading has come, on a terminal.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::clock::Stopwatch;

/// What is done by then needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks at the clock, bytes.
const STEP: u64 = 4 << 20;

/// A bar on standard error, if that is a terminal that nothing else is written to.
pub(super) struct Progress {
    wanted: bool,
    begin: Stopwatch,
    size: Option<u64>,
    bar: Option<ProgressBar>,
    next: u64,
}

impl Progress {
    /// `busy`: standard output is written to on the way.
    pub(super) fn new(busy: bool) -> Self {
        let wanted = io::stderr().is_terminal() && !(busy && io::stdout().is_terminal());
        Self { wanted, begin: Stopwatch::start(), size: None, bar: None, next: 0 }
    }

    /// So many bytes are to be read, if that is known.
    pub(super) fn begin(&mut self, size: Option<u64>) {
        self.size = size;
    }

    /// So many were read.
    #[inline]
    pub(super) fn at(&mut self, read: u64) {
        if self.wanted && read >= self.next {
            self.next = read.saturating_add(STEP);
            self.show(read);
        }
    }

    #[cold]
    fn show(&mut self, read: u64) {
        let elapsed = self.begin.elapsed();
        if elapsed < PATIENCE {
            return;
        }
        self.bar.get_or_insert_with(|| bar(self.size).with_elapsed(elapsed)).set_position(read);
    }

    /// Writes something where the bar is.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Everything was read.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:30} {percent} %  {decimal_bytes} of {decimal_total_bytes}, {rate}, {left} to go",
        ),
        None => (ProgressBar::no_length(), "{spinner} {decimal_bytes}, {rate}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", write_rate).with_key("left", write_left)),
        Err(_) => bar,
    }
}

/// Bytes a second since reading began: the bar comes late, and its own estimate would begin with it.
fn rate(state: &ProgressState) -> f64 {
    state.pos() as f64 / state.elapsed().as_secs_f64().max(0.001)
}

fn write_rate(state: &ProgressState, to: &mut dyn Write) {
    // Text into memory: it does not fail.
    let _ = write!(to, "{}/s", DecimalBytes(rate(state) as u64));
}

fn write_left(state: &ProgressState, to: &mut dyn Write) {
    let left = state.len().unwrap_or(0).saturating_sub(state.pos());
    let left = Duration::try_from_secs_f64(left as f64 / rate(state).max(1.0)).unwrap_or_default();
    let _ = write!(to, "{}", HumanDuration(left));
}
