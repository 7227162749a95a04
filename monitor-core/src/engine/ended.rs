//! Flows that ended a short while ago, for those who look for them: refused and failed ones longer than the many that
//! ended well.

use std::collections::VecDeque;

use crate::{
    flow::{End, FlowId, entry::Entry, table::NONE},
    label::{EndReason, TcpState},
};

/// Most that are kept of those that failed, and as many of the others.
pub const ENDED_MAX: usize = 512;

/// One that is over.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) slot: u32,
    pub(super) entry: Box<Entry>,
    pub(super) interface: String,
    pub(super) further_interfaces: Vec<String>,
    pub(super) end: End,
}

impl Gone {
    /// What tells it from all others.
    pub(super) const fn id(&self) -> FlowId {
        self.entry.id(self.slot)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ended {
    failed: VecDeque<Gone>,
    others: VecDeque<Gone>,
}

impl Ended {
    /// Keeps a flow that ended; the oldest of its kind gives way.
    pub(super) fn keep(&mut self, slot: u32, mut entry: Entry, interfaces: Vec<String>, end: End) {
        let failed = matches!(
            entry.state(),
            Some(TcpState::Refused | TcpState::TimedOut | TcpState::Reset | TcpState::SynSent)
        ) || end.reason == EndReason::Evicted;
        // Of what it was only what is shown stays.
        entry.reading = entry.whole();
        entry.group = None;
        entry.earlier = None;
        entry.inherited = None;
        entry.unwritten = None;
        entry.timeline = NONE;
        entry.next = NONE;
        let kept = if failed { &mut self.failed } else { &mut self.others };
        let place = if kept.len() >= ENDED_MAX { kept.pop_front() } else { None };
        let mut names = interfaces.into_iter();
        let interface = names.next().unwrap_or_default();
        let entry = match place {
            Some(Gone { entry: mut room, .. }) => {
                *room = entry;
                room
            }
            None => Box::new(entry),
        };
        kept.push_back(Gone { slot, entry, interface, further_interfaces: names.collect(), end });
    }

    /// All of them, those that ended last first of each kind.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Gone> {
        self.failed.iter().rev().chain(self.others.iter().rev())
    }

    /// One of them.
    pub(super) fn find(&self, id: FlowId) -> Option<&Gone> {
        self.iter().find(|gone| gone.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(first: u64, protocol: u8) -> Entry {
        let mut entry = Entry { first, ..Entry::default() };
        entry.key.protocol = protocol;
        entry
    }

    #[test]
    fn each_kind_is_bounded_and_those_that_ended_last_stay() {
        let mut all = Ended::default();
        let end = |reason| End { reason, time: 7 };
        for first in 0..2_000 {
            all.keep(1, ended(first, 17), vec!["eth0".into(), "wan0".into()], end(EndReason::Idle));
        }
        // A TCP flow that begins without an answer is one that nobody answered.
        all.keep(2, ended(9_999, 17), vec!["eth0".into()], end(EndReason::Evicted));
        assert_eq!(all.iter().count(), ENDED_MAX + 1);
        assert_eq!(all.iter().next().map(|gone| gone.entry.first), Some(9_999));
        assert!(all.find(FlowId { slot: 1, first: 1_999 }).is_some());
        assert!(all.find(FlowId { slot: 1, first: 1 }).is_none());
        let last = all.find(FlowId { slot: 1, first: 1_999 });
        let last = last.map(|gone| (gone.interface.as_str(), gone.further_interfaces.len(), gone.end));
        assert_eq!(last, Some(("eth0", 1, end(EndReason::Idle))));
    }
}
