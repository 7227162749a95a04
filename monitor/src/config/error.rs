//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

use monitor_core::services::ServiceError;

use super::layers::Source;
use super::value::ValueError;

/// What is wrong, where it stands, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; give another with --config.file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}:{line}: not TOML: {}; correct that line", path.display(), reason.replace('\n', ", "))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// A key that no setting has.
    #[error("{}:{line}: unknown key {key:?}; {}", path.display(), suggestion(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// The setting whose name is most like it.
        nearest: Option<String>,
    },
    /// A table where a value belongs, or a value that no setting takes.
    #[error("{}:{line}: {key} takes {expected}, not {found}; see `weir config`", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A value that a setting does not take.
    #[error("{}: {reason}", place(origin, key))]
    Value {
        /// Where it comes from.
        origin: Source,
        /// The setting.
        key: &'static str,
        /// Why not, and what instead.
        reason: ValueError,
    },
    /// Values that do not go together.
    #[error("{key}: {reason}")]
    Conflict {
        /// The setting.
        key: &'static str,
        /// Why, and what to do.
        reason: ConflictReason,
    },
    /// An environment variable that is no UTF-8.
    #[error("environment: {variable} is not UTF-8; unset it")]
    NotUnicode {
        /// Its name.
        variable: String,
    },
}

/// Why values do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConflictReason {
    /// A name that cannot be a label value.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// More ports than the kernel side looks at.
    #[error("{count} ports; give at most {max}")]
    TooManyPorts {
        /// How many were given.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// One port for two tunnels.
    #[error("port {port} is already that of {other}; give each tunnel a port of its own, or 0")]
    SamePort {
        /// The port.
        port: u32,
        /// The other setting.
        other: &'static str,
    },
    /// Outputs that would write over each other.
    #[error(
        "{one} and {other} would write the same files; give each a path (to another host: a spool) of its own"
    )]
    SamePlace {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// A family that no budget is kept for.
    #[error("{family:?} is not a metric family with a limit; use one of {}", known.join(", "))]
    UnknownFamily {
        /// What was given.
        family: String,
        /// Those that have one.
        known: &'static [&'static str],
    },
}

/// Where a value stands and of what it is; flags and variables have the setting in their name.
fn place(origin: &Source, key: &str) -> String {
    match origin {
        Source::Flag(_) | Source::Environment(_) => origin.to_string(),
        Source::File(..) | Source::Credential | Source::Default => format!("{origin}: {key}"),
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "`weir config` lists all keys".to_owned(),
        |n| format!("did you mean {n:?}? `weir config` lists all keys"),
    )
}
