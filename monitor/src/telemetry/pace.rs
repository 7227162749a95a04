//! Lines a second of one kind: what strangers can make happen must not fill a disk.

use std::sync::Mutex;

use crate::clock;
use crate::sync::lock;

/// Lines of one kind in a second.
const MOST: u32 = 10;
const SECOND: u64 = 1_000_000_000;

/// How many lines of a kind there were of late.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Window>);

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    begin: u64,
    lines: u32,
    /// Since a line said so.
    left_out: u64,
    /// Since the start.
    since_start: u64,
}

impl Pace {
    /// Whether there may be one more line now.
    pub(super) fn admit(&self) -> bool {
        self.admit_at(clock::now())
    }

    fn admit_at(&self, now: u64) -> bool {
        let mut window = lock(&self.0);
        if now.saturating_sub(window.begin) >= SECOND {
            (window.begin, window.lines) = (now, 0);
        }
        let admitted = window.lines < MOST;
        if admitted {
            window.lines += 1;
        } else {
            window.left_out += 1;
            window.since_start += 1;
        }
        admitted
    }

    /// Lines that were left out and that no line has told of; none before the second is over.
    pub(super) fn take_left_out(&self) -> u64 {
        self.take_left_out_at(clock::now())
    }

    fn take_left_out_at(&self, now: u64) -> u64 {
        let mut window = lock(&self.0);
        let over = now.saturating_sub(window.begin) >= SECOND;
        if over { std::mem::take(&mut window.left_out) } else { 0 }
    }

    /// Lines that were left out since the start.
    pub(super) fn since_start(&self) -> u64 {
        lock(&self.0).since_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_what_is_left_out_is_told_once() {
        let pace = Pace::default();
        let admitted = |from: u64, n: u64| (from..from + n).filter(|now| pace.admit_at(*now)).count();
        assert_eq!(admitted(5 * SECOND, 1000), MOST as usize);
        assert_eq!(pace.take_left_out_at(5 * SECOND + 1000), 0, "the second is not over");
        assert_eq!(pace.take_left_out_at(6 * SECOND), 1000 - u64::from(MOST));
        assert_eq!(pace.take_left_out_at(6 * SECOND), 0);
        assert_eq!(admitted(7 * SECOND, 3), 3);
        assert_eq!((pace.take_left_out_at(9 * SECOND), pace.since_start()), (0, 1000 - u64::from(MOST)));
    }
}
