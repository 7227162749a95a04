//! Packets of the files through the engine to the outputs.

use std::collections::BTreeMap;

use monitor_common::abi::{Direction, hook_flags};
use monitor_core::{
    offline::{Frame, Outcome, Session, SessionConfig},
    record::AnyRecord,
};

use super::{Arguments, CommandError, complain};
use crate::{
    output::{Ending, Output, OutputError, PacketView},
    source::pcap::{Capture, CaptureError, Stripped, strip},
};

/// All packets of a capture come from one place, whatever interface the file names: a flow whose
/// directions were captured on two of them is one flow.
const INTERFACE: u32 = 1;

/// Reads the files in turn. Returns the damage that `--strict` stops at.
pub(super) fn run(
    arguments: &Arguments,
    outputs: &mut [Box<dyn Output>],
) -> Result<Option<CaptureError>, CommandError> {
    let mut reading = Reading::new(outputs);
    let mut strict = None;
    for path in &arguments.files {
        let mut capture = Capture::open(path)?;
        reading.files += 1;
        match reading.capture(&mut capture) {
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
        reading.base += capture.packets();
    }
    reading.finish()?;
    Ok(strict)
}

/// What all files have in common.
struct Reading<'a> {
    session: Session,
    outputs: &'a mut [Box<dyn Output>],
    packets: bool,
    records: Vec<AnyRecord>,
    /// Packets of link types that are not known, by their number.
    unknown: BTreeMap<u32, u64>,
    /// Packets of the files before.
    base: u64,
    files: u64,
}

impl<'a> Reading<'a> {
    fn new(outputs: &'a mut [Box<dyn Output>]) -> Self {
        Self {
            session: Session::new(SessionConfig::default()),
            packets: outputs.iter().any(|output| output.wants_packets()),
            outputs,
            records: Vec::new(),
            unknown: BTreeMap::new(),
            base: 0,
            files: 0,
        }
    }

    /// Counts all packets of a capture.
    fn capture(&mut self, capture: &mut Capture) -> Result<(), CommandError> {
        while let Some(packet) = capture.next_packet()? {
            let Some(Stripped { link, before }) = strip(packet.link_type, packet.bytes) else {
                *self.unknown.entry(packet.link_type).or_insert(0) += 1;
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
                number: self.base + packet.number,
            };
            let outcome = self.session.packet(&frame, &mut self.records);
            if self.packets {
                let view = PacketView {
                    frame: &frame,
                    captured: packet.bytes,
                    link_type: packet.link_type,
                    outcome,
                    packet: matches!(outcome, Outcome::Flow { .. } | Outcome::Overflow)
                        .then(|| self.session.table().last_packet()),
                };
                for output in &mut *self.outputs {
                    output.packet(&view)?;
                }
            }
            if !self.records.is_empty() {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), OutputError> {
        for output in &mut *self.outputs {
            output.records(&self.records)?;
        }
        self.records.clear();
        Ok(())
    }

    /// Ends all flows, and says what was left out.
    fn finish(mut self) -> Result<(), CommandError> {
        self.session.finish(&mut self.records);
        self.write()?;
        let ending = Ending { files: self.files, unknown: &self.unknown };
        for output in &mut *self.outputs {
            output.ended(&ending)?;
        }
        for (link_type, packets) in &self.unknown {
            complain(&format_args!(
                "{packets} packets of link type {link_type}, which is not known, were skipped"
            ));
        }
        let overflow = self.session.table().counters().overflow;
        if overflow != 0 {
            complain(&format_args!("{overflow} packets found the flow table full and are in no record"));
        }
        Ok(())
    }
}
