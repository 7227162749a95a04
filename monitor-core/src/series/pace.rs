//! How old traffic loses weight, and how many keys were new in the last hour.

const MINUTE: u64 = 60_000_000_000;

/// Exponential decay by growing the new instead of shrinking the old (forward decay, Cormode and
/// others 2009): a value counts `2^((now - landmark) / half_life)` times, so that weights written at
/// different times compare as they stand and no counter is touched for the passing of time.
#[derive(Clone, Debug)]
pub(super) struct Decay {
    landmark: u64,
    half_life: u64,
    /// The factor at `at`: a drain adds many values at one time.
    at: u64,
    factor: f64,
}

impl Decay {
    /// Half-lives after which weights are brought back: far from the limits of `f64` even for sums of
    /// `u64` values.
    const SPAN: u64 = 512;

    pub(super) fn new(half_life: u64, now: u64) -> Self {
        Self { landmark: now, half_life: half_life.max(1), at: now, factor: 1.0 }
    }

    /// What a value counts now.
    pub(super) fn factor(&mut self, now: u64) -> f64 {
        if now != self.at {
            let age = now.saturating_sub(self.landmark) as f64;
            self.factor = (age / self.half_life as f64).min(2.0 * Self::SPAN as f64 - 64.0).exp2();
            self.at = now;
        }
        self.factor
    }

    /// Once in a long time: the factor by which all weights must be multiplied, because the landmark
    /// has moved to `now`.
    pub(super) fn advance(&mut self, now: u64) -> Option<f64> {
        let age = now.saturating_sub(self.landmark);
        (age / self.half_life >= Self::SPAN).then(|| self.restart(self.half_life, now))
    }

    /// Moves the landmark to `now` in any case, with another half-life from here on.
    pub(super) fn restart(&mut self, half_life: u64, now: u64) -> f64 {
        let age = now.saturating_sub(self.landmark) as f64;
        let shrink = (-age / self.half_life as f64).exp2();
        *self = Self::new(half_life, now);
        shrink
    }
}

/// Keys that were new, by minute. Sixty full minutes and the one that goes on are counted, so no
/// hour, wherever it begins, holds more than the bound.
#[derive(Clone, Debug)]
pub(super) struct Births {
    minutes: [u32; Self::MINUTES as usize],
    sum: u32,
    minute: u64,
}

impl Births {
    const MINUTES: u64 = 61;

    pub(super) fn new(now: u64) -> Self {
        Self { minutes: [0; Self::MINUTES as usize], sum: 0, minute: now / MINUTE }
    }

    /// New keys in the last hour.
    pub(super) fn recent(&mut self, now: u64) -> u32 {
        let minute = now / MINUTE;
        for passed in 1..=minute.saturating_sub(self.minute).min(Self::MINUTES) {
            let cell = &mut self.minutes[((self.minute + passed) % Self::MINUTES) as usize];
            self.sum -= *cell;
            *cell = 0;
        }
        self.minute = self.minute.max(minute);
        self.sum
    }

    /// One more, now.
    pub(super) fn add(&mut self, now: u64) {
        self.recent(now);
        self.minutes[(self.minute % Self::MINUTES) as usize] += 1;
        self.sum += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_half_after_a_half_life() {
        let mut d = Decay::new(MINUTE, 0);
        let old = d.factor(0);
        let new = d.factor(MINUTE);
        assert!((new / old - 2.0).abs() < 1e-12);
        assert!((d.restart(MINUTE, 2 * MINUTE) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn weights_stay_finite_for_years() {
        let mut d = Decay::new(MINUTE, 0);
        for day in 0..4_000u64 {
            let now = day * 24 * 60 * MINUTE;
            d.advance(now);
            assert!((d.factor(now) * u64::MAX as f64).is_finite());
        }
        let mut slept = Decay::new(1, 0);
        assert!(slept.factor(u64::MAX).is_finite());
        assert!(slept.advance(u64::MAX).is_some_and(f64::is_finite));
    }

    #[test]
    fn births_are_forgotten_after_an_hour_and_not_before() {
        let mut b = Births::new(0);
        b.add(MINUTE / 2);
        b.add(30 * MINUTE);
        assert_eq!(b.recent(60 * MINUTE + MINUTE / 2 - 1), 2);
        assert_eq!(b.recent(61 * MINUTE), 1);
        assert_eq!(b.recent(91 * MINUTE), 0);
        b.add(91 * MINUTE);
        assert_eq!(b.recent(10_000 * MINUTE), 0);
    }
}
