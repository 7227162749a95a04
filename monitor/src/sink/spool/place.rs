//! Where a spool is: its directory, and the note of how far it was drained.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};

use crate::files::{Directory, Status};

/// The file that says how far it was drained.
const NOTE: &str = "position";
/// The same until it is whole.
const NEW: &str = "position.new";
/// The file that is locked as long as somebody has the spool.
const LOCK: &str = "lock";
/// The end of names of segments.
const SEGMENT: &str = ".segment";

/// A place in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Bytes before it there.
    pub(crate) offset: u64,
}

/// A spool's directory.
#[derive(Debug)]
pub(super) struct Place {
    directory: Directory,
    /// Held as long as this is.
    _lock: File,
    position: Position,
    intended: Option<Position>,
    count: u64,
}

impl Place {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (directory, _) = Directory::make(path)?;
        let name = OsStr::new(LOCK);
        let held = match directory.create(name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => directory.claim(name)?,
            made => made?,
        };
        let mut place =
            Self { directory, _lock: held, position: Position::default(), intended: None, count: 0 };
        place.read();
        Ok(place)
    }

    /// Reads the note; one that is not whole says nothing.
    fn read(&mut self) {
        let mut text = String::new();
        let file = self.directory.claim(OsStr::new(NOTE));
        if file.and_then(|file| file.take(1024).read_to_string(&mut text)).is_err() {
            return;
        }
        let Some((numbers, sum)) = text.trim_end().rsplit_once(' ') else { return };
        if sum.parse() != Ok(crc32c::crc32c(numbers.as_bytes())) {
            return;
        }
        let numbers: Vec<u64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        if let [segment, offset, to_segment, to_offset, count] = numbers[..] {
            self.position = Position { segment, offset };
            let intended = Position { segment: to_segment, offset: to_offset };
            self.intended = (intended > self.position).then_some(intended);
            self.count = count;
        }
    }

    pub(super) fn note(
        &mut self,
        position: Position,
        intended: Option<Position>,
        count: u64,
        sync: bool,
    ) -> io::Result<()> {
        self.position = position;
        self.intended = intended;
        self.count = count;
        let to = intended.unwrap_or_default();
        let Position { segment, offset } = position;
        let numbers = format!("{segment} {offset} {} {} {count}", to.segment, to.offset);
        let text = format!("{numbers} {}\n", crc32c::crc32c(numbers.as_bytes()));
        let (note, new) = (OsStr::new(NOTE), OsStr::new(NEW));
        let mut file = match self.directory.create(new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.directory.remove(new)?;
                self.directory.create(new)
            }
            made => made,
        }?;
        file.write_all(text.as_bytes())?;
        if sync {
            file.sync_data()?;
        }
        self.directory.rename(new, note)
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    pub(super) const fn intended(&self) -> Option<Position> {
        self.intended
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Numbers of the segments that are there, the oldest first.
    pub(super) fn segments(&self) -> io::Result<Vec<u64>> {
        let names = self.directory.names()?;
        let number = |name: &OsString| {
            let digits = name.to_str()?.strip_suffix(SEGMENT)?;
            u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
        };
        let mut found: Vec<u64> = names.iter().filter_map(number).collect();
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn create(&self, index: u64) -> io::Result<File> {
        self.directory.create(&name(index))
    }

    pub(super) fn find(&self, index: u64) -> io::Result<File> {
        let file = self.directory.claim(&name(index))?;
        if Status::of(&file)?.file { Ok(file) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    pub(super) fn remove(&self, index: u64) -> io::Result<()> {
        self.directory.remove(&name(index))
    }
}

fn name(index: u64) -> OsString {
    format!("{index:016x}{SEGMENT}").into()
}
