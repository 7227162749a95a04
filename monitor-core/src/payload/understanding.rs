//! Payload of all flows in, records and names out: the same for samples of a live host and for captures.

use monitor_common::abi::{FlowKey, Side, Transport};

use super::{
    Dpi, DpiConfig, DpiCounters, Event, What,
    flow::{PROBES_MAX, begins},
    inspector::{Findings, Hello, Inspector, InspectorConfig, InspectorTotals, Payload, Subject},
};
use crate::{
    application::Application,
    finding,
    flow::record,
    names::Name,
    protocol::ProtocolTotals,
    record::{AnyRecord, Carrier, Text, Time},
};

/// How an [`Understanding`] works and how much it may hold.
#[derive(Clone, Debug, Default)]
pub struct UnderstandingConfig {
    /// Hellos.
    pub hellos: DpiConfig,
    /// Messages.
    pub messages: InspectorConfig,
}

/// What understands payload.
#[derive(Debug)]
pub struct Understanding {
    hellos: Dpi,
    messages: Inspector,
    events: Vec<Event>,
    /// By slot.
    flows: Vec<Option<Known>>,
    wall_offset: i64,
    protocols: ProtocolTotals,
}

/// Whose payload a slot's is.
#[derive(Clone, Debug)]
struct Known {
    key: FlowKey,
    first: u64,
    connection: u32,
    client: Side,
    interface: Text,
    /// Sides of which no hello is expected any more, as bits.
    enough: u8,
    /// A datagram began something.
    speaks: bool,
    /// No messages are expected any more.
    foreign: bool,
    /// Datagrams of each side that began nothing.
    probes: [u16; 2],
}

impl Known {
    /// Looks at a datagram of a flow that says nothing yet. Returns whether another one of its side is to be
    /// looked at; `None`: this one begins something.
    #[inline]
    fn probe(&mut self, payload: &Payload<'_>) -> Option<bool> {
        let side = payload.sender.index();
        if self.enough & 1 << side != 0 {
            return Some(false);
        }
        if begins(payload.bytes) {
            self.speaks = true;
            return None;
        }
        let probes = self.probes.get_mut(side)?;
        *probes += 1;
        let more = *probes < PROBES_MAX;
        self.enough |= u8::from(!more) << side;
        Some(more)
    }

    fn subject(&self, slot: u32) -> Subject<'_> {
        Subject {
            slot,
            key: &self.key,
            first: self.first,
            connection: self.connection,
            client: self.client,
            interface: self.interface.as_str(),
        }
    }
}

impl Understanding {
    /// One that has seen nothing.
    pub fn new(config: UnderstandingConfig) -> Self {
        Self {
            hellos: Dpi::new(config.hellos),
            wall_offset: config.messages.wall_offset,
            messages: Inspector::new(config.messages),
            events: Vec::new(),
            flows: Vec::new(),
            protocols: ProtocolTotals::default(),
        }
    }

    /// Other names and ports, for what comes from now on; bounds stay.
    pub fn reconfigure(&mut self, config: &UnderstandingConfig) {
        self.messages.reconfigure(&config.messages);
    }

    /// What turns a time of the flow clock into nanoseconds since the Unix epoch, from now on.
    pub const fn set_wall_offset(&mut self, wall_offset: i64) {
        self.wall_offset = wall_offset;
        self.messages.set_wall_offset(wall_offset);
    }

    /// Passes over a datagram in which there is nothing, of a flow in which there was nothing so far: most of
    /// those that are looked at. Returns whether more of its direction is wanted; `None`: it is to be read.
    #[inline]
    pub fn pass(&mut self, slot: u32, key: &FlowKey, first: u64, payload: &Payload<'_>) -> Option<bool> {
        let known = self.flows.get_mut(slot as usize)?.as_mut()?;
        let silent = known.foreign && !known.speaks && payload.tcp.is_none();
        if !silent || known.first != first || known.key != *key {
            return None;
        }
        if payload.length == 0 {
            return Some(known.enough & 1 << payload.sender.index() == 0);
        }
        known.probe(payload)
    }

    /// Takes a packet's payload, which may be empty. Records of what is complete with it are appended to
    /// `out`. Returns whether more of its direction is wanted.
    ///
    /// A slot that is known under another key, beginning or connection holds a new flow: the old one ends
    /// here.
    pub fn payload(
        &mut self,
        subject: &Subject<'_>,
        payload: &Payload<'_>,
        out: &mut Vec<AnyRecord>,
    ) -> bool {
        let transport = Transport::from_protocol(subject.key.protocol);
        if !matches!(transport, Transport::Tcp | Transport::Udp) {
            return false;
        }
        let slot = subject.slot;
        if !self.knows(slot, (subject.key, subject.first, subject.connection)) {
            self.begin(subject, payload.time, out);
        }
        self.messages.packet(subject, payload, out);
        self.hello(subject, payload, transport);
        if !self.events.is_empty() {
            self.tell(out);
        }
        let Some(known) = self.flows.get_mut(slot as usize).and_then(Option::as_mut) else { return false };
        known.foreign = !self.messages.wants(slot);
        known.enough & 1 << payload.sender.index() == 0 || !known.foreign
    }

    fn begin(&mut self, subject: &Subject<'_>, time: u64, out: &mut Vec<AnyRecord>) {
        self.close(subject.slot, time, out);
        let slot = subject.slot as usize;
        if slot >= self.flows.len() {
            self.flows.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.flows.get_mut(slot) {
            *place = Some(Known {
                key: *subject.key,
                first: subject.first,
                connection: subject.connection,
                client: subject.client,
                interface: Text::from(subject.interface),
                enough: 0,
                speaks: false,
                foreign: false,
                probes: [0; 2],
            });
        }
    }

    /// Whether the flow in a slot is this one.
    fn knows(&self, slot: u32, (key, first, connection): (&FlowKey, u64, u32)) -> bool {
        let known = self.flows.get(slot as usize).and_then(Option::as_ref);
        known.is_some_and(|known| known.first == first && known.connection == connection && known.key == *key)
    }

    /// Looks for hellos.
    fn hello(&mut self, subject: &Subject<'_>, payload: &Payload<'_>, transport: Transport) {
        let Some(known) = self.flows.get_mut(subject.slot as usize).and_then(Option::as_mut) else { return };
        known.client = subject.client;
        let (seq, syn) = payload.tcp.map_or((0, false), |tcp| (tcp.seq, tcp.syn));
        let bit = 1 << payload.sender.index();
        if (payload.length == 0 && !syn) || known.enough & bit != 0 {
            return;
        }
        if transport == Transport::Udp && !known.speaks && known.probe(payload).is_some() {
            return;
        }
        let payload = super::Payload {
            flow: u64::from(subject.slot),
            from: payload.sender,
            transport,
            seq,
            syn,
            bytes: payload.bytes,
            time: payload.time,
        };
        if !self.hellos.payload(&payload, &mut self.events) {
            known.enough |= bit;
        }
    }

    /// Makes records of what payload said.
    fn tell(&mut self, out: &mut Vec<AnyRecord>) {
        for event in self.events.drain(..) {
            let slot = event.flow as u32;
            let Some(known) = self.flows.get(slot as usize).and_then(Option::as_ref) else { continue };
            match event.what {
                What::Tls(handshake) => {
                    let identity = record::identity(&known.key, known.client, known.interface.as_str());
                    if let Some(certificate) = &handshake.answer.certificate
                        && let Some(name) = certificate.names.first()
                    {
                        self.messages.certificate(slot, name);
                    }
                    let time = Time::from_clock(handshake.time, self.wall_offset);
                    for found in finding::tls(&handshake, time) {
                        if self.messages.is_new(slot, found.kind) {
                            let record = found.into_record(time, identity.clone());
                            out.push(AnyRecord::Finding(Box::new(record)));
                        }
                    }
                    out.push(AnyRecord::Tls(Box::new(handshake.record(identity, self.wall_offset))));
                }
                What::Hello(hello) => {
                    let (_, port) = known.key.endpoint(known.client.other());
                    let of = Hello {
                        carrier: hello.carrier,
                        name: hello.server_name.as_deref(),
                        encrypted: hello.ech,
                    };
                    let name = of.name.unwrap_or_default();
                    let application = Application::of_hello(hello.carrier, name, &hello.alpn, port);
                    self.messages.hello(slot, application, &of);
                }
                What::GoogleName { name, version } => {
                    self.protocols.google_quic(version);
                    let of = Hello { carrier: Carrier::Quic, name: Some(&name), encrypted: false };
                    self.messages.hello(slot, Application::Quic, &of);
                }
                What::Failure(failure) => self.protocols.fail(failure),
            }
        }
    }

    /// What is known by now of the flow in a slot, if it is this one: its key, first packet's time, and the
    /// connections before it in the slot.
    pub fn findings(&self, slot: u32, flow: (&FlowKey, u64, u32)) -> Option<&Findings> {
        if self.knows(slot, flow) { self.messages.findings(slot) } else { None }
    }

    /// The name that DNS gave a flow which says nothing, as of its first packet.
    pub fn name_before(&self, key: &FlowKey, client: Side, first: u64) -> Option<Name> {
        self.messages.name_before(key, client, first)
    }

    /// Forgets the flow in a slot, after reading what still waited.
    pub fn close(&mut self, slot: u32, time: u64, out: &mut Vec<AnyRecord>) -> Findings {
        if self.flows.get(slot as usize).is_none_or(Option::is_none) {
            return Findings::default();
        }
        self.hellos.close(u64::from(slot), &mut self.events);
        self.tell(out);
        let Some(known) = self.flows.get_mut(slot as usize).and_then(Option::take) else {
            return Findings::default();
        };
        self.messages.close(&known.subject(slot), time, out)
    }

    /// Gives up waiting for answers that have not come in the time allowed.
    pub fn expire(&mut self, now: u64, out: &mut Vec<AnyRecord>) {
        self.hellos.expire(now, &mut self.events);
        self.tell(out);
        self.messages.expire(now);
    }

    /// Gives up waiting for responses of DNS alone: of a capture, time is no reason to forget a hello.
    pub(crate) fn expire_queries(&mut self, now: u64) {
        self.messages.expire(now);
    }

    /// Counts a record that it gave.
    pub(crate) fn count(&mut self, record: &AnyRecord) {
        self.protocols.observe(record);
    }

    /// What protocols did, by the records that were given.
    pub const fn protocols(&self) -> &ProtocolTotals {
        &self.protocols
    }

    /// What was done and is held to read hellos.
    pub fn hellos(&self) -> DpiCounters {
        self.hellos.counters()
    }

    /// What was met in messages.
    pub fn messages(&self) -> InspectorTotals {
        self.messages.totals()
    }
}
