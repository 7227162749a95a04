//! Packets of the files through the engine to the outputs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use monitor_common::abi::{Direction, hook_flags};
use monitor_core::{
    engine::EngineConfig,
    host::Interface,
    network::Network,
    offline::{Frame, Outcome, Session, SessionConfig, TableConfig},
    record::{AnyRecord, Text},
};

use super::{CommandError, complain, progress::Progress, select::Selection};
use crate::{
    sink::{Ending, OutputError, PacketView, Sink, Tally},
    source::pcap::{Batch, Capture, CaptureError, Captures, Packet, Step, Stripped, added, strip},
    telemetry::{Events, KernelStatus, Own},
    view::prometheus::{self, Context, Format},
};

/// All packets of a capture come from one place, whatever interface the file names: a flow whose
/// directions were captured on two of them is one flow.
const INTERFACE: u32 = 1;

/// How to read.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) paths: &'a [PathBuf],
    /// Stop at damage.
    pub(super) strict: bool,
    /// Say what is damaged or left out.
    pub(super) complain: bool,
    pub(super) selection: &'a Selection,
    /// Print the page of metrics.
    pub(super) page: bool,
    /// Networks of the near side.
    pub(super) local: &'a [Network],
    /// Names of services, and what to look for.
    pub(super) engine: &'a EngineConfig,
}

/// Reads the files in the order of time. Returns the damage that `strict` stops at.
pub(super) fn run(
    how: How<'_>,
    outputs: &mut [Box<dyn Sink + '_>],
    progress: &mut Progress,
) -> Result<Option<CaptureError>, CommandError> {
    let How { paths, strict, complain: loud, selection, page, local, engine } = how;
    let mut captures = Captures::open(paths)?;
    progress.begin(captures.size());
    let mut reading = Reading::new(paths, local, engine, selection, outputs);
    let mut batch = Batch::default();
    let mut stopped = None;
    while let Some(step) = captures.next(&mut batch) {
        if let Step::Damaged(damage) = &step {
            reading.truncated += u64::from(damage.is_truncation());
        }
        match step {
            Step::Packets(file, capture) => reading.batch(file, capture, &batch)?,
            Step::Damaged(damage) if strict => {
                stopped = Some(damage);
                break;
            }
            Step::Damaged(damage) if loud => progress.suspend(|| complain(&damage)),
            Step::Damaged(_) => {}
        }
        progress.at(captures.read());
    }
    progress.end();
    if page {
        print_page(&mut reading.session)?;
    }
    reading.finish(loud)?;
    Ok(stopped)
}

fn print_page(session: &mut Session) -> Result<(), CommandError> {
    let own = Own::new().map_err(io::Error::other)?;
    let (kernel, events) = (KernelStatus::default(), Events::default());
    let (engine, undirected) = session.survey(INTERFACE);
    let context = Context {
        kernel: &kernel,
        own: &own,
        events: &events,
        created: false,
        config_ok: true,
        undirected: Some(undirected),
    };
    let page = prometheus::write(engine, &context, Format::Text, Vec::new());
    io::stdout().lock().write_all(&page)?;
    Ok(())
}

/// What all files have in common.
struct Reading<'a, 'o> {
    session: Session,
    selection: &'a Selection,
    outputs: &'a mut [Box<dyn Sink + 'o>],
    packets: bool,
    records: Vec<AnyRecord>,
    /// Packets of link types that are not known, by their number.
    unknown: BTreeMap<u32, u64>,
    files: u64,
    /// Files that ended before their end.
    truncated: u64,
    /// Whether anything was written.
    passed: bool,
}

impl<'a, 'o> Reading<'a, 'o> {
    fn new(
        paths: &[PathBuf],
        local: &[Network],
        engine: &EngineConfig,
        selection: &'a Selection,
        outputs: &'a mut [Box<dyn Sink + 'o>],
    ) -> Self {
        let interface =
            Interface { ifindex: INTERFACE, name: "capture".to_owned(), loopback: false, one_sided: true };
        let config = SessionConfig {
            files: files(paths),
            interfaces: vec![interface],
            local: local.to_vec(),
            engine: engine.clone(),
            table: TableConfig { once: true, ..TableConfig::default() },
        };
        Self {
            session: Session::new(config),
            selection,
            packets: outputs.iter().any(|output| output.wants_packets()),
            outputs,
            records: Vec::new(),
            unknown: BTreeMap::new(),
            files: paths.len() as u64,
            truncated: 0,
            passed: false,
        }
    }

    /// Counts packets that lie together.
    fn batch(&mut self, file: u32, capture: &Capture, batch: &Batch) -> Result<(), OutputError> {
        // Only who looks at packets needs them beside their frames.
        let mut captured = Vec::with_capacity(if self.packets { batch.len() } else { 0 });
        let mut frames = Vec::with_capacity(batch.len());
        for packet in capture.packets_of(batch) {
            match frame(file, &packet) {
                Some(frame) => {
                    frames.push(frame);
                    if self.packets {
                        captured.push(packet);
                    }
                }
                None => *self.unknown.entry(packet.link_type).or_insert(0) += 1,
            }
        }
        let Self { session, selection, outputs, packets, records, passed, .. } = self;
        session.packets(&frames, records, |at, outcome, packet, records| {
            if *packets
                && let (Some(frame), Some(captured)) = (frames.get(at), captured.get(at))
                && selection.packet(outcome, packet)
            {
                let view = PacketView {
                    frame,
                    captured: captured.bytes,
                    link_type: captured.link_type,
                    interface: captured.interface,
                    interfaces: capture.interfaces(),
                    outcome,
                    packet: matches!(outcome, Outcome::Flow { .. } | Outcome::Overflow).then_some(packet),
                };
                for output in &mut **outputs {
                    output.packet(&view)?;
                }
            }
            if !records.is_empty() {
                *passed |= write(selection, outputs, records)?;
            }
            Ok(())
        })
    }

    /// Ends all flows, and says what was left out.
    fn finish(mut self, loud: bool) -> Result<(), CommandError> {
        self.session.finish(&mut self.records);
        self.passed |= write(self.selection, self.outputs, &mut self.records)?;
        let ending = Ending { files: self.files, truncated: self.truncated, unknown: &self.unknown };
        for output in &mut *self.outputs {
            output.ended(&ending)?;
        }
        if !loud {
            return Ok(());
        }
        for (link_type, packets) in &self.unknown {
            complain(&format_args!(
                "{packets} packets of link type {link_type}, which is not known, were skipped"
            ));
        }
        if !self.passed && !matches!(self.selection, Selection::All) {
            complain(&"no flow passes the filter");
        }
        let duplicates = self.session.table().duplicates();
        if duplicates != 0 {
            complain(&format_args!(
                "{duplicates} packets were captured twice (a mirror of both ports, several interfaces, or before and \
                 behind a router) and count once"
            ));
        }
        let overflow = self.session.table().counters().overflow;
        if overflow != 0 {
            complain(&format_args!("{overflow} packets found the flow table full and are in no record"));
        }
        Ok(())
    }
}

/// What records call the files; nothing where there is only one.
pub(super) fn files(paths: &[PathBuf]) -> Vec<Text> {
    match paths {
        [_] => Vec::new(),
        several => several.iter().map(|path| Text::new(path.as_os_str().as_bytes())).collect(),
    }
}

/// The frame of a packet; `None`: its link type is not known.
#[inline]
fn frame<'a>(file: u32, packet: &Packet<'a>) -> Option<Frame<'a>> {
    let Stripped { link, before, way } = strip(packet.link_type, packet.bytes)?;
    let added = added(packet.link_type);
    Some(Frame {
        bytes: packet.bytes.get(before..).unwrap_or_default(),
        link,
        length: packet.length.saturating_sub(added),
        before: (before as u32).saturating_sub(added),
        ifindex: INTERFACE,
        hook_flags: hook_flags::ONE_SIDED,
        direction: Direction::Receive,
        way: packet.way.or(way),
        time: packet.time,
        number: packet.number,
        file,
    })
}

/// Writes and empties `records`; returns whether any passed.
fn write(
    selection: &Selection,
    outputs: &mut [Box<dyn Sink + '_>],
    records: &mut Vec<AnyRecord>,
) -> Result<bool, OutputError> {
    if !matches!(selection, Selection::All) {
        records.retain(|record| selection.record(record));
    }
    let any = !records.is_empty();
    // The last may have them, which saves it a copy.
    if let Some((last, others)) = outputs.split_last_mut() {
        for output in others {
            output.write(records, &mut Tally::default())?;
        }
        last.take(records, &mut Tally::default())?;
    }
    records.clear();
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_direction_is_no_part_of_the_frame() {
        for (link_type, bytes, length, before) in [
            (123, &[0x82, 0, 0, 32, 0xaa, 0x45][..], 96, 0),
            (204, &[1, 0xff, 3, 0, 0x21, 0x45], 99, 0),
            (205, &[1, 0x0f, 0, 8, 0, 0x45], 99, 4),
            (206, &[1, 0x18, 0x41, 3, 0xcc, 0x45], 99, 4),
        ] {
            let packet =
                Packet { number: 1, time: 0, length: 100, link_type, interface: 0, way: None, bytes };
            let frame = frame(0, &packet).expect("a link type that is known");
            assert_eq!((frame.length, frame.before), (length, before), "{link_type}");
            assert_eq!(frame.way, Some(Direction::Transmit));
            assert_eq!(frame.bytes.last(), Some(&0x45));
        }
    }
}
