//! What a sink could not do, and what it came across.

use std::path::PathBuf;

/// Why records are nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They came faster than they could be written.
    QueueFull,
    /// The system refused to write them.
    WriteFailed,
    /// They were written, and their file was removed while it was.
    FileRemoved,
    /// The sink had not written them when the time to end was over.
    Unfinished,
    /// They waited on disk, and newer ones needed the room.
    SpoolFull,
    /// They waited on disk for too long.
    SpoolExpired,
    /// The peer will not take them, whenever they are sent, or they were written for a kind that the output is no more.
    Refused,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::WriteFailed,
        Self::FileRemoved,
        Self::Unfinished,
        Self::SpoolFull,
        Self::SpoolExpired,
        Self::Refused,
    ];

    /// The label of its metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WriteFailed => "write_failed",
            Self::FileRemoved => "file_removed",
            Self::Unfinished => "unfinished",
            Self::SpoolFull => "spool_full",
            Self::SpoolExpired => "spool_expired",
            Self::Refused => "refused",
        }
    }
}

/// Something that is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A file was removed while it was written; what comes is in a new one.
    Removed {
        /// Its name.
        path: PathBuf,
        /// Records that were in it.
        records: u64,
    },
    /// A file that an earlier run left unfinished has its name now, with what was whole.
    Finished {
        /// Its name.
        path: PathBuf,
    },
    /// A file that an earlier run left unfinished could not be read, and was removed.
    Discarded {
        /// The name that it had.
        path: PathBuf,
    },
}

/// What came of a sink's work.
#[derive(Debug, Default)]
pub struct Tally {
    lost: [u64; Reason::ALL.len()],
    notes: Vec<Note>,
}

impl Tally {
    /// Counts records that will be nowhere.
    pub const fn lose(&mut self, reason: Reason, records: u64) {
        self.lost[reason as usize] += records;
    }

    /// How many that were to be written now will be nowhere.
    pub const fn unwritten(&self) -> u64 {
        self.lost[Reason::WriteFailed as usize]
    }

    /// How many, by reason.
    pub fn lost(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().zip(self.lost)
    }

    /// Adds something that is worth a line.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// What is worth a line.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}
