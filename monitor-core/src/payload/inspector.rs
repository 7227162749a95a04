//! Payload of all flows: which protocol each speaks, what its messages say, and which name it gets.
//!
//! One state a flow, made when its first payload comes. A TCP stream is read where it lies; only what
//! comes out of order or does not suffice to go on is held. Bytes that are known to be missing (the other
//! side acknowledged them, or too much waits behind them) are told to the parser as a gap.

mod dns;
mod flow;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use monitor_common::abi::{FlowKey, Side, Transport};

use self::flow::{Detector, Watched};
use crate::parse::{
    dns as messages,
    dns::{DnsError, MatchConfig, QueryTable},
    http::Dialect,
};
use crate::{
    application::Application,
    flow::{record, role},
    label::FindingKind,
    names::{self, CacheConfig, Name, NameCache, PublicNames},
    record::{AnyRecord, Carrier, Identity, NameSource, Text, Time},
};

/// How an [`Inspector`] works and how much it may hold.
#[derive(Clone, Debug)]
pub struct InspectorConfig {
    /// Queries of DNS that wait for their response.
    pub queries: MatchConfig,
    /// Names that DNS gave to addresses.
    pub names: CacheConfig,
    /// Bytes of a direction of a TCP stream that wait behind a hole.
    pub stream: usize,
    /// Bytes that all TCP streams hold together, beyond a fixed size each.
    pub streams: usize,
    /// Public names of encrypted hellos that are known beforehand.
    pub public_names: Vec<String>,
    /// TCP ports on which any method makes a request of HTTP.
    pub like_http: Vec<u16>,
    /// What turns a time of the flow clock into nanoseconds since the Unix epoch.
    pub wall_offset: i64,
}

impl Default for InspectorConfig {
    fn default() -> Self {
        Self {
            queries: MatchConfig::default(),
            names: CacheConfig::default(),
            stream: 64 * 1024,
            streams: 64 << 20,
            public_names: vec![PublicNames::DEFAULT.to_owned()],
            like_http: Vec::new(),
            wall_offset: 0,
        }
    }
}

/// The flow of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its slot; a slot holds another flow only after [`Inspector::close`].
    pub slot: u32,
    /// Its key.
    pub key: &'a FlowKey,
    /// Time of its first packet, flow clock: with the key it tells flows that had the slot one after the other.
    pub first: u64,
    /// Connections before this one in the slot: a 5-tuple may begin anew where it lies.
    pub connection: u32,
    /// Its client, as far as that is known now.
    pub client: Side,
    /// Interface of its records; empty offline.
    pub interface: &'a str,
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
}

/// What matters here of a hello.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    /// What carries it.
    pub carrier: Carrier,
    /// The name in it.
    pub name: Option<&'a [u8]>,
    /// It has the extension of an encrypted one.
    pub encrypted: bool,
}

/// What is known of a flow by its payload and by DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Name of the server.
    pub name: Option<Name>,
    /// What it speaks.
    pub application: Option<Application>,
}

/// What an inspector met, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InspectorTotals {
    /// Messages of DNS, mDNS and LLMNR.
    pub dns_messages: u64,
    /// Messages of these that could not be read to their end, by [`DnsError`].
    pub dns_truncated: u64,
    /// A label began with a reserved byte.
    pub dns_label: u64,
    /// A name was too long.
    pub dns_name_too_long: u64,
    /// A name was made of too many pointers.
    pub dns_pointers: u64,
    /// Responses that nobody asked for, or that answer another question.
    pub dns_unasked: u64,
    /// Queries that got no response.
    pub dns_unanswered: u64,
    /// Requests and responses of HTTP.
    pub http_messages: u64,
    /// Holes in streams that were given up.
    pub gaps: u64,
    /// Bytes that TCP streams hold.
    pub waiting: u64,
    /// Times that a stream gave up what it waited for, because all together held too much.
    pub budget_hits: u64,
    /// Names of addresses that are remembered.
    pub names: u64,
    /// Names that still counted and had to make room.
    pub names_evicted: u64,
}

impl InspectorTotals {
    /// Messages of DNS that could not be read to their end, by why.
    pub const fn dns_failures(&self) -> [(&'static str, u64); 4] {
        [
            ("truncated", self.dns_truncated),
            ("label", self.dns_label),
            ("name_too_long", self.dns_name_too_long),
            ("pointers", self.dns_pointers),
        ]
    }
}

/// Reads the payload of all flows.
#[derive(Debug)]
pub struct Inspector {
    config: InspectorConfig,
    /// By slot.
    flows: Vec<Option<Box<Watched>>>,
    common: Common,
}

/// What flows share.
#[derive(Debug)]
struct Common {
    queries: QueryTable,
    names: NameCache,
    public: PublicNames,
    totals: InspectorTotals,
    wall_offset: i64,
    /// Bytes that streams hold, and may hold.
    waiting: usize,
    waiting_max: usize,
}

/// A sender's payload in its flow, for those who write records of it.
#[derive(Clone, Copy)]
struct At<'a> {
    subject: &'a Subject<'a>,
    sender: Side,
    time: u64,
    wall_offset: i64,
}

impl At<'_> {
    fn ip(&self, side: Side) -> IpAddr {
        role::ip(self.subject.key, side)
    }

    fn port(&self, side: Side) -> u16 {
        self.subject.key.endpoint(side).1
    }

    fn identity(&self) -> Identity {
        record::identity(self.subject.key, self.subject.client, self.subject.interface)
    }

    fn wall(&self) -> Time {
        Time::from_clock(self.time, self.wall_offset)
    }
}

impl Inspector {
    /// An inspector that knows nothing yet.
    pub fn new(config: InspectorConfig) -> Self {
        let common = Common {
            queries: QueryTable::new(config.queries),
            names: NameCache::new(config.names),
            public: PublicNames::new(config.public_names.iter().map(String::as_str)),
            totals: InspectorTotals::default(),
            wall_offset: config.wall_offset,
            waiting: 0,
            waiting_max: config.streams,
        };
        Self { config, flows: Vec::new(), common }
    }

    /// Takes a packet's payload, which may be empty. Records of messages that are complete with it are
    /// appended to `out`. Returns whether more of the flow is wanted; what comes of one that is not is ignored.
    pub fn packet(&mut self, subject: &Subject<'_>, payload: &Payload<'_>, out: &mut Vec<AnyRecord>) -> bool {
        let transport = Transport::from_protocol(subject.key.protocol);
        if !matches!(transport, Transport::Tcp | Transport::Udp) {
            return false;
        }
        let slot = subject.slot as usize;
        if slot >= self.flows.len() {
            self.flows.resize_with(slot + 1, || None);
        }
        let Some(place) = self.flows.get_mut(slot) else { return false };
        let flow = place.get_or_insert_with(|| {
            let (one, other) = (subject.key.lower_port, subject.key.upper_port);
            let dialect = if [one, other].iter().any(|port| self.config.like_http.contains(port)) {
                Dialect::Any
            } else {
                Dialect::Known
            };
            let mut flow = Watched::new(self.config.stream, dialect, messages::kind(one, other));
            // The name that the client got before it spoke, not one that it gets while the flow goes on.
            let client = role::ip(subject.key, subject.client);
            let server = role::ip(subject.key, subject.client.other());
            let known = self.common.names.lookup(client, server, payload.time);
            flow.findings.name = known.and_then(|name| Name::new(name.as_str(), NameSource::Dns));
            Box::new(flow)
        });
        if matches!(flow.detector, Detector::Foreign) {
            return false;
        }
        let at =
            At { subject, sender: payload.sender, time: payload.time, wall_offset: self.common.wall_offset };
        match payload.tcp {
            Some(tcp) => {
                flow.segment(&mut self.common, &at, payload, tcp, out);
                flow.weigh(&mut self.common, &at, out);
            }
            None => flow.datagram(&mut self.common, &at, payload.bytes, out),
        }
        !matches!(flow.detector, Detector::Foreign)
    }

    /// Takes note of a hello that the flow in a slot began with: what it begins, the name in it and whether
    /// that is QUIC's, and whether it has the extension of an encrypted one. The flow must have been seen.
    pub fn hello(&mut self, slot: u32, application: Application, hello: &Hello<'_>) {
        let Some(flow) = self.flows.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        // The first bytes of a hello may have shown that it is one before it was whole.
        if matches!(
            flow.findings.application,
            None | Some(Application::Tls | Application::Dtls | Application::Quic)
        ) {
            flow.findings.application = Some(application);
        }
        let Some(name) = hello.name else { return };
        let source = if hello.carrier == Carrier::Quic { NameSource::Quic } else { NameSource::Sni };
        let name = Text::escaped(name);
        let hidden = hello.encrypted && self.common.public.contains(&name);
        if let Some(name) = Name::new(&name, if hidden { NameSource::Ech } else { source }) {
            names::offer(&mut flow.findings.name, name);
        }
    }

    /// Whether a kind of finding is new for the flow in a slot; from now on it is not.
    pub fn is_new(&mut self, slot: u32, kind: FindingKind) -> bool {
        let flow = self.flows.get_mut(slot as usize).and_then(Option::as_mut);
        flow.is_none_or(|flow| flow.told.is_new(kind))
    }

    /// Takes note of the first name in the certificate of the flow in a slot. One for many names says
    /// only the domain that they have in common.
    pub fn certificate(&mut self, slot: u32, name: &[u8]) {
        let Some(flow) = self.flows.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let name = Text::escaped(name.strip_prefix(b"*.").unwrap_or(name));
        if let Some(name) = Name::new(&name, NameSource::Certificate) {
            names::offer(&mut flow.findings.name, name);
        }
    }

    /// Whether messages may still come in the flow in a slot.
    pub fn wants(&self, slot: u32) -> bool {
        let flow = self.flows.get(slot as usize).and_then(Option::as_ref);
        flow.is_some_and(|flow| !matches!(flow.detector, Detector::Foreign))
    }

    /// Other public names and ports, for what comes from now on; bounds stay.
    pub fn reconfigure(&mut self, config: &InspectorConfig) {
        self.config.like_http.clone_from(&config.like_http);
        self.common.public.configure(config.public_names.iter().map(String::as_str));
    }

    /// What turns a time of the flow clock into nanoseconds since the Unix epoch, from now on.
    pub const fn set_wall_offset(&mut self, wall_offset: i64) {
        self.common.wall_offset = wall_offset;
    }

    /// What is known of the flow in a slot now.
    pub fn findings(&self, slot: u32) -> Option<&Findings> {
        self.flows.get(slot as usize)?.as_ref().map(|flow| &flow.findings)
    }

    /// The name that DNS gave a flow's client for its server, as of its first packet. A flow with payload has
    /// it from the beginning.
    pub fn name_before(&self, key: &FlowKey, client: Side, first: u64) -> Option<Name> {
        let (client, server) = (role::ip(key, client), role::ip(key, client.other()));
        let known = self.common.names.known_at(client, server, first);
        known.and_then(|name| Name::new(name.as_str(), NameSource::Dns))
    }

    /// Forgets the flow in a slot, after reading what still waited behind holes.
    pub fn close(&mut self, subject: &Subject<'_>, time: u64, out: &mut Vec<AnyRecord>) -> Findings {
        let Some(mut flow) = self.flows.get_mut(subject.slot as usize).and_then(Option::take) else {
            return Findings::default();
        };
        for sender in [subject.client, subject.client.other()] {
            let at = At { subject, sender, time, wall_offset: self.common.wall_offset };
            while flow.skip_hole(&mut self.common, &at, out) {}
        }
        self.common.waiting -= flow.held;
        flow.findings
    }

    /// Takes queries that waited too long for unanswered.
    pub fn expire(&mut self, now: u64) {
        self.common.queries.expire(now);
    }

    /// What was met so far.
    pub fn totals(&self) -> InspectorTotals {
        InspectorTotals {
            dns_unanswered: self.common.queries.unanswered(),
            waiting: self.common.waiting as u64,
            names: self.common.names.len() as u64,
            names_evicted: self.common.names.evicted(),
            ..self.common.totals
        }
    }
}

impl Common {
    fn count(&mut self, error: DnsError) {
        let totals = &mut self.totals;
        *match error {
            DnsError::Truncated => &mut totals.dns_truncated,
            DnsError::Label(_) => &mut totals.dns_label,
            DnsError::NameTooLong => &mut totals.dns_name_too_long,
            DnsError::Pointers => &mut totals.dns_pointers,
        } += 1;
    }
}

/// Gives a flow the name of its Host field.
fn offer_host(findings: &mut Findings, host: Option<&Text>) {
    if let Some(name) = host.and_then(|host| Name::new(host.as_str(), NameSource::Http)) {
        names::offer(&mut findings.name, name);
    }
}
