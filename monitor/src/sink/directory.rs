//! A directory with one table a kind of record.

use std::path::Path;

use monitor_core::record::{AnyRecord, RECORDS};

use super::{Fields, Form, Output, OutputError, part::make_directory, table::Table};

/// One file a kind of record (`flow.csv`, `dns.csv`), also for kinds of which there was none. With chosen
/// fields, kinds that have none of them have no file.
#[derive(Debug)]
pub struct Directory {
    tables: Vec<(&'static str, Table)>,
}

impl Directory {
    /// Creates the files. Those that are there already are replaced only if `replace` says so.
    pub fn create(directory: &Path, form: Form, fields: &Fields, replace: bool) -> Result<Self, OutputError> {
        make_directory(directory)?;
        let mut tables = Vec::with_capacity(RECORDS.len());
        for (kind, all) in RECORDS {
            let columns = fields.columns(all);
            if !columns.is_empty() {
                let path = directory.join(kind).with_extension(form.extension());
                tables.push((*kind, Table::create(&path, form, columns, replace)?));
            }
        }
        Ok(Self { tables })
    }
}

impl Output for Directory {
    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError> {
        for record in records {
            if let Some((_, table)) = self.tables.iter_mut().find(|(kind, _)| *kind == record.kind()) {
                table.add(record)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        self.tables.drain(..).try_for_each(|(_, table)| table.finish())
    }
}
