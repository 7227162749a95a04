//! What is kept of each flow's payload.

use monitor_common::abi::{Side, Transport};

use super::{DATAGRAMS, PROBES_MAX, Payload, Place, conversation::Conversation, dns};
use crate::{
    application::{self, Sight},
    finding::Told,
    names::Known,
    record::Id,
};

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
    /// Its datagrams may be of a connection of QUIC whose handshake another flow had.
    pub(crate) stray: bool,
    /// Its first packet was looked at.
    pub(super) heard: bool,
    /// The beginning of the last datagram that may be of a media stream, by side.
    media: [Option<Box<[u8; 12]>>; 2],
    /// Datagrams that began nothing, by side.
    probes: [u8; 2],
    /// The same of both.
    pub(super) datagrams: u8,
}

/// A copy knows what is known; who goes on reading is the original.
impl Clone for Talk {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            known: self.known.clone(),
            conversation: None,
            starts: self.starts,
            told: self.told,
            enough: self.enough,
            stray: self.stray,
            heard: self.heard,
            media: [None, None],
            probes: self.probes,
            datagrams: self.datagrams,
        }
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

    /// Looks for what a datagram says that nobody reads.
    pub(super) fn recognise(&mut self, payload: &Payload<'_>, ports: (u16, u16)) {
        let media = &mut self.media[payload.sender.index()];
        let before = media.as_deref().copied();
        let sight = Sight { bytes: payload.bytes, length: payload.length as usize, ports, before };
        let found = application::recognise(Transport::Udp, &sight);
        self.known.refuted |= found.is_none() && dns::is_expected(ports);
        self.known.application = found.or(self.known.application);
        *media = match payload.bytes.first_chunk() {
            Some(first) if first[0] >> 6 == 2 && self.known.is_open() => Some(Box::new(*first)),
            _ => None,
        };
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
