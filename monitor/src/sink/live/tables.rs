//! CSV and Parquet of a running instance.

use std::path::{Path, PathBuf};

use monitor_core::{
    record::{AnyRecord, RECORDS},
    row::Columns,
};

use super::{Rotation, Sink, rotation::Done};
use crate::{
    clock,
    sink::{
        Fields, Form, OutputError,
        part::{Part, make_directory},
        table::Table,
    },
};

/// A directory with tables, one a kind of record and time. A table begins with its first record.
#[derive(Debug)]
pub struct Tables {
    directory: PathBuf,
    form: Form,
    /// `None`: one table a kind, without a time in its name.
    rotation: Option<Rotation>,
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    name: &'static str,
    columns: Columns,
    open: Option<Open>,
    done: Done,
}

#[derive(Debug)]
struct Open {
    table: Table,
    begun: u64,
    /// Rows since the last flush.
    fresh: u64,
    rows: u64,
}

impl Tables {
    /// Makes the directory and sees whether files can be created there.
    pub fn create(
        directory: &Path,
        form: Form,
        fields: &Fields,
        rotation: Option<Rotation>,
    ) -> Result<Self, OutputError> {
        make_directory(directory)?;
        let mut kinds = Vec::with_capacity(RECORDS.len());
        for (name, all) in RECORDS {
            let columns = fields.columns(all);
            if columns.is_empty() {
                continue;
            }
            let done = Done::find(directory, name, form.extension());
            kinds.push(Kind { name, columns, open: None, done });
        }
        Part::probe(directory)?;
        Ok(Self { directory: directory.to_owned(), form, rotation, kinds })
    }

    fn path(&self, kind: &Kind) -> PathBuf {
        match self.rotation {
            Some(_) => kind.done.next(),
            None => self.directory.join(kind.name).with_extension(self.form.extension()),
        }
    }

    /// Writes one record; what does not fit on the disk ends the table.
    fn add(&mut self, at: usize, record: &AnyRecord) -> Result<(), OutputError> {
        let path = match self.kinds.get(at) {
            Some(kind) if kind.open.is_none() => Some(self.path(kind)),
            _ => None,
        };
        let Some(kind) = self.kinds.get_mut(at) else { return Ok(()) };
        if let Some(path) = path {
            // A name with a time is a new one; a recording's place was free, or is by now.
            let table = Table::create(&path, self.form, kind.columns.clone(), true)?;
            kind.open = Some(Open { table, begun: clock::now(), fresh: 0, rows: 0 });
        }
        let Some(open) = &mut kind.open else { return Ok(()) };
        open.table.add(record)?;
        open.fresh += 1;
        open.rows += 1;
        Ok(())
    }

    /// Ends a table that cannot go on, keeping what is safe of it.
    fn give_up(&mut self, at: usize, lost: &mut u64) {
        if let Some(open) = self.kinds.get_mut(at).and_then(|kind| kind.open.take()) {
            // Parquet has its directory at the end: without it, nothing of the file can be read.
            *lost += if open.table.salvage() { open.fresh } else { open.rows };
        }
    }

    /// What comes after each batch: rows reach the disk, and tables that are done get their name.
    fn settle(&mut self, at: usize, end: bool, lost: &mut u64) -> Result<(), OutputError> {
        let rotation = self.rotation;
        let Some(kind) = self.kinds.get_mut(at) else { return Ok(()) };
        let Some(open) = &mut kind.open else { return Ok(()) };
        if open.fresh != 0
            && let Err(error) = open.table.flush()
        {
            self.give_up(at, lost);
            return Err(error);
        }
        open.fresh = 0;
        let due = rotation.is_some_and(|rotation| rotation.is_due(open.table.bytes(), open.begun));
        if (due || end)
            && let Some(open) = kind.open.take()
        {
            let rows = open.rows;
            if let Err(error) = open.table.finish() {
                *lost += rows;
                return Err(error);
            }
            if let Some(rotation) = rotation {
                kind.done.prune(rotation);
            }
        }
        Ok(())
    }

    fn settle_all(&mut self, end: bool, lost: &mut u64) -> Result<(), OutputError> {
        let mut done = Ok(());
        for at in 0..self.kinds.len() {
            done = self.settle(at, end, lost).and(done);
        }
        done
    }
}

impl Sink for Tables {
    fn name(&self) -> &'static str {
        self.form.extension()
    }

    fn write(&mut self, records: &[AnyRecord], lost: &mut u64) -> Result<(), OutputError> {
        let mut failed = None;
        for record in records {
            let Some(at) = self.kinds.iter().position(|kind| kind.name == record.kind()) else { continue };
            // After a failure the next batch tries again.
            if failed.is_some() {
                *lost += 1;
            } else if let Err(error) = self.add(at, record) {
                *lost += 1;
                self.give_up(at, lost);
                failed = Some(error);
            }
        }
        let settled = self.settle_all(false, lost);
        failed.map_or(settled, Err)
    }

    fn finish(&mut self, lost: &mut u64) -> Result<(), OutputError> {
        self.settle_all(true, lost)
    }
}
