//! The only place where a clock is read: everything else is handed the time.
//!
//! The flow clock is `CLOCK_MONOTONIC` in nanoseconds, as `bpf_ktime_get_ns` reads it in the kernel
//! programs, so that times of both sides can be compared.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Now on the flow clock, ns.
pub fn now() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

/// Time of CPUs that this process took, user and system.
pub fn cpu_time() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Now as nanoseconds of the Unix epoch.
pub fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

/// What turns a time of the flow clock into nanoseconds of the Unix epoch.
///
/// The two clocks are read around each other and the narrowest of a few tries is kept, so that being
/// scheduled away between the two does not shift every time that is written.
pub fn wall_offset() -> i64 {
    let mut best = (u64::MAX, 0);
    for _ in 0..5 {
        let before = now();
        let wall = wall();
        let after = now();
        let width = after.saturating_sub(before);
        if width < best.0 {
            best = (width, wall.wrapping_sub((before + width / 2) as i64));
        }
    }
    best.1
}

/// A moment to measure a duration from.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_turns_flow_time_into_wall_time() {
        let derived = now() as i64 + wall_offset();
        assert!((derived - wall()).abs() < 100_000_000, "{derived}");
    }
}
