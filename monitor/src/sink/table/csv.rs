//! CSV as spreadsheets and Python read it.

use std::{fs::File, io};

use monitor_core::row::{Cell, Columns, Row};

/// A file of comma-separated values. Lists are JSON in one cell; what is absent is empty.
#[derive(Debug)]
pub(super) struct CsvTable {
    writer: csv::Writer<File>,
    cell: Vec<u8>,
    /// Bytes written and waiting.
    bytes: u64,
    /// The file again, and how long it was when it was last flushed.
    file: File,
    flushed: u64,
}

impl CsvTable {
    pub(super) fn new(file: File, columns: &Columns) -> io::Result<Self> {
        let again = file.try_clone()?;
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 18).from_writer(file);
        writer.write_record(columns.as_slice().iter().map(|column| &column.name))?;
        Ok(Self { writer, cell: Vec::new(), bytes: 0, file: again, flushed: 0 })
    }

    pub(super) fn add(&mut self, columns: &Columns, row: &Row) -> io::Result<()> {
        for (column, cell) in columns.as_slice().iter().zip(row.cells()) {
            self.cell.clear();
            match cell {
                Cell::Absent => {}
                Cell::Text(at) => harmless(row.text(at), &mut self.cell),
                _ => row.cell_to_json(cell, column.field.kind, &mut self.cell)?,
            }
            self.writer.write_field(&self.cell)?;
            self.bytes += self.cell.len() as u64 + 1;
        }
        self.writer.write_record(None::<&[u8]>)?;
        Ok(())
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.flushed = self.file.metadata()?.len();
        Ok(())
    }

    /// The file as it was when it was last flushed.
    pub(super) fn salvage(self) -> io::Result<File> {
        // It tries once more to write what waits.
        drop(self.writer);
        if self.flushed == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.set_len(self.flushed)?;
        Ok(self.file)
    }

    pub(super) fn finish(self) -> io::Result<File> {
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Appends a text that no spreadsheet takes for a formula: one that begins like it gets a quotation mark
/// before it, which spreadsheets do not show (OWASP, CSV injection).
fn harmless(text: &str, out: &mut Vec<u8>) {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        out.push(b'\'');
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_as_a_formula_does() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            let mut out = Vec::new();
            harmless(text, &mut out);
            assert_eq!(out, format!("'{text}").as_bytes());
        }
        for text in ["", "www.example.com", "a=b", "10.0.0.1", "'quoted'"] {
            let mut out = Vec::new();
            harmless(text, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
