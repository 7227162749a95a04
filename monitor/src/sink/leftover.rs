//! What an instance that was killed left under a passing name.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufReader, Read},
};

use super::{Note, Tally, part::EXTENSION, rotation::is_stamped, table::Form};
use crate::files::Directory;

/// Finishes tables that an earlier run of this user left: of CSV what is whole gets its name, of Parquet nothing can
/// be read. What somebody writes, or has another owner, stays as it is.
pub(super) fn settle(directory: &Directory, kind: &str, form: Form, tally: &mut Tally) {
    let Ok(names) = directory.names() else { return };
    for part in names {
        let name = part.to_str().and_then(|part| part.strip_suffix(EXTENSION)?.strip_suffix('.'));
        let Some(name) = name.filter(|name| is_stamped(name, kind, form.extension())) else { continue };
        let Ok(file) = directory.claim(&part) else { continue };
        let rows = if form == Form::Csv { whole_rows(&file).unwrap_or(0) } else { 0 };
        if rows != 0 && finish(directory, &part, OsStr::new(name), &file, rows).is_ok() {
            tally.note(Note::Finished { path: directory.join(name) });
        } else if rows == 0 && directory.remove(&part).is_ok() {
            tally.note(Note::Discarded { path: directory.join(&part) });
        }
    }
}

fn finish(directory: &Directory, part: &OsStr, name: &OsStr, file: &File, length: u64) -> io::Result<()> {
    if directory.status(name)?.is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    file.set_len(length)?;
    file.sync_all()?;
    directory.rename(part, name)
}

/// Length of the whole rows of a table in CSV; 0: there is none below the line of names.
fn whole_rows(file: &File) -> io::Result<u64> {
    let mut from = BufReader::with_capacity(1 << 16, file);
    let (mut at, mut end, mut rows, mut quoted) = (0_u64, 0, 0_u64, false);
    let mut bytes = [0; 1 << 12];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok(if rows > 1 { end } else { 0 });
        }
        for byte in bytes.iter().take(read) {
            at += 1;
            match byte {
                // One within a cell is written twice: it ends the cell and begins it again.
                b'"' => quoted = !quoted,
                b'\n' if !quoted => (end, rows) = (at, rows + 1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_killed_run_left_gets_its_name_with_its_whole_rows_or_goes() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let directory = Directory::open(place.path()).unwrap();
        let stamped = |more: &str| format!("flow-20261121T024927Z{more}");
        for (name, text) in [
            (stamped(".csv.part"), "a,b\n1,\"x\ny\"\n2,\"cut\nof"),
            (stamped("_0002.csv.part"), "a,b\n"),
            (stamped(".parquet.part"), "PAR1"),
            ("mine.csv.part".to_owned(), "a\n1\n"),
            ("dns-20261121T024927Z.csv.part".to_owned(), "a\n1\n"),
        ] {
            fs::write(path(&name), text).unwrap();
        }
        let writing = directory.create(OsStr::new(&stamped("_0003.csv.part"))).unwrap();
        let mut tally = Tally::default();
        settle(&directory, "flow", Form::Csv, &mut tally);
        settle(&directory, "flow", Form::Parquet, &mut tally);
        drop(writing);
        assert_eq!(fs::read_to_string(path(&stamped(".csv"))).unwrap(), "a,b\n1,\"x\ny\"\n");
        let mut left: Vec<_> = directory.names().unwrap();
        left.retain(|name| name.to_string_lossy().ends_with(".part"));
        let stays = ["dns-20261121T024927Z.csv.part", &stamped("_0003.csv.part"), "mine.csv.part"];
        assert_eq!(left, stays);
        let finished = Note::Finished { path: path(&stamped(".csv")) };
        let discarded = |more| Note::Discarded { path: path(&stamped(more)) };
        assert_eq!(tally.notes(), [finished, discarded("_0002.csv.part"), discarded(".parquet.part")]);
    }
}
