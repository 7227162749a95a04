//! Both directions of a connection together.

use std::collections::VecDeque;

use monitor_common::abi::Side;

use super::{
    half::{Half, Header, Start, Step},
    start::Dialect,
    value::without_port,
};
use crate::record::{HttpRecord, Identity, Text, Time};

/// Requests that wait for their responses; of a client that sends more ahead the oldest are forgotten.
const WAITING_MAX: usize = 64;

/// A request or a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// When its header was complete, flow clock.
    pub time: u64,
    /// Who sent it.
    pub sender: Side,
    /// Method of a request; `None`: it is a response.
    pub method: Option<Text>,
    /// Host that the request names.
    pub host: Option<Text>,
    /// Path that the request names, without query.
    pub uri: Option<Text>,
    /// Status of a response.
    pub status: Option<u16>,
    /// `1.0` or `1.1`.
    pub version: Option<&'static str>,
    /// Media type of the body, without parameters.
    pub content_type: Option<Text>,
    /// Nanoseconds from the last byte of the request to the first of the response.
    pub response_time: Option<u64>,
    /// Number of the request on its connection, from 1.
    pub request_index: Option<u32>,
    /// Whether the connection stays open.
    pub persistent: bool,
    /// What kind of credentials it carries; never these themselves.
    pub credentials: Option<&'static str>,
}

impl Message {
    /// As a record.
    pub fn into_record(self, time: Time, identity: Identity) -> HttpRecord {
        HttpRecord {
            time,
            identity,
            method: self.method,
            host: self.host,
            uri: self.uri,
            status: self.status,
            version: self.version.map(Text::from),
            content_type: self.content_type,
            response_seconds: self.response_time.map(|ns| ns as f64 / 1e9),
            request_index: self.request_index,
            persistent: Some(self.persistent),
        }
    }
}

/// What follows the messages of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// Anything, towards the target of a CONNECT (RFC 9110, 9.3.6).
    Connect,
    /// The WebSocket protocol (RFC 6455).
    WebSocket,
    /// Another protocol that was agreed on with status 101.
    Upgrade,
}

/// The rest of one direction belongs to another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Which.
    pub tunnel: Tunnel,
    /// Bytes at the end of the segment that belong to it already.
    pub rest: usize,
}

/// A request that waits for its response.
#[derive(Clone, Debug)]
struct Waiting {
    sender: Side,
    index: u32,
    host: Option<Text>,
    uri: Option<Text>,
    is_head: bool,
    is_connect: bool,
    websocket: bool,
    /// When the last byte so far came.
    last: u64,
    /// All of it came.
    ended: bool,
}

/// A connection.
#[derive(Debug, Default)]
pub struct Connection {
    dialect: Dialect,
    halves: [Half; 2],
    waiting: VecDeque<Waiting>,
    requests: u32,
    tunnel: Option<Tunnel>,
}

impl Connection {
    /// A connection seen from its beginning.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// A connection that was found running: messages are looked for where segments begin.
    pub fn midway(dialect: Dialect) -> Self {
        Self { dialect, halves: [Half::midway(), Half::midway()], ..Self::default() }
    }

    /// Takes the next bytes that `sender` sent, of a segment that came at `now`, and gives each message
    /// whose header is complete to `each`. Returns what the rest of the direction is if it is no HTTP any
    /// more: then nothing of this direction is to be given here again.
    pub fn push(
        &mut self,
        sender: Side,
        now: u64,
        bytes: &[u8],
        mut each: impl FnMut(Message),
    ) -> Option<Handover> {
        let dialect = self.dialect;
        let mut rest = bytes;
        self.half(sender).segment(rest, dialect);
        loop {
            match self.half(sender).step(&mut rest, now, dialect) {
                Step::Header(header) => each(self.header(sender, now, &header)),
                Step::Ended => self.ended(sender, now),
                Step::Nothing => break,
                Step::Foreign => {
                    let tunnel = *self.tunnel.get_or_insert(Tunnel::Connect);
                    return Some(Handover { tunnel, rest: rest.len() });
                }
            }
        }
        // A request's body is still coming.
        if let Some(request) = self.waiting.back_mut()
            && request.sender == sender
            && !request.ended
        {
            request.last = now;
        }
        None
    }

    /// Bytes of `sender` are missing before the next ones.
    pub fn gap(&mut self, sender: Side, missing: u64) {
        self.half(sender).gap(missing);
        if self.half(sender).is_lost() {
            // Which responses were lost is not known: only the last request can be told to wait still.
            let other = self.waiting.iter().filter(|request| request.sender != sender).count();
            if other > 1 {
                let last = self.waiting.pop_back();
                self.waiting.clear();
                self.waiting.extend(last);
            }
        }
    }

    /// Whether both directions lost their way: it may be no HTTP at all.
    pub fn is_lost(&self) -> bool {
        self.halves.iter().all(Half::is_lost)
    }

    /// Bytes of memory held beside the connection itself.
    pub fn memory(&self) -> usize {
        self.halves.iter().map(Half::memory).sum::<usize>() + self.waiting.capacity() * size_of::<Waiting>()
    }

    fn half(&mut self, side: Side) -> &mut Half {
        let [lower, upper] = &mut self.halves;
        match side {
            Side::Lower => lower,
            Side::Upper => upper,
        }
    }

    /// The message of `sender` is over.
    fn ended(&mut self, sender: Side, now: u64) {
        if let Some(request) = self.waiting.back_mut()
            && request.sender == sender
        {
            request.last = now;
            request.ended = true;
        }
    }

    fn header(&mut self, sender: Side, now: u64, header: &Header) -> Message {
        let mut message = Message {
            time: now,
            sender,
            method: None,
            host: None,
            uri: None,
            status: None,
            version: header.version.map(super::start::Version::as_str),
            content_type: header.content_type.clone(),
            response_time: None,
            request_index: None,
            persistent: header.persistent(),
            credentials: header.credentials,
        };
        match &header.start {
            Start::Request { method, is_head, is_connect, authority, uri } => {
                self.requests = self.requests.saturating_add(1);
                message.method = Some(method.clone());
                message.host = host(header.host.as_ref(), authority.as_ref());
                message.uri = Some(uri.clone());
                message.request_index = Some(self.requests);
                if self.waiting.len() == WAITING_MAX {
                    self.waiting.pop_front();
                }
                let ended = self.half(sender).after(header, false);
                if *is_connect {
                    self.half(sender).ask();
                }
                self.waiting.push_back(Waiting {
                    sender,
                    index: self.requests,
                    host: message.host.clone(),
                    uri: message.uri.clone(),
                    is_head: *is_head,
                    is_connect: *is_connect,
                    websocket: header.websocket,
                    last: now,
                    ended,
                });
            }
            Start::Response { status } => self.response(sender, *status, header, &mut message),
        }
        message
    }

    fn response(&mut self, sender: Side, status: u16, header: &Header, message: &mut Message) {
        message.status = Some(status);
        let request = self.waiting.front().filter(|request| request.sender != sender).cloned();
        // An interim response (RFC 9110, 15.2) is followed by the one that counts.
        let is_final = status >= 200 || status == 101;
        if request.is_some() && is_final {
            self.waiting.pop_front();
        }
        self.half(sender).alone = request.is_none();
        let mut is_head = false;
        let mut tunnel = (status == 101).then_some(Tunnel::Upgrade);
        if let Some(request) = request {
            message.host = request.host;
            message.uri = request.uri;
            message.request_index = Some(request.index);
            message.response_time = header.began.checked_sub(request.last);
            is_head = request.is_head;
            if request.is_connect && (200..300).contains(&status) {
                tunnel = Some(Tunnel::Connect);
            } else if status == 101 && request.websocket {
                tunnel = Some(Tunnel::WebSocket);
            }
        }
        if tunnel == Some(Tunnel::Upgrade) && header.websocket {
            tunnel = Some(Tunnel::WebSocket);
        }
        self.half(sender).after(header, is_head);
        if tunnel.is_some() {
            self.tunnel = tunnel;
            self.halves.iter_mut().for_each(Half::end);
        }
    }
}

/// The host that a request means. A target that names one is stronger than the Host field (RFC 9112,
/// 3.2.2); where both name the same, the field stands as it was sent, with or without a port.
fn host(field: Option<&Text>, target: Option<&Text>) -> Option<Text> {
    let chosen = match (field, target) {
        (Some(field), Some(target))
            if !without_port(field.as_str()).eq_ignore_ascii_case(without_port(target.as_str())) =>
        {
            target
        }
        (Some(field), _) => field,
        (None, target) => target?,
    };
    (!chosen.as_str().is_empty()).then(|| chosen.clone())
}
