//! When a file is done, what files are called, and which may go.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use monitor_core::record::Time;

use crate::clock;

/// When an output begins a new file, and how many old ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes after which a file is done.
    pub bytes: u64,
    /// Age after which it is.
    pub age: Duration,
    /// Files that are done and stay, of each kind; `None`: all.
    pub keep: Option<usize>,
}

impl Rotation {
    /// Whether a file of this length that was begun then (flow clock, ns) is done.
    pub(super) fn is_due(&self, bytes: u64, begun: u64) -> bool {
        bytes >= self.bytes || clock::now().saturating_sub(begun) >= self.age.as_nanos() as u64
    }

    /// Removes the oldest files of a name beyond those that stay. What cannot be removed stays too.
    pub(super) fn prune(&self, directory: &Path, stem: &str, extension: &str) {
        let Some(keep) = self.keep else { return };
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut old: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                is_stamped(name, stem, extension)
            })
            .collect();
        old.sort();
        let too_many = old.len().saturating_sub(keep);
        for path in old.into_iter().take(too_many) {
            drop(fs::remove_file(path));
        }
    }
}

/// `flow-20261121T140515Z.csv`: a name with the time at which the file was begun, which is not taken yet.
pub(super) fn stamped(directory: &Path, stem: &str, extension: &str) -> PathBuf {
    let stamp = stamp(Time(clock::wall().max(0) as u64));
    let name = |more: &str| directory.join(format!("{stem}-{stamp}{more}")).with_extension(extension);
    // Files that are done within a second differ in a number, which sorts behind the first.
    let mut path = name("");
    let mut number = 2;
    while path.symlink_metadata().is_ok() {
        path = name(&format!("_{number:04}"));
        number += 1;
    }
    path
}

/// `20261121T140515Z`.
fn stamp(time: Time) -> String {
    let text = time.to_string();
    let mut stamp: String =
        text.chars().take_while(|c| *c != '.').filter(|c| !matches!(c, '-' | ':')).collect();
    stamp.push('Z');
    stamp
}

/// Whether a file's name is one that [`stamped`] gives.
fn is_stamped(name: &str, stem: &str, extension: &str) -> bool {
    let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
    let stamp = rest.and_then(|rest| rest.strip_suffix(extension)).and_then(|rest| rest.strip_suffix('.'));
    stamp.is_some_and(|stamp| {
        let (time, number) = stamp.split_once('_').unwrap_or((stamp, "0"));
        time.len() == 16
            && time.bytes().enumerate().all(|(i, b)| match i {
                8 => b == b'T',
                15 => b == b'Z',
                _ => b.is_ascii_digit(),
            })
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_time_and_are_recognized() {
        let time = stamp(Time(1_795_229_367_123_456_789));
        assert_eq!(time, "20261121T024927Z");
        assert!(is_stamped("flow-20261121T024927Z.csv", "flow", "csv"));
        assert!(is_stamped("flow-20261121T024927Z_0002.csv", "flow", "csv"));
        for other in
            ["flow.csv", "flow-mine.csv", "flow-20261121T024927Z.csv.part", "flows-20261121T024927Z.csv"]
        {
            assert!(!is_stamped(other, "flow", "csv"), "{other}");
        }
    }

    #[test]
    fn the_oldest_files_go_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "flow-20261121T024927Z.csv",
            "flow-20261121T024928Z.csv",
            "flow-20261121T024928Z_0002.csv",
            "flow-mine.csv",
            "dns-20261121T024927Z.csv",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let rotation = Rotation { bytes: 1, age: Duration::ZERO, keep: Some(1) };
        rotation.prune(directory.path(), "flow", "csv");
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dns-20261121T024927Z.csv", "flow-20261121T024928Z_0002.csv", "flow-mine.csv"]);
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> = (0..3)
            .map(|_| {
                let path = stamped(directory.path(), "flow", "csv");
                fs::write(&path, "").unwrap();
                path
            })
            .collect();
        assert!(names[0] != names[1] && names[1] != names[2]);
        assert!(names.iter().all(|p| is_stamped(p.file_name().unwrap().to_str().unwrap(), "flow", "csv")));
    }
}
