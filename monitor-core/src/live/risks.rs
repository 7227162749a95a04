//! The risks that were found last, for the lives of their flows.

use std::collections::VecDeque;

use crate::{flow::FlowView, record::FindingRecord};

/// Risks that are kept for the lives of their flows; older ones are forgotten.
const KEPT: usize = 1024;

/// The last risks.
#[derive(Debug, Default)]
pub struct Risks {
    kept: VecDeque<FindingRecord>,
}

impl Risks {
    pub(super) fn found(&mut self, record: &FindingRecord) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(record.clone());
    }

    /// Those of a flow, oldest first.
    pub fn of<'a>(&'a self, flow: &FlowView<'_>) -> impl Iterator<Item = &'a FindingRecord> {
        let id = flow.record_id;
        self.kept.iter().filter(move |record| record.identity.id == id)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
