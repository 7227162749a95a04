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

/// Observations counted in `N` buckets with an upper bound each, and one without.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram<const N: usize> {
    bounds: &'static [f64; N],
    /// Observations of each bucket alone, not cumulative.
    counts: [u64; N],
    beyond: u64,
    sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram. The bounds are inclusive and ascend.
    pub const fn new(bounds: &'static [f64; N]) -> Self {
        Self { bounds, counts: [0; N], beyond: 0, sum: 0.0 }
    }

    /// Counts one value in seconds. A negative one, which only a clock that was set can make, counts
    /// as 0; one that is no number is left out, for it would spoil the sum for ever.
    pub fn observe(&mut self, seconds: f64) {
        if !seconds.is_finite() {
            return;
        }
        let seconds = seconds.max(0.0);
        let bucket = self.bounds.partition_point(|&bound| bound < seconds);
        match self.counts.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.sum += seconds;
    }

    /// Takes all of another with the same bounds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.wrapping_add(*theirs);
        }
        self.beyond = self.beyond.wrapping_add(other.beyond);
        self.sum += other.sum;
    }

    /// The values that came since it was as `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        for (mine, theirs) in since.counts.iter_mut().zip(&before.counts) {
            *mine = mine.wrapping_sub(*theirs);
        }
        since.beyond = since.beyond.wrapping_sub(before.beyond);
        since.sum -= before.sum;
        since
    }

    /// The value that a part of all (0 to 1) does not exceed, as if values lay evenly within a bucket; those
    /// beyond the last bound count as on it. `None` without values.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = part.clamp(0.0, 1.0) * self.count() as f64;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                return Some(lower + (bound - lower) * (rank - below) / count);
            }
            below += count;
            lower = *bound;
        }
        (self.beyond > 0).then_some(lower)
    }

    /// Sum of all values, seconds.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// For each upper bound, ascending, how many values are not above it; the last bound is infinite
    /// and its number is [`Self::count`].
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let all = self.counts.iter().copied().chain([self.beyond]);
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
        let close = |q: f64, v: f64| (h.quantile(q).unwrap() - v).abs() < 1e-9;
        assert!(close(0.0, 0.0) && close(0.5, 0.1) && close(0.75, 0.55) && close(1.0, 1.0));
        let mut beyond = Histogram::new(&BOUNDS);
        beyond.observe(99.0);
        assert_eq!(beyond.quantile(0.5), Some(10.0));
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
