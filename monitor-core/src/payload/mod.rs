//! What flows say: which protocol each speaks, what its messages say, and which name it gets.
//!
//! Each flow has a [`Talk`], which its owner keeps: the entry of the flow live, [`Talks`] for captures. As long
//! as there is something to read it holds a conversation: a reassembler a direction, and the one protocol of
//! the list in `protocol` that reads them. Parsers are [`parse`](crate::parse)'s. What talks have in common is
//! [`Payloads`]: one budget of bytes, one order in which conversations are given up, the tables of names and
//! queries, and what was met.

mod context;
mod conversation;
mod dns;
mod hello;
mod http;
mod moved;
mod order;
mod protocol;
mod talk;
#[cfg(test)]
mod tests;
mod totals;
mod urgent;

use std::sync::Arc;

use monitor_common::abi::{FlowKey, Side, Transport};

pub use order::Place;
pub use talk::{Talk, Talks};
pub use totals::PayloadTotals;

use self::{
    context::{Context, Shared},
    conversation::Conversation,
    moved::Moves,
    order::Order,
    protocol::{Begins, Opening},
};
use crate::{
    application::Application,
    names::{CacheConfig, Name, NameCache, PublicNames},
    parse::{
        dns::{MatchConfig, QueryTable},
        http::Dialect,
    },
    protocol::ProtocolTotals,
    record::{AnyRecord, Id, NameSource, Owned},
};

/// Most datagrams of a direction in which the beginning of a protocol is looked for.
const PROBES_MAX: u8 = 64;

/// Datagrams of a flow that are looked at for its application, and on unknown ports for DNS.
const DATAGRAMS: u8 = 8;

/// How payload is read and how much may be held of it.
#[derive(Clone, Debug)]
pub struct PayloadConfig {
    /// Conversations that are held at once.
    pub max_flows: u32,
    /// Bytes that all of them hold, beyond a fixed size each.
    pub max_bytes: usize,
    /// Bytes of a direction of a TCP stream that wait to be read.
    pub stream: usize,
    /// How long a hello waits for its answer after the flow's last payload, nanoseconds.
    pub linger: u64,
    /// Queries of DNS that wait for their response.
    pub queries: MatchConfig,
    /// Names that DNS gave to addresses.
    pub names: CacheConfig,
    /// Public names of encrypted hellos that are known beforehand.
    pub public_names: Vec<String>,
    /// TCP ports on which any method makes a request of HTTP.
    pub like_http: Vec<u16>,
}

impl Default for PayloadConfig {
    fn default() -> Self {
        Self {
            max_flows: 1 << 16,
            max_bytes: 64 << 20,
            stream: 64 * 1024,
            linger: 10_000_000_000,
            queries: MatchConfig::default(),
            names: CacheConfig::default(),
            public_names: vec![PublicNames::DEFAULT.to_owned()],
            like_http: Vec::new(),
        }
    }
}

/// The flow of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its slot.
    pub slot: u32,
    /// Its key.
    pub key: &'a FlowKey,
    /// Its client, as far as that is known now.
    pub client: Side,
    /// Interface of its records; empty offline.
    pub interface: &'a str,
    /// Whose it is, as its records say; `None` offline.
    pub owned: Option<&'a Arc<Owned>>,
}

/// A payload.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Flow clock.
    pub time: u64,
    /// Who sent it.
    pub sender: Side,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub length: u32,
    /// What its TCP header says.
    pub tcp: Option<TcpHeader>,
}

/// What reading a stream needs of a TCP header.
#[derive(Clone, Copy, Debug)]
pub struct TcpHeader {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number, if it is one and known.
    pub ack: Option<u32>,
    /// It has the SYN flag.
    pub syn: bool,
    /// Its urgent pointer; 0: none.
    pub urgent: u16,
}

/// Reads the payload of all flows.
#[derive(Debug)]
pub struct Payloads {
    config: PayloadConfig,
    order: Order,
    shared: Shared,
}

impl Payloads {
    /// One that has read nothing yet.
    pub fn new(config: PayloadConfig, wall_offset: i64) -> Self {
        let shared = Shared {
            queries: QueryTable::new(config.queries),
            names: NameCache::new(config.names),
            public: PublicNames::new(config.public_names.iter().map(String::as_str)),
            connections: hello::Connections::new(),
            moves: Moves::new(),
            totals: PayloadTotals::default(),
            protocols: ProtocolTotals::default(),
            wall_offset,
        };
        Self { config, order: Order::new(), shared }
    }

    /// Other names and ports, for what comes from now on; bounds stay.
    pub fn reconfigure(&mut self, config: &PayloadConfig) {
        self.config.like_http.clone_from(&config.like_http);
        self.shared.public.configure(config.public_names.iter().map(String::as_str));
    }

    /// What turns a time of the flow clock into nanoseconds since the Unix epoch, from now on.
    pub const fn set_wall_offset(&mut self, wall_offset: i64) {
        self.shared.wall_offset = wall_offset;
    }

    /// Takes a packet's payload, which may be empty. Records of what is complete with it are appended to
    /// `out`. Returns whether more of its direction is wanted; what comes of one that is not is ignored.
    ///
    /// After it, [`Self::surplus`] may name conversations that are to end.
    #[inline]
    pub fn read(
        &mut self,
        flow: &Subject<'_>,
        payload: &Payload<'_>,
        talk: &mut Talk,
        out: &mut Vec<AnyRecord>,
    ) -> bool {
        if talk.is_enough(payload.sender) {
            return false;
        }
        if !talk.heard {
            talk.heard = true;
            if talk.known.name.is_none() {
                talk.known.name = self.name(flow, payload.time);
            }
        }
        match payload.tcp {
            Some(tcp) => self.segment(flow, payload, tcp, talk, out),
            None => self.datagram(flow, payload, talk, out),
        }
        !talk.is_enough(payload.sender)
    }

    /// The name that the client got before it spoke, not one that it gets while the flow goes on.
    fn name(&mut self, flow: &Subject<'_>, time: u64) -> Option<Name> {
        let ip = |side| flow.key.endpoint(side).0.to_ip(flow.key.version());
        let known = self.shared.names.lookup(ip(flow.client), ip(flow.client.other()), time);
        known.and_then(|name| Name::new(name.as_str(), NameSource::Dns))
    }

    fn segment(
        &mut self,
        flow: &Subject<'_>,
        payload: &Payload<'_>,
        tcp: TcpHeader,
        talk: &mut Talk,
        out: &mut Vec<AnyRecord>,
    ) {
        let mut conversation = match talk.conversation.take() {
            Some(conversation) => conversation,
            // Without payload there is nothing to hold.
            None if payload.bytes.is_empty() => {
                let begin = tcp.seq.wrapping_add(u32::from(tcp.syn));
                if tcp.syn || payload.length != 0 {
                    talk.starts[payload.sender.index()] = tcp.syn.then_some(begin);
                }
                self.shared.totals.gaps += u64::from(payload.length != 0);
                return;
            }
            None => {
                let ports = [flow.key.lower_port, flow.key.upper_port];
                let any = ports.iter().any(|port| self.config.like_http.contains(port));
                let dialect = if any { Dialect::Any } else { Dialect::Known };
                let starts = std::mem::take(&mut talk.starts);
                self.open(
                    flow.slot,
                    payload.time,
                    Conversation::new(flow, dialect, self.config.stream, starts),
                )
            }
        };
        conversation.segment(&mut self.context(flow, payload, talk, out), payload, tcp);
        self.go_on(conversation, payload.time, talk, out);
    }

    fn datagram(
        &mut self,
        flow: &Subject<'_>,
        payload: &Payload<'_>,
        talk: &mut Talk,
        out: &mut Vec<AnyRecord>,
    ) {
        if payload.bytes.is_empty() {
            return;
        }
        let mut conversation = if let Some(conversation) = talk.conversation.take() {
            conversation
        } else {
            let early = talk.datagrams < DATAGRAMS
                && (talk.known.is_open() || talk.known.application == Some(Application::Dns));
            let ports = [payload.sender, payload.sender.other()].map(|side| flow.key.endpoint(side).1);
            let opening = Opening {
                transport: Transport::Udp,
                bytes: payload.bytes,
                sender: payload.sender,
                ports: ports.into(),
                first: early,
                dialect: Dialect::Known,
            };
            match protocol::begin(&opening) {
                Begins::Yes(protocol) => self.open(flow.slot, payload.time, Conversation::of(protocol, flow)),
                Begins::Message(kind) => {
                    return dns::message(&mut self.context(flow, payload, talk, out), kind, payload.bytes);
                }
                Begins::No | Begins::Unclear => {
                    talk.pass(payload.sender);
                    if early && talk.known.is_open() {
                        talk.recognise(payload, opening.ports);
                    }
                    if early && talk.known.is_open() {
                        let moves = &mut self.shared.moves;
                        match moves.by_datagram(payload.bytes, talk.id, flow.key) {
                            (Some(known), _) => talk.goes_on(known, false),
                            (None, stray) => talk.stray |= stray,
                        }
                    }
                    return;
                }
            }
        };
        conversation.datagram(&mut self.context(flow, payload, talk, out), payload.bytes);
        self.go_on(conversation, payload.time, talk, out);
    }

    fn context<'a>(
        &'a mut self,
        flow: &Subject<'a>,
        payload: &Payload<'_>,
        talk: &'a mut Talk,
        out: &'a mut Vec<AnyRecord>,
    ) -> Context<'a> {
        let Talk { id, known, told, .. } = talk;
        let (sender, time) = (payload.sender, payload.time);
        Context { flow: *flow, id: *id, sender, time, shared: &mut self.shared, known, told, out }
    }

    fn open(&mut self, slot: u32, time: u64, mut conversation: Conversation) -> Box<Conversation> {
        conversation.place = self.order.add(slot, time);
        Box::new(conversation)
    }

    /// Weighs a conversation that was heard and gives it back, unless it is over.
    fn go_on(
        &mut self,
        mut conversation: Box<Conversation>,
        time: u64,
        talk: &mut Talk,
        out: &mut Vec<AnyRecord>,
    ) {
        talk.enough |= conversation.done;
        let (held, waiting) = conversation.held;
        conversation.held = conversation.memory();
        let totals = &mut self.shared.totals;
        totals.bytes = totals.bytes - held as u64 + conversation.held.0 as u64;
        totals.waiting = totals.waiting - waiting as u64 + conversation.held.1 as u64;
        let over = conversation.is_over();
        if !over {
            self.order.touch(conversation.place, time, conversation.waits());
        }
        talk.conversation = Some(conversation);
        if over {
            self.close(talk, time, out);
        }
    }

    /// A flow is over, or its conversation is given up: reads what still waited behind holes, and tells what
    /// was not finished.
    pub fn close(&mut self, talk: &mut Talk, time: u64, out: &mut Vec<AnyRecord>) {
        let Some(mut conversation) = talk.conversation.take() else { return };
        self.forget(&conversation);
        let (key, interface, client) =
            (conversation.key, conversation.interface.clone(), conversation.client);
        let flow = Subject { slot: 0, key: &key, client, interface: interface.as_str(), owned: None };
        let Talk { id, known, told, .. } = talk;
        let shared = &mut self.shared;
        conversation.close(&mut Context { flow, id: *id, sender: client, time, shared, known, told, out });
    }

    /// A conversation that is to be [given up](Self::evict), because there are too many or all of them hold too
    /// much: the one that was not heard for longest.
    #[inline]
    pub fn surplus(&self) -> Option<Place> {
        let over = self.order.len() > self.config.max_flows as usize
            || self.shared.totals.bytes > self.config.max_bytes as u64;
        if over { self.order.oldest() } else { None }
    }

    /// Gives up the conversation of a talk to make room. It goes on anew with what comes next.
    pub fn evict(&mut self, talk: &mut Talk, time: u64, out: &mut Vec<AnyRecord>) {
        let totals = &mut self.shared.totals;
        if self.order.len() > self.config.max_flows as usize {
            totals.evicted_flows += 1;
        } else {
            totals.evicted_bytes += 1;
            let waited = talk.conversation.as_ref().is_some_and(|conversation| conversation.held.1 != 0);
            totals.budget_hits += u64::from(waited);
        }
        self.close(talk, time, out);
    }

    /// The next conversation that is to be [closed](Self::close), because an answer has not come in the time
    /// allowed.
    pub fn silent(&mut self, now: u64) -> Option<Place> {
        self.order.silent(now.saturating_sub(self.config.linger))
    }

    /// Nobody has the conversation of a place.
    pub(crate) fn abandon(&mut self, place: Place) {
        self.order.remove(place.at);
    }

    /// A flow goes on under another entry, in another slot: its talk goes with it, and `from` keeps a copy.
    pub(crate) fn hand_over(&mut self, from: &mut Talk, to: &mut Talk, slot: u32) {
        let copy = from.clone();
        let mut gone = std::mem::replace(to, std::mem::replace(from, copy));
        if let Some(conversation) = &to.conversation {
            self.order.relocate(conversation.place, slot);
        }
        if let Some(conversation) = gone.conversation.take() {
            self.forget(&conversation);
        }
    }

    fn forget(&mut self, conversation: &Conversation) {
        let (held, waiting) = conversation.held;
        self.shared.totals.bytes -= held as u64;
        self.shared.totals.waiting -= waiting as u64;
        self.order.remove(conversation.place);
    }

    /// A flow of QUIC without a handshake, that began at `first`: perhaps it goes on with a connection that fell silent
    /// then. `last` says when the flow of a number in a slot had its last packet.
    pub(crate) fn find_moved(
        &self,
        key: &FlowKey,
        talk: &mut Talk,
        first: u64,
        last: impl Fn(u32, Id) -> Option<u64>,
    ) {
        if std::mem::take(&mut talk.stray)
            && talk.known.is_open()
            && let Some(known) = self.shared.moves.by_time(talk.id, key, first, last)
        {
            talk.goes_on(known, true);
        }
    }

    /// A flow is over, whose last packet was at `last`.
    pub(crate) fn ended(&mut self, talk: &Talk, key: &FlowKey, last: u64) {
        if key.protocol == 17 && talk.known.application.is_some() {
            self.shared.moves.ended(talk.id, key, last);
        }
    }

    /// Takes queries that waited too long for unanswered.
    pub fn expire_queries(&mut self, now: u64) {
        self.shared.queries.expire(now);
    }

    /// The name that DNS gave a flow's client for its server, as of its first packet. A flow with payload has
    /// it from the beginning.
    pub fn name_before(&self, key: &FlowKey, client: Side, first: u64) -> Option<Name> {
        let ip = |side| key.endpoint(side).0.to_ip(key.version());
        let known = self.shared.names.known_at(ip(client), ip(client.other()), first);
        known.and_then(|name| Name::new(name.as_str(), NameSource::Dns))
    }

    /// Counts a record that it gave.
    pub(crate) fn count(&mut self, record: &AnyRecord) {
        self.shared.protocols.observe(record);
    }

    /// What protocols did, by the records that were given.
    pub const fn protocols(&self) -> &ProtocolTotals {
        &self.shared.protocols
    }

    /// What was met and is held.
    pub fn totals(&self) -> PayloadTotals {
        PayloadTotals {
            flows: self.order.len() as u64,
            dns_unanswered: self.shared.queries.unanswered(),
            names: self.shared.names.len() as u64,
            names_evicted: self.shared.names.evicted(),
            ..self.shared.totals
        }
    }
}
