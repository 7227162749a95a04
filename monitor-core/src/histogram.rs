//! Histograms with fixed buckets, as Prometheus knows them.

/// Upper bounds in seconds for round trips: 50 µs (one rack) to 10 s (a stalled path).
pub const ROUND_TRIP_SECONDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Upper bounds in seconds for TCP handshakes. The steps above 1 s tell apart how many SYNs were
/// lost: they are repeated after 1, 3 and 7 s (RFC 6298, 2.1 and 5.5).
pub const HANDSHAKE_SECONDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
    7.0, 15.0,
];

/// Upper bounds in seconds for the time to the first response: 250 µs (a cache) to 60 s (the
/// usual limit of a proxy).
pub const RESPONSE_SECONDS: [f64; 17] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Parts of a bucket, each wider than the one before by the same factor. Quantiles come from them: where a bound is at
/// most 3.3 times the one before they are within 2 %, in the first bucket, down to a sixteenth of its bound, within 5 %.
const PARTS: usize = 32;
/// How far down the parts of the first bucket reach: to this share of its bound. What is below is in the lowest of them.
const LOWEST: f64 = 1.0 / 16.0;

/// Observations counted in `N` buckets with an upper bound each, and one without.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram<const N: usize> {
    bounds: &'static [f64; N],
    /// Observations of each bucket alone, not cumulative, by its parts: kilobytes, which are on no stack.
    counts: Box<[[u64; PARTS]; N]>,
    beyond: u64,
    sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram. The bounds are inclusive and ascend.
    pub fn new(bounds: &'static [f64; N]) -> Self {
        Self { bounds, counts: Box::new([[0; PARTS]; N]), beyond: 0, sum: 0.0 }
    }

    /// Counts one value in seconds. A negative one, which only a clock that was set can make, counts
    /// as 0; one that is no number is left out, for it would spoil the sum for ever.
    pub fn observe(&mut self, seconds: f64) {
        if !seconds.is_finite() {
            return;
        }
        let seconds = seconds.max(0.0);
        let bucket = self.bounds.partition_point(|&bound| bound < seconds);
        let part = self.part(bucket, seconds);
        match self.counts.get_mut(bucket).and_then(|parts| parts.get_mut(part)) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.sum += seconds;
    }

    /// From where to where a bucket's parts reach.
    fn edges(&self, bucket: usize) -> (f64, f64) {
        let upper = self.bounds.get(bucket).copied().unwrap_or(f64::INFINITY);
        let below = bucket.checked_sub(1).and_then(|below| self.bounds.get(below));
        (below.copied().unwrap_or(upper * LOWEST), upper)
    }

    /// In which part of a bucket a value is.
    fn part(&self, bucket: usize, seconds: f64) -> usize {
        let (lower, upper) = self.edges(bucket);
        let share = (seconds / lower).ln() / (upper / lower).ln();
        // What is no number, of 0 or beyond all bounds, becomes 0.
        ((share * PARTS as f64) as usize).min(PARTS - 1)
    }

    /// Takes all of another with the same bounds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.as_flattened_mut().iter_mut().zip(other.counts.as_flattened()) {
            *mine = mine.wrapping_add(*theirs);
        }
        self.beyond = self.beyond.wrapping_add(other.beyond);
        self.sum += other.sum;
    }

    /// The values that came since it was as `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        for (mine, theirs) in since.counts.as_flattened_mut().iter_mut().zip(before.counts.as_flattened()) {
            *mine = mine.wrapping_sub(*theirs);
        }
        since.beyond = since.beyond.wrapping_sub(before.beyond);
        since.sum -= before.sum;
        since
    }

    /// The value that a part of all (0 to 1) does not exceed: the middle of the part of a bucket in which it is
    /// (within 2 %, in the first bucket within 5 %); those beyond the last bound count as on it. `None` without values.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = part.clamp(0.0, 1.0) * self.count() as f64;
        let mut below = 0.0;
        for (bucket, parts) in self.counts.iter().enumerate() {
            let (from, to) = self.edges(bucket);
            for (at, count) in parts.iter().enumerate() {
                below += *count as f64;
                if *count > 0 && below >= rank {
                    return Some(from * (to / from).powf((at as f64 + 0.5) / PARTS as f64));
                }
            }
        }
        (self.beyond > 0).then(|| self.bounds.last().copied().unwrap_or_default())
    }

    /// Sum of all values, seconds.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.as_flattened().iter().sum::<u64>() + self.beyond
    }

    /// For each upper bound, ascending, how many values are not above it; the last bound is infinite
    /// and its number is [`Self::count`].
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let all = self.counts.iter().map(|parts| parts.iter().sum::<u64>()).chain([self.beyond]);
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(all.scan(0, |below, count| {
            *below += count;
            Some(*below)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BOUNDS: [f64; 3] = [0.1, 1.0, 10.0];

    fn cumulative(h: &Histogram<3>) -> Vec<u64> {
        h.buckets().map(|(_, n)| n).collect()
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        let mut h = Histogram::new(&BOUNDS);
        for v in [0.05, 0.5, 0.6, 5.0, 50.0] {
            h.observe(v);
        }
        assert_eq!(cumulative(&h), [1, 3, 4, 5]);
        assert_eq!(h.buckets().last(), Some((f64::INFINITY, 5)));
        assert_eq!(h.count(), 5);
        assert!((h.sum() - 56.15).abs() < 1e-9);
    }

    #[test]
    fn a_value_on_a_bound_belongs_to_it() {
        let mut h = Histogram::new(&BOUNDS);
        h.observe(0.1);
        h.observe(10.0);
        assert_eq!(cumulative(&h), [1, 1, 2, 2]);
    }

    #[test]
    fn a_negative_value_is_zero_and_no_number_is_left_out() {
        let mut h = Histogram::new(&BOUNDS);
        h.observe(-3.0);
        h.observe(f64::NAN);
        h.observe(f64::INFINITY);
        assert_eq!(h.count(), 1);
        assert_eq!(h.sum().to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_their_rank() {
        let mut h = Histogram::new(&BOUNDS);
        assert_eq!(h.quantile(0.5), None);
        for v in [0.05, 0.06, 0.5, 0.6] {
            h.observe(v);
        }
        // Bounds are ten times those before: parts are 7.5 % wide.
        let close = |q: f64, v: f64| (h.quantile(q).unwrap() / v - 1.0).abs() < 0.075;
        assert!(close(0.25, 0.05) && close(0.5, 0.06) && close(0.75, 0.5) && close(1.0, 0.6));
        let mut beyond = Histogram::new(&BOUNDS);
        beyond.observe(99.0);
        assert_eq!(beyond.quantile(0.5), Some(10.0));
    }

    #[test]
    fn quantiles_are_those_of_the_values_within_the_stated_error() {
        for (bounds, to) in
            [(&ROUND_TRIP_SECONDS, 10.0), (&HANDSHAKE_SECONDS, 15.0), (&RESPONSE_SECONDS, 60.0)]
        {
            // Evenly by their logarithm, over all buckets.
            let from: f64 = bounds[0] * LOWEST;
            let values: Vec<f64> =
                (0..5_000).map(|n| from * f64::powf(to / from, f64::from(n) / 5_000.0)).collect();
            let mut h = Histogram::new(bounds);
            for value in &values {
                h.observe(*value);
            }
            for percent in 1..100 {
                let exact = values[percent * 50 - 1];
                let error = (h.quantile(percent as f64 / 100.0).unwrap() / exact - 1.0).abs();
                let stated = if exact <= bounds[0] { 0.05 } else { 0.02 };
                assert!(error <= stated, "{percent} %: {error} of {exact}");
            }
        }
    }

    #[test]
    fn a_quantile_is_no_bound_of_a_bucket() {
        let mut h = Histogram::new(&ROUND_TRIP_SECONDS);
        for _ in 0..100 {
            h.observe(0.0007);
        }
        for part in [0.5, 0.95] {
            assert!((h.quantile(part).unwrap() / 0.0007 - 1.0).abs() < 0.03);
        }
    }

    #[test]
    fn what_came_since_and_before_makes_all() {
        let mut before = Histogram::new(&BOUNDS);
        before.observe(0.5);
        let mut now = before.clone();
        now.observe(5.0);
        now.observe(50.0);
        let since = now.since(&before);
        assert_eq!(cumulative(&since), [0, 0, 1, 2]);
        before.merge(&since);
        assert_eq!(before, now);
    }

    #[test]
    fn bounds_of_all_tables_ascend() {
        for table in [ROUND_TRIP_SECONDS, HANDSHAKE_SECONDS, RESPONSE_SECONDS] {
            assert!(table.is_sorted_by(|a, b| a < b), "{table:?}");
        }
    }
}
