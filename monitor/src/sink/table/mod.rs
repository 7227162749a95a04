//! Tables: rows of one kind of record in one file, in a form with columns.

mod csv;
mod parquet;

use std::{ffi::OsStr, fs::File, io, path::Path};

use monitor_core::row::{Columns, Row};
use serde::Serialize;

use self::{csv::CsvTable, parquet::ParquetTable};
use super::{OutputError, Tally, part::Part};
use crate::files::Directory;

/// A form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Comma-separated values (RFC 4180) with a line of names.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Form {
    /// What the names of its files end in.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The form that a file's name asks for.
    pub(super) fn of(path: &Path) -> Result<Self, OutputError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        [Self::Csv, Self::Parquet]
            .into_iter()
            .find(|form| extension == Some(form.extension()))
            .ok_or_else(|| OutputError::Form { path: path.to_owned() })
    }
}

/// A file that is being written.
#[derive(Debug)]
enum Writer {
    Csv(Box<CsvTable>),
    Parquet(Box<ParquetTable>),
}

/// A table of records of one kind.
#[derive(Debug)]
pub(super) struct Table {
    part: Part,
    writer: Writer,
    columns: Columns,
    row: Row,
}

impl Table {
    /// A table without rows.
    pub(super) fn create(
        directory: &Directory,
        name: &OsStr,
        form: Form,
        columns: Columns,
        replace: bool,
        tally: &mut Tally,
    ) -> Result<Self, OutputError> {
        let (part, file) = Part::create(directory, name, replace, tally)?;
        let writer = match form {
            Form::Csv => CsvTable::new(file, &columns).map(|table| Writer::Csv(Box::new(table))),
            Form::Parquet => ParquetTable::new(file, &columns).map(|table| Writer::Parquet(Box::new(table))),
        };
        let writer = writer.map_err(OutputError::file(part.path()))?;
        Ok(Self { part, writer, columns, row: Row::default() })
    }

    /// Adds a record of the kind that the columns belong to.
    pub(super) fn add<R: Serialize>(&mut self, record: &R) -> Result<(), OutputError> {
        let added = self.row.fill(&self.columns, record).map_err(io::Error::other).and_then(|()| {
            match &mut self.writer {
                Writer::Csv(table) => table.add(&self.columns, &self.row),
                Writer::Parquet(table) => table.add(&self.row),
            }
        });
        added.map_err(OutputError::file(self.part.path()))
    }

    /// Its final name.
    pub(super) fn path(&self) -> &Path {
        self.part.path()
    }

    /// Whether its file was removed or moved away.
    pub(super) fn is_gone(&self) -> bool {
        self.part.is_gone()
    }

    /// About how long the file is, bytes.
    pub(super) fn bytes(&self) -> u64 {
        match &self.writer {
            Writer::Csv(table) => table.bytes(),
            Writer::Parquet(table) => table.bytes(),
        }
    }

    /// Brings rows to the disk where the form allows it.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        match &mut self.writer {
            Writer::Csv(table) => table.flush().map_err(OutputError::file(self.part.path())),
            Writer::Parquet(_) => Ok(()),
        }
    }

    /// After an error: gives the file its name with the rows that were flushed, if the form allows it.
    pub(super) fn salvage(self) -> bool {
        let Self { part, writer, .. } = self;
        match writer {
            Writer::Csv(table) => table.salvage().is_ok_and(|file| part.commit(&file).is_ok()),
            Writer::Parquet(_) => false,
        }
    }

    /// Writes what is left and gives the file its name.
    pub(super) fn finish(self) -> Result<(), OutputError> {
        let file: io::Result<File> = match self.writer {
            Writer::Csv(table) => table.finish(),
            Writer::Parquet(table) => table.finish(),
        };
        let file = file.map_err(OutputError::file(self.part.path()))?;
        self.part.commit(&file)
    }
}
