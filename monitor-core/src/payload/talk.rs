//! What is kept of each flow's payload.

use monitor_common::abi::Side;

use super::{DATAGRAMS, PROBES_MAX, Place, conversation::Conversation};
use crate::{finding::Told, names::Known, record::Id};

/// What was made of a flow's payload so far. A flow that said nothing, or of which enough is known, has no
/// conversation: this is all that it costs.
#[derive(Debug, Default)]
pub struct Talk {
    /// Number of the flow, which no other of the run has.
    pub id: Id,
    /// What is known of the flow.
    pub known: Known,
    pub(super) conversation: Option<Box<Conversation>>,
    /// TCP: numbers of the first bytes by side, from SYNs that came before any payload.
    pub(super) starts: [Option<u32>; 2],
    pub(super) told: Told,
    /// Sides of which nothing more is wanted, as bits.
    pub(super) enough: u8,
    /// Its first packet was looked at.
    pub(super) heard: bool,
    /// Datagrams that began nothing, by side.
    probes: [u8; 2],
    /// The same of both.
    pub(super) datagrams: u8,
}

/// A copy knows what is known; who goes on reading is the original.
impl Clone for Talk {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), conversation: None, ..*self }
    }
}

impl Talk {
    /// Nothing was heard yet of the flow of this number.
    pub fn new(id: Id) -> Self {
        Self { id, ..Self::default() }
    }

    /// Whether nothing more that a side says is wanted.
    #[inline]
    pub const fn is_enough(&self, side: Side) -> bool {
        self.enough & 1 << side.index() != 0
    }

    /// Whether it has the conversation of a place.
    pub fn is_at(&self, place: Place) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.place == place.at)
    }

    /// A datagram began nothing.
    pub(super) fn pass(&mut self, sender: Side) {
        let probes = &mut self.probes[sender.index()];
        *probes += 1;
        if *probes == PROBES_MAX {
            self.enough |= 1 << sender.index();
        }
        self.datagrams = self.datagrams.saturating_add(1).min(DATAGRAMS);
    }
}

/// Talks by slot, for flows that have no entry in an engine yet: those of captures.
#[derive(Debug, Default)]
pub struct Talks(Vec<Talk>);

impl Talks {
    /// The talk in a slot.
    #[inline]
    pub fn at(&mut self, slot: u32) -> &mut Talk {
        let at = slot as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, Talk::default);
        }
        &mut self.0[at]
    }
}
