//! Records as JSON, one a line.

use std::io::{self, Write};

use monitor_core::record::AnyRecord;

use super::{Output, OutputError};

/// JSON lines on a writer that stands for standard output.
#[derive(Debug)]
pub struct Json<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// Lines to a writer, which should be buffered.
    pub const fn new(to: W) -> Self {
        Self { to, line: Vec::new() }
    }
}

impl<W: Write> Output for Json<W> {
    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError> {
        for record in records {
            self.line.clear();
            record.to_json(&mut self.line).map_err(io::Error::from).map_err(OutputError::Standard)?;
            self.to.write_all(&self.line).map_err(OutputError::Standard)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        self.to.flush().map_err(OutputError::Standard)
    }
}
