//! Records as JSON, one a line.

use std::io;

use monitor_core::{
    record::{AnyRecord, RECORDS},
    row::{Columns, Row},
};

use super::Fields;

/// Makes lines.
#[derive(Debug)]
pub(super) struct Json {
    /// `None`: all fields.
    chosen: Option<Chosen>,
}

/// Columns of each kind of record.
#[derive(Debug)]
struct Chosen {
    columns: Vec<(&'static str, Columns)>,
    row: Row,
}

impl Json {
    pub(super) fn new(fields: &Fields) -> Self {
        let chosen = (!fields.is_all()).then(|| Chosen {
            columns: RECORDS.iter().map(|(kind, all)| (*kind, fields.columns_of_lines(all))).collect(),
            row: Row::default(),
        });
        Self { chosen }
    }

    /// Appends a record's line; none, if the record has none of the fields.
    pub(super) fn line(&mut self, record: &AnyRecord, out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.chosen {
            None => record.to_json(out).map_err(io::Error::from),
            Some(chosen) => chosen.line(record, out),
        }
    }
}

impl Chosen {
    fn line(&mut self, record: &AnyRecord, out: &mut Vec<u8>) -> io::Result<()> {
        let columns = self.columns.iter().find(|(kind, _)| *kind == record.kind());
        match columns {
            Some((_, columns)) if !columns.is_empty() => {
                self.row.fill(columns, record).map_err(io::Error::other)?;
                Ok(self.row.to_json(columns, out)?)
            }
            _ => Ok(()),
        }
    }
}
