//! Texts to typed values: one way in for the file, the environment and the flags.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use monitor_core::services::ServiceError;

/// Why a text is no value of a setting; it says what to give instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not one of a closed set.
    #[error("{text:?} is not a valid value; use one of {}", allowed.join(", "))]
    NotOneOf {
        /// What was given.
        text: String,
        /// The closed set.
        allowed: &'static [&'static str],
    },
    /// Not a whole number.
    #[error("{text:?} is not a whole number; give one, such as 1000, 64Ki or 1M")]
    NotNumber {
        /// What was given.
        text: String,
    },
    /// Not a duration.
    #[error("{text:?} is not a duration; give a number with a unit, such as 500ms, 5s, 1m30s or 1h")]
    NotDuration {
        /// What was given.
        text: String,
    },
    /// Outside its bounds.
    #[error("{text:?} is out of range; give {low} to {high}")]
    OutOfRange {
        /// What was given.
        text: String,
        /// The least.
        low: String,
        /// The most.
        high: String,
    },
    /// Some other form was expected.
    #[error("{text:?} is not {expected}; give {example}")]
    Form {
        /// What was given.
        text: String,
        /// What a value is.
        expected: &'static str,
        /// A valid one.
        example: &'static str,
    },
    /// No port of a service, or no name for one.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A key that has to be there.
    #[error("{what} needs {key}={example}")]
    Missing {
        /// What it belongs to, such as `kind=json`.
        what: String,
        /// Which.
        key: &'static str,
        /// What its value looks like.
        example: &'static str,
    },
    /// A value of a key of a table.
    #[error("{key}: {reason}")]
    Of {
        /// Which.
        key: String,
        /// What is wrong with it.
        reason: Box<ValueError>,
    },
    /// A key that is there twice.
    #[error("{key} is given twice; leave one out")]
    Twice {
        /// Which.
        key: String,
    },
    /// A key that is none of a table.
    #[error("unknown key {key:?}; {instead}")]
    UnknownKey {
        /// What was given.
        key: String,
        /// What to give instead.
        instead: String,
    },
    /// A list where one value belongs, or nothing.
    #[error("{count} values where one belongs; give one")]
    Count {
        /// How many were given.
        count: usize,
    },
}

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One,
    /// One value that a flag may leave out: then it is `true`.
    Switch,
    /// Many, separated by commas in the environment and flags.
    List,
    /// Many, each `key=value`; a table in the file.
    Map,
    /// Tables of the file, each with keys of its own; no flag and no variable.
    Tables,
}

impl Shape {
    /// Whether it can be given as a flag and as a variable.
    pub const fn is_flag(self) -> bool {
        !matches!(self, Self::Tables)
    }
}

impl ValueError {
    /// The same, of a key of a table.
    #[must_use]
    pub fn of(self, key: &str) -> Self {
        Self::Of { key: key.to_owned(), reason: Box::new(self) }
    }
}

/// A value of a setting.
pub trait Value: Sized {
    /// How it is written.
    const SHAPE: Shape;
    /// From its texts: one for [`Shape::One`] and [`Shape::Switch`], any number otherwise.
    fn read(texts: &[String]) -> Result<Self, ValueError>;
    /// As it stands in a config file.
    fn toml(&self) -> toml::Value;
}

/// A value that is one text.
pub trait Scalar: Sized {
    /// Whether a flag may leave the text out.
    const SWITCH: bool = false;
    /// From its text.
    fn read(text: &str) -> Result<Self, ValueError>;
    /// As it stands in a config file.
    fn toml(&self) -> toml::Value;
}

impl<T: Scalar> Value for T {
    const SHAPE: Shape = if T::SWITCH { Shape::Switch } else { Shape::One };

    fn read(texts: &[String]) -> Result<Self, ValueError> {
        match texts {
            [text] => T::read(text),
            _ => Err(ValueError::Count { count: texts.len() }),
        }
    }

    fn toml(&self) -> toml::Value {
        Scalar::toml(self)
    }
}

impl<T: Scalar> Value for Vec<T> {
    const SHAPE: Shape = Shape::List;

    fn read(texts: &[String]) -> Result<Self, ValueError> {
        texts.iter().map(|t| T::read(t)).collect()
    }

    fn toml(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(Scalar::toml).collect())
    }
}

impl<T: Scalar> Value for Option<T> {
    const SHAPE: Shape = Shape::One;

    fn read(texts: &[String]) -> Result<Self, ValueError> {
        match texts {
            [] => Ok(None),
            [text] if text.is_empty() => Ok(None),
            [text] => T::read(text).map(Some),
            _ => Err(ValueError::Count { count: texts.len() }),
        }
    }

    fn toml(&self) -> toml::Value {
        self.as_ref().map_or_else(|| toml::Value::String(String::new()), Scalar::toml)
    }
}

/// What can be a key of a table.
pub trait Key: Scalar + Ord {
    /// The key's text.
    fn text(&self) -> String;
}

impl<K: Key, V: Scalar> Value for BTreeMap<K, V> {
    const SHAPE: Shape = Shape::Map;

    fn read(texts: &[String]) -> Result<Self, ValueError> {
        texts
            .iter()
            .map(|t| {
                let (key, value) = t.split_once('=').ok_or_else(|| ValueError::Form {
                    text: t.clone(),
                    expected: "a pair",
                    example: "key=value",
                })?;
                Ok((K::read(key.trim())?, V::read(value.trim())?))
            })
            .collect()
    }

    fn toml(&self) -> toml::Value {
        toml::Value::Table(self.iter().map(|(k, v)| (k.text(), v.toml())).collect())
    }
}

impl Scalar for bool {
    const SWITCH: bool = true;

    fn read(text: &str) -> Result<Self, ValueError> {
        match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(ValueError::NotOneOf { text: text.to_owned(), allowed: &["true", "false"] }),
        }
    }

    fn toml(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Scalar for String {
    fn read(text: &str) -> Result<Self, ValueError> {
        Ok(text.to_owned())
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Scalar for PathBuf {
    fn read(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError::Form {
                text: text.to_owned(),
                expected: "a path",
                example: "/etc/weir/web.yml",
            });
        }
        Ok(Self::from(text))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.display().to_string())
    }
}

/// A whole number from `MIN` to `MAX`; `k`, `M`, `G` are powers of 1000, `Ki`, `Mi`, `Gi` of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Number<MIN, MAX> {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Scalar for Number<MIN, MAX> {
    fn read(text: &str) -> Result<Self, ValueError> {
        let n = size(text).ok_or_else(|| ValueError::NotNumber { text: text.to_owned() })?;
        match u32::try_from(n) {
            Ok(n) if (MIN..=MAX).contains(&n) => Ok(Self(n)),
            _ => Err(ValueError::OutOfRange {
                text: text.to_owned(),
                low: MIN.to_string(),
                high: MAX.to_string(),
            }),
        }
    }

    fn toml(&self) -> toml::Value {
        toml::Value::Integer(i64::from(self.0))
    }
}

/// A number with an optional suffix, and an optional `B` after it.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let number: u64 = digits.replace('_', "").parse().ok()?;
    let suffix = suffix.trim();
    let factor = match suffix.strip_suffix('B').unwrap_or(suffix) {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" | "KiB" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A duration from `MIN` to `MAX` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Period<MIN, MAX> {
    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// In nanoseconds: at most `MAX` milliseconds, so it fits.
    pub const fn nanos(self) -> u64 {
        self.0.as_nanos() as u64
    }
}

impl<const MIN: u64, const MAX: u64> Scalar for Period<MIN, MAX> {
    fn read(text: &str) -> Result<Self, ValueError> {
        let d = duration(text).ok_or_else(|| ValueError::NotDuration { text: text.to_owned() })?;
        let (low, high) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if (low..=high).contains(&d) {
            Ok(Self(d))
        } else {
            Err(ValueError::OutOfRange {
                text: text.to_owned(),
                low: duration_text(low),
                high: duration_text(high),
            })
        }
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(duration_text(self.0))
    }
}

/// Units of a duration, longest first, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// `1m30s`, `500ms`: numbers, each with its unit. A bare number is refused: it could be anything.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(*factor)?)?;
    }
    Some(Duration::from_nanos(total))
}

/// The shortest text that [`duration`] reads back.
pub fn duration_text(d: Duration) -> String {
    let mut rest = d.as_nanos() as u64;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            out.push_str(&(rest / factor).to_string());
            out.push_str(unit);
            rest %= factor;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<T: Value>(text: &str) -> Result<T, ValueError> {
        T::read(&[text.to_owned()])
    }

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, ms) in [("5s", 5_000), ("1m30s", 90_000), ("250ms", 250), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
            assert_eq!(duration(&duration_text(Duration::from_millis(ms))), Some(Duration::from_millis(ms)));
        }
        for text in ["", "5", "s", "5 s", "-5s", "5sec", "1.5s", "99999999999999999999s", "300000000000h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_take_decimal_and_binary_suffixes() {
        for (text, n) in
            [("0", 0), ("131072", 131_072), ("10_000", 10_000), ("64Ki", 65_536), ("1M", 1_000_000)]
        {
            assert_eq!(size(text), Some(n), "{text}");
        }
        assert_eq!(size("4KiB"), Some(4096));
        assert_eq!(size("99999999999999G"), None);
        assert_eq!(size("12x"), None);
        assert_eq!(size("M"), None);
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        assert_eq!(one::<Number<1, 10>>("10").unwrap().get(), 10);
        let error = one::<Number<1, 10>>("11").unwrap_err();
        assert_eq!(error.to_string(), "\"11\" is out of range; give 1 to 10");
    }

    #[test]
    fn empty_texts_are_no_path_and_no_list() {
        assert_eq!(one::<Option<PathBuf>>(""), Ok(None));
        assert_eq!(Vec::<bool>::read(&[]), Ok(vec![]));
    }
}
