//! One flow: what it speaks, and its bytes in order.

use monitor_common::abi::{Side, Transport};

use super::{Event, Failure, Payload, Protocol, What};
use crate::{
    lru::Lru,
    parse::{quic, tls},
    reassembly::{Assembler, GivenUp, Pushed},
};

/// Most bytes of a direction that wait to be read.
const WAITING_MAX: usize = 64 * 1024;

/// Most segments or datagrams of a direction in which the beginning of a protocol is looked for.
pub(super) const PROBES_MAX: u16 = 64;

/// Most connections of QUIC that are remembered, so that one that moves is not told of again.
const CONNECTIONS_MAX: u32 = 4096;

/// Most segments that are kept when a flow was found in its middle and says nothing that is known:
/// what stands before them may come late.
const HELD_BACK: u16 = 3;

/// Whether a datagram may begin what is looked for.
#[inline]
pub(super) fn begins(datagram: &[u8]) -> bool {
    quic::begins(datagram) || tls::is_dtls(datagram)
}

/// What a flow speaks.
#[derive(Debug, Default)]
pub(super) enum Talk {
    /// Not yet known.
    #[default]
    Unknown,
    /// TLS over TCP.
    Tls(Box<tls::Connection>),
    /// TLS over datagrams.
    Dtls(Box<tls::Dtls>),
    /// QUIC.
    Quic(Box<quic::Initials>),
}

/// One direction of a flow.
#[derive(Debug)]
struct Direction {
    stream: Assembler,
    /// Payloads in which the beginning of a protocol was looked for.
    probes: u16,
    /// The stream's beginning was seen and is not that of a protocol: it may begin later.
    passed: bool,
    done: bool,
}

impl Direction {
    const fn new() -> Self {
        Self { stream: Assembler::new(WAITING_MAX), probes: 0, passed: false, done: false }
    }

    fn finish(&mut self) {
        self.done = true;
        self.stream = Assembler::new(WAITING_MAX);
    }
}

/// A flow.
#[derive(Debug)]
pub(super) struct Flow {
    talk: Talk,
    directions: [Direction; 2],
}

/// What all flows have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// QUIC packets that are opened.
    scratch: Vec<u8>,
    /// Connections of QUIC whose hello was read, and by which flow.
    connections: Lru<quic::ConnectionId, u64>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { scratch: Vec::new(), connections: Lru::new(CONNECTIONS_MAX) }
    }
}

/// Where events go, with what they have in common.
pub(super) struct Sink<'a> {
    pub(super) flow: u64,
    pub(super) from: Side,
    pub(super) time: u64,
    pub(super) events: &'a mut Vec<Event>,
}

impl Sink<'_> {
    fn say(&mut self, what: What) {
        self.events.push(Event { flow: self.flow, from: self.from, time: self.time, what });
    }

    fn fail(&mut self, protocol: Protocol, reason: &'static str) {
        self.say(What::Failure(Failure { protocol, reason }));
    }

    /// What came of a hello: the event is the client's, at the time of its hello.
    fn handshake(&mut self, handshake: Option<Box<tls::Handshake>>) {
        if let Some(handshake) = handshake {
            self.events.push(Event {
                flow: self.flow,
                from: handshake.client,
                time: handshake.time,
                what: What::Tls(handshake),
            });
        }
    }

    fn hello(&mut self, hello: Option<std::sync::Arc<tls::ClientHello>>) {
        if let Some(hello) = hello {
            self.say(What::Hello(hello));
        }
    }
}

/// The word for an error of TLS.
const fn reason(error: tls::Error) -> &'static str {
    match error {
        tls::Error::Incomplete { .. } => "incomplete",
        tls::Error::Malformed { what } => what.as_str(),
        tls::Error::NotTls => "not_tls",
    }
}

impl Flow {
    pub(super) const fn new() -> Self {
        Self { talk: Talk::Unknown, directions: [Direction::new(), Direction::new()] }
    }

    /// Takes a payload. Returns whether more of the direction is wanted.
    pub(super) fn payload(
        &mut self,
        payload: &Payload<'_>,
        shared: &mut Shared,
        events: &mut Vec<Event>,
    ) -> bool {
        let mut sink = Sink { flow: payload.flow, from: payload.from, time: payload.time, events };
        match payload.transport {
            Transport::Tcp => self.segment(payload, &mut sink),
            Transport::Udp => self.datagram(payload, shared, &mut sink),
            _ => false,
        }
    }

    fn datagram(&mut self, payload: &Payload<'_>, shared: &mut Shared, sink: &mut Sink<'_>) -> bool {
        let (from, bytes, now) = (payload.from, payload.bytes, payload.time);
        if matches!(self.talk, Talk::Unknown) {
            let direction = &mut self.directions[from.index()];
            if direction.done {
                return false;
            }
            if quic::begins(bytes) {
                self.talk = Talk::Quic(Box::default());
            } else if tls::is_dtls(bytes) {
                self.talk = Talk::Dtls(Box::default());
            } else {
                direction.probes += 1;
                direction.done = direction.probes >= PROBES_MAX;
                return !direction.done;
            }
        }
        match &mut self.talk {
            Talk::Quic(initials) => {
                let read = initials.read(from, bytes, now, &mut shared.scratch);
                sink.handshake(read.finished);
                if read.hello.is_some()
                    && let Some(connection) = read.connection
                    && shared
                        .connections
                        .insert(connection, payload.flow)
                        .is_some_and(|(known, flow)| known == connection && flow != payload.flow)
                {
                    initials.disown();
                }
                sink.hello(read.hello);
                if let Some(name) = read.google_name {
                    sink.say(What::GoogleName { name, version: read.version.unwrap_or_default() });
                }
                match read.failure {
                    None => {}
                    Some(quic::Failure::Hello(error)) => sink.fail(Protocol::Quic, reason(error)),
                    Some(quic::Failure::Sealed) => sink.fail(Protocol::Quic, "sealed"),
                    Some(quic::Failure::Version(_)) => sink.fail(Protocol::Quic, "version"),
                }
                !initials.is_done()
            }
            Talk::Dtls(connection) => {
                let read = connection.read(from, bytes, now);
                sink.handshake(read.finished);
                sink.hello(read.hello);
                if let Some(error) = read.failure {
                    sink.fail(Protocol::Dtls, reason(error));
                }
                !connection.is_done(from)
            }
            Talk::Unknown | Talk::Tls(_) => false,
        }
    }

    fn segment(&mut self, payload: &Payload<'_>, sink: &mut Sink<'_>) -> bool {
        let seq = payload.seq.wrapping_add(u32::from(payload.syn));
        let direction = &mut self.directions[payload.from.index()];
        if payload.syn {
            direction.stream.start(seq);
        }
        if direction.done {
            return false;
        }
        if payload.bytes.is_empty() {
            return true;
        }
        if matches!(self.talk, Talk::Unknown) {
            self.find(payload.from, seq, payload.bytes, sink);
        } else {
            self.feed(payload.from, seq, payload.bytes, sink);
        }
        let direction = &mut self.directions[payload.from.index()];
        if let Talk::Tls(connection) = &self.talk
            && connection.is_done(payload.from)
            && !direction.done
        {
            direction.finish();
        }
        !direction.done
    }

    /// Looks for the beginning of a protocol in a direction.
    fn find(&mut self, from: Side, seq: u32, bytes: &[u8], sink: &mut Sink<'_>) {
        let direction = &mut self.directions[from.index()];
        direction.probes += 1;
        if direction.probes > PROBES_MAX {
            return direction.finish();
        }
        if direction.passed {
            if tls::begins_whole(bytes) {
                self.begin_within(from, seq, bytes, sink);
            }
            return;
        }
        // The beginning of the stream, in place if it is there.
        let stream = &mut direction.stream;
        let in_place = stream.is_next(seq);
        let anchored = stream.is_anchored();
        if !in_place && stream.push(seq, bytes) != Ok(Pushed::Grew) {
            return;
        }
        let first = if in_place { bytes } else { stream.contiguous() };
        match tls::begins(first) {
            tls::Begins::Yes => {
                self.talk = Talk::Tls(Box::default());
                if in_place {
                    self.feed(from, seq, bytes, sink);
                } else {
                    self.drain(from, sink);
                }
            }
            tls::Begins::Perhaps => {
                if in_place {
                    // Fewer bytes than any limit.
                    let _ = stream.push(seq, bytes);
                }
            }
            tls::Begins::No if anchored || direction.probes >= HELD_BACK => {
                direction.passed = true;
                direction.stream = Assembler::new(WAITING_MAX);
                if tls::begins_whole(bytes) {
                    self.begin_within(from, seq, bytes, sink);
                }
            }
            tls::Begins::No => {
                if tls::begins_whole(bytes) {
                    self.begin_within(from, seq, bytes, sink);
                } else if in_place {
                    let _ = stream.push(seq, bytes);
                }
            }
        }
    }

    /// TLS begins with a segment in the middle of the stream, after STARTTLS or CONNECT. The other
    /// direction's begins with its next segment.
    fn begin_within(&mut self, from: Side, seq: u32, bytes: &[u8], sink: &mut Sink<'_>) {
        self.talk = Talk::Tls(Box::default());
        for direction in &mut self.directions {
            *direction = Direction::new();
        }
        self.directions[from.index()].stream.start(seq);
        self.feed(from, seq, bytes, sink);
    }

    /// The next bytes of a direction of a protocol that is known.
    fn feed(&mut self, from: Side, seq: u32, bytes: &[u8], sink: &mut Sink<'_>) {
        let direction = &mut self.directions[from.index()];
        if direction.stream.is_next(seq) {
            let read = read(&mut self.talk, from, bytes, sink);
            let rest = bytes.get(read..).unwrap_or_default();
            if read != 0 {
                direction.stream.skip_to(seq.wrapping_add(read as u32));
            }
            if !rest.is_empty() {
                let pushed = direction.stream.push(seq.wrapping_add(read as u32), rest);
                self.refused(from, pushed, sink);
            }
            return;
        }
        let pushed = direction.stream.push(seq, bytes);
        if pushed == Ok(Pushed::Grew) {
            self.drain(from, sink);
        }
        self.refused(from, pushed, sink);
    }

    /// Reads what waits.
    fn drain(&mut self, from: Side, sink: &mut Sink<'_>) {
        let stream = &mut self.directions[from.index()].stream;
        let read = read(&mut self.talk, from, stream.contiguous(), sink);
        stream.consume(read);
    }

    /// A segment did not fit: what follows can never be read.
    fn refused(&mut self, from: Side, pushed: Result<Pushed, GivenUp>, sink: &mut Sink<'_>) {
        if let Err(why) = pushed
            && let Talk::Tls(connection) = &self.talk
            && !connection.is_done(from)
        {
            sink.fail(Protocol::Tls, why.as_str());
            self.directions[from.index()].finish();
        }
    }

    /// The flow is over, or forgotten: what was not finished.
    pub(super) fn close(&mut self, sink: &mut Sink<'_>) {
        match &mut self.talk {
            Talk::Unknown => {}
            Talk::Tls(connection) => sink.handshake(connection.close()),
            Talk::Dtls(connection) => sink.handshake(connection.close()),
            Talk::Quic(initials) => sink.handshake(initials.close()),
        }
    }

    /// Bytes of memory that it holds beyond itself.
    pub(super) fn memory(&self) -> usize {
        let talk = match &self.talk {
            Talk::Unknown => 0,
            Talk::Tls(connection) => size_of::<tls::Connection>() + connection.memory(),
            Talk::Dtls(connection) => size_of::<tls::Dtls>() + connection.memory(),
            Talk::Quic(initials) => size_of::<quic::Initials>() + initials.memory(),
        };
        talk + self.directions.iter().map(|direction| direction.stream.memory()).sum::<usize>()
    }
}

/// Hands bytes of a stream to the protocol; returns how many it read.
fn read(talk: &mut Talk, from: Side, bytes: &[u8], sink: &mut Sink<'_>) -> usize {
    let mut all = 0;
    match talk {
        Talk::Tls(connection) => loop {
            let read = connection.read(from, bytes.get(all..).unwrap_or_default(), sink.time);
            sink.handshake(read.finished);
            sink.hello(read.hello);
            if let Some(error) = read.failure {
                sink.fail(Protocol::Tls, reason(error));
            }
            all += read.consumed;
            if connection.is_done(from) {
                return bytes.len();
            }
            if read.consumed == 0 || all == bytes.len() {
                return all;
            }
        },
        Talk::Unknown | Talk::Dtls(_) | Talk::Quic(_) => bytes.len(),
    }
}
