//! What may be left out of a run of the suite: nothing but what is named here. A step or a test that passes because it
//! did not run looks like one that did.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;

/// The variable by which tests find the file to which they write what they skip (`testing::skip`).
pub(crate) const VARIABLE: &str = "WEIR_TEST_SKIPS";

/// Steps and tests that may be skipped, and why that is no loss.
const ALLOWED: [(&str, &str); 2] = [
    (
        "advisories",
        "the database is a repository of git, which a build machine may not reach; `cargo xtask audit` asks where it can",
    ),
    (
        "collector",
        "it is built where Go 1.24 is, which Debian 12 has not; Python's classes of OTLP read the same everywhere",
    ),
];

/// Whether something may be skipped.
pub(crate) fn is_allowed(name: &str) -> bool {
    ALLOWED.iter().any(|(allowed, _)| *allowed == name)
}

/// What tests have skipped, by name, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skips(BTreeMap<String, String>);

impl Skips {
    /// An empty file for the tests of one step.
    pub(crate) fn file(project: &Project) -> Result<PathBuf, Error> {
        let path = project.target().join("skips");
        match fs::remove_file(&path) {
            // Tests that run as root leave a file of root's.
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::File { operation: "remove", path, source })
            }
            _ => Ok(path),
        }
    }

    /// What the tests wrote: a line each, name and reason.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::File { operation: "read", path: path.to_owned(), source }),
            Ok(text) => text,
        };
        let lines = text.lines().map(|line| line.split_once('\t').unwrap_or((line, "")));
        Ok(Self(lines.map(|(name, why)| (name.to_owned(), why.to_owned())).collect()))
    }

    /// Names what was skipped; fails with what may not be.
    pub(crate) fn judge(&self) -> Result<(), Error> {
        let (may, must): (Vec<_>, Vec<_>) = self.0.iter().partition(|(name, _)| is_allowed(name));
        for (name, why) in may {
            eprintln!("skipped: {name}: {why}");
        }
        if must.is_empty() {
            return Ok(());
        }
        let findings = must.into_iter().map(|(name, why)| format!("skipped: {name}: {why}")).collect();
        Err(Error::Check { findings, hint: "nothing is skipped that xtask/src/skips.rs does not name" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skips(of: &[(&str, &str)]) -> Skips {
        Skips(of.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect())
    }

    #[test]
    fn a_skip_of_a_test_is_an_error_unless_it_is_named_here() {
        assert!(skips(&[]).judge().is_ok());
        assert!(skips(&[(ALLOWED[0].0, "no way there")]).judge().is_ok());
        let error = skips(&[("planted", "on purpose"), (ALLOWED[0].0, "")]).judge().unwrap_err().to_string();
        assert!(error.contains("planted: on purpose") && !error.contains(ALLOWED[0].0), "{error}");
    }

    #[test]
    fn lines_of_several_tests_are_read_and_no_file_is_no_skip() {
        let path = std::env::temp_dir().join(format!("weir-skips-{}", std::process::id()));
        assert_eq!(Skips::read(&path).unwrap(), skips(&[]));
        fs::write(&path, "tmux\tnot installed\nbrowser\tnone\ntmux\tnot installed\n").unwrap();
        let read = Skips::read(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), skips(&[("tmux", "not installed"), ("browser", "none")]));
    }

    #[test]
    fn every_allowed_skip_has_its_reason() {
        assert!(ALLOWED.iter().all(|(name, why)| !name.is_empty() && !why.is_empty()));
    }
}
