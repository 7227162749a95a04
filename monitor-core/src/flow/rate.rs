//! Rates of what was counted between two drains, and smoothed.

use super::Rate;

/// Time constant of the smoothed rates, nanoseconds.
const SMOOTHING: f64 = 10e9;

/// Turns increments of one drain into rates; the same for all flows of the drain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// When the drain began.
    now: u64,
    /// Since the drain before, ns; 0: unknown, no rate.
    interval: u64,
    /// What is left of a smoothed rate after the interval.
    decay: f32,
}

impl Step {
    /// A drain at `now`, after one at `before`.
    pub(crate) fn new(before: u64, now: u64) -> Self {
        let interval = now.saturating_sub(before);
        Self { now, interval, decay: decay(interval) }
    }

    /// Begin of the drain.
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }
}

fn decay(elapsed: u64) -> f32 {
    (-(elapsed as f64) / SMOOTHING).exp() as f32
}

/// Rates of one direction, as of the last drain with traffic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    at: u64,
    bytes: f32,
    packets: f32,
    smoothed_bytes: f32,
    smoothed_packets: f32,
}

impl Meter {
    /// Takes the increments of a drain.
    pub(crate) fn update(&mut self, step: &Step, packets: u64, bytes: u64) {
        if step.interval == 0 {
            return;
        }
        let elapsed = step.now.saturating_sub(self.at);
        let left = if elapsed == step.interval { step.decay } else { decay(elapsed) };
        let seconds = step.interval as f64 / 1e9;
        self.bytes = (bytes as f64 / seconds) as f32;
        self.packets = (packets as f64 / seconds) as f32;
        // The idle time before this interval decays too; the interval itself brings the new share.
        let share = 1.0 - step.decay;
        self.smoothed_bytes = self.smoothed_bytes * left + self.bytes * share;
        self.smoothed_packets = self.smoothed_packets * left + self.packets * share;
        self.at = step.now;
    }

    /// The rates at the drain `step`, which may have brought nothing.
    pub(crate) fn rate(&self, step: &Step) -> Rate {
        let idle = step.now.saturating_sub(self.at);
        let left = decay(idle);
        let (bytes, packets) = if idle == 0 { (self.bytes, self.packets) } else { (0.0, 0.0) };
        Rate {
            bytes: f64::from(bytes),
            packets: f64::from(packets),
            smoothed_bytes: f64::from(self.smoothed_bytes * left),
            smoothed_packets: f64::from(self.smoothed_packets * left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_constant_rate_is_approached_and_then_fades() {
        let mut meter = Meter::default();
        let mut step = Step::default();
        for n in 1..=100u64 {
            step = Step::new((n - 1) * SECOND, n * SECOND);
            meter.update(&step, 10, 1000);
        }
        let rate = meter.rate(&step);
        assert!((rate.bytes - 1000.0).abs() < 0.1, "{rate:?}");
        assert!((rate.smoothed_bytes - 1000.0).abs() < 1.0, "{rate:?}");
        assert!((rate.smoothed_packets - 10.0).abs() < 0.1, "{rate:?}");
        let later = meter.rate(&Step::new(100 * SECOND, 110 * SECOND));
        assert_eq!((later.bytes, later.packets), (0.0, 0.0));
        assert!((later.smoothed_bytes - 1000.0 / std::f64::consts::E).abs() < 1.0, "{later:?}");
    }

    #[test]
    fn idle_drains_in_between_weigh_as_drains_without_traffic() {
        let (mut skipped, mut told) = (Meter::default(), Meter::default());
        for n in 1..=10u64 {
            let step = Step::new((n - 1) * SECOND, n * SECOND);
            let busy = n == 1 || n == 10;
            if busy {
                skipped.update(&step, 1, 500);
            }
            told.update(&step, u64::from(busy), if busy { 500 } else { 0 });
        }
        let step = Step::new(9 * SECOND, 10 * SECOND);
        let (a, b) = (skipped.rate(&step), told.rate(&step));
        assert!((a.smoothed_bytes - b.smoothed_bytes).abs() < 0.01, "{a:?} {b:?}");
    }

    #[test]
    fn a_drain_without_duration_has_no_rate() {
        let mut meter = Meter::default();
        let step = Step::new(SECOND, SECOND);
        meter.update(&step, 1, 1);
        assert_eq!(meter.rate(&step), Rate::default());
    }
}
