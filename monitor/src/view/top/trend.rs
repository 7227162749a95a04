//! The last hour in steps of equal length, for small charts.

use std::collections::VecDeque;

use crate::view::live::History;

/// Most values of a line.
const VALUES: usize = 3_600;

/// Numbers over time, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Trends {
    pub(super) received: VecDeque<f64>,
    pub(super) transmitted: VecDeque<f64>,
    pub(super) retransmitted: VecDeque<f64>,
    pub(super) queries: VecDeque<f64>,
}

impl Trends {
    /// What was before anybody looked.
    pub(super) fn of(history: &History) -> Self {
        let mut trends = Self::default();
        trends.push(history);
        trends
    }

    /// Steps that came since.
    pub(super) fn push(&mut self, steps: &History) {
        for (line, values) in [
            (&mut self.received, &steps.received_bytes_per_second),
            (&mut self.transmitted, &steps.transmitted_bytes_per_second),
            (&mut self.retransmitted, &steps.retransmitted_per_second),
            (&mut self.queries, &steps.dns_queries_per_second),
        ] {
            let newest = values.iter().skip(values.len().saturating_sub(VALUES));
            line.extend(newest.map(|value| if value.is_finite() { value.max(0.0) } else { 0.0 }));
            line.drain(..line.len().saturating_sub(VALUES));
        }
    }
}

/// Values for so many columns: the newest, or of a capture all of them in equal spans.
pub(super) fn columns(values: &VecDeque<f64>, columns: usize, whole: bool) -> Vec<f64> {
    if !whole || values.len() <= columns {
        let skip = values.len().saturating_sub(columns);
        return values.iter().skip(skip).copied().collect();
    }
    (0..columns)
        .map(|column| {
            let (from, to) = (column * values.len() / columns, (column + 1) * values.len() / columns);
            let span = values.range(from..to.max(from + 1).min(values.len()));
            let count = span.len().max(1) as f64;
            span.sum::<f64>() / count
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_show_the_newest_or_all() {
        let mut trends =
            Trends::of(&History { received_bytes_per_second: vec![1.0; 9_000], ..History::default() });
        let steps = (0..10).map(f64::from).collect();
        trends.push(&History { received_bytes_per_second: steps, ..History::default() });
        assert_eq!(trends.received.len(), VALUES);
        assert_eq!(columns(&trends.received, 3, false), [7.0, 8.0, 9.0]);
        let values: VecDeque<f64> = (0..100).map(f64::from).collect();
        assert_eq!(columns(&values, 2, true), [24.5, 74.5]);
        assert_eq!(columns(&values, 7, true).len(), 7);
    }
}
