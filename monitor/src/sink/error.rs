//! Why something could not be written.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::files::Refusal;

/// Why an output failed. Displayed in one line: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Standard output does not take more.
    #[error("standard output: {0}; free space or redirect it elsewhere")]
    Standard(#[source] io::Error),
    /// A file or directory cannot be written.
    #[error("{}: {source}; {}", path.display(), remedy(source))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of that name is there, and nobody said that it may go.
    #[error("{}: it is there already; choose another place, or replace it with --force", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A file's name does not say what to write.
    #[error("{}: packets are written as CSV or Parquet; let its name end in .csv or .parquet", path.display())]
    Form {
        /// Which.
        path: PathBuf,
    },
    /// Packets cannot be taken from their sockets.
    #[error("packets: {0}; run as root or grant CAP_NET_RAW")]
    Packets(#[source] io::Error),
    /// An output has no thread.
    #[error("{output}: starting its thread: {source}; raise the limits of this process (ulimit)")]
    Thread {
        /// Its name.
        output: String,
        /// Why.
        source: io::Error,
    },
    /// An output cannot reach its peer as it is configured.
    #[error("{output}: {source}")]
    Peer {
        /// Its name.
        output: String,
        /// Why.
        source: super::net::Fault,
    },
    /// Records of a capture or a recording go to files.
    #[error("{kind}: only `weir run` sends records to other hosts; give json, csv or parquet")]
    Live {
        /// The kind that was given.
        kind: &'static str,
    },
    /// There was no output when the instance began.
    #[error(
        "outputs: there was none at the start, so that no thread may write files; restart Weir to begin with some"
    )]
    NoneBefore,
    /// Two outputs of the command line and the file have one name.
    #[error("{name}: two outputs have this name; give another with --output name=…")]
    Name {
        /// Which.
        name: String,
    },
    /// Two outputs would write the same files.
    #[error(
        "{one} and {other} would write the same files; give each a path (to another host: a spool) of its own"
    )]
    SamePlace {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// No flow has that frame.
    #[error(
        "--flow: frame {frame} is of no flow; `first_frame` of a flow's record is one, and from standard input it must be the first"
    )]
    NoFlow {
        /// What was given.
        frame: u64,
    },
    /// What names a frame is none.
    #[error("--flow: {given}: write the frame's number, or FILE:NUMBER with one of the files")]
    Frame {
        /// What was given.
        given: String,
    },
    /// Fields were chosen, and nothing that has any is written.
    #[error("--fields: the report has no fields; add --json, --csv DIR, --parquet DIR or --packets FILE")]
    FieldsAlone,
    /// No record that is written has a field of that name.
    #[error("--fields: {name}: no such field{}; `--fields help` lists them", meant(nearest.as_deref()))]
    Field {
        /// What was given.
        name: String,
        /// The field whose name is most like it.
        nearest: Option<String>,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// What to do about a file that cannot be written.
fn remedy(source: &io::Error) -> &'static str {
    if let Some(refusal) = Refusal::of(source) {
        return refusal.remedy();
    }
    match source.kind() {
        io::ErrorKind::FileTooLarge => {
            "raise the limit of this process (ulimit -f), or let files be rotated before"
        }
        io::ErrorKind::NotFound => "make the directory first, or choose another place",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a place that you may write to"
        }
        _ => "free space, or choose another place",
    }
}

impl OutputError {
    /// Whether the reader of standard output has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Standard(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }

    /// For `map_err`: something about a file failed.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
