//! Bytes and packets over time, in a bounded number of steps whatever the length.

use std::collections::VecDeque;

/// Most steps. When there are more, ten become one.
const STEPS: u64 = 4_000;
/// Width of a step at first, ns.
const FINEST: u64 = 1_000_000;

/// What came within one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

impl Step {
    const fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
    }
}

/// Steps of equal width, a power of ten milliseconds, aligned to the epoch.
#[derive(Clone, Debug)]
pub struct Timeline {
    width: u64,
    /// Number of the first step since the epoch.
    first: u64,
    steps: VecDeque<Step>,
    /// Time from which and how long the step in `current` lasts.
    begin: u64,
    current: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: FINEST, first: 0, steps: VecDeque::new(), begin: 0, current: 0 }
    }
}

impl Timeline {
    /// Counts a packet. Times may go back.
    #[inline]
    pub fn observe(&mut self, time: u64, bytes: u64) {
        // Most packets come within the step of the one before.
        if time.wrapping_sub(self.begin) >= self.width || self.steps.is_empty() {
            self.seek(time);
        }
        if let Some(step) = self.steps.get_mut(self.current) {
            step.bytes += bytes;
            step.packets += 1;
        }
    }

    #[cold]
    fn seek(&mut self, time: u64) {
        if self.steps.is_empty() {
            self.first = time / self.width;
        }
        loop {
            let number = time / self.width;
            let last = (self.first + (self.steps.len() as u64).saturating_sub(1)).max(number);
            if last - self.first.min(number) < STEPS {
                break;
            }
            self.coarsen();
        }
        let number = time / self.width;
        while number < self.first {
            self.steps.push_front(Step::default());
            self.first -= 1;
        }
        self.current = (number - self.first) as usize;
        if self.current >= self.steps.len() {
            self.steps.resize(self.current + 1, Step::default());
        }
        self.begin = number * self.width;
    }

    fn coarsen(&mut self) {
        let mut steps: VecDeque<Step> = VecDeque::new();
        let first = self.first / 10;
        for (number, step) in (self.first..).zip(&self.steps) {
            let at = (number / 10 - first) as usize;
            if at >= steps.len() {
                steps.resize(at + 1, Step::default());
            }
            if let Some(wide) = steps.get_mut(at) {
                wide.add(*step);
            }
        }
        self.width = self.width.saturating_mul(10);
        (self.steps, self.first) = (steps, first);
    }

    /// Width of a step, ns.
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// The steps; the first begins at a multiple of the width.
    pub const fn steps(&self) -> &VecDeque<Step> {
        &self.steps
    }

    /// Begin of the first step and end of the last, ns since the epoch.
    pub fn span(&self) -> (u64, u64) {
        let end = self.first.saturating_add(self.steps.len() as u64);
        (self.first.saturating_mul(self.width), end.saturating_mul(self.width))
    }

    /// The same in at most `columns` equal spans: bytes a second in each. Steps that two spans share are
    /// divided among them.
    pub fn rates(&self, columns: usize) -> Vec<f64> {
        let steps = self.steps.len();
        let columns = columns.min(steps);
        let span = steps as f64 / columns as f64;
        let mut rates = vec![0.0; columns];
        for (i, step) in self.steps.iter().enumerate() {
            let (mut from, to) = (i as f64, (i + 1) as f64);
            while from < to {
                let column = ((from / span + 1e-9) as usize).min(columns - 1);
                let until = if column + 1 == columns { to } else { to.min((column + 1) as f64 * span) };
                if let Some(rate) = rates.get_mut(column) {
                    *rate += step.bytes as f64 * (until - from);
                }
                // Rounding must not keep it where it is.
                from = until.max(from + 1e-9);
            }
        }
        let seconds = span * self.width as f64 / 1e9;
        for rate in &mut rates {
            *rate /= seconds;
        }
        rates
    }

    /// The busiest span of at least `width` ns: how long it is in ns, and its bytes.
    pub fn busiest(&self, width: u64) -> (u64, u64) {
        let together = width.div_ceil(self.width).max(1) as usize;
        let mut sum = 0;
        let mut most = 0;
        for (i, step) in self.steps.iter().enumerate() {
            sum += step.bytes;
            if let Some(left) = i.checked_sub(together).and_then(|i| self.steps.get(i)) {
                sum -= left.bytes;
            }
            most = most.max(sum);
        }
        (self.width.saturating_mul(together as u64), most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn sum(timeline: &Timeline) -> u64 {
        timeline.steps().iter().map(|step| step.bytes).sum()
    }

    #[test]
    fn a_short_capture_has_steps_of_a_millisecond() {
        let mut timeline = Timeline::default();
        for ms in [1_000, 1_000, 1_002] {
            timeline.observe(ms * 1_000_000, 100);
        }
        let bytes: Vec<u64> = timeline.steps().iter().map(|step| step.bytes).collect();
        assert_eq!((timeline.width(), bytes), (1_000_000, vec![200, 0, 100]));
        assert_eq!(timeline.rates(3), [200_000.0, 0.0, 100_000.0]);
        assert_eq!(timeline.busiest(2_000_000), (2_000_000, 200));
    }

    #[test]
    fn any_times_in_any_order_stay_bounded_and_complete() {
        let mut random = Random(7);
        for shift in [0, 20, 34, 44] {
            let mut timeline = Timeline::default();
            for _ in 0..2_000 {
                timeline.observe(random.bits() >> shift, 3);
            }
            assert!(timeline.steps().len() as u64 <= STEPS);
            assert_eq!(sum(&timeline), 6_000);
        }
        let mut timeline = Timeline::default();
        for time in [u64::MAX, 0, u64::MAX / 2] {
            timeline.observe(time, 1);
        }
        assert_eq!(sum(&timeline), 3);
    }

    #[test]
    fn columns_keep_the_sum() {
        let mut timeline = Timeline::default();
        for second in 0..101u64 {
            timeline.observe(second * 1_000_000_000, second);
        }
        for columns in [1, 7, 72, 1_000_000] {
            let rates = timeline.rates(columns);
            let steps = timeline.steps().len() as f64 * timeline.width() as f64 / 1e9;
            let bytes = rates.iter().sum::<f64>() * steps / rates.len() as f64;
            assert!((bytes - 5050.0).abs() < 0.01, "{columns}: {bytes}");
        }
        assert!(Timeline::default().rates(10).is_empty());
    }
}
