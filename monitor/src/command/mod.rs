//! What each command does, and how it can fail.

pub mod check;
pub mod config;
pub mod documents;
pub mod flows;
pub mod pcap;
pub mod record;
pub mod records;
pub mod top;
pub mod unpin;
pub mod version;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;

use monitor_core::filter::FilterError;

use crate::app::RunError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::sink::OutputError;
use crate::source::pcap::CaptureError;
use crate::terminal;
use crate::view::report::OwnersError;

/// Why a command failed. Displayed in one line: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Records cannot be checked.
    #[error(transparent)]
    Records(#[from] records::Error),
    /// Records are missing; which, was said.
    #[error("records are missing; see above, and `weir_output_records_lost_total` of their host")]
    Missing,
    /// A capture cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// No capture was named.
    #[error("no capture given; name a file, or `-` for standard input")]
    NoCapture,
    /// A filter is none.
    #[error("{0} (`weir flows --help` explains filters)")]
    Filter(FilterError),
    /// A filter of captures is none.
    #[error("{0} (`weir pcap --help` explains filters)")]
    PcapFilter(FilterError),
    /// A filter asks whose flows are of which nobody knows.
    #[error("filter: {word}: a capture does not say who owns a flow; ask a running instance (`weir flows`)")]
    NoOwners {
        /// Its word.
        word: &'static str,
    },
    /// A recording failed; why, was said.
    #[error("the recording failed, see above; no table was written")]
    Recording,
    /// What a recording kept until its end could not be removed.
    #[error("{}: cannot be removed: {source}; remove it", directory.display())]
    Left {
        /// Where it is.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A filter needs what is known only at the end of something that comes once.
    #[error("{}: this filter asks for what is known only when a flow is over, so it is read twice; \
        save it to a file first, or filter by host, net, port and transport alone", path.display())]
    Once {
        /// What comes once.
        path: PathBuf,
    },
    /// The instance does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no screen to draw on.
    #[error("standard output is no terminal that screens can be drawn on; {instead}")]
    NoTerminal {
        /// What to do without one.
        instead: &'static str,
    },
    /// The terminal does not do as it is told.
    #[error("terminal: {0}; `weir top --once` prints one picture without it")]
    Terminal(io::Error),
    /// What brings the numbers to the screen is gone.
    #[error("the thread that brings the numbers ended unexpectedly; please report this")]
    FeedEnded,
    /// Nobody answers, and counting here is not possible.
    #[error(
        "{url}: no instance answers, and this process cannot count on its own: {source}; or name an instance with --url"
    )]
    NoSource {
        /// Where it was looked for.
        url: String,
        /// Why not here.
        source: Box<RunError>,
    },
    /// The instance answers in another form.
    #[error("the answer has another form: {0}; is the instance of another version?")]
    Answer(serde_json::Error),
    /// No pins were named.
    #[error("no pins are named: give their directory with --pin, as `weir run` has it")]
    NoPins,
    /// Something that a run needs is missing.
    #[error("check: {missing}: `weir run` would not start; the table says what to do")]
    NotReady {
        /// What.
        missing: String,
    },
    /// A document cannot be written.
    #[error("writing {}: {source}", path.display())]
    Document {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Owners of addresses cannot be read.
    #[error(transparent)]
    Owners(#[from] OwnersError),
    /// What was found cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<io::Error> for CommandError {
    /// Of standard output.
    fn from(error: io::Error) -> Self {
        Self::Output(OutputError::Standard(error))
    }
}

impl CommandError {
    /// Whether the reader of standard output has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(e) if e.is_broken_pipe())
    }
}

/// Prints to standard output.
pub fn print(text: &impl Display) -> Result<(), CommandError> {
    Ok(terminal::print(text)?)
}

/// One line on standard error; the command goes on.
fn say(what: &dyn Display) {
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {what}"));
}
