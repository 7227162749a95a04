//! Which flow a frame belongs to, and what it is in the end.

use monitor_core::{
    offline::Outcome,
    record::{AnyRecord, FlowRecord, Id},
};

use crate::sink::{OutputError, PacketView, Sink, Tally};

/// The flow of a frame.
#[derive(Clone, Debug)]
pub struct Found {
    /// Number of its file.
    pub file: u32,
    /// Its number there.
    pub frame: u64,
    /// The flow's number in records, which each reading of the same files gives it; without it the frame is the
    /// flow's first.
    pub id: Option<Id>,
    /// The flow's record, if everything was read already.
    pub flow: Option<Box<FlowRecord>>,
}

/// Looks for the flow of a frame.
#[derive(Debug)]
pub struct Find<'a> {
    file: u32,
    frame: u64,
    found: &'a mut Option<Found>,
}

impl<'a> Find<'a> {
    /// Of a frame of a file.
    pub const fn new(file: u32, frame: u64, found: &'a mut Option<Found>) -> Self {
        Self { file, frame, found }
    }
}

impl Sink for Find<'_> {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let (file, frame) = (self.file, self.frame);
        if let Outcome::Flow { id, .. } = view.outcome
            && (view.frame.file, view.frame.number) == (file, frame)
        {
            *self.found = Some(Found { file, frame, id: Some(id), flow: None });
        }
        Ok(())
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        let Some(found) = self.found else { return Ok(()) };
        for record in records {
            if let AnyRecord::Flow(flow) = record
                && Some(flow.identity.id) == found.id
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
