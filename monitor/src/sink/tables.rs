//! CSV and Parquet: a directory with tables, one a kind of record.

use std::{ffi::OsString, path::Path};

use monitor_core::{
    record::{AnyRecord, RECORDS},
    row::Columns,
};

use super::{
    Fields, Note, OutputError, Reason, Sink, Tally, leftover,
    part::make_directory,
    rotation::Done,
    table::{Form, Table},
};
use crate::{clock, config::outputs::Rotation, files::Directory};

/// When tables begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// All at once, one a kind of record, also for kinds of which there was none: of a capture.
    Whole {
        /// Those of their names that are there go.
        replace: bool,
    },
    /// One a kind, begun with its first record: of a recording, whose place is free.
    Once,
    /// One after the other, with times in their names.
    Rotated(Rotation),
}

/// A directory with tables.
#[derive(Debug)]
pub(super) struct Tables {
    directory: Directory,
    form: Form,
    style: Style,
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
    /// Makes the directory and sees whether files can be created there. With chosen fields, kinds that have none of
    /// them have no table.
    pub(super) fn create(
        path: &Path,
        form: Form,
        fields: &Fields,
        style: Style,
        tally: &mut Tally,
    ) -> Result<Self, OutputError> {
        let directory = make_directory(path)?;
        let mut kinds = Vec::with_capacity(RECORDS.len());
        for (name, all) in RECORDS {
            let columns = fields.columns(all);
            if columns.is_empty() {
                continue;
            }
            if let Style::Rotated(_) = style {
                leftover::settle(&directory, name, form, tally);
            }
            let done = Done::find(&directory, name, form.extension());
            kinds.push(Kind { name, columns, open: None, done });
        }
        let mut tables = Self { directory, form, style, kinds };
        if let Style::Whole { .. } = style {
            (0..tables.kinds.len()).try_for_each(|at| tables.begin(at, tally))?;
        }
        Ok(tables)
    }

    /// Begins a table, if there is none.
    fn begin(&mut self, at: usize, tally: &mut Tally) -> Result<(), OutputError> {
        let Some(kind) = self.kinds.get_mut(at).filter(|kind| kind.open.is_none()) else { return Ok(()) };
        let name = match self.style {
            Style::Rotated(_) => kind.done.next(),
            Style::Whole { .. } | Style::Once => {
                OsString::from(format!("{}.{}", kind.name, self.form.extension()))
            }
        };
        // A name with a time is a new one; a recording's place was free, or is by now.
        let replace = !matches!(self.style, Style::Whole { replace: false });
        let table = Table::create(&self.directory, &name, self.form, kind.columns.clone(), replace, tally)?;
        kind.open = Some(Open { table, begun: clock::now(), fresh: 0, rows: 0 });
        Ok(())
    }

    /// Writes one record; what does not fit on the disk ends the table.
    fn add(&mut self, at: usize, record: &AnyRecord, tally: &mut Tally) -> Result<(), OutputError> {
        self.begin(at, tally)?;
        let Some(open) = self.kinds.get_mut(at).and_then(|kind| kind.open.as_mut()) else { return Ok(()) };
        open.table.add(record)?;
        open.fresh += 1;
        open.rows += 1;
        Ok(())
    }

    /// Ends a table that cannot go on, keeping what is safe of it.
    fn give_up(&mut self, at: usize, tally: &mut Tally) {
        if let Some(open) = self.kinds.get_mut(at).and_then(|kind| kind.open.take()) {
            // Parquet has its directory at the end: without it, nothing of the file can be read.
            let lost = if open.table.salvage() { open.fresh } else { open.rows };
            tally.lose(Reason::WriteFailed, lost);
        }
    }

    /// Lets go of a table whose file was removed or moved away: what is in it gets no name.
    fn look(&mut self, at: usize, tally: &mut Tally) {
        let gone = |open: &mut Open| open.table.is_gone();
        if let Some(open) = self.kinds.get_mut(at).and_then(|kind| kind.open.take_if(gone)) {
            tally.lose(Reason::FileRemoved, open.rows);
            tally.note(Note::Removed { path: open.table.path().to_owned(), records: open.rows });
        }
    }

    /// What comes after each batch: rows reach the disk, and tables that are done get their name.
    fn settle(&mut self, at: usize, end: bool, tally: &mut Tally) -> Result<(), OutputError> {
        let rotation = match self.style {
            Style::Rotated(rotation) => Some(rotation),
            Style::Whole { .. } | Style::Once => None,
        };
        let Some(kind) = self.kinds.get_mut(at) else { return Ok(()) };
        let Some(open) = &mut kind.open else { return Ok(()) };
        if open.fresh != 0
            && let Err(error) = open.table.flush()
        {
            self.give_up(at, tally);
            return Err(error);
        }
        open.fresh = 0;
        let due = rotation.is_some_and(|rotation| rotation.is_due(open.table.bytes(), open.begun));
        if (due || end)
            && let Some(open) = kind.open.take()
        {
            let rows = open.rows;
            if let Err(error) = open.table.finish() {
                tally.lose(Reason::WriteFailed, rows);
                return Err(error);
            }
            if let Some(rotation) = rotation {
                kind.done.prune(rotation);
            }
        }
        Ok(())
    }

    fn settle_all(&mut self, end: bool, tally: &mut Tally) -> Result<(), OutputError> {
        let mut done = Ok(());
        for at in 0..self.kinds.len() {
            done = self.settle(at, end, tally).and(done);
            self.look(at, tally);
        }
        done
    }
}

impl Sink for Tables {
    fn write(&mut self, records: &[AnyRecord], tally: &mut Tally) -> Result<(), OutputError> {
        let mut failed = None;
        for record in records {
            let Some(at) = self.kinds.iter().position(|kind| kind.name == record.kind()) else { continue };
            // After a failure the next batch tries again.
            if failed.is_some() {
                tally.lose(Reason::WriteFailed, 1);
            } else if let Err(error) = self.add(at, record, tally) {
                tally.lose(Reason::WriteFailed, 1);
                self.give_up(at, tally);
                failed = Some(error);
            }
        }
        // The tables of a capture are flushed as they fill, and whole at its end.
        let settled = match self.style {
            Style::Whole { .. } => Ok(()),
            Style::Once | Style::Rotated(_) => self.settle_all(false, tally),
        };
        failed.map_or(settled, Err)
    }

    fn reopen(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        match self.style {
            // Without a time in its name, a table is whole only once.
            Style::Whole { .. } | Style::Once => Ok(()),
            Style::Rotated(_) => self.settle_all(true, tally),
        }
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        let mut done = Ok(());
        for at in 0..self.kinds.len() {
            self.look(at, tally);
            done = done.and(self.settle(at, true, tally));
        }
        done
    }
}
