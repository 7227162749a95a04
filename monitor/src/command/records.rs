//! `weir records`: proves from records alone that none is missing, and prints their schema.

mod check;
mod schema;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::CommandError;
use check::Checker;

/// What is done with records.
#[derive(Clone, Debug, Args)]
pub struct Records {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Say which records of each stream are missing and which came twice, from records as JSON lines that left a host.
    ///
    /// Exit code 0: all that marks and numbers tell of are there, each once or more. 1: some are missing.
    Check {
        /// Files with a record as JSON on each line; `-`: standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the schema of records.
    Schema {
        /// In which form.
        #[arg(long, value_enum, default_value = "json-schema")]
        form: Form,
    },
}

/// A form of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// JSON Schema, draft 2020-12.
    JsonSchema,
    /// Messages of Protocol Buffers.
    Protobuf,
    /// Tables of `ClickHouse` with roll-ups.
    Clickhouse,
}

/// Runs it.
///
/// # Errors
/// When a file cannot be read, or when records are missing.
pub fn run(records: &Records) -> Result<(), CommandError> {
    match &records.what {
        What::Check { files } => {
            let mut checker = Checker::default();
            files.iter().try_for_each(|file| checker.read(file))?;
            let (text, whole) = checker.report();
            drop(crate::terminal::print(&text));
            if whole { Ok(()) } else { Err(CommandError::Missing) }
        }
        What::Schema { form } => {
            let text = match form {
                Form::JsonSchema => schema::json_schema(),
                Form::Protobuf => schema::protobuf(),
                Form::Clickhouse => schema::clickhouse(),
            };
            drop(crate::terminal::print(&text));
            Ok(())
        }
    }
}

/// Why records cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; give files with records as JSON lines", path.display())]
pub struct Error {
    path: PathBuf,
    source: std::io::Error,
}
