//! What is held of one flow.

use monitor_common::abi::{Side, Transport};

use super::{At, Common, Findings, Payload, TcpHeader, dns, offer_host};
use crate::{
    application::{self, Application},
    finding::{Finding, Told, Watch},
    label::FindingKind,
    parse::{
        dns::{Message, Stream},
        http::{self, Begin, Connection, Dialect, Tunnel},
        http2::{Beginning, Step},
    },
    reassembly::Assembler,
    record::{AnyRecord, DnsKind, Text},
};

/// Datagrams of a flow that are looked at for its application.
const DATAGRAMS: u8 = 4;

/// Bytes that may wait for more when they are too few to tell what they begin.
const UNCLEAR_MAX: usize = 64;

/// A flow's state.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) detector: Detector,
    pub(super) findings: Findings,
    dialect: Dialect,
    streams: [Assembler; 2],
    datagrams: u8,
    /// Looks for credentials where nothing else reads the stream.
    watch: Watch,
    pub(super) told: Told,
    /// Bytes that it held when it was weighed last.
    pub(super) held: usize,
}

/// Who reads a flow.
#[derive(Debug)]
pub(super) enum Detector {
    /// It is not known yet: each segment is looked at for the beginning of something.
    Undecided,
    /// Messages of DNS, by port; of TCP the streams they stand in.
    Dns(DnsKind, Box<[Stream; 2]>),
    /// HTTP/1.x.
    Http(Box<Connection>),
    /// HTTP/2 up to its first request.
    Http2(Beginning),
    /// Nothing more is to be read here.
    Foreign,
}

impl Watched {
    pub(super) fn new(limit: usize, dialect: Dialect, dns: Option<DnsKind>) -> Self {
        let detector = dns.map_or(Detector::Undecided, |kind| {
            // Whether the flow was seen from its beginning does not matter: what is no message at first
            // glance is passed over.
            Detector::Dns(kind, Box::new([Stream::midway(), Stream::midway()]))
        });
        Self {
            detector,
            findings: Findings::default(),
            dialect,
            streams: [Assembler::new(limit), Assembler::new(limit)],
            datagrams: 0,
            watch: Watch::default(),
            told: Told::default(),
            held: 0,
        }
    }

    fn stream(&mut self, side: Side) -> &mut Assembler {
        let [lower, upper] = &mut self.streams;
        match side {
            Side::Lower => lower,
            Side::Upper => upper,
        }
    }

    /// Takes a datagram.
    pub(super) fn datagram(
        &mut self,
        common: &mut Common,
        at: &At<'_>,
        bytes: &[u8],
        out: &mut Vec<AnyRecord>,
    ) {
        let ports = (at.port(at.sender), at.port(at.sender.other()));
        if let Detector::Dns(kind, _) = self.detector {
            if !bytes.is_empty() {
                self.findings.application = Some(application_of(kind));
                dns::message(common, at, kind, bytes, out);
            }
            return;
        }
        if !matches!(self.findings.application, None | Some(Application::Dns)) || self.datagrams == DATAGRAMS
        {
            self.detector = Detector::Foreign;
            return;
        }
        if is_dns(bytes, ports) {
            self.findings.application = Some(Application::Dns);
            dns::message(common, at, DnsKind::Dns, bytes, out);
        } else {
            self.datagrams += 1;
            if self.findings.application.is_none() {
                self.findings.application = application::detect(Transport::Udp, bytes, ports);
            }
        }
    }

    /// Takes a TCP segment.
    pub(super) fn segment(
        &mut self,
        common: &mut Common,
        at: &At<'_>,
        payload: &Payload<'_>,
        tcp: TcpHeader,
        out: &mut Vec<AnyRecord>,
    ) {
        let TcpHeader { mut seq, ack, syn } = tcp;
        // What the other side acknowledged it has: holes before that will not be filled.
        if let Some(ack) = ack {
            let other = At { sender: at.sender.other(), ..*at };
            while self.stream(other.sender).has_hole()
                && self.stream(other.sender).next_seq().is_some_and(|next| after(ack, next))
                && self.skip_hole(common, &other, out)
            {}
        }
        if syn {
            seq = seq.wrapping_add(1);
            self.stream(at.sender).start(seq);
        }
        if payload.bytes.is_empty() {
            return;
        }
        let bytes = payload.bytes;
        if self.stream(at.sender).is_next(seq) {
            let read = self.read(common, at, bytes, out);
            let end = seq.wrapping_add(read as u32);
            let stream = self.stream(at.sender);
            stream.skip_to(end);
            if let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty()) {
                // Too few to be read yet; that they fit is certain.
                let _ = stream.push(end, rest);
            }
        } else {
            self.insert(common, at, seq, bytes, out);
        }
        // The rest of a segment that was captured in part is missing for good.
        let end = seq.wrapping_add(bytes.len() as u32);
        let missing = payload.length.saturating_sub(bytes.len() as u32);
        let stream = self.stream(at.sender);
        if missing != 0 && stream.next_seq() == Some(end) {
            stream.skip_to(end.wrapping_add(missing));
            self.gap(common, at.sender, u64::from(missing));
        }
    }

    /// Takes bytes that are not simply the next.
    fn insert(&mut self, common: &mut Common, at: &At<'_>, seq: u32, bytes: &[u8], out: &mut Vec<AnyRecord>) {
        while self.stream(at.sender).push(seq, bytes).is_err() {
            // Too much waits: what stands before it is given up.
            if !self.skip_hole(common, at, out) {
                let stream = self.stream(at.sender);
                let missing = stream.next_seq().map_or(0, |next| seq.wrapping_sub(next));
                stream.skip_to(seq);
                self.gap(common, at.sender, u64::from(missing));
                if self.stream(at.sender).push(seq, bytes).is_err() {
                    return;
                }
                break;
            }
        }
        self.drain(common, at, out);
    }

    /// Reads what lies ready in the stream.
    fn drain(&mut self, common: &mut Common, at: &At<'_>, out: &mut Vec<AnyRecord>) {
        let side = at.sender;
        if self.stream(side).contiguous().is_empty() {
            return;
        }
        let limit = self.stream(side).limit();
        let mut stream = std::mem::replace(self.stream(side), Assembler::new(limit));
        let read = self.read(common, at, stream.contiguous(), out);
        stream.consume(read);
        *self.stream(side) = stream;
    }

    /// Gives up the first hole and reads what stands behind it. Returns whether there was one.
    pub(super) fn skip_hole(&mut self, common: &mut Common, at: &At<'_>, out: &mut Vec<AnyRecord>) -> bool {
        let Some(missing) = self.stream(at.sender).skip_hole() else { return false };
        self.gap(common, at.sender, missing);
        self.drain(common, at, out);
        true
    }

    /// Counts what the flow holds. Where all together hold too much, it gives up what it waits for; the
    /// others are not to suffer for the one that grows.
    pub(super) fn weigh(&mut self, common: &mut Common, at: &At<'_>, out: &mut Vec<AnyRecord>) {
        self.count_held(common);
        if common.waiting <= common.waiting_max {
            return;
        }
        common.totals.budget_hits += 1;
        for sender in [at.sender, at.sender.other()] {
            while self.skip_hole(common, &At { sender, ..*at }, out) {}
        }
        self.count_held(common);
        if common.waiting > common.waiting_max {
            let limit = self.stream(at.sender).limit();
            self.detector = Detector::Foreign;
            self.streams = [Assembler::new(limit), Assembler::new(limit)];
            self.count_held(common);
        }
    }

    fn count_held(&mut self, common: &mut Common) {
        let detector = match &self.detector {
            Detector::Dns(_, streams) => streams.iter().map(Stream::memory).sum(),
            Detector::Http(connection) => connection.memory(),
            Detector::Undecided | Detector::Http2(_) | Detector::Foreign => 0,
        };
        let held = detector + self.streams.iter().map(Assembler::memory).sum::<usize>();
        common.waiting = common.waiting - self.held + held;
        self.held = held;
    }

    fn gap(&mut self, common: &mut Common, side: Side, missing: u64) {
        common.totals.gaps += 1;
        match &mut self.detector {
            Detector::Dns(_, streams) => half(streams, side).gap(),
            Detector::Http(connection) => connection.gap(side, missing),
            Detector::Undecided => self.watch.gap(),
            Detector::Http2(_) => self.detector = Detector::Foreign,
            Detector::Foreign => {}
        }
    }

    /// Reads the next bytes of a stream. Returns how many were read; the rest is too little to go on.
    fn read(&mut self, common: &mut Common, at: &At<'_>, bytes: &[u8], out: &mut Vec<AnyRecord>) -> usize {
        match &mut self.detector {
            Detector::Dns(kind, streams) => {
                let kind = *kind;
                let application = &mut self.findings.application;
                half(streams, at.sender).push(bytes, |message| {
                    *application = Some(application_of(kind));
                    dns::message(common, at, kind, message, out);
                });
                bytes.len()
            }
            Detector::Http(connection) => {
                let (findings, told) = (&mut self.findings, &mut self.told);
                let handover = connection.push(at.sender, at.time, bytes, |message| {
                    common.totals.http_messages += 1;
                    offer_host(findings, message.host.as_ref());
                    if let Some(detail) = message.credentials {
                        credentials(told, at, detail, out);
                    }
                    out.push(AnyRecord::Http(Box::new(message.into_record(at.wall(), at.identity()))));
                });
                let Some(handover) = handover else { return bytes.len() };
                self.detector = match handover.tunnel {
                    Tunnel::Connect => Detector::Undecided,
                    Tunnel::WebSocket => {
                        self.findings.application = Some(Application::WebSocket);
                        Detector::Foreign
                    }
                    Tunnel::Upgrade => Detector::Foreign,
                };
                let read = bytes.len() - handover.rest;
                match bytes.get(read..) {
                    Some(rest) if !rest.is_empty() => read + self.read(common, at, rest, out),
                    _ => read,
                }
            }
            Detector::Undecided => self.decide(common, at, bytes, out),
            Detector::Http2(beginning) => {
                if at.sender != beginning.client() {
                    return bytes.len();
                }
                let authority = match beginning.read(bytes) {
                    Step::More(read) => return read,
                    Step::Done { authority } => authority.map(|host| Text::new(&host)),
                };
                offer_host(&mut self.findings, authority.as_ref());
                self.detector = Detector::Foreign;
                bytes.len()
            }
            Detector::Foreign => bytes.len(),
        }
    }

    /// Looks for what a segment begins.
    fn decide(&mut self, common: &mut Common, at: &At<'_>, bytes: &[u8], out: &mut Vec<AnyRecord>) -> usize {
        match http::begins(bytes, self.dialect) {
            Begin::Message => {
                self.findings.application.get_or_insert(Application::Http);
                self.detector = Detector::Http(Box::new(Connection::midway(self.dialect)));
                return self.read(common, at, bytes, out);
            }
            Begin::Http2 => {
                self.findings.application = Some(Application::Http2);
                self.detector = Detector::Http2(Beginning::new(at.sender));
                return self.read(common, at, bytes, out);
            }
            Begin::Unclear if bytes.len() < UNCLEAR_MAX => return 0,
            Begin::Unclear | Begin::Other => {}
        }
        if self.findings.application.is_none() {
            let ports = (at.port(at.sender), at.port(at.sender.other()));
            self.findings.application = application::detect(Transport::Tcp, bytes, ports);
            if matches!(self.findings.application, Some(Application::Tls | Application::Ssh)) {
                self.detector = Detector::Foreign;
            }
        }
        let client = at.subject.client;
        let application = self.findings.application;
        if let Some(detail) =
            self.watch.read(application, at.port(client.other()), at.sender == client, bytes)
        {
            credentials(&mut self.told, at, detail, out);
        }
        bytes.len()
    }
}

/// Tells that credentials were seen.
fn credentials(told: &mut Told, at: &At<'_>, detail: &'static str, out: &mut Vec<AnyRecord>) {
    if told.is_new(FindingKind::CleartextCredentials) {
        let finding = Finding { kind: FindingKind::CleartextCredentials, detail: Text::from(detail) };
        out.push(AnyRecord::Finding(Box::new(finding.into_record(at.wall(), at.identity()))));
    }
}

/// Whether a datagram on ports that are not known for it is a message of DNS. Those of the
/// `NetBIOS` name service look like one (RFC 1002, 4.2).
fn is_dns(bytes: &[u8], ports: (u16, u16)) -> bool {
    const NETBIOS_NAMES: u16 = 137;
    ports.0 != NETBIOS_NAMES
        && ports.1 != NETBIOS_NAMES
        && Message::new(bytes).is_ok_and(|message| message.is_unmistakable())
}

fn half(streams: &mut [Stream; 2], side: Side) -> &mut Stream {
    let [lower, upper] = streams;
    match side {
        Side::Lower => lower,
        Side::Upper => upper,
    }
}

/// Whether a sequence number lies behind another (RFC 9293, 3.4).
const fn after(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) > 0
}

const fn application_of(kind: DnsKind) -> Application {
    match kind {
        DnsKind::Dns => Application::Dns,
        DnsKind::Mdns => Application::Mdns,
        DnsKind::Llmnr => Application::Llmnr,
    }
}
