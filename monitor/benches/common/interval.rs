//! The ratio of two things that were measured in pairs, and how sure it is.

use crate::results::Found;

/// Student's t for a two-sided 95 % interval, by degrees of freedom from 1.
const T: [f64; 19] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093,
];

/// The geometric mean of ratios with its 95 % interval.
pub(crate) fn ratio<'a>(bench: &'a str, what: &'a str, ratios: &[f64]) -> Found<'a> {
    let n = ratios.len() as f64;
    let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / n;
    let variance = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = T.get(ratios.len().saturating_sub(2)).copied().unwrap_or(1.96);
    let half = t * (variance / n).sqrt();
    let values = [mean - half, mean, mean + half].map(f64::exp);
    Found { bench, what, unit: "of without", values, spread: "95 % interval", runs: ratios.len(), goal: None }
}

/// Nothing can be seen: the interval holds 1 and is at most this wide to either side.
pub(crate) fn unchanged(mut found: Found<'_>, width: f64) -> Found<'_> {
    let [low, _, high] = found.values;
    let reached = low <= 1.0 && high >= 1.0 && (high - low) / 2.0 <= width;
    found.goal = Some((format!("holds 1, at most ±{} %", width * 100.0), reached));
    found
}
