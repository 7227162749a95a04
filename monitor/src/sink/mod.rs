//! Where records, and on request packets, go: one [`Output`] a form and destination.
//!
//! The same outputs serve a capture and a running instance.

mod directory;
mod error;
mod fields;
mod json;
mod life;
pub mod live;
mod packets;
mod part;
mod pcapng;
mod report;
mod save;
mod table;
mod waits;

use std::collections::BTreeMap;

use monitor_common::wire::Packet;
use monitor_core::{
    offline::{Frame, Outcome},
    record::AnyRecord,
};

pub use directory::Directory;
pub use error::OutputError;
pub use fields::{Fields, list as list_fields};
pub use json::Json;
pub use life::{Find, Found, Life};
pub use packets::Packets;
pub use report::{Destination, ReportOutput};
pub use save::Save;
pub use table::Form;

use crate::source::pcap::Interface;

/// Takes what was understood, in the order in which it was.
pub trait Output {
    /// Whether [`Output::packet`] is to be called; it costs something on every packet.
    fn wants_packets(&self) -> bool {
        false
    }

    /// A packet, after it was counted and before the records that it completed.
    fn packet(&mut self, _packet: &PacketView<'_>) -> Result<(), OutputError> {
        Ok(())
    }

    /// Records that are whole now.
    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError>;

    /// All was read: what no packet and no record told.
    fn ended(&mut self, _ending: &Ending<'_>) -> Result<(), OutputError> {
        Ok(())
    }

    /// Nothing more comes: everything is to be where it belongs.
    fn finish(&mut self) -> Result<(), OutputError>;
}

/// What is known when all captures were read.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Files that were read.
    pub files: u64,
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
