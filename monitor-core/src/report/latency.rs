//! Durations: their number, mean, quantiles and longest, in bounded memory.

/// Buckets of a doubling.
const FINE: usize = 4;
/// Doublings from a microsecond on: up to more than an hour.
const DOUBLINGS: usize = 32;

/// Durations in buckets that each are a fifth wider than the one before.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// As long as the longest needs.
    buckets: Vec<u32>,
}

impl Latency {
    /// Takes a duration in seconds; what is no number or negative is left out.
    pub fn observe(&mut self, seconds: f64) {
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        self.min = if self.count == 0 { seconds } else { self.min.min(seconds) };
        self.count += 1;
        self.sum += seconds;
        self.max = self.max.max(seconds);
        let doublings = (seconds * 1e6).max(1.0).log2();
        let bucket = ((doublings * FINE as f64) as usize).min(FINE * DOUBLINGS - 1);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// How many there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest, seconds.
    pub const fn max(&self) -> f64 {
        self.max
    }

    /// Their mean, seconds; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The duration that `share` (0 to 1) of them do not exceed, within a tenth, seconds.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                let middle = ((bucket as f64 + 0.5) / FINE as f64).exp2() / 1e6;
                return Some(middle.clamp(self.min, self.max));
            }
        }
        None
    }

    /// The duration in the middle, seconds.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_tenth() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|ms| latency.observe(f64::from(ms) / 1000.0));
        for (share, expected) in [(0.5, 0.5), (0.95, 0.95), (0.01, 0.01)] {
            let value = latency.quantile(share).unwrap();
            assert!((value / expected - 1.0).abs() < 0.1, "{share}: {value}");
        }
        assert_eq!((latency.count(), latency.max()), (1000, 1.0));
        assert!((latency.mean().unwrap() - 0.5005).abs() < 1e-9);
    }

    #[test]
    fn hostile_numbers_do_no_harm() {
        let mut latency = Latency::default();
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            latency.observe(value);
        }
        assert_eq!((latency.count(), latency.median()), (0, None));
        for value in [0.0, 1e300] {
            latency.observe(value);
        }
        assert_eq!(latency.count(), 2);
        assert!(latency.buckets.len() <= FINE * DOUBLINGS);
    }
}
