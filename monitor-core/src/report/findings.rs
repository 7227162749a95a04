//! Risks that records told of.

use std::net::IpAddr;

use super::{Top, Weighed};
use crate::{
    label::{FanoutKind, FindingKind},
    record::{DetectionRecord, FanoutRecord, FindingRecord, Text},
};

/// Findings that are kept at least.
const FINDINGS: usize = 2_048;

/// Detections that are kept at most.
const DETECTIONS: usize = 1_024;

/// All findings.
#[derive(Debug)]
pub struct Findings {
    /// By kind, what exactly, and server: in how many flows.
    pub all: Top<(FindingKind, Text, IpAddr), u64>,
    /// Sources that reached unusually many, by what of: the most at once.
    pub fanouts: Top<(IpAddr, FanoutKind), Most>,
    /// Behaviour over many flows, as it ended.
    pub detections: Vec<DetectionRecord>,
}

/// The largest of several numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most(pub u64);

impl Weighed for Most {
    fn weight(&self) -> u64 {
        self.0
    }

    fn merge(&mut self, other: Self) {
        self.0 = self.0.max(other.0);
    }
}

impl Default for Findings {
    fn default() -> Self {
        Self { all: Top::new(FINDINGS), fanouts: Top::new(FINDINGS), detections: Vec::new() }
    }
}

impl Findings {
    pub(super) fn finding(&mut self, finding: &FindingRecord) {
        *self.all.entry((finding.kind, finding.detail.clone(), finding.identity.server_ip)) += 1;
    }

    pub(super) fn fanout(&mut self, fanout: &FanoutRecord) {
        self.fanouts.entry((fanout.source, fanout.kind)).merge(Most(fanout.count));
    }

    pub(super) fn detection(&mut self, detection: &DetectionRecord) {
        // The record of its end says what came of it.
        if detection.until.is_some() && self.detections.len() < DETECTIONS {
            self.detections.push(detection.clone());
        }
    }

    /// Whether a kind was found with exactly this.
    pub fn has(&self, kind: FindingKind, detail: &str) -> bool {
        self.all.iter().any(|((k, text, _), _)| *k == kind && text.as_str() == detail)
    }
}
