//! When a file is done, what files are called, and which may go.

use std::ffi::OsString;

use monitor_core::record::Time;

use super::part::passing;
use crate::{clock, config::outputs::Rotation, files::Directory};

impl Rotation {
    /// Whether a file of this length that was begun then (flow clock, ns) is done.
    pub(super) fn is_due(&self, bytes: u64, begun: u64) -> bool {
        bytes >= self.bytes || clock::now().saturating_sub(begun) >= self.age.as_nanos() as u64
    }
}

/// Files of one name that are done, oldest first: those that were found by their names, and then those that came, in
/// the order in which they did. The wall clock may be set back, and the latest file is not to go for its name.
#[derive(Debug)]
pub(super) struct Done {
    directory: Directory,
    stem: String,
    extension: String,
    files: Vec<OsString>,
}

impl Done {
    /// What is there at the start.
    pub(super) fn find(directory: &Directory, stem: &str, extension: &str) -> Self {
        let mut done = Self {
            directory: directory.clone(),
            stem: stem.to_owned(),
            extension: extension.to_owned(),
            files: Vec::new(),
        };
        done.files = done.list();
        done
    }

    /// A name for the next one, which is not taken yet.
    pub(super) fn next(&self) -> OsString {
        stamped(&self.directory, &self.stem, &self.extension)
    }

    /// Removes the oldest beyond those that stay. What cannot be removed stays too.
    pub(super) fn prune(&mut self, rotation: Rotation) {
        let Some(keep) = rotation.keep else { return };
        let there = self.list();
        self.files.retain(|file| there.binary_search(file).is_ok());
        let fresh: Vec<OsString> = there.into_iter().filter(|file| !self.files.contains(file)).collect();
        self.files.extend(fresh);
        let too_many = self.files.len().saturating_sub(keep);
        for name in self.files.iter().take(too_many) {
            // In a directory of all, a name alone makes no file ours.
            if matches!(self.directory.status(name), Ok(Some(there)) if there.is_ours()) {
                drop(self.directory.remove(name));
            }
        }
    }

    /// By name.
    fn list(&self) -> Vec<OsString> {
        let mut files = self.directory.names().unwrap_or_default();
        files.retain(|name| is_stamped(name.to_str().unwrap_or_default(), &self.stem, &self.extension));
        files
    }
}

/// `flow-20261121T140515Z.csv`: a name with the time at which the file was begun, which is not taken yet.
fn stamped(directory: &Directory, stem: &str, extension: &str) -> OsString {
    let stamp = stamp(Time(clock::wall().max(0) as u64));
    let name = |more: &str| OsString::from(format!("{stem}-{stamp}{more}.{extension}"));
    let taken = |name: &OsString| {
        [name.clone(), passing(name)].iter().any(|name| matches!(directory.status(name), Ok(Some(_))))
    };
    // Files that are done within a second differ in a number, which sorts behind the first.
    let mut file = name("");
    let mut number = 2;
    while taken(&file) {
        file = name(&format!("_{number:04}"));
        number += 1;
    }
    file
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
pub(super) fn is_stamped(name: &str, stem: &str, extension: &str) -> bool {
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
    use std::{fs, path::Path, time::Duration};

    fn opened(directory: &tempfile::TempDir) -> Directory {
        Directory::open(directory.path()).unwrap()
    }

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

    fn left(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut left: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        left
    }

    const KEEP_ONE: Rotation = Rotation { bytes: 1, age: Duration::ZERO, keep: Some(1) };

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
        Done::find(&opened(&directory), "flow", "csv").prune(KEEP_ONE);
        let expected = ["dns-20261121T024927Z.csv", "flow-20261121T024928Z_0002.csv", "flow-mine.csv"];
        assert_eq!(left(directory.path()), expected);
    }

    #[test]
    fn the_latest_file_stays_when_the_clock_was_set_back_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::write(directory.path().join(name), "").unwrap();
        make("flow-20261121T024927Z.csv");
        let mut done = Done::find(&opened(&directory), "flow", "csv");
        for name in ["flow-20261120T010000Z.csv", "flow-20261120T000000Z.csv", "flow-20261122T000000Z.csv"] {
            make(name);
            done.prune(KEEP_ONE);
            assert_eq!(left(directory.path()), [name]);
        }
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let directory = tempfile::tempdir().unwrap();
        let opened = opened(&directory);
        let names: Vec<OsString> = (0..3)
            .map(|_| {
                let name = stamped(&opened, "flow", "csv");
                fs::write(directory.path().join(&name), "").unwrap();
                name
            })
            .collect();
        assert!(names[0] != names[1] && names[1] != names[2]);
        assert!(names.iter().all(|name| is_stamped(name.to_str().unwrap(), "flow", "csv")));
    }
}
