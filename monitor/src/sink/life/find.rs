//! Which flow a frame belongs to, where it begins, and what it is in the end.

use std::collections::HashMap;

use monitor_core::{
    offline::Outcome,
    record::{AnyRecord, FlowRecord, Text},
};

use crate::sink::{OutputError, PacketView, Sink, Tally};

/// The first frame of a flow.
#[derive(Clone, Debug)]
pub struct Found {
    /// Number of its file.
    pub file: u32,
    /// Its number there.
    pub frame: u64,
    /// The flow's record, if everything was read already.
    pub flow: Option<Box<FlowRecord>>,
}

/// Looks for the flow of a frame.
#[derive(Debug)]
pub struct Find<'a> {
    file: u32,
    frame: u64,
    files: Vec<Text>,
    /// First frames of the flows that go on, by slot.
    first: HashMap<u32, (u32, u64)>,
    found: &'a mut Option<Found>,
}

impl<'a> Find<'a> {
    /// Of a frame of a file; `files` are their names, if there are several.
    pub fn new(file: u32, frame: u64, files: Vec<Text>, found: &'a mut Option<Found>) -> Self {
        Self { file, frame, files, first: HashMap::new(), found }
    }
}

impl Sink for Find<'_> {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let Outcome::Flow { slot, opened, .. } = view.outcome else { return Ok(()) };
        if self.found.is_some() {
            return Ok(());
        }
        let this = (view.frame.file, view.frame.number);
        if opened {
            self.first.insert(slot, this);
        }
        if this == (self.file, self.frame) {
            let (file, frame) = self.first.get(&slot).copied().unwrap_or(this);
            *self.found = Some(Found { file, frame, flow: None });
            self.first = HashMap::new();
        }
        Ok(())
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        let Some(found) = self.found else { return Ok(()) };
        for record in records {
            if let AnyRecord::Flow(flow) = record
                && found.flow.is_none()
                && flow.first_frame == Some(found.frame)
                && flow.first_file.as_ref() == self.files.get(found.file as usize)
            {
                found.flow = Some(flow.clone());
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }
}
