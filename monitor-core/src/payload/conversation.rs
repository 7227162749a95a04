//! What two sides say to each other in one flow: their bytes in order, and the protocol that reads them.
//!
//! A stream is read where it lies; only what comes out of order or does not suffice to go on is held. Bytes
//! that are known to be missing (the other side acknowledged them, or too much waits behind them) are told to
//! the protocol as a gap.

use monitor_common::abi::{FlowKey, Side, Transport};

use super::{
    Payload, Subject, TcpHeader,
    context::Context,
    protocol::{self, Begins, Opening, Protocol, Step},
    urgent::Urgent,
};
use crate::{
    application::{self, Application, Sight},
    finding::Watch,
    parse::{http::Dialect, proxy},
    reassembly::{Assembler, GivenUp},
    record::Text,
};

/// Bytes that may wait for more when they are too few to tell what they begin.
const UNCLEAR_MAX: usize = 64;

/// Most segments that are kept when a flow was found in its middle and says nothing that is known: what stands
/// before them may come late.
const HELD_BACK: u8 = 3;

/// Segments of a direction in which its application is looked for.
const LOOKS: u8 = 4;

/// A flow in which there is something to read.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) key: FlowKey,
    pub(super) interface: Text,
    pub(super) client: Side,
    dialect: Dialect,
    /// Sides of which nothing more is wanted, as bits.
    pub(super) done: u8,
    /// Its place in the order of conversations.
    pub(super) place: u32,
    /// Bytes that it held when it was weighed last, and those of them in streams.
    pub(super) held: (usize, usize),
    protocol: Option<Box<dyn Protocol>>,
    search: Option<Box<Search>>,
    streams: [Assembler; 2],
    urgent: [Urgent; 2],
}

/// While nobody knows what a stream is.
#[derive(Debug, Default)]
struct Search {
    /// Looks for credentials where nothing else reads the stream.
    watch: Watch,
    sides: [Beginning; 2],
}

/// The beginning of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    /// It was seen and is not that of a protocol: one may begin later.
    passed: bool,
    /// Segments that are kept.
    kept: u8,
    /// Sequence number up to which they were looked at.
    looked: u32,
    /// Times that its application was looked for.
    looks: u8,
}

/// Bytes that can be read.
#[derive(Clone, Copy)]
struct Ready<'a> {
    bytes: &'a [u8],
    /// Sequence number of the byte behind them.
    end: u32,
    /// It is certain that nothing stands before them.
    anchored: bool,
}

impl Conversation {
    /// One that was not heard yet. `starts`: numbers of the first bytes, where they are known.
    pub(super) fn new(flow: &Subject<'_>, dialect: Dialect, limit: usize, starts: [Option<u32>; 2]) -> Self {
        let streams = starts.map(|start| {
            let mut stream = Assembler::new(limit);
            if let Some(start) = start {
                stream.start(start);
            }
            stream
        });
        Self {
            key: *flow.key,
            interface: Text::from(flow.interface),
            client: flow.client,
            dialect,
            done: 0,
            place: 0,
            held: (0, 0),
            protocol: None,
            search: None,
            streams,
            urgent: <[Urgent; 2]>::default(),
        }
    }

    /// The same of datagrams, the first of which began this.
    pub(super) fn of(protocol: Box<dyn Protocol>, flow: &Subject<'_>) -> Self {
        Self { protocol: Some(protocol), ..Self::new(flow, Dialect::Known, 0, [None; 2]) }
    }

    fn stream(&mut self, side: Side) -> &mut Assembler {
        let [lower, upper] = &mut self.streams;
        match side {
            Side::Lower => lower,
            Side::Upper => upper,
        }
    }

    /// Takes a datagram.
    pub(super) fn datagram(&mut self, to: &mut Context<'_>, bytes: &[u8]) {
        self.client = to.flow.client;
        if let Some(protocol) = &mut self.protocol {
            protocol.read(to, bytes);
        }
        self.finish_sides();
    }

    /// Takes a TCP segment.
    pub(super) fn segment(&mut self, to: &mut Context<'_>, payload: &Payload<'_>, tcp: TcpHeader) {
        self.client = to.flow.client;
        let side = to.sender;
        let [own, peers] = match side {
            Side::Lower => {
                let [lower, upper] = &mut self.urgent;
                [lower, upper]
            }
            Side::Upper => {
                let [lower, upper] = &mut self.urgent;
                [upper, lower]
            }
        };
        if tcp.urgent != 0 {
            own.point(tcp);
        }
        if own.is_none() && peers.is_none() {
            return self.ordered(to, payload, tcp);
        }
        let begin = tcp.seq.wrapping_add(u32::from(tcp.syn));
        let bytes = own.strip(begin, payload.bytes);
        let (seq, ack) = (own.without(tcp.seq), tcp.ack.map(|ack| peers.without(ack)));
        let gone = (payload.bytes.len() - bytes.len()) as u32;
        let payload = Payload { bytes: &bytes, length: payload.length.saturating_sub(gone), ..*payload };
        self.ordered(to, &payload, TcpHeader { seq, ack, ..tcp });
    }

    /// The same of a stream without urgent bytes.
    fn ordered(&mut self, to: &mut Context<'_>, payload: &Payload<'_>, tcp: TcpHeader) {
        let (side, bytes) = (to.sender, payload.bytes);
        // What the other side acknowledged it has: holes before that will not be filled.
        if let Some(ack) = tcp.ack {
            to.sender = side.other();
            while self.stream(to.sender).has_hole()
                && self.stream(to.sender).next_seq().is_some_and(|next| after(ack, next))
                && self.skip_hole(to, None)
            {}
            to.sender = side;
        }
        let seq = tcp.seq.wrapping_add(u32::from(tcp.syn));
        if tcp.syn {
            self.stream(side).start(seq);
        }
        if bytes.is_empty() || self.is_done(side) {
            return;
        }
        let end = seq.wrapping_add(bytes.len() as u32);
        let stream = self.stream(side);
        if stream.is_next(seq) {
            let anchored = stream.is_anchored();
            let read = self.read(to, Ready { bytes, end, anchored });
            let seq = seq.wrapping_add(read as u32);
            let stream = self.stream(side);
            if read != 0 {
                stream.skip_to(seq);
            }
            if let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty())
                && let Err(why) = stream.push_at(seq, rest, payload.time)
            {
                self.gap(to, rest.len() as u64, Some(why));
            }
        } else {
            self.insert(to, seq, bytes);
        }
        // The rest of a segment that was captured in part is missing for good.
        let missing = payload.length.saturating_sub(bytes.len() as u32);
        if missing != 0 && self.stream(side).next_seq() == Some(end) {
            self.stream(side).skip_to(end.wrapping_add(missing));
            self.gap(to, u64::from(missing), None);
        }
        self.finish_sides();
    }

    /// Takes bytes that are not simply the next.
    fn insert(&mut self, to: &mut Context<'_>, seq: u32, bytes: &[u8]) {
        let side = to.sender;
        while let Err(why) = self.stream(side).push_at(seq, bytes, to.time) {
            // Too much waits: what stands before it is given up.
            if !self.skip_hole(to, Some(why)) {
                let stream = self.stream(side);
                let missing = stream.next_seq().map_or(0, |next| seq.wrapping_sub(next));
                stream.skip_to(seq);
                self.gap(to, u64::from(missing), Some(why));
                if self.stream(side).push_at(seq, bytes, to.time).is_err() {
                    return;
                }
                break;
            }
        }
        self.drain(to);
    }

    /// Reads what lies ready in the stream.
    fn drain(&mut self, to: &mut Context<'_>) {
        let stream = self.stream(to.sender);
        let Some(end) = stream.next_seq().filter(|_| !stream.contiguous().is_empty()) else { return };
        let limit = stream.limit();
        let mut stream = std::mem::replace(stream, Assembler::new(limit));
        let anchored = stream.is_anchored();
        let read = self.read(to, Ready { bytes: stream.contiguous(), end, anchored });
        stream.consume(read);
        if stream.is_empty() {
            // Its memory goes with it.
            stream.skip_to(end);
        }
        if !self.is_done(to.sender) {
            *self.stream(to.sender) = stream;
        }
    }

    /// Gives up the sender's first hole and reads what stands behind it. Returns whether there was one.
    pub(super) fn skip_hole(&mut self, to: &mut Context<'_>, why: Option<GivenUp>) -> bool {
        let Some(hole) = self.stream(to.sender).skip_hole() else { return false };
        self.gap(to, hole.missing, why);
        // What waited is of the time when it came, not of now.
        let now = std::mem::replace(&mut to.time, hole.time);
        self.drain(to);
        while let Some(time) = self.stream(to.sender).next_piece() {
            to.time = time;
            self.drain(to);
        }
        to.time = now;
        true
    }

    fn gap(&mut self, to: &mut Context<'_>, missing: u64, why: Option<GivenUp>) {
        if self.is_done(to.sender) {
            return;
        }
        to.shared.totals.gaps += 1;
        match (&mut self.protocol, &mut self.search) {
            (Some(protocol), _) => protocol.gap(to, missing, why),
            (None, Some(search)) => search.watch.gap(),
            (None, None) => {}
        }
        self.finish_sides();
    }

    /// Reads the next bytes of a stream. Returns how many were read; the rest is too little to go on.
    fn read(&mut self, to: &mut Context<'_>, ready: Ready<'_>) -> usize {
        if self.is_done(to.sender) {
            return ready.bytes.len();
        }
        let Some(protocol) = &mut self.protocol else { return self.find(to, ready) };
        let step = protocol.read(to, ready.bytes);
        self.finish_sides();
        match step {
            Step::Read(_) if self.is_done(to.sender) => ready.bytes.len(),
            Step::Read(read) => read,
            Step::Leave(read) => {
                self.protocol = None;
                let passed = Beginning { passed: true, ..Beginning::default() };
                self.search = Some(Box::new(Search { sides: [passed; 2], ..Search::default() }));
                self.rest(to, ready, read)
            }
        }
    }

    /// Goes on behind the first `read` bytes.
    fn rest(&mut self, to: &mut Context<'_>, ready: Ready<'_>, read: usize) -> usize {
        match ready.bytes.get(read..) {
            Some(bytes) if !bytes.is_empty() => {
                read + self.read(to, Ready { bytes, anchored: true, ..ready })
            }
            _ => read,
        }
    }

    /// Looks for what bytes begin: the stream's, or a segment's in its middle.
    fn find(&mut self, to: &mut Context<'_>, ready: Ready<'_>) -> usize {
        let mut side = self.search.as_ref().map_or_else(Beginning::default, |s| s.sides[to.sender.index()]);
        if !side.passed && side.kept == 0 {
            match proxy::read(ready.bytes) {
                proxy::Read::No => {}
                proxy::Read::Unclear => return 0,
                proxy::Read::Header { length, source } => {
                    to.speaks(Application::Proxy);
                    to.known.proxied = source.or(to.known.proxied);
                    return self.rest(to, ready, length);
                }
            }
        }
        let opening = |bytes, first| Opening {
            transport: Transport::Tcp,
            bytes,
            sender: to.sender,
            ports: to.ports(),
            first,
            dialect: self.dialect,
        };
        let all = ready.bytes.len();
        // Of bytes that were kept, those that are new.
        let new = if side.kept == 0 { all } else { (ready.end.wrapping_sub(side.looked) as usize).min(all) };
        let fresh = ready.bytes.get(all - new..).unwrap_or_default();
        let mut found = protocol::begin(&opening(ready.bytes, !side.passed));
        let mut before = 0;
        if new != 0 && new != all && matches!(found, Begins::No) {
            found = protocol::begin(&opening(fresh, false));
            before = all - new;
        }
        match found {
            Begins::Yes(protocol) => {
                self.protocol = Some(protocol);
                let other = to.sender.other();
                // Behind what was no part of it, so is what waits the other way: a server of PostgreSQL says S.
                let within = side.passed || before != 0;
                let kept = self.search.take().is_some_and(|search| search.sides[other.index()].kept != 0);
                if within || kept {
                    // They were looked at, and the protocol is to begin with a segment.
                    let kept = self.stream(other).contiguous().len();
                    self.stream(other).consume(kept);
                }
                return self.rest(to, ready, before);
            }
            Begins::Unclear if all < UNCLEAR_MAX => return 0,
            Begins::Unclear | Begins::No | Begins::Message(_) => {}
        }
        self.look(to, fresh, &mut side);
        side.passed |= ready.anchored || side.kept + 1 >= HELD_BACK;
        (side.kept, side.looked) = if side.passed { (0, 0) } else { (side.kept + 1, ready.end) };
        self.search.get_or_insert_default().sides[to.sender.index()] = side;
        if side.passed { all } else { 0 }
    }

    /// Looks at bytes that nobody reads.
    fn look(&mut self, to: &mut Context<'_>, bytes: &[u8], side: &mut Beginning) {
        if bytes.is_empty() {
            return;
        }
        if to.known.is_open() && side.looks < LOOKS {
            side.looks += 1;
            let found = application::recognise(Transport::Tcp, &Sight::of(bytes, to.ports()));
            to.known.application = found.or(to.known.application);
        }
        // Of a connection that was found in its middle the hello may come late.
        let early = !side.passed && side.kept + 1 < HELD_BACK && !self.stream(to.sender).is_anchored();
        if matches!(to.known.application, Some(Application::Ssh))
            || (matches!(to.known.application, Some(Application::Tls)) && !early)
        {
            self.done = 3;
        }
        let client = to.flow.client;
        let watch = &mut self.search.get_or_insert_default().watch;
        let found = watch.read(to.known.application, to.port(client.other()), to.sender == client, bytes);
        if let Some(detail) = found {
            to.credentials(detail);
        }
    }

    /// Whether nothing more is wanted of it.
    pub(super) const fn is_over(&self) -> bool {
        self.done == 3
    }

    /// Whether something is told when it falls silent.
    pub(super) fn waits(&self) -> bool {
        self.protocol.as_ref().is_some_and(|protocol| protocol.waits())
    }

    /// Bytes that it holds beyond a fixed size, and those of them in streams.
    pub(super) fn memory(&self) -> (usize, usize) {
        let streams = self.streams.iter().map(Assembler::memory).sum::<usize>();
        let protocol =
            self.protocol.as_ref().map_or(0, |protocol| size_of_val(&**protocol) + protocol.memory());
        (streams + protocol, streams)
    }

    /// Reads what still waits behind holes, and tells what was not finished.
    pub(super) fn close(&mut self, to: &mut Context<'_>) {
        for sender in [self.client, self.client.other()] {
            to.sender = sender;
            while self.skip_hole(to, None) {}
        }
        if let Some(protocol) = &mut self.protocol {
            protocol.close(to);
        }
    }

    const fn is_done(&self, side: Side) -> bool {
        self.done & 1 << side.index() != 0
    }

    /// Gives up the sides of which the protocol wants nothing more.
    fn finish_sides(&mut self) {
        let Some(protocol) = &self.protocol else { return };
        for (side, stream) in [Side::Lower, Side::Upper].into_iter().zip(&mut self.streams) {
            let bit = 1 << side.index();
            if self.done & bit == 0 && protocol.is_done(side) {
                self.done |= bit;
                *stream = Assembler::new(stream.limit());
            }
        }
    }
}

/// Whether a sequence number lies behind another (RFC 9293, 3.4).
const fn after(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) > 0
}
