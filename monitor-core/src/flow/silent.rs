//! Connections that ended because nothing was heard of them for long.
//!
//! Nobody told their ends: a connection may be silent for hours, and the table needs its room. One that goes on is
//! no new connection, and who began it, with whom and what it speaks is not said again. So it is remembered, in
//! bounded memory, until its 5-tuple is heard again or others were silent more recently.

use monitor_common::abi::{Address, ClientRule, Flow, FlowKey, Side, bits};

use super::{entry::Entry, owner::Owners, state::Track};
use crate::{lru::Lru, payload::Talk};

/// Most connections that are remembered, and their part of the flow table where that is small.
const MAX: u32 = 32_768;
const PART: u32 = 4;

/// A 5-tuple in one layer 2 network, as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    addresses: [Address; 2],
    ports: [u16; 2],
    protocol: u8,
    ip_version: u8,
    domain: u64,
}

impl Tuple {
    /// That of a key in a network.
    pub(crate) const fn new(key: &FlowKey, domain: u64) -> Self {
        Self {
            addresses: [key.lower, key.upper],
            ports: [key.lower_port, key.upper_port],
            protocol: key.protocol,
            ip_version: key.ip_version,
            domain,
        }
    }
}

/// What is remembered of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Silent {
    begun: u64,
    seen: (Side, ClientRule),
    track: Track,
    talk: Talk,
    owners: Owners,
    answered: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Silents {
    known: Lru<Tuple, Box<Silent>>,
    forgotten: u64,
}

impl Silents {
    /// Remembers none yet, beside a table of this size.
    pub(crate) fn new(max_flows: u32) -> Self {
        Self { known: Lru::new((max_flows / PART).clamp(1, MAX)), forgotten: 0 }
    }

    /// A connection leaves the table without having ended.
    pub(crate) fn keep(&mut self, entry: &Entry) {
        if entry.key.protocol != 6 || !entry.track.connection().may_go_on() {
            return;
        }
        let silent = Box::new(Silent {
            begun: entry.begun,
            seen: entry.seen,
            track: entry.track,
            talk: entry.talk.clone(),
            owners: entry.owners.clone(),
            answered: entry.answered,
        });
        let tuple = Tuple::new(&entry.key, entry.domain);
        let gone = self.known.insert(tuple, silent);
        self.forgotten += u64::from(gone.is_some_and(|(gone, _)| gone != tuple));
    }

    /// The connection that goes on in a slot that was taken for it; `None`: none is known, or it is a new one.
    pub(crate) fn find(&self, tuple: &Tuple, flow: &Flow) -> Option<&Silent> {
        let began = flow.hot.iter().any(|hot| hot.bits.get() & bits::SYN != 0) || flow.head.reused.get() != 0;
        if began { None } else { self.known.peek(tuple).map(|silent| &**silent) }
    }

    /// A flow of this 5-tuple is in the table.
    pub(crate) fn forget(&mut self, entry: &Entry) {
        if entry.key.protocol == 6 && !self.known.is_empty() {
            self.known.remove(&Tuple::new(&entry.key, entry.domain));
        }
    }

    /// How many are remembered, and how many were forgotten because there were more.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        (self.known.len() as u64, self.forgotten)
    }
}

impl Silent {
    /// What it said, and what is known of its client.
    pub(crate) fn said(&self) -> (Talk, (Side, ClientRule)) {
        (self.talk.clone(), self.seen)
    }

    /// An entry whose connection this is.
    pub(crate) fn resume(&self, entry: &mut Entry) {
        entry.begun = self.begun;
        entry.seen = self.seen;
        entry.track = self.track.resumed();
        entry.talk = self.talk.clone();
        entry.owners = self.owners.clone();
        entry.owners.begin_anew();
        entry.answered = self.answered;
        entry.naming.inherit(true);
        entry.resumed = true;
    }
}
