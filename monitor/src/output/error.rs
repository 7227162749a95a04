//! Why something could not be written.

use std::{io, path::PathBuf};

/// Why an output failed. Displayed in one line: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Standard output does not take more.
    #[error("standard output: {0}; free space or redirect it elsewhere")]
    Standard(#[source] io::Error),
    /// A file or directory cannot be written.
    #[error("{}: {source}; free space, or choose another place", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OutputError {
    /// Whether the reader of standard output has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Standard(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}
