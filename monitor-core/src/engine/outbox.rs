//! The outbox: records and findings on their way out, each kind bounded.

use crate::{
    fanout::Detection,
    live::Surge,
    record::{AnyRecord, DetectionRecord, FindingRecord},
};

/// Risks that wait to be taken, and surges.
const FINDINGS: usize = 64;
/// Sources of fan-out that wait to be taken, and detections.
const DETECTIONS: usize = 1024;

/// What waits to be taken.
#[derive(Debug, Default)]
pub struct Outbox {
    records: Vec<AnyRecord>,
    records_dropped: u64,
    /// Records of payload on their way into the queue.
    pub(super) said: Vec<AnyRecord>,
    detections: Vec<Detection>,
    behaviour: Vec<DetectionRecord>,
    risks: Vec<FindingRecord>,
    surges: Vec<Surge>,
    findings_dropped: u64,
}

impl Outbox {
    /// Takes the records of flows and of what payload said that were written since the last call, oldest first.
    /// The queue holds [`super::EngineConfig::record_queue`] of them; [`Self::records_dropped`] counts what came
    /// beyond that.
    pub fn take_records(&mut self) -> Vec<AnyRecord> {
        std::mem::take(&mut self.records)
    }

    /// The same, appended to `out`.
    pub fn drain_records(&mut self, out: &mut Vec<AnyRecord>) {
        out.append(&mut self.records);
    }

    /// Records that were dropped because their queue was full.
    pub const fn records_dropped(&self) -> u64 {
        self.records_dropped
    }

    /// Takes the sources that passed a threshold of fan-out since the last call.
    pub fn take_fanout(&mut self) -> Vec<Detection> {
        std::mem::take(&mut self.detections)
    }

    /// Takes the detections that began or ended since the last call.
    pub fn take_detections(&mut self) -> Vec<DetectionRecord> {
        std::mem::take(&mut self.behaviour)
    }

    /// Takes the risks that were found since the last call.
    pub fn take_risks(&mut self) -> Vec<FindingRecord> {
        std::mem::take(&mut self.risks)
    }

    /// Takes the surges of failing connection attempts that began since the last call.
    pub fn take_surges(&mut self) -> Vec<Surge> {
        std::mem::take(&mut self.surges)
    }

    /// Risks, surges and sources of fan-out that nobody took in time.
    pub const fn findings_dropped(&self) -> u64 {
        self.findings_dropped
    }

    /// Puts a record into the queue that holds `most`, or counts it where that is full.
    pub(super) fn record(&mut self, most: u32, record: impl FnOnce() -> AnyRecord) {
        if self.records.len() < most as usize {
            self.records.push(record());
        } else {
            self.records_dropped += 1;
        }
    }

    pub(super) fn fanout(&mut self, detection: Detection) {
        push(&mut self.detections, DETECTIONS, detection, &mut self.findings_dropped);
    }

    pub(super) fn detection(&mut self, record: &DetectionRecord) {
        if self.behaviour.len() < DETECTIONS {
            self.behaviour.push(record.clone());
        } else {
            self.findings_dropped += 1;
        }
    }

    pub(super) fn risk(&mut self, record: &FindingRecord) {
        if self.risks.len() < FINDINGS {
            self.risks.push(record.clone());
        } else {
            self.findings_dropped += 1;
        }
    }

    pub(super) fn surge(&mut self, surge: Surge) {
        push(&mut self.surges, FINDINGS, surge, &mut self.findings_dropped);
    }
}

fn push<T>(queue: &mut Vec<T>, most: usize, item: T, dropped: &mut u64) {
    if queue.len() < most {
        queue.push(item);
    } else {
        *dropped += 1;
    }
}
