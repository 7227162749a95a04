//! Versions of compilers, as they print them.

use std::fmt;

/// A release: `major.minor.patch`; what follows (`-nightly`, `-beta.2`) does not take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// `1.96.0`, `1.95`, `1.97.0-nightly`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let release = text.trim().split(['-', '+']).next()?;
        let mut numbers = release.split('.').map(|n| n.parse::<u32>().ok());
        let major = numbers.next()??;
        let minor = numbers.next()??;
        let patch = match numbers.next() {
            Some(patch) => patch?,
            None => 0,
        };
        Some(Self { major, minor, patch })
    }

    /// The second word of `cargo 1.96.0 (30a34c682 2026-05-25)`, `bpf-linker 0.13.0`.
    pub(crate) fn of_banner(banner: &str) -> Option<Self> {
        banner.split_whitespace().nth(1).and_then(Self::parse)
    }

    pub(crate) const fn major(self) -> u32 {
        self.major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The value of `key: value` in the output of `rustc -vV`.
pub(crate) fn verbose_field<'a>(output: &'a str, key: &str) -> Option<&'a str> {
    output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_compilers_print() {
        assert_eq!(Version::of_banner("cargo 1.96.0 (30a34c682 2026-05-25)"), Some(Version::new(1, 96, 0)));
        assert_eq!(
            Version::of_banner("rustc 1.97.0-nightly (e50aa6fba 2026-05-19)"),
            Some(Version::new(1, 97, 0))
        );
        assert_eq!(Version::of_banner("bpf-linker 0.13.0\n"), Some(Version::new(0, 13, 0)));
        assert_eq!(Version::parse("1.95"), Some(Version::new(1, 95, 0)));
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "1", "one.two", "1.x.0", "1.95.x", "error: no default toolchain"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
        assert_eq!(Version::of_banner("rustc"), None);
    }

    #[test]
    fn compares_by_number_and_not_by_text() {
        assert!(Version::new(1, 100, 0) > Version::new(1, 96, 0));
        assert!(Version::new(1, 96, 0) > Version::new(1, 95, 9));
    }

    #[test]
    fn finds_a_field_of_verbose_output() {
        let output = "rustc 1.96.0\nbinary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(verbose_field(output, "LLVM version"), Some("22.1.8"));
        assert_eq!(verbose_field(output, "host"), None);
    }
}
