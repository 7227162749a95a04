use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::sink::samples::records;

struct Case {
    directory: tempfile::TempDir,
    lines: Lines,
    tally: Tally,
}

impl Case {
    fn new(rotation: Option<Rotation>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fields = Fields::choose(&["client_port".to_owned()]).unwrap();
        let lines = Lines::added(&directory.path().join("records.json"), &fields, rotation).unwrap();
        Self { directory, lines, tally: Tally::default() }
    }

    fn write(&mut self, flows: u16) {
        self.lines.write(&records(flows), &mut self.tally).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Lines of a file.
    fn count(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).unwrap().lines().count()
    }

    fn removed(&self) -> u64 {
        self.tally.lost().find(|(reason, _)| *reason == Reason::FileRemoved).unwrap().1
    }
}

#[test]
fn a_file_that_is_removed_is_a_loss_that_is_counted_and_made_anew() {
    let mut case = Case::new(None);
    case.write(3);
    fs::remove_file(case.path("records.json")).unwrap();
    case.write(2);
    assert_eq!((case.count("records.json"), case.removed()), (2, 3));
    let path = case.path("records.json");
    assert_eq!(case.tally.notes(), [Note::Removed { path, records: 3 }]);
    case.write(2);
    assert_eq!((case.count("records.json"), case.removed()), (4, 3));
}

#[test]
fn a_file_that_is_moved_away_goes_on_until_it_is_to_be_opened_anew() {
    let mut case = Case::new(None);
    case.write(1);
    fs::rename(case.path("records.json"), case.path("records.json.1")).unwrap();
    case.write(2);
    assert!(!case.path("records.json").exists());
    case.lines.reopen(&mut case.tally).unwrap();
    case.write(3);
    assert_eq!((case.count("records.json.1"), case.count("records.json"), case.removed()), (3, 3, 0));
}

#[test]
fn another_file_of_its_name_is_the_one_that_is_meant() {
    let mut case = Case::new(None);
    case.write(1);
    fs::rename(case.path("records.json"), case.path("records.json.1")).unwrap();
    // As log rotation makes it, before it says so.
    fs::write(case.path("records.json"), "").unwrap();
    case.write(2);
    assert_eq!((case.count("records.json.1"), case.count("records.json"), case.removed()), (1, 2, 0));
}

#[test]
fn a_file_that_was_cut_by_others_is_added_to_at_its_end() {
    let mut case = Case::new(None);
    case.write(5);
    // As `copytruncate` of log rotation does.
    File::options().write(true).open(case.path("records.json")).unwrap().set_len(0).unwrap();
    case.write(2);
    let text = fs::read_to_string(case.path("records.json")).unwrap();
    assert!(text.starts_with('{') && text.lines().count() == 2, "{text:?}");
}

#[test]
fn a_full_file_gets_a_time_and_a_link_of_its_name_is_not_followed_afterwards() {
    let mut case = Case::new(Some(Rotation { bytes: 1, ..Rotation::default() }));
    fs::write(case.path("victim"), "precious").unwrap();
    case.write(2);
    assert!(!case.path("records.json").exists());
    symlink(case.path("victim"), case.path("records.json")).unwrap();
    let refused = case.lines.write(&records(1), &mut case.tally).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");
    assert_eq!(case.tally.unwritten(), 1);
    assert_eq!(fs::read_to_string(case.path("victim")).unwrap(), "precious");
}
