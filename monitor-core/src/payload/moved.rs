//! Connections of QUIC that go on between other addresses: a client that moves to another network, or a translation
//! of addresses that gives it another port (RFC 9000, 9).
//!
//! Nothing behind the handshake can be read but the identifier that stands first, and that is one of those that the
//! handshake showed unless the client moved on purpose. So a flow without handshake is first looked for by its
//! identifiers. Failing that, it goes on where another connection of the same server fell silent as it began: that is
//! likely and not certain, and its name says so by its source.

use std::net::IpAddr;

use monitor_common::abi::{FlowKey, Side};

use super::Talk;
use crate::{
    application::Application,
    lru::Lru,
    names::{self, Known, Name},
    parse::quic::ConnectionId,
    record::{Id, NameSource},
    time::SECOND,
};

/// Most connections that are remembered, and their identifiers.
const CONNECTIONS_MAX: u32 = 4096;
const IDENTIFIERS_MAX: u32 = 2 * CONNECTIONS_MAX;

/// Most connections of a server among which one is looked for that fell silent.
const PEERS_MAX: usize = 16;

/// Shortest identifier that suffices without its server: a server may move, too.
const UNIQUE: usize = 8;

/// What moves is heard on both ways for a while, ns: a new way is tried before the old one is left.
const OVERLAP: u64 = SECOND;

/// Connections that are silent for longer are over, ns: ends agree on less.
const IDLE_MAX: u64 = 180 * SECOND;

/// A connection with a server.
#[derive(Clone, Copy, Debug)]
struct Peer {
    flow: Id,
    slot: u32,
    client: IpAddr,
    /// Its last packet, once its flow is over.
    last: Option<u64>,
}

/// What is remembered of an identifier.
#[derive(Clone, Copy, Debug)]
struct Owner {
    flow: Id,
    server: (IpAddr, u16),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Moves {
    /// What is known of connections, by the flow of their handshake.
    known: Lru<Id, Known>,
    owners: Lru<ConnectionId, Owner>,
    /// Lengths of identifiers in use, as bits.
    lengths: u32,
    servers: Lru<(IpAddr, u16), Vec<Peer>>,
}

/// Address and port of a side.
fn end(key: &FlowKey, side: Side) -> (IpAddr, u16) {
    let (address, port) = key.endpoint(side);
    (address.to_ip(key.version()), port)
}

/// Whether a datagram may be one of a connection that goes on: a short header (RFC 9000, 17.3).
const fn is_short(datagram: &[u8]) -> bool {
    matches!(datagram, [first, _, ..] if *first & 0x80 == 0)
}

impl Moves {
    pub(super) fn new() -> Self {
        Self {
            known: Lru::new(CONNECTIONS_MAX),
            owners: Lru::new(IDENTIFIERS_MAX),
            lengths: 0,
            servers: Lru::new(CONNECTIONS_MAX),
        }
    }

    /// A flow with a handshake shows the identifier that its sender wants to be called by.
    pub(super) fn identifier(&mut self, id: &[u8], flow: Id, key: &FlowKey, client: Side) {
        if let Some(id) = ConnectionId::read(id).filter(|id| !id.as_bytes().is_empty()) {
            self.lengths |= 1 << id.as_bytes().len();
            self.owners.insert(id, Owner { flow, server: end(key, client.other()) });
        }
    }

    /// This is known of a flow with a handshake.
    pub(super) fn learn(&mut self, slot: u32, flow: Id, key: &FlowKey, client: Side, known: &Known) {
        if self.known.get(&flow).is_some_and(|before| before == known) {
            return;
        }
        self.known.insert(flow, known.clone());
        let server = end(key, client.other());
        if self.servers.get(&server).is_none() {
            self.servers.insert(server, Vec::new());
        }
        let Some(peers) = self.servers.get(&server) else { return };
        if peers.iter().all(|peer| peer.flow != flow) {
            if peers.len() == PEERS_MAX {
                peers.remove(0);
            }
            peers.push(Peer { flow, slot, client: end(key, client).0, last: None });
        }
    }

    /// A flow is over; its last packet was at `last`.
    pub(super) fn ended(&mut self, flow: Id, key: &FlowKey, last: u64) {
        if self.known.peek(&flow).is_none() {
            return;
        }
        for side in [Side::Lower, Side::Upper] {
            let peers = self.servers.peek_mut(&end(key, side)).into_iter().flatten();
            peers.filter(|peer| peer.flow == flow).for_each(|peer| peer.last = Some(last));
        }
    }

    /// The connection of another flow that has this identifier.
    pub(super) fn by_identifier(&mut self, id: &[u8], flow: Id, key: &FlowKey) -> Option<&Known> {
        let id = ConnectionId::read(id)?;
        let owner = *self.owners.get(&id)?;
        let there = || [Side::Lower, Side::Upper].iter().any(|side| end(key, *side) == owner.server);
        if owner.flow == flow || id.as_bytes().len() < UNIQUE && !there() {
            return None;
        }
        self.known.get(&owner.flow).map(|known| &*known)
    }

    /// The same for a datagram whose identifier may have any length; and whether it goes to or comes from a server
    /// that speaks QUIC.
    pub(super) fn by_datagram(&mut self, datagram: &[u8], flow: Id, key: &FlowKey) -> (Option<Known>, bool) {
        if !is_short(datagram) {
            return (None, false);
        }
        let lengths = self.lengths;
        for length in (1..=20).rev().filter(|length| lengths & 1 << length != 0) {
            if let Some(id) = datagram.get(1..=length)
                && let Some(known) = self.by_identifier(id, flow, key)
            {
                return (Some(known.clone()), true);
            }
        }
        let server =
            [Side::Lower, Side::Upper].iter().any(|side| self.servers.peek(&end(key, *side)).is_some());
        (None, server)
    }

    /// The connection of a server that fell silent when a flow began at `first`. `last` says when a flow that goes on
    /// had its last packet.
    pub(super) fn by_time(
        &self,
        flow: Id,
        key: &FlowKey,
        first: u64,
        last: impl Fn(u32, Id) -> Option<u64>,
    ) -> Option<Known> {
        let (server, client) = [Side::Lower, Side::Upper]
            .into_iter()
            .find(|side| self.servers.peek(&end(key, *side)).is_some())
            .map(|side| (end(key, side), end(key, side.other()).0))?;
        let silent: Vec<(&Peer, &Known)> = self
            .servers
            .peek(&server)?
            .iter()
            .filter(|peer| peer.flow != flow)
            .filter(|peer| {
                let heard = last(peer.slot, peer.flow).or(peer.last);
                heard.is_some_and(|at| {
                    at <= first.saturating_add(OVERLAP) && at.saturating_add(IDLE_MAX) >= first
                })
            })
            .filter_map(|peer| Some((peer, self.known.peek(&peer.flow)?)))
            .collect();
        // An address that stays says more than one that is new.
        let near = silent.iter().any(|(peer, _)| peer.client == client);
        let mut likely =
            silent.iter().filter(|(peer, _)| !near || peer.client == client).map(|(_, known)| known);
        let one = likely.next()?;
        // Of several names none is likely.
        likely.all(|other| other.name == one.name).then(|| (*one).clone())
    }
}

impl Talk {
    /// It goes on with a connection of which this is known; `likely`: no more than that.
    pub(super) fn goes_on(&mut self, with: Known, likely: bool) {
        if self.known.is_open() {
            self.known.application = with.application.or(Some(Application::Quic));
        }
        if let Some(Name { text, source }) = with.name {
            let source = if likely { NameSource::Migration } else { source };
            names::offer(&mut self.known.name, Name { text, source });
        }
    }
}
