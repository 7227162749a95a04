//! The directory of a recording: what an earlier one left there, and what is made for the new one.

use std::{ffi::OsString, io, path::Path};

use monitor_core::record::RECORDS;

use super::{
    OutputError,
    part::{EXTENSION as PART, unnamed},
    recorder,
    rotation::is_stamped,
    table::Form,
};
use crate::files::{Directory, Made};

/// Name and extension of the lines of a recording.
pub const LINES: (&str, &str) = ("records", "json");

/// A place that is free for a recording, or is to be freed for it. Directories that were made for it go again
/// if it does not begin.
#[derive(Debug)]
pub struct Place {
    directory: Directory,
    made: Made,
    /// Files of earlier recordings.
    earlier: Vec<OsString>,
    begun: bool,
}

impl Place {
    /// Makes the directory and sees whether files can be created there. Nothing else changes yet.
    ///
    /// # Errors
    /// When it has files of an earlier recording and `replace` does not say that they may go, or when it cannot
    /// be made or written to.
    pub fn prepare(path: &Path, replace: bool) -> Result<Self, OutputError> {
        let (directory, made) = Directory::make(path).map_err(OutputError::file(path))?;
        let mut place = Self { directory, made, earlier: Vec::new(), begun: false };
        place.earlier = place.directory.names().map_err(OutputError::file(path))?;
        place.earlier.retain(|name| name.to_str().is_some_and(is_of_recording));
        if let Some(name) = place.earlier.first()
            && !replace
        {
            return Err(OutputError::Exists { path: place.directory.join(name) });
        }
        unnamed(&place.directory).map_err(OutputError::file(path))?;
        Ok(place)
    }

    /// The recording has begun: what earlier ones left goes.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn begin(mut self) -> Result<(), OutputError> {
        self.begun = true;
        self.earlier.iter().try_for_each(|name| match self.directory.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OutputError::file(&self.directory.join(name))(error))
            }
            _ => Ok(()),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.begun {
            self.made.undo();
        }
    }
}

/// Whether a recording gives a file this name: whole or not, and with the time that a rotated one has.
fn is_of_recording(name: &str) -> bool {
    let whole = |name: &str, stem: &str, extension: &str| {
        name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) == Some(extension)
            || is_stamped(name, stem, extension)
    };
    // Lines are whole at any moment; all others have another name until they are.
    if whole(name, LINES.0, LINES.1) {
        return true;
    }
    let name = name.strip_suffix(PART).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
    let forms = [Form::Csv, Form::Parquet].map(Form::extension);
    whole(name, recorder::STEM, recorder::EXTENSION)
        || RECORDS.iter().any(|(kind, _)| forms.iter().any(|form| whole(name, kind, form)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn left(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut left: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        left
    }

    #[test]
    fn files_of_an_earlier_recording_go_when_the_new_one_begins_and_all_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let make = |names: &[&str]| names.iter().for_each(|name| fs::write(path.join(name), "").unwrap());
        let theirs = [
            "dns-20261121T024927Z_0002.parquet",
            "dns.csv",
            "flow-20261121T024927Z.csv.part",
            "flow.csv",
            "flow.parquet.part",
            "packets-20261121T024927Z.pcapng",
            "packets.pcapng",
            "records-20261121T024927Z.json",
            "records.json",
        ];
        let others = [
            "flow.csv.bak",
            "flow.txt",
            "flows.csv",
            "mine.csv",
            "packets.csv",
            "records.json.part",
            "weir.toml",
        ];
        make(&theirs);
        make(&others);
        let refused = Place::prepare(path, false).unwrap_err();
        assert!(matches!(&refused, OutputError::Exists { path } if path.ends_with(theirs[0])), "{refused}");
        drop(Place::prepare(path, true).unwrap());
        assert_eq!(left(path).len(), theirs.len() + others.len());
        Place::prepare(path, true).unwrap().begin().unwrap();
        assert_eq!(left(path), others);
        assert!(Place::prepare(path, false).is_ok());
    }

    #[test]
    fn directories_that_were_made_go_again_if_nothing_begins() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        drop(Place::prepare(&inner, false).unwrap());
        assert_eq!(left(directory.path()), [""; 0]);
        Place::prepare(&inner, false).unwrap().begin().unwrap();
        assert_eq!(left(&inner), [""; 0]);
        // It was there before.
        drop(Place::prepare(&inner, false).unwrap());
        assert!(inner.exists());
    }
}
