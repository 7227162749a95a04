//! Durations: their number, mean, quantiles and longest, in bounded memory.
//!
//! Up to [`EXACT`] values are kept as they are, and quantiles are values that were there. Beyond that they are
//! counted in the buckets of a `DDSketch` (Masson, Rim, Lee, VLDB 2019), whose quantiles are within
//! 1 % of such a value. A crate would bring stores for negative values and for merging across the network;
//! what is needed of it is the two formulas below.

/// Values that are kept as they are.
const EXACT: usize = 2_048;
/// Relative error of quantiles of more values.
const ERROR: f64 = 0.01;
/// Each bucket of the sketch reaches so many times as far as the one before.
const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);
/// Upper bound of the first bucket, seconds.
const LEAST: f64 = 1e-9;
/// Buckets: up to weeks.
const BUCKETS: usize = 1_750;

/// Durations.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// All of them, while they are few.
    values: Vec<f32>,
    /// How many are in each bucket, once they are many; as long as the longest needs.
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
        if self.is_exact() && self.values.len() < EXACT {
            self.values.push(seconds as f32);
        } else {
            self.sketch();
            self.bucket(seconds, 1);
        }
    }

    /// Whether quantiles are values that were there, and not within 1 % of one.
    pub const fn is_exact(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Goes over to buckets.
    fn sketch(&mut self) {
        for value in std::mem::take(&mut self.values) {
            self.bucket(f64::from(value), 1);
        }
    }

    fn bucket(&mut self, seconds: f64, count: u32) {
        let at = ((seconds / LEAST).max(1.0).ln() / GROWTH.ln()).ceil();
        self.add_bucket((at as usize).min(BUCKETS - 1), count);
    }

    fn add_bucket(&mut self, at: usize, count: u32) {
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, 0);
        }
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket = bucket.saturating_add(count);
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
        if self.is_exact() && other.is_exact() && self.values.len() + other.values.len() <= EXACT {
            self.values.extend_from_slice(&other.values);
            return;
        }
        self.sketch();
        for value in &other.values {
            self.bucket(f64::from(*value), 1);
        }
        for (at, count) in other.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add_bucket(at, *count);
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

    /// The shortest duration that `share` (0 to 1) of them do not exceed, seconds: one of them, or within 1 %
    /// of one where they are many.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        if self.is_exact() {
            let mut values = self.values.clone();
            let at = (rank as usize - 1).min(values.len().checked_sub(1)?);
            let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
            return Some(f64::from(*value).clamp(self.min, self.max));
        }
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                // What is below the first bound is as good as nothing.
                let value = if at == 0 { 0.0 } else { LEAST * GROWTH.powi(at as i32) * 2.0 / (GROWTH + 1.0) };
                return Some(value.clamp(self.min, self.max));
            }
        }
        None
    }

    /// The duration in the middle, seconds.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// How many are longer than `limit` seconds.
    pub fn over(&self, limit: f64) -> u64 {
        let exact = self.values.iter().filter(|value| f64::from(**value) > limit).count() as u64;
        let first = ((limit / LEAST).max(1.0).ln() / GROWTH.ln()).ceil() as usize + 1;
        exact + self.buckets.iter().skip(first).map(|count| u64::from(*count)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Latency {
        let mut latency = Latency::default();
        values.into_iter().for_each(|value| latency.observe(value));
        latency
    }

    #[test]
    fn quantiles_of_some_thousand_values_are_exact() {
        // Half of them are above 0.7 s, so 95 % cannot be within less.
        let ten = of([0.010, 0.011, 0.012, 0.013, 0.014, 0.701, 0.702, 0.703, 0.704, 0.705]);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-7;
        assert!(close(ten.quantile(0.95).unwrap(), 0.705) && close(ten.median().unwrap(), 0.014));
        assert_eq!((ten.over(0.2), ten.over(0.7035)), (5, 2));
        let thousand = of((1..=2_000).rev().map(|n| f64::from(n) / 1000.0));
        assert!(thousand.is_exact());
        for (share, expected) in [(0.0, 0.001), (0.5, 1.0), (0.95, 1.9), (0.99, 1.98), (1.0, 2.0)] {
            assert!(close(thousand.quantile(share).unwrap(), expected), "{share}");
        }
        assert!(close(thousand.mean().unwrap(), 1.0005) && close(thousand.max(), 2.0));
    }

    #[test]
    fn quantiles_of_more_are_within_the_stated_error() {
        for scale in [1e-6, 1e-3, 1.0] {
            let many = of((1..=100_000).map(|n| f64::from(n) * scale));
            assert!(!many.is_exact());
            for share in [0.01, 0.5, 0.95, 0.999] {
                let (value, expected) = (many.quantile(share).unwrap(), share * 100_000.0 * scale);
                assert!((value / expected - 1.0).abs() <= ERROR * 1.001, "{share}: {value} for {expected}");
            }
            let over = many.over(50_000.0 * scale) as f64;
            assert!((over / 50_000.0 - 1.0).abs() < 2.0 * ERROR, "{over}");
        }
    }

    #[test]
    fn what_is_merged_is_as_if_it_were_one() {
        for (few, more) in [(10, 20), (2_000, 40), (40, 2_000), (5_000, 10), (10, 5_000), (3_000, 3_000)] {
            let values = |from: u32, n: u32| (from..from + n).map(|n| f64::from(n + 1) / 1000.0);
            let mut merged = of(values(0, few));
            merged.merge(&of(values(few, more)));
            let whole = of(values(0, few + more));
            assert_eq!((merged.count(), merged.is_exact()), (whole.count(), whole.is_exact()));
            assert_eq!(merged.quantile(0.5), whole.quantile(0.5), "{few} and {more}");
            assert_eq!(merged.quantile(0.95), whole.quantile(0.95), "{few} and {more}");
        }
    }

    #[test]
    fn hostile_numbers_do_no_harm() {
        let mut latency = of([f64::NAN, f64::INFINITY, -1.0]);
        assert_eq!((latency.count(), latency.median()), (0, None));
        for value in [0.0, 1e300] {
            latency.observe(value);
        }
        assert_eq!(latency.count(), 2);
        for _ in 0..EXACT {
            latency.observe(1e300);
        }
        assert_eq!(latency.quantile(0.0), Some(0.0));
        assert!(latency.buckets.len() <= BUCKETS && latency.values.is_empty());
    }
}
