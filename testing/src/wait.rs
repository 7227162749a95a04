//! Waiting for what happens on its own: by polling, with one generous deadline, so that a busy machine fails no test.

use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout};

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

/// Repeats a call while signals interrupt it. The kernel does that itself unless the socket has a timeout
/// (`signal(7)`), and a signal is also what a debugger, a freezer and a stop are to a call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits until there is something to read.
pub fn wait_readable(what: &str, from: &impl AsFd) {
    wait_for(what, || is_readable(from, PAUSE).then_some(()));
}

/// Whether there is something to read, or comes within a time.
pub fn is_readable(from: &impl AsFd, at_most: Duration) -> bool {
    let mut asked = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    let at_most = PollTimeout::try_from(at_most).expect("a time that poll(2) knows");
    uninterrupted(|| nix::poll::poll(&mut asked, at_most).map_err(io::Error::from)).expect("poll") != 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_signals_interrupt_is_made_again_and_other_errors_are_told() {
        let mut left = 3;
        let value = uninterrupted(|| {
            left -= 1;
            if left > 0 { Err(io::ErrorKind::Interrupted.into()) } else { Ok("read") }
        });
        assert_eq!((value.unwrap(), left), ("read", 0));
        let refused = uninterrupted(|| Err::<(), _>(io::ErrorKind::ConnectionRefused.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_is_polled_for_comes_or_is_none() {
        let mut asked = 0;
        let third = poll(DEADLINE, || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(third, Some(3));
        let (reader, writer) = io::pipe().unwrap();
        assert!(!is_readable(&reader, Duration::ZERO));
        io::Write::write_all(&mut &writer, b"x").unwrap();
        wait_readable("a byte", &reader);
    }
}
