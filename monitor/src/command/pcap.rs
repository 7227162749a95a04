//! `weir pcap`: flows of capture files.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use monitor_common::abi::{Direction, hook_flags};
use monitor_core::{
    dpi::{DpiConfig, inspector::InspectorConfig},
    engine::EngineConfig,
    offline::{Frame, Session, TableConfig},
    record::AnyRecord,
};

use super::CommandError;
use crate::source::pcap::{Capture, CaptureError, Stripped, strip};

/// All packets of a capture come from one place, whatever interface the file names: a flow whose
/// directions were captured on two of them is one flow.
const INTERFACE: u32 = 1;

/// What to read and how to write it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// pcap or pcapng files, plain, gzip or zstd; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print records as JSON lines.
    #[arg(long, required = true)]
    json: bool,
    /// Exit with an error when a file is damaged, after what stands before the damage.
    #[arg(long, overrides_with = "lenient")]
    strict: bool,
    /// Report a damaged file and count what stands before the damage (default).
    #[arg(long)]
    lenient: bool,
}

/// Reads the files and prints their flows.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let mut session = Session::new(
        TableConfig::default(),
        EngineConfig::default(),
        DpiConfig::default(),
        InspectorConfig::default(),
    );
    let mut out = Output { to: BufWriter::with_capacity(1 << 20, io::stdout().lock()), line: Vec::new() };
    let mut unknown = BTreeMap::new();
    let mut base = 0;
    let mut strict = None;
    for path in &arguments.files {
        let mut capture = Capture::open(path)?;
        match read(&mut capture, base, &mut session, &mut out, &mut unknown) {
            Ok(()) => {}
            Err(CommandError::Capture(damage @ CaptureError::Damaged { .. })) => {
                if arguments.strict {
                    strict = Some(damage);
                    break;
                }
                complain(&damage);
            }
            Err(error) => return Err(error),
        }
        base += capture.packets();
    }
    let mut records = Vec::new();
    session.finish(&mut records);
    out.records(&mut records)?;
    out.to.flush()?;
    for (link_type, packets) in unknown {
        complain(&format_args!(
            "{packets} packets of link type {link_type}, which is not known, were skipped"
        ));
    }
    let overflow = session.table().counters().overflow;
    if overflow != 0 {
        complain(&format_args!("{overflow} packets found the flow table full and are in no record"));
    }
    strict.map_or(Ok(()), |damage| Err(damage.into()))
}

/// Counts all packets of a capture; `base` packets came before it.
fn read<W: Write>(
    capture: &mut Capture,
    base: u64,
    session: &mut Session,
    out: &mut Output<W>,
    unknown: &mut BTreeMap<u32, u64>,
) -> Result<(), CommandError> {
    let mut records = Vec::new();
    while let Some(packet) = capture.next_packet()? {
        let Some(Stripped { link, before }) = strip(packet.link_type, packet.bytes) else {
            *unknown.entry(packet.link_type).or_insert(0) += 1;
            continue;
        };
        let frame = Frame {
            bytes: packet.bytes.get(before..).unwrap_or_default(),
            link,
            length: packet.length,
            before: before as u32,
            ifindex: INTERFACE,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            time: packet.time,
            number: base + packet.number,
        };
        session.packet(&frame, &mut records);
        if !records.is_empty() {
            out.records(&mut records)?;
        }
    }
    Ok(())
}

/// Records as lines on standard output.
struct Output<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> Output<W> {
    /// Writes and empties `records`.
    fn records(&mut self, records: &mut Vec<AnyRecord>) -> Result<(), CommandError> {
        for record in records.drain(..) {
            self.line.clear();
            record.to_json(&mut self.line).map_err(io::Error::from)?;
            self.to.write_all(&self.line)?;
        }
        Ok(())
    }
}

/// One line on standard error; the run goes on.
fn complain(what: &dyn std::fmt::Display) {
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {what}"));
}
