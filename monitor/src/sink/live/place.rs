//! The directory of a recording: what an earlier one left there, and what is made for the new one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use monitor_core::record::RECORDS;

use super::{packets, rotation::is_stamped};
use crate::sink::{
    Form, OutputError,
    part::{EXTENSION as PART, Part, make_directory},
};

/// Name and extension of the lines of a recording.
pub const LINES: (&str, &str) = ("records", "json");

/// A place that is free for a recording, or is to be freed for it. Directories that were made for it go again
/// if it does not begin.
#[derive(Debug)]
pub struct Place {
    /// Directories that were not there before, the innermost first.
    made: Vec<PathBuf>,
    /// Files of earlier recordings.
    earlier: Vec<PathBuf>,
    begun: bool,
}

impl Place {
    /// Makes the directory and sees whether files can be created there. Nothing else changes yet.
    ///
    /// # Errors
    /// When it has files of an earlier recording and `replace` does not say that they may go, or when it cannot
    /// be made or written to.
    pub fn prepare(directory: &Path, replace: bool) -> Result<Self, OutputError> {
        let earlier = earlier(directory).map_err(OutputError::file(directory))?;
        if let Some(path) = earlier.first()
            && !replace
        {
            return Err(OutputError::Exists { path: path.clone() });
        }
        let new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = directory.ancestors().take_while(new).map(Path::to_owned).collect();
        let place = Self { made, earlier, begun: false };
        make_directory(directory)?;
        Part::probe(directory)?;
        Ok(place)
    }

    /// The recording has begun: what earlier ones left goes.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn begin(mut self) -> Result<(), OutputError> {
        self.begun = true;
        self.earlier.iter().try_for_each(|path| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::file(path)(error)),
            _ => Ok(()),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.begun {
            // One that is not empty is somebody else's by now, and stays.
            self.made.iter().for_each(|path| drop(fs::remove_dir(path)));
        }
    }
}

/// What a recording may have made in a directory, by name.
fn earlier(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_of_recording) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
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
    whole(name, packets::STEM, packets::EXTENSION)
        || RECORDS.iter().any(|(kind, _)| forms.iter().any(|form| whole(name, kind, form)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
