//! Where records, and on request packets, go: one trait, [`Sink`], for captures and for a running instance.
//!
//! [`build`] makes the sink of an output as it is configured. Of a running instance each has a thread, a bounded queue
//! and counters of its own ([`run`]), so that one that is slow or blocked delays no other and nothing else. Of a capture
//! those that take records alone have a thread and a queue too ([`Beside`]), and the reader waits where a queue is full;
//! those that look at packets do so before these are gone.

mod beside;
pub mod build;
mod error;
mod fields;
mod json;
mod leftover;
mod life;
mod lines;
pub mod net;
pub mod number;
mod packets;
mod part;
mod pcapng;
mod place;
mod recorder;
mod report;
mod rotation;
pub mod run;
#[cfg(test)]
mod samples;
mod save;
mod spool;
mod table;
mod tables;
mod tally;
mod waits;

use std::{collections::BTreeMap, sync::Arc};

use monitor_common::wire::Packet;
use monitor_core::{
    offline::{Frame, Outcome},
    record::AnyRecord,
};

pub use beside::Beside;
pub use error::OutputError;
pub use fields::{Fields, list as list_fields};
pub use life::{Find, Found, Life};
pub use net::Dialer;
use number::{Numbers, Origin};
pub use packets::Packets;
pub use place::{LINES, Place};
pub use recorder::{PacketFiles, Recorder, Tap};
pub use report::{Destination, ReportOutput};
pub use save::Save;
pub use tally::{Note, Reason, Tally};

use crate::{source::pcap::Interface, state::State};

/// The first thing that went wrong, if anything did.
pub type Failure = Option<OutputError>;

/// Takes what was understood, in the order in which it was.
pub trait Sink {
    /// Whether [`Sink::packet`] is to be called; it costs something on every packet.
    fn wants_packets(&self) -> bool {
        false
    }

    /// A packet of a capture, after it was counted and before the records that it completed.
    fn packet(&mut self, _packet: &PacketView<'_>) -> Result<(), OutputError> {
        Ok(())
    }

    /// Where it works, before its thread begins; of a running instance alone.
    fn attach(&mut self, _context: Context) {}

    /// Whether it has something to do before the first records.
    fn begins_at_once(&self) -> bool {
        false
    }

    /// The numbers of the next records, for those that send them.
    fn numbers(&mut self, _numbers: &Numbers) {}

    /// Writes records; none, when only time has passed. What will be nowhere is counted in `tally`. After an error a
    /// running instance goes on with the next records, a capture ends.
    fn write(&mut self, records: &[AnyRecord], tally: &mut Tally) -> Result<(), OutputError>;

    /// The same of records that nobody else needs: it may keep them, and what it leaves is dropped.
    fn take(&mut self, records: &mut Vec<AnyRecord>, tally: &mut Tally) -> Result<(), OutputError> {
        self.write(records, tally)
    }

    /// Files were moved away, or are to be: what comes next goes to new ones (SIGHUP).
    fn reopen(&mut self, _tally: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }

    /// All of a capture was read: what no packet and no record told.
    fn ended(&mut self, _ending: &Ending<'_>) -> Result<(), OutputError> {
        Ok(())
    }

    /// Nothing more comes: everything is to be where it belongs.
    fn finish(&mut self, tally: &mut Tally) -> Result<(), OutputError>;
}

/// Where a sink works.
#[derive(Clone)]
pub struct Context {
    /// What it shares with all others.
    pub state: Arc<State>,
    /// Name of its output.
    pub name: String,
    /// Whose records they are.
    pub origin: Arc<Origin>,
    /// Who connects; `None`: nobody may.
    pub dialer: Option<Dialer>,
}

/// What is known when all captures were read.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Files that were read.
    pub files: u64,
    /// Of them, those that are cut or damaged: what stands before was read.
    pub truncated: u64,
    /// Packets of link types that are not known, by their number: no packet told of them.
    pub unknown: &'a BTreeMap<u32, u64>,
}

/// A packet of a capture, with what became of it.
#[derive(Clone, Copy, Debug)]
pub struct PacketView<'a> {
    /// The frame as it was counted, without the link layer that was taken off before.
    pub frame: &'a Frame<'a>,
    /// All captured bytes, the link layer included.
    pub captured: &'a [u8],
    /// `LINKTYPE_` number of the interface that saw it.
    pub link_type: u32,
    /// Which of `interfaces` saw it.
    pub interface: u32,
    /// The interfaces of its file, as far as they were met.
    pub interfaces: &'a [Interface],
    /// What became of it.
    pub outcome: Outcome,
    /// Its headers down to the innermost flow, where they could be read.
    pub packet: Option<&'a Packet>,
}
