//! Values in expressions: numbers with units, networks, patterns.

use std::fmt;
use std::net::IpAddr;

/// Units of counts.
const COUNTS: [(&str, u64); 10] = [
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

/// Addresses with a common prefix; one address is a network too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network that an address lies in; bits after the prefix are dropped. `None`: the prefix is
    /// longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// Reads an address with or without `/prefix`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        match prefix {
            None => {
                let address = address.to_canonical();
                Self::new(address, bits(address))
            }
            Some(prefix) if prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                Self::new(address, prefix.parse().ok()?)
            }
            Some(_) => None,
        }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

/// As a test: `host ADDRESS` or `net ADDRESS/PREFIX`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            // An IPv4-mapped address with its full prefix would be read back as IPv4 without it.
            match self.address {
                IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => write!(f, "net {v6}/128"),
                address => write!(f, "host {address}"),
            }
        } else {
            write!(f, "net {}/{}", self.address, self.prefix)
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
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
            "1KB",
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
    fn networks_contain_what_shares_their_prefix() {
        let net = |text| Network::parse(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(net("10.0.0.0/8").contains(ip("10.255.1.2")) && !net("10.0.0.0/8").contains(ip("11.0.0.0")));
        assert_eq!(net("10.1.2.3/8"), net("10.0.0.0/8"));
        assert!(net("0.0.0.0/0").contains(ip("255.255.255.255")) && !net("0.0.0.0/0").contains(ip("::")));
        assert!(net("::/0").contains(ip("2001:db8::1")) && !net("::/0").contains(ip("1.2.3.4")));
        assert!(net("fe80::/10").contains(ip("febf::1")) && !net("fe80::/10").contains(ip("fec0::1")));
        assert!(net("::ffff:1.2.3.4").contains(ip("1.2.3.4")));
        for text in
            ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "/8", "host"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
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
