//! The report of a capture, at its end.

use std::{io::Write, path::PathBuf};

use monitor_core::{record::AnyRecord, report::Report};

use super::{Ending, OutputError, PacketView, Sink, Tally, part::Part};
use crate::{
    files::{Directory, device},
    terminal as console,
    view::report::{Options, html, sections, terminal},
};

/// Where a report goes.
#[derive(Debug)]
pub enum Destination {
    /// Standard output; colours where it shows them and they are wanted.
    Terminal {
        /// They are not.
        plain: bool,
    },
    /// A page in a file.
    Html(PathBuf),
}

/// Collects what a report says, and writes it when nothing more comes.
#[derive(Debug)]
pub struct ReportOutput {
    report: Report,
    options: Options,
    to: Destination,
}

impl ReportOutput {
    /// To this place.
    pub fn new(options: Options, to: Destination) -> Self {
        Self { report: Report::default(), options, to }
    }
}

impl Sink for ReportOutput {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, packet: &PacketView<'_>) -> Result<(), OutputError> {
        let captured = packet.captured.len();
        self.report.capture.packet(packet.frame, captured, packet.link_type, packet.outcome);
        Ok(())
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            self.report.record(record);
        }
        Ok(())
    }

    fn ended(&mut self, ending: &Ending<'_>) -> Result<(), OutputError> {
        self.report.capture.files = ending.files;
        self.report.capture.truncated = ending.truncated;
        self.report.capture.skipped.clone_from(ending.unknown);
        Ok(())
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        self.report.capture.settle();
        let sections = sections(&self.report, &self.options);
        match &self.to {
            Destination::Terminal { plain } => {
                let lines = terminal::render(&sections, &self.report.capture.timeline, style(*plain));
                let mut out = std::io::stdout().lock();
                let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
                written.map_err(OutputError::Standard)?;
            }
            Destination::Html(path) => {
                let page = html::render(&sections, &self.report, &self.options);
                if device(path) {
                    // Which is not to be replaced.
                    return Directory::around(path)
                        .and_then(|(directory, name)| directory.append(&name)?.write_all(page.as_bytes()))
                        .map_err(OutputError::file(path));
                }
                let (part, mut file) = Part::at(path, true, tally)?;
                file.write_all(page.as_bytes()).map_err(OutputError::file(path))?;
                part.commit(&file)?;
            }
        }
        Ok(())
    }
}

/// How this terminal is.
fn style(plain: bool) -> terminal::Style {
    let width = console::columns().unwrap_or(80);
    terminal::Style { width: width.clamp(40, 200), color: console::shows_colours(plain) }
}
