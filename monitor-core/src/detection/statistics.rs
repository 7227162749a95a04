//! Medians and how much values differ from them.

/// Value at a share of sorted values, by the nearest rank.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Median of values.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Median absolute deviation from the median.
pub(super) fn mad(values: &[f64], median: f64) -> f64 {
    let deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    self::median(&deviations)
}

/// How alike values are, from 0 to 1: how symmetric they lie about the median (Bowley's skewness), and how small
/// their deviation is beside it, half each, as RITA scores intervals and sizes.
pub(super) fn regularity(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
    // Bowley's skewness says nothing where the quartiles hardly differ.
    let skewness = if high - low < 10.0 || middle <= low || middle >= high {
        0.0
    } else {
        (low + high - 2.0 * middle) / (high - low)
    };
    let deviation = mad(values, middle);
    let spread = if middle > 0.0 { ((middle - deviation) / middle).clamp(0.0, 1.0) } else { 0.0 };
    f64::midpoint(1.0 - skewness.abs(), spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_regular_and_random_ones_are_not() {
        assert!(regularity(&[60.0; 20]) > 0.999);
        let jittered: Vec<f64> = (0..20).map(|n| 60.0 + f64::from(n % 3)).collect();
        assert!(regularity(&jittered) > 0.95, "{}", regularity(&jittered));
        let wild: Vec<f64> = (0..20).map(|n| f64::from(n * n * n % 97) * 13.0).collect();
        assert!(regularity(&wild) < 0.8, "{}", regularity(&wild));
        assert!(regularity(&[]) < 0.001);
    }

    #[test]
    fn a_median_is_not_moved_by_one_value() {
        assert!((median(&[1.0, 2.0, 1000.0]) - 2.0).abs() < 1e-9);
        assert!((mad(&[1.0, 2.0, 1000.0], 2.0) - 1.0).abs() < 1e-9);
    }
}
