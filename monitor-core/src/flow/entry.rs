//! What is known of the flow in one slot.

use monitor_common::{
    abi::{Direction, Flow, FlowKey, Side, Transport, View},
    account,
};

use super::{
    FlowId,
    devices::Place,
    group::Group,
    naming::Naming,
    owner::Owners,
    rate::Meter,
    reading::Reading,
    record::Unwritten,
    role::Parties,
    state::{Connection, Results, Track},
    table::NONE,
    translation::{Ends, Translated},
};
use crate::label::{ClientRule, Role, Scope, TcpCounter, TcpState};
use crate::payload::Talk;

/// One sighting of a flow: one slot.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: FlowKey,
    /// Which of its directions passes which way: that of the key, unless something else knows better.
    pub(crate) view: View,
    /// Where it is: see [`super::devices::Devices::domain`].
    pub(crate) domain: u64,
    /// Its packets are inside a tunnel.
    pub(crate) inside: bool,
    /// What its 5-tuple is to a translation of addresses on this host.
    pub(crate) translated: Option<Box<Translated>>,
    /// Several sightings of its flow, of which this is the representative.
    pub(crate) group: Option<Box<Group>>,
    /// Index of the attachment that its hooks belong to.
    pub(crate) attachment: u32,
    /// Next sighting of the same 5-tuple: a slot.
    pub(crate) next: u32,
    /// First packet, flow clock.
    pub(crate) first: u64,
    /// Where the current connection began, flow clock.
    pub(crate) begun: u64,
    /// Connections in the slot before the one that its talk is of.
    pub(crate) told: u32,
    /// What was read of the connection before, while samples of it may still come.
    pub(crate) earlier: Option<Box<Self>>,
    /// Last packet, flow clock.
    pub(crate) last: u64,
    /// The last reading.
    pub(crate) reading: Reading,
    /// Another engine read the flow before this one, and told this much of it.
    pub(crate) inherited: Option<Box<Reading>>,
    /// What the packets said of the client, as [`monitor_common::abi::Head::client`].
    pub(crate) seen: (Side, monitor_common::abi::ClientRule),
    pub(crate) parties: Parties,
    /// Whose it is.
    pub(crate) owners: Owners,
    /// What the last reading said of the connection; [`Self::advance`] follows it.
    pub(crate) connection: Connection,
    pub(crate) track: Track,
    /// By side.
    pub(crate) meters: [Meter; 2],
    /// Shortest and longest round trip by side whose data it was, µs; the shortest plus 1, 0: none.
    pub(crate) rtt: [(u32, u32); 2],
    /// What it says, and what is known of it by that and by DNS.
    pub(crate) talk: Talk,
    /// Under which name it counts.
    pub(crate) naming: Naming,
    /// What its records have not told; none unless records are written.
    pub(crate) unwritten: Option<Box<Unwritten>>,
    pub(crate) sighting: Sighting,
    /// What was read of it so far is in the books.
    pub(crate) entered: bool,
    /// Where its life is kept, see [`crate::live::Timelines`].
    pub(crate) timeline: u32,
    /// The server has sent something that an answering server sends.
    pub(crate) answered: bool,
    /// Its connection is an older one that was silent: see [`super::silent`].
    pub(crate) resumed: bool,
}

/// What a slot is among those that see the same flow on different interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It was not yet compared with others.
    New,
    /// Everything but the families of interfaces counts its flow here; what several sightings see of it is put
    /// together in [`Entry::group`].
    Representative,
    /// Another one is the representative.
    Further,
}

impl Default for Entry {
    fn default() -> Self {
        let client = Side::Lower;
        let parties = Parties {
            client,
            rule: ClientRule::First,
            role: Role::Forwarded,
            scope: Scope::Remote,
            within: false,
            inner: None,
        };
        Self {
            key: FlowKey::default(),
            view: FlowKey::default().view(),
            domain: 0,
            inside: false,
            translated: None,
            group: None,
            attachment: 0,
            next: NONE,
            first: 0,
            begun: 0,
            told: 0,
            earlier: None,
            last: 0,
            reading: Reading::default(),
            inherited: None,
            seen: (client, monitor_common::abi::ClientRule::First),
            parties,
            owners: Owners::default(),
            connection: Connection::default(),
            track: Track::default(),
            meters: <[Meter; 2]>::default(),
            rtt: [(0, 0); 2],
            talk: Talk::default(),
            naming: Naming::default(),
            unwritten: None,
            sighting: Sighting::New,
            entered: false,
            timeline: NONE,
            answered: false,
            resumed: false,
        }
    }
}

impl Entry {
    /// What the flow is to this host, from now on.
    pub(crate) fn set_parties(&mut self, parties: Parties) {
        if self.parties != parties {
            self.parties = parties;
            self.owners.review(parties);
        }
    }

    /// Takes what the packets of its slot say of the client. Returns whether that is news: of a connection that
    /// goes on after a silence only a beginning says more than what is known.
    pub(crate) fn hears_of_client(&mut self, seen: (Side, monitor_common::abi::ClientRule)) -> bool {
        if seen == self.seen || self.resumed && seen.1 <= self.seen.1 {
            return false;
        }
        self.seen = seen;
        true
    }

    /// Transport of the flow.
    pub(crate) const fn transport(&self) -> Transport {
        Transport::from_protocol(self.key.protocol)
    }

    /// Whether everything but the families of interfaces counts this sighting of its flow.
    #[inline]
    pub(crate) const fn is_representative(&self) -> bool {
        matches!(self.sighting, Sighting::Representative)
    }

    /// Whether what this connection of the slot says is read here: nothing of an earlier one is awaited, and no
    /// other sighting counts.
    pub(crate) const fn speaks(&self, connection: u32) -> bool {
        self.told == connection && self.earlier.is_none() && !matches!(self.sighting, Sighting::Further)
    }

    /// Where it was seen.
    pub(crate) const fn place(&self) -> Place {
        Place { ifindex: self.key.ifindex, inside: self.inside }
    }

    /// Which way what each side sends passes there.
    pub(crate) fn directions(&self) -> [Direction; 2] {
        [Side::Lower, Side::Upper].map(|side| account::direction(self.view, side))
    }

    /// The 5-tuple of its flow: where that is translated, the one before.
    pub(crate) fn ends(&self) -> Ends {
        self.translated.as_ref().map_or_else(|| Ends::of(&self.key), |translated| translated.original)
    }

    /// Whether its lower side is the upper one of another sighting of the same flow.
    pub(crate) fn is_turned(&self, other: &Self) -> bool {
        let swapped = |entry: &Self| entry.translated.as_ref().is_some_and(|translated| translated.swapped);
        swapped(self) != swapped(other)
    }

    /// What was counted of the flow, wherever it was seen.
    pub(crate) fn whole(&self) -> Reading {
        self.group.as_ref().map_or(self.reading, |group| group.counted())
    }

    /// What tells it, in `slot`, from all others.
    pub(crate) const fn id(&self, slot: u32) -> FlowId {
        FlowId { slot, first: self.first }
    }

    /// TCP: its state.
    pub(crate) fn state(&self) -> Option<TcpState> {
        (self.key.protocol == 6).then(|| self.track.state())
    }

    /// Whether the slot holds another flow than this, or this one's counters went back: it was
    /// emptied and used again.
    pub(crate) fn was_replaced(&self, flow: &Flow, packets: [u64; 2]) -> bool {
        flow.head.key.get() != self.key
            || packets[0] < self.reading.0[0].packets
            || packets[1] < self.reading.0[1].packets
    }

    /// Takes what a slot says.
    pub(crate) fn take(&mut self, flow: &Flow, reading: Reading) {
        self.reading = reading;
        // A program says last when it saw the packet: of a new flow the beginning is known before.
        self.last = flow.hot[0].last.get().max(flow.hot[1].last.get()).max(self.first);
        if self.key.protocol == 6 {
            self.connection = Connection::of(flow, self.parties.client);
            for (rtt, timing) in self.rtt.iter_mut().zip(&flow.timing) {
                *rtt = (timing.rtt_min.get(), timing.rtt_max.get());
            }
        }
        if self.group.is_none() && !(self.resumed && self.answered) {
            self.is_answered(&reading);
        }
    }

    /// Finds out whether the server has answered.
    pub(crate) fn is_answered(&mut self, reading: &Reading) {
        let answer = reading.side(self.parties.client.other());
        self.answered = if self.key.protocol == 6 {
            answer.payload_bytes != 0 || answer.tcp(TcpCounter::SynAck) != 0
        } else {
            answer.packets != 0
        };
    }

    /// Follows the connection to the last reading, which gained `delta`. Returns the attempts that got
    /// a result.
    pub(crate) fn advance(&mut self, delta: &Reading) -> Results {
        self.advance_to(self.connection, delta)
    }

    /// The same for what all sightings said.
    #[inline]
    pub(crate) fn advance_to(&mut self, connection: Connection, delta: &Reading) -> Results {
        if self.key.protocol != 6 {
            return Results::default();
        }
        self.track.update(connection, delta, self.parties.client)
    }
}
