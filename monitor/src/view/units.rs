//! Numbers as people read them. Prefixes are decimal: 1 kB is 1000 bytes.

/// Bytes: `999 B`, `1.5 kB`, `250 MB`.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// Bits a second, of bytes a second.
pub fn bit_rate(bytes_per_second: f64) -> String {
    scaled(bytes_per_second * 8.0, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = if value.is_finite() { value } else { 0.0 };
    let mut units = units.iter().enumerate().peekable();
    while let Some((prefixes, unit)) = units.next() {
        if value < 999.5 || units.peek().is_none() {
            let digits = usize::from(prefixes > 0 && value < 99.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    String::new()
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things: `1 packet`, `1,234 packets`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number of things whose plural is irregular: `1 query`, `2 queries`.
pub fn counted_as(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A duration in seconds: `850 ns`, `12.3 ms`, `1.50 s`, `2 min 5 s`, `3 h 20 min`.
pub fn seconds(seconds: f64) -> String {
    let short = |value: f64, unit: &str| {
        let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        format!("{value:.digits$} {unit}")
    };
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.999_5e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 0.999_5e-3 => short(s * 1e6, "µs"),
        s if s < 0.999_5 => short(s * 1e3, "ms"),
        s if s < 119.5 => short(s, "s"),
        _ if whole < 2 * 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ if whole < 2 * 86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A part of a whole as percent with one digit; `0.0 %` of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    if part > 0 && share < 0.000_5 { "<0.1 %".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// What each value is of their sum in tenths of a percent, rounded so that together they make 1000 (largest
/// remainder); all 0 where the sum is.
pub fn shares(values: &[u64]) -> Vec<u32> {
    let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
    if sum == 0 {
        return vec![0; values.len()];
    }
    let exact = |value: u64| (u128::from(value) * 1000 / sum, u128::from(value) * 1000 % sum);
    let mut shares: Vec<u32> = values.iter().map(|&value| exact(value).0 as u32).collect();
    let missing = 1000usize.saturating_sub(shares.iter().sum::<u32>() as usize);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(values.get(i).map(|&value| exact(value).1)));
    for i in order.into_iter().take(missing) {
        if let Some(share) = shares.get_mut(i) {
            *share += 1;
        }
    }
    shares
}

/// Tenths of a percent: `12.3 %`.
pub fn tenths(share: u32) -> String {
    format!("{}.{} %", share / 10, share % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1500.0, "1.5 kB"),
            (999_600.0, "1.0 MB"),
            (2.5e8, "250 MB"),
            (1e21, "1000000 PB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!((bit_rate(1_250_000.0), bit_rate(f64::NAN)), ("10.0 Mbit/s".into(), "0 bit/s".into()));
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (value, text) in [
            (0.0, "0 ns"),
            (8.5e-7, "850 ns"),
            (0.000_012_34, "12.3 µs"),
            (0.999_6e-3, "1.00 ms"),
            (0.012_34, "12.3 ms"),
            (1.5, "1.50 s"),
            (125.0, "2 min 5 s"),
            (12_000.0, "3 h 20 min"),
            (200_000.0, "2 d 7 h"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn shares_add_up() {
        for values in [vec![1, 1, 1], vec![7, 11, 13, 17, 1_000_000], vec![u64::MAX, u64::MAX, 5]] {
            assert_eq!(shares(&values).iter().sum::<u32>(), 1000, "{values:?}");
        }
        assert_eq!(shares(&[1, 1, 1]), [334, 333, 333]);
        assert_eq!(shares(&[0, 0]), [0, 0]);
        assert_eq!(
            (percent(1, 100_000), percent(0, 0), tenths(5)),
            ("<0.1 %".into(), "0.0 %".into(), "0.5 %".into())
        );
    }
}
