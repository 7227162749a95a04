//! Records as JSON, one a line.

use std::io::{self, Write};

use monitor_core::{
    record::{AnyRecord, RECORDS},
    row::{Columns, Row},
};

use super::{Fields, Output, OutputError};

/// JSON lines on a writer that stands for standard output.
#[derive(Debug)]
pub struct Json<W> {
    to: W,
    line: Vec<u8>,
    chosen: Option<Chosen>,
}

/// Columns of each kind of record.
#[derive(Debug)]
struct Chosen {
    columns: Vec<(&'static str, Columns)>,
    row: Row,
}

impl<W: Write> Json<W> {
    /// Lines to a writer, which should be buffered.
    pub fn new(to: W, fields: &Fields) -> Self {
        let chosen = (!fields.is_all()).then(|| Chosen {
            columns: RECORDS.iter().map(|(kind, all)| (*kind, fields.columns(all))).collect(),
            row: Row::default(),
        });
        Self { to, line: Vec::new(), chosen }
    }
}

impl<W> Json<W> {
    /// Where the lines go.
    pub(super) const fn to_mut(&mut self) -> &mut W {
        &mut self.to
    }
}

impl Chosen {
    /// Appends the chosen fields, if the kind of record has any of them.
    fn write(&mut self, record: &AnyRecord, line: &mut Vec<u8>) -> io::Result<()> {
        let columns = self.columns.iter().find(|(kind, _)| *kind == record.kind());
        match columns {
            Some((_, columns)) if !columns.is_empty() => {
                self.row.fill(columns, record).map_err(io::Error::other)?;
                Ok(self.row.to_json(columns, line)?)
            }
            _ => Ok(()),
        }
    }
}

impl<W: Write> Output for Json<W> {
    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError> {
        for record in records {
            self.line.clear();
            match &mut self.chosen {
                None => record.to_json(&mut self.line).map_err(io::Error::from),
                Some(chosen) => chosen.write(record, &mut self.line),
            }
            .and_then(|()| self.to.write_all(&self.line))
            .map_err(OutputError::Standard)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        self.to.flush().map_err(OutputError::Standard)
    }
}
