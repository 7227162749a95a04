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
    record::{AnyRecord, Text},
};

pub(super) use self::describe::flags;
use self::spool::{Entry, Naming, Spool};
use super::{
    Fields, OutputError, PacketView, Sink, Tally,
    table::{Form, Table},
};
use crate::files::Directory;

/// A table of packets; its form follows from the file's name.
#[derive(Debug)]
pub struct Packets {
    table: Option<Table>,
    spool: Spool,
    /// Names of the files, where there are several.
    files: Vec<Text>,
    /// By slot of the flow table: file and first frame of the flow in it.
    slots: Vec<(u32, u64)>,
    /// Where the entry of a live flow's first packet lies, by file and frame.
    first: HashMap<(u32, u64), u64>,
}

impl Packets {
    /// Creates the file. One that is there already is replaced only if `replace` says so.
    pub fn create(
        path: &Path,
        fields: &Fields,
        files: Vec<Text>,
        replace: bool,
        tally: &mut Tally,
    ) -> Result<Self, OutputError> {
        let form = Form::of(path)?;
        let columns = fields.columns_of_packets();
        let (directory, name) = Directory::around(path).map_err(OutputError::file(path))?;
        let table = Table::create(&directory, &name, form, columns, replace, tally)?;
        let spool = Spool::create(&directory, path)?;
        Ok(Self { table: Some(table), spool, files, slots: Vec::new(), first: HashMap::new() })
    }

    /// The flow that a packet belongs to, by its first file and frame; frame 0: none.
    fn flow(&mut self, view: &PacketView<'_>) -> (u32, u64) {
        let Outcome::Flow { slot, opened, .. } = view.outcome else { return (0, 0) };
        let at = slot as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, (0, 0));
        }
        let Some(first) = self.slots.get_mut(at) else { return (0, 0) };
        if opened {
            *first = (view.frame.file, view.frame.number);
            self.first.insert(*first, self.spool.entries());
        }
        *first
    }
}

impl Sink for Packets {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let flow = self.flow(view);
        self.spool.push(&describe::entry(view, flow))
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            let AnyRecord::Flow(flow) = record else { continue };
            let Some(first) = flow.first_frame else { continue };
            let file = flow.first_file.as_ref().and_then(|name| self.files.iter().position(|f| f == name));
            let file = file.unwrap_or_default() as u32;
            let Some(at) = self.first.remove(&(file, first)) else { continue };
            let texts = [&flow.name, &flow.domain, &flow.application];
            if texts.iter().any(|text| text.is_some()) {
                let texts = texts.map(|text| text.as_ref().map_or("", Text::as_str));
                self.spool.name(at, texts, flow.sent.packets + flow.received.packets)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        let Some(mut table) = self.table.take() else { return Ok(()) };
        // Names of flows that go on behind the entry, and how many of their packets come.
        let mut names: HashMap<(u32, u64), Naming> = HashMap::new();
        let files = &self.files;
        self.spool.read(|entry: &Entry, naming: Option<Naming>| {
            let flow = (entry.flow_file, entry.flow);
            if let Some(naming) = naming {
                names.insert(flow, naming);
            }
            let mut known = None;
            if let Some(naming) = names.get_mut(&flow) {
                known = Some(naming.texts.clone());
                naming.packets = naming.packets.saturating_sub(1);
                if naming.packets == 0 {
                    names.remove(&flow);
                }
            }
            table.add(&describe::record(entry, files, known))
        })?;
        table.finish()
    }
}
