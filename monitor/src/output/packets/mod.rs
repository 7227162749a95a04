//! One row a packet.
//!
//! The name of a flow comes after its first packets, and is final only with the flow's record. Rows therefore
//! wait in a file of fixed-size entries ([`Spool`]); when a flow ends its name is noted with the entry of its
//! first packet, and at the end the entries become rows in their order. Memory holds what is live, not what
//! is long.

mod describe;
mod spool;

use std::{collections::HashMap, path::Path};

use monitor_core::{
    offline::Outcome,
    record::{AnyRecord, PacketRecord, Text},
    schema::Record as _,
};

use self::spool::{Entry, Naming, Spool};
use super::{Fields, Form, Output, OutputError, PacketView, table::Table};

/// A table of packets; its form follows from the file's name.
#[derive(Debug)]
pub struct Packets {
    table: Option<Table>,
    spool: Spool,
    /// By slot of the flow table: first frame of the flow in it.
    slots: Vec<u64>,
    /// Where the entry of a live flow's first packet lies, by that frame's number.
    first: HashMap<u64, u64>,
}

impl Packets {
    /// Creates the file. One that is there already is replaced only if `replace` says so.
    pub fn create(path: &Path, fields: &Fields, replace: bool) -> Result<Self, OutputError> {
        let form = Form::of(path)?;
        let columns = fields.columns(PacketRecord::FIELDS);
        let table = Table::create(path, form, columns, replace)?;
        let spool = Spool::create(path)?;
        Ok(Self { table: Some(table), spool, slots: Vec::new(), first: HashMap::new() })
    }

    /// The flow that a packet belongs to, by its first frame; 0: none.
    fn flow(&mut self, view: &PacketView<'_>) -> u64 {
        let Outcome::Flow { slot, opened, .. } = view.outcome else { return 0 };
        let at = slot as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, 0);
        }
        let Some(first) = self.slots.get_mut(at) else { return 0 };
        if opened {
            *first = view.frame.number;
            self.first.insert(*first, self.spool.entries());
        }
        *first
    }
}

impl Output for Packets {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let flow = self.flow(view);
        self.spool.push(&describe::entry(view, flow))
    }

    fn records(&mut self, records: &[AnyRecord]) -> Result<(), OutputError> {
        for record in records {
            let AnyRecord::Flow(flow) = record else { continue };
            let Some(first) = flow.first_frame else { continue };
            let Some(at) = self.first.remove(&first) else { continue };
            if let Some(name) = &flow.name {
                self.spool.name(at, name.as_str(), flow.last_frame.unwrap_or(u64::MAX))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        let Some(mut table) = self.table.take() else { return Ok(()) };
        // Names of flows that go on behind the entry, by their first frame.
        let mut names: HashMap<u64, (Text, u64)> = HashMap::new();
        self.spool.read(|entry: &Entry, naming: Option<Naming>| {
            if let Some(Naming { name, last }) = naming {
                names.insert(entry.flow, (name, last));
            }
            let known = names.get(&entry.flow);
            let name = known.map(|(name, _)| name.clone());
            if known.is_some_and(|(_, last)| entry.frame >= *last) {
                names.remove(&entry.flow);
            }
            table.add(&describe::record(entry, name))
        })?;
        table.finish()
    }
}
