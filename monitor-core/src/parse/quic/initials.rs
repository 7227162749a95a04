//! The Initials of a flow, until the hello is whole.

use std::sync::Arc;

use monitor_common::abi::Side;

use super::{
    Keys, Long, LongKind, Sealed, Suite,
    frames::Frames,
    google,
    version::{RESERVED, is_reserved},
};
use crate::{
    parse::tls::{ClientHello, Error, Handshake, MESSAGE_MAX, Pending, ServerHello},
    reassembly::{Assembler, Pushed},
    record::Carrier,
};

/// Most packets of a flow that are opened, or tried.
const ATTEMPTS_MAX: u16 = 96;

/// Most packets of a datagram that are looked at.
const COALESCED_MAX: usize = 8;

/// Shortest datagram with a client's first Initial.
const FIRST_MIN: usize = 1200;

/// Longest connection identifier that is kept.
const CONNECTION_ID: usize = 20;

/// Why Initials of a flow cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The hello is malformed or too long.
    Hello(Error),
    /// No key opens them: the first were not seen, or they are damaged.
    Sealed,
    /// A version that is not known.
    Version(u32),
}

/// The destination identifier of a client's first Initial: random, so that whoever has the same is the
/// same connection, seen again behind a translation of addresses or moved to another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    bytes: [u8; CONNECTION_ID],
    length: u8,
}

impl ConnectionId {
    fn new(from: &[u8]) -> Self {
        let mut bytes = [0; CONNECTION_ID];
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Self { bytes, length: from.len().min(CONNECTION_ID) as u8 }
    }

    /// One as a header has it; `None`: it is longer than any.
    pub fn read(from: &[u8]) -> Option<Self> {
        (from.len() <= CONNECTION_ID).then(|| Self::new(from))
    }

    /// The identifier.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

/// What a datagram gave.
#[derive(Debug, Default)]
pub struct Read {
    /// A hello that it completed.
    pub hello: Option<Arc<ClientHello>>,
    /// Version of the hello's packet.
    pub version: Option<u32>,
    /// The connection of the hello.
    pub connection: Option<ConnectionId>,
    /// The name that a client of Google's QUIC asks for.
    pub google_name: Option<Box<[u8]>>,
    /// A handshake of which nothing more will be seen.
    pub finished: Option<Box<Handshake>>,
    /// Why there is no hello.
    pub failure: Option<Failure>,
}

/// An attempt of a client to connect: after a Retry, or with another version, it makes a new one.
#[derive(Debug)]
struct Attempt {
    client: Side,
    version: u32,
    connection: ConnectionId,
    keys: Box<Keys>,
    hello: Stream,
    /// The server's keys, once they are needed, and its hello.
    server: Option<Box<Keys>>,
    answer: Stream,
    answered: bool,
    /// The server asked for another: with a token, or of another version.
    refused: bool,
}

/// A CRYPTO stream, from the message that is read next on.
#[derive(Debug)]
struct Stream {
    /// Offset of that message.
    at: u32,
    bytes: Assembler,
}

/// A flow's Initials, put together as this module's head describes.
#[derive(Debug, Default)]
pub struct Initials {
    attempt: Option<Box<Attempt>>,
    pending: Pending,
    attempts: u16,
    done: bool,
}

/// Whether it is likely, from a datagram alone, that a flow is QUIC: a long header of a version that
/// is known or of a server's list of versions, or the public header of Google's.
pub fn begins(datagram: &[u8]) -> bool {
    if super::is_long(datagram) {
        let Some(&version) = datagram.get(1..).and_then(<[u8]>::first_chunk) else { return false };
        let version = u32::from_be_bytes(version);
        if is_reserved(version) {
            return is_first(datagram);
        }
        return super::suite(version).is_some() || google::is_clear(version);
    }
    google::public_version(datagram).is_some()
}

/// Whether a datagram has the form of a client's first: as long as such ones must be, with an identifier as long as
/// theirs (RFC 9000, 7.2 and 14.1). Any bytes may look like a reserved version.
fn is_first(datagram: &[u8]) -> bool {
    datagram.len() >= FIRST_MIN
        && Long::read(datagram).is_some_and(|packet| {
            packet.kind == LongKind::Initial && (8..=CONNECTION_ID).contains(&packet.destination.len())
        })
}

impl Initials {
    /// Reads a datagram. `scratch` is for packets that are opened; it may be shared between flows.
    pub fn read(&mut self, from: Side, datagram: &[u8], now: u64, scratch: &mut Vec<u8>) -> Read {
        let mut out = Read::default();
        if self.done {
            return out;
        }
        if let Some(version) = google::public_version(datagram) {
            self.google(datagram, version, &mut out);
            return out;
        }
        let mut rest = datagram;
        for _ in 0..COALESCED_MAX {
            let Some(packet) = Long::read(rest) else { break };
            match packet.kind {
                LongKind::Initial => self.initial(from, &packet, rest, now, scratch, &mut out),
                LongKind::Unknown if google::is_clear(packet.version) => {
                    self.google(rest, packet.version, &mut out);
                }
                LongKind::Unknown => out.failure = Some(Failure::Version(packet.version)),
                LongKind::Retry | LongKind::VersionNegotiation => self.again(from),
                LongKind::Other => {}
            }
            rest = rest.get(packet.length..).unwrap_or_default();
            if rest.is_empty() || self.done {
                break;
            }
        }
        out
    }

    fn google(&mut self, bytes: &[u8], version: u32, out: &mut Read) {
        self.spend();
        if let Some(name) = google::server_name(bytes) {
            out.google_name = Some(name.into());
            out.version = Some(version);
            self.done = true;
        }
    }

    /// The server wants another hello, with a token or of another version: both are of one connection.
    ///
    /// Anybody could say so. If the server answers the first hello nevertheless, that counts.
    fn again(&mut self, from: Side) {
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.client != from) {
            attempt.refused = true;
        }
    }

    /// Counts an attempt to open a packet.
    fn spend(&mut self) {
        self.attempts += 1;
        if self.attempts >= ATTEMPTS_MAX {
            self.done = true;
        }
    }

    fn initial(
        &mut self,
        from: Side,
        packet: &Long<'_>,
        bytes: &[u8],
        now: u64,
        scratch: &mut Vec<u8>,
        out: &mut Read,
    ) {
        self.spend();
        let Some(suite) = &packet.suite else { return };
        if let Some(attempt) = &mut self.attempt
            && attempt.client == from
            && attempt.version == packet.version
            && let Some(frames) = attempt.keys.open(packet, bytes, scratch)
        {
            return self.client(Frames::new(frames, suite.crypto), now, out);
        }
        // The first of a flow; after a retry or another version, or of another connection between the
        // same ports, keys come from the identifier that it bears.
        let fresh = self
            .attempt
            .as_ref()
            .is_none_or(|attempt| !attempt.is_for(packet.destination) || attempt.version != packet.version);
        let may_be_client = self.attempt.as_ref().is_none_or(|attempt| attempt.client == from);
        if fresh
            && may_be_client
            && let Some(keys) = keys_of_client(packet, suite, bytes, scratch)
            && let Some(frames) = keys.open(packet, bytes, scratch)
        {
            if suite.google {
                if let Some(name) = google::server_name(frames) {
                    out.google_name = Some(name.into());
                    out.version = Some(packet.version);
                    self.done = true;
                }
                return;
            }
            let refused = self.attempt.as_ref().is_some_and(|attempt| attempt.refused);
            self.attempt = Some(Box::new(Attempt { refused, ..Attempt::new(from, packet, keys) }));
            self.client(Frames::new(frames, suite.crypto), now, out);
            return;
        }
        match &mut self.attempt {
            Some(attempt) if attempt.client != from => {
                if attempt.answered {
                    return;
                }
                let keys = match &mut attempt.server {
                    Some(keys) => keys,
                    none => {
                        let id = attempt.connection.as_bytes();
                        let Some(keys) = Keys::new(suite, id, Sealed::ByServer) else {
                            return;
                        };
                        none.insert(Box::new(keys))
                    }
                };
                if let Some(frames) = keys.open(packet, bytes, scratch) {
                    self.server(Frames::new(frames, suite.crypto), now, out);
                }
            }
            Some(_) => {}
            None => out.failure = Some(Failure::Sealed),
        }
    }

    /// Frames of the client's.
    fn client(&mut self, frames: Frames<'_>, now: u64, out: &mut Read) {
        let Some(attempt) = &mut self.attempt else { return };
        let (version, from) = (attempt.version, attempt.client);
        match attempt.hello.message(frames, |bytes| ClientHello::parse(bytes, Carrier::Quic)) {
            None => {}
            Some(Ok(hello)) => {
                let hello = Arc::new(hello);
                if self.pending.is_again(from, &hello, attempt.refused) {
                    self.pending.again(hello.clone(), Some(version));
                } else {
                    let before = self.pending.begin(from, hello.clone(), Some(version), now);
                    out.finished = out.finished.take().or(before);
                }
                out.hello = Some(hello);
                out.version = Some(version);
                out.connection = Some(attempt.connection);
            }
            Some(Err(error)) => out.failure = Some(Failure::Hello(error)),
        }
    }

    /// Frames of the server's.
    fn server(&mut self, frames: Frames<'_>, now: u64, out: &mut Read) {
        let Some(attempt) = &mut self.attempt else { return };
        match attempt.answer.message(frames, ServerHello::parse) {
            None => return,
            Some(Ok(hello)) => {
                self.pending.answer(&hello, now);
                // After a request for another hello that hello follows in the same stream.
                attempt.answered = !hello.hello_retry;
            }
            Some(Err(error)) => {
                attempt.answered = true;
                out.failure = Some(Failure::Hello(error));
            }
        }
        out.finished = out.finished.take().or_else(|| self.pending.take());
    }

    /// The hello is one that another flow had: nothing more is said of it.
    pub(crate) fn disown(&mut self) {
        self.pending.take();
    }

    /// Whether nothing more of the flow is wanted.
    pub fn is_done(&self) -> bool {
        self.done || self.attempt.as_ref().is_some_and(|attempt| attempt.answered)
    }

    /// The flow is over, or forgotten: what was not finished.
    pub fn close(&mut self) -> Option<Box<Handshake>> {
        self.pending.take()
    }

    /// Bytes of memory that it holds beyond itself.
    pub fn memory(&self) -> usize {
        self.pending.memory()
            + self.attempt.as_ref().map_or(0, |attempt| {
                size_of::<Attempt>()
                    + 2 * size_of::<Keys>()
                    + attempt.hello.bytes.memory()
                    + attempt.answer.bytes.memory()
            })
    }
}

/// The keys that open a client's first Initial. What a reserved version is sealed with is found out by trying.
fn keys_of_client(packet: &Long<'_>, suite: &Suite, bytes: &[u8], scratch: &mut Vec<u8>) -> Option<Keys> {
    let keys = |suite| Keys::new(suite, packet.destination, Sealed::ByClient);
    if !is_reserved(packet.version) {
        return keys(suite);
    }
    RESERVED.iter().filter_map(keys).find(|keys| keys.open(packet, bytes, scratch).is_some())
}

impl Attempt {
    fn new(client: Side, packet: &Long<'_>, keys: Keys) -> Self {
        Self {
            client,
            version: packet.version,
            connection: ConnectionId::new(packet.destination),
            keys: Box::new(keys),
            hello: Stream::new(0),
            server: None,
            answer: Stream::new(0),
            answered: false,
            refused: false,
        }
    }

    fn is_for(&self, connection_id: &[u8]) -> bool {
        self.connection.as_bytes() == connection_id
    }
}

impl Stream {
    const fn new(at: u32) -> Self {
        let mut bytes = Assembler::new(MESSAGE_MAX);
        bytes.start(at);
        Self { at, bytes }
    }

    /// Takes the CRYPTO frames of a packet in, and reads the next message if they complete it.
    fn message<T>(
        &mut self,
        frames: Frames<'_>,
        parse: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        // Most hellos are whole in one frame: they are read where they are.
        if self.bytes.is_next(self.at)
            && let Some(frame) = frames.clone().find(|frame| frame.offset == u64::from(self.at))
            && let Some(length) = message_length(frame.bytes)
            && let Some(message) = frame.bytes.get(..length)
        {
            *self = Self::new(self.at.wrapping_add(length as u32));
            return Some(parse(message));
        }
        let mut grew = false;
        for frame in frames {
            // What does not fit is a hole that stays: the hello is never whole.
            if let Ok(offset) = u32::try_from(frame.offset)
                && offset >= self.at
            {
                grew |= self.bytes.push(offset, frame.bytes) == Ok(Pushed::Grew);
            } else if let Ok(offset) = u32::try_from(frame.offset) {
                let known = (self.at - offset) as usize;
                let new = frame.bytes.get(known..).unwrap_or_default();
                grew |= self.bytes.push(self.at, new) == Ok(Pushed::Grew);
            }
        }
        let bytes = self.bytes.contiguous();
        if !grew || message_length(bytes)? > bytes.len() {
            return None;
        }
        let result = parse(bytes);
        *self = Self::new(self.at.wrapping_add(message_length(bytes)? as u32));
        Some(result)
    }
}

/// Length of a handshake message, header included, from its header.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c, ..] = *bytes else { return None };
    Some(u32::from_be_bytes([0, a, b, c]) as usize + 4)
}
