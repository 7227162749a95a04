//! Values in expressions: numbers with units, patterns.

use std::fmt;

/// Units of counts.
const COUNTS: [(&str, u64); 20] = [
    ("", 1),
    ("k", 1000),
    ("K", 1000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Units of time in nanoseconds, largest first.
const TIMES: [(&str, u64); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("µs", 1000),
    ("ns", 1),
];

/// Reads a count such as `10`, `1.5M`, `64Ki`. `None`: no number, no such unit, not whole, too large.
pub(super) fn count(text: &str) -> Option<u64> {
    with_unit(text, &COUNTS)
}

/// Reads a length of time such as `100ms`, `1.5h`, in ns. The unit may be missing from 0 only.
pub(super) fn duration(text: &str) -> Option<u64> {
    if text == "0" { Some(0) } else { with_unit(text, &TIMES) }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    // Digits alone: `parse` would take a sign too.
    if whole.is_empty() || whole.len() > 20 || fraction.len() > 12 {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scaled = (whole.parse::<u128>().ok()? * scale + fraction).checked_mul(u128::from(factor))?;
    if scaled % scale == 0 { u64::try_from(scaled / scale).ok() } else { None }
}

/// Nanoseconds in the largest unit that keeps them whole.
pub(super) struct Duration(pub(super) u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = TIMES.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}ns", self.0),
        }
    }
}

/// A text with `*` (any characters) and `?` (one character), ASCII case ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// From its source; every text is a pattern.
    pub fn new(source: impl Into<String>) -> Self {
        Self(source.into())
    }

    /// Whether a part of a text matches.
    pub fn is_within(&self, text: &str) -> bool {
        Self(format!("*{}*", self.0)).matches(text)
    }

    /// Whether a whole text matches. At most the product of the lengths in steps, no recursion.
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        // Where to go on when what follows the last `*` does not fit: it takes one character more.
        let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = pattern.clone();
            match (ahead.next(), rest.clone().next()) {
                (Some('*'), _) => {
                    pattern = ahead;
                    star = Some((pattern.clone(), rest.clone()));
                }
                (Some(p), Some(c)) if p == '?' || p.eq_ignore_ascii_case(&c) => {
                    pattern = ahead;
                    rest.next();
                }
                (None, None) => return true,
                _ => {
                    let Some((after, begin)) = &mut star else { return false };
                    if begin.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (after.clone(), begin.clone());
                }
            }
        }
    }
}

/// In quotes where it would not be read back as it is.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty()
            && self.0.chars().all(super::parse::is_word)
            && !super::parse::is_operator(&self.0)
        {
            return f.write_str(&self.0);
        }
        self.quoted(f)
    }
}

impl Pattern {
    /// In quotes.
    pub(super) fn quoted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_decimal_and_binary_units() {
        for (text, value) in [
            ("0", 0),
            ("10", 10),
            ("1K", 1000),
            ("1k", 1000),
            ("1.5M", 1_500_000),
            ("2Ki", 2048),
            ("0.5Gi", 1 << 29),
            ("1MB", 1_000_000),
            ("1.5kB", 1500),
            ("64KiB", 65_536),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(count(text), Some(value), "{text}");
        }
        for text in [
            "",
            "K",
            "1.",
            ".5",
            "1.5",
            "-1",
            "+1",
            "1 K",
            "1BM",
            "1m",
            "1.2.3K",
            "18446744073709551616",
            "9e9",
        ] {
            assert_eq!(count(text), None, "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, value) in [
            ("0", 0),
            ("100ms", 100_000_000),
            ("1.5h", 5_400_000_000_000),
            ("7us", 7000),
            ("7µs", 7000),
            ("1ns", 1),
        ] {
            assert_eq!(duration(text), Some(value), "{text}");
            assert_eq!(duration(&Duration(value).to_string()), Some(value));
        }
        for text in ["100", "1.5ns", "s", "1S", "1e3s", "999999999999h", "1µ"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn patterns_match_whole_texts_without_case() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        assert!(matches("*.example.com", "WWW.Example.com") && !matches("*.example.com", "example.com"));
        assert!(matches("example.com", "EXAMPLE.COM") && !matches("example.com", "example.com.evil"));
        assert!(matches("*", "") && matches("", "") && !matches("", "a") && !matches("?", ""));
        assert!(matches("a*b*c", "aXbXbc") && !matches("a*b*c", "aXbXb"));
        assert!(matches("?th*", "eth0") && matches("b?cher", "bücher"));
        assert!(matches("**a**", "bab") && !matches("*a", "ab"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!Pattern::new(pattern).matches(&"a".repeat(4000)));
    }
}
