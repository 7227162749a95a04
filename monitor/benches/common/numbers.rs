//! Numbers that survive a noisy machine, and how they compare with what is to be reached.

/// Lower quartile, median and upper quartile.
pub(crate) fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |q: usize| values[(values.len() - 1) * q / 4];
    [at(1), at(2), at(3)]
}

/// Prints whether a target was met; the numbers decide, the reader judges.
pub(crate) fn verdict(what: &str, value: f64, limit: f64, unit: &str) {
    let word = if value <= limit { "ok  " } else { "MISS" };
    println!("{word} {what}: {value:.2} {unit}, to reach: at most {limit} {unit}");
}
