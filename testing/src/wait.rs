//! Waiting for what happens on its own: by polling, with one generous deadline, so that a busy machine fails no test.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up. It is reached only where something is broken.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls until `done` gives a value.
pub fn wait_for<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, done)
}

/// The same with a deadline of its own.
pub fn wait_at_most<T>(deadline: Duration, what: &str, done: impl FnMut() -> Option<T>) -> T {
    poll(deadline, done).unwrap_or_else(|| panic!("waited {deadline:?} for {what}"))
}

/// The same; `None` where it waited in vain.
pub fn poll<T>(deadline: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    // Seconds; an emulated machine is many times slower.
    let told = std::env::var("WEIR_TEST_DEADLINE").ok().and_then(|seconds| seconds.parse().ok());
    let deadline = told.map_or(deadline, |told| deadline.max(Duration::from_secs(told)));
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if start.elapsed() >= deadline {
            return None;
        }
        // What is waited for needs the processor more than the question does.
        std::thread::park_timeout(PAUSE);
    }
}

/// Tells threads of a scope that it is over, however it ends: they are waited for.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline of a test")]
fn now() -> Instant {
    Instant::now()
}
