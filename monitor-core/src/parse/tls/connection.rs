//! Hellos in the records of a TCP connection (RFC 8446, 5; RFC 5246, 6).

use std::sync::Arc;

use monitor_common::abi::Side;

use super::{
    Certificate, ClientHello, Cursor, Error, Handshake, MESSAGE_HEADER, MESSAGE_MAX, Part, Pending,
    ServerHello, content, message,
};
use crate::record::Carrier;

/// Longest record: 2^14 bytes, and what encryption may add (RFC 5246, 6.2.3).
const RECORD_MAX: usize = (1 << 14) + 2048;

/// Bytes of a record's header.
const RECORD_HEADER: usize = 5;

/// Whether bytes are the beginning of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// There are too few of them.
    Perhaps,
}

/// Whether a direction that begins with these bytes begins with a hello in a record of TLS. SSL 2.0
/// has other records and is not.
pub fn begins(bytes: &[u8]) -> Begins {
    let checks: [fn(u8) -> bool; 6] = [
        |kind| kind == content::HANDSHAKE,
        |major| major == 3,
        |minor| minor <= 4,
        |_| true,
        |_| true,
        |kind| matches!(kind, message::CLIENT_HELLO | message::SERVER_HELLO),
    ];
    if !checks.iter().zip(bytes).all(|(check, byte)| check(*byte)) {
        return Begins::No;
    }
    match *bytes {
        [_, _, _, high, low, ..] if !plausible_length(high, low) => Begins::No,
        // The message's first length byte: a hello is shorter than 64 KiB.
        [_, _, _, _, _, _, 0, ..] => Begins::Yes,
        [_, _, _, _, _, _, _, ..] => Begins::No,
        _ => Begins::Perhaps,
    }
}

const fn plausible_length(high: u8, low: u8) -> bool {
    let length = u16::from_be_bytes([high, low]) as usize;
    length != 0 && length <= RECORD_MAX
}

/// Whether bytes from anywhere in a stream begin with a `ClientHello`: stricter than [`begins`], for
/// streams that began with something else (STARTTLS, CONNECT).
pub fn begins_whole(bytes: &[u8]) -> bool {
    let [content::HANDSHAKE, 3, 0..=4, high, low, message::CLIENT_HELLO, 0, length @ ..] = bytes else {
        return false;
    };
    let [length_high, length_low, 3, 0..=3, ..] = *length else { return false };
    let record = usize::from(u16::from_be_bytes([*high, *low]));
    let message = usize::from(u16::from_be_bytes([length_high, length_low])) + MESSAGE_HEADER;
    // The shortest has a version, a random, one cipher and one compression method.
    message >= 45 && (record == message || record == 1 << 14 || (record < message && record >= 64))
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// A message whose end is in a later record.
    partial: Vec<u8>,
    /// The cipher was changed: only another hello can be read.
    changed: bool,
    /// Nothing that follows can be read.
    done: bool,
}

/// A connection's hellos, from the bytes of both directions.
#[derive(Debug, Default)]
pub struct Connection {
    halves: [Half; 2],
    pending: Pending,
    /// Who sent the `ClientHello`.
    client: Option<Side>,
}

/// What reading gave.
#[derive(Debug, Default)]
pub struct Read {
    /// So many bytes were read; the rest is the beginning of a record.
    pub consumed: usize,
    /// A hello was completed by these bytes.
    pub hello: Option<Arc<ClientHello>>,
    /// A handshake of which nothing more will be seen.
    pub finished: Option<Box<Handshake>>,
    /// Why the direction cannot be read further.
    pub failure: Option<Error>,
}

impl Connection {
    /// Reads the next bytes of a direction, from the beginning of a record on. Call it again while it
    /// consumes bytes and some are left: it stops after each hello.
    pub fn read(&mut self, from: Side, bytes: &[u8], now: u64) -> Read {
        let mut out = Read::default();
        while !self.halves[from.index()].done && out.hello.is_none() && out.finished.is_none() {
            let mut rest = Cursor(bytes.get(out.consumed..).unwrap_or_default());
            let Some([kind, major, minor, high, low]) = rest.array::<RECORD_HEADER>() else { break };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if major != 3 || minor > 4 || length > RECORD_MAX {
                self.fail(from, Error::malformed(Part::Record), &mut out);
                break;
            }
            if kind == content::APPLICATION_DATA {
                self.end(from, &mut out);
                break;
            }
            let Some(payload) = rest.take(length) else { break };
            out.consumed += RECORD_HEADER + length;
            match kind {
                content::HANDSHAKE => self.handshake(from, payload, now, &mut out),
                content::ALERT => self.alert(from, payload, &mut out),
                content::CHANGE_CIPHER_SPEC => self.change_cipher(from, &mut out),
                _ => self.fail(from, Error::malformed(Part::Record), &mut out),
            }
        }
        out
    }

    fn fail(&mut self, from: Side, error: Error, out: &mut Read) {
        out.failure = Some(error);
        self.end(from, out);
    }

    /// Nothing more can be read of a direction.
    fn end(&mut self, from: Side, out: &mut Read) {
        let half = &mut self.halves[from.index()];
        half.done = true;
        half.partial = Vec::new();
        if (self.halves[0].done && self.halves[1].done) || self.client.is_some_and(|client| client != from) {
            out.finished = out.finished.take().or_else(|| self.pending.take());
        }
    }

    fn handshake(&mut self, from: Side, payload: &[u8], now: u64, out: &mut Read) {
        let half = &mut self.halves[from.index()];
        if half.changed && !matches!(payload, [message::CLIENT_HELLO | message::SERVER_HELLO, 0, ..]) {
            return self.end(from, out);
        }
        let mut partial = std::mem::take(&mut half.partial);
        if partial.is_empty() {
            let read = self.messages(from, payload, now, out);
            partial.extend_from_slice(payload.get(read..).unwrap_or_default());
        } else {
            partial.extend_from_slice(payload);
            let read = self.messages(from, &partial, now, out);
            // Nothing moves while a message waits for its end: the work is linear.
            partial.drain(..read.min(partial.len()));
        }
        if !self.halves[from.index()].done {
            self.halves[from.index()].partial = partial;
        }
    }

    /// Reads whole messages; returns how many bytes they have.
    fn messages(&mut self, from: Side, bytes: &[u8], now: u64, out: &mut Read) -> usize {
        let mut rest = bytes;
        while let [kind, a, b, c, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if length > MESSAGE_MAX {
                self.fail(from, Error::malformed(Part::Length), out);
                break;
            }
            let Some((body, next)) = after.split_at_checked(length) else { break };
            self.message(from, *kind, body, now, out);
            if self.halves[from.index()].done {
                break;
            }
            rest = next;
        }
        bytes.len() - rest.len()
    }

    fn message(&mut self, from: Side, kind: u8, body: &[u8], now: u64, out: &mut Read) {
        match kind {
            message::CLIENT_HELLO => match ClientHello::parse_body(body, Carrier::Tcp) {
                Ok(hello) => {
                    let hello = Arc::new(hello);
                    self.client = Some(from);
                    out.finished = self.pending.begin(from, hello.clone(), None, now);
                    out.hello = Some(hello);
                }
                Err(error) => self.fail(from, error, out),
            },
            message::SERVER_HELLO => match ServerHello::parse_body(body) {
                Ok(hello) => {
                    let rest_is_hidden = self.pending.answer(&hello, now);
                    if hello.hello_retry {
                        out.finished = self.pending.take();
                    } else if rest_is_hidden {
                        self.end(from, out);
                    }
                }
                Err(error) => self.fail(from, error, out),
            },
            message::CERTIFICATE if self.client != Some(from) => {
                if let Some(answer) = self.pending.answer_mut()
                    && let Some(certificate) = Certificate::from_message(body)
                {
                    answer.certificate = Some(Box::new(certificate));
                }
            }
            message::SERVER_KEY_EXCHANGE => {
                // A named curve (RFC 8422, 5.4).
                if let ([3, high, low, ..], Some(answer)) = (body, self.pending.answer_mut()) {
                    answer.group = Some(u16::from_be_bytes([*high, *low]));
                }
            }
            _ => {}
        }
    }

    /// An alert in clear text: encrypted ones are longer than two bytes.
    fn alert(&mut self, from: Side, payload: &[u8], out: &mut Read) {
        let [level @ 1..=2, description] = *payload else { return self.end(from, out) };
        if let Some(answer) = self.pending.answer_mut() {
            answer.alert = Some(description);
        }
        if level == 2 {
            for half in &mut self.halves {
                half.done = true;
            }
            self.end(from, out);
        }
    }

    /// What follows is encrypted; except that with TLS 1.3 the message means nothing, and may stand
    /// between a request for another hello and that hello (RFC 8446, D.4).
    fn change_cipher(&mut self, from: Side, out: &mut Read) {
        if self.client != Some(from) && self.pending.get().is_some() {
            self.end(from, out);
        } else {
            self.halves[from.index()].changed = true;
        }
    }

    /// Whether nothing more of a direction is wanted.
    pub fn is_done(&self, side: Side) -> bool {
        self.halves[side.index()].done
    }

    /// The connection is over, or forgotten: what was not finished.
    pub fn close(&mut self) -> Option<Box<Handshake>> {
        self.pending.take()
    }

    /// Bytes of memory that it holds beyond itself.
    pub fn memory(&self) -> usize {
        self.pending.memory() + self.halves.iter().map(|half| half.partial.capacity()).sum::<usize>()
    }
}
