//! The report of a capture, at its end.

use std::{
    fs,
    io::{IsTerminal as _, Write},
    path::PathBuf,
};

use monitor_core::{record::AnyRecord, report::Report};

use super::{Ending, Output, OutputError, PacketView, part::Part};
use crate::view::report::{Options, html, sections, terminal};

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

impl Output for ReportOutput {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, packet: &PacketView<'_>) -> Result<(), OutputError> {
        let captured = packet.captured.len();
        self.report.capture.packet(packet.frame, captured, packet.link_type, packet.outcome);
        Ok(())
    }

    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError> {
        for record in records {
            self.report.record(record);
        }
        Ok(())
    }

    fn ended(&mut self, ending: &Ending<'_>) -> Result<(), OutputError> {
        self.report.capture.files = ending.files;
        self.report.capture.skipped.clone_from(ending.unknown);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
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
                if path.metadata().is_ok_and(|there| !there.is_file()) {
                    // A device or a pipe, which is not to be replaced.
                    return fs::write(path, page).map_err(OutputError::file(path));
                }
                let (part, mut file) = Part::create(path, true)?;
                file.write_all(page.as_bytes()).map_err(OutputError::file(path))?;
                part.commit(&file)?;
            }
        }
        Ok(())
    }
}

/// How this terminal is: as wide as it says, else as `COLUMNS` says, else 80; colours unless it is none, or
/// `NO_COLOR` is set (<https://no-color.org>), or `plain`.
fn style(plain: bool) -> terminal::Style {
    let out = std::io::stdout();
    let on_terminal = out.is_terminal();
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let size = rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    let columns = || set("COLUMNS")?.to_str()?.parse().ok();
    let width = size.filter(|width| on_terminal && *width > 0).or_else(columns).unwrap_or(80);
    let dumb = set("TERM").is_none_or(|term| term == "dumb");
    let color = on_terminal && !plain && !dumb && set("NO_COLOR").is_none();
    terminal::Style { width: width.clamp(40, 200), color }
}
