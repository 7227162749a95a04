//! Hellos in datagrams (RFC 6347, 4; RFC 9147, 4 and 5): fragments in any order.

use std::sync::Arc;

use monitor_common::abi::Side;

use super::{
    ClientHello, Cursor, Error, Handshake, MESSAGE_MAX, Part, Pending, ServerHello, content, message,
};
use crate::{reassembly::Assembler, record::Carrier};

/// Versions of records: DTLS 1.0 to 1.3, and what OpenSSL spoke before there was a standard (RFC 4347), which
/// Cisco's `AnyConnect` still does.
const fn is_version(version: [u8; 2]) -> bool {
    matches!(version, [0xfe, 0xff | 0xfd | 0xfc] | [0x01, 0x00])
}

/// Whether a datagram begins with a record of DTLS in clear text.
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(
        datagram,
        // Type, version, epoch 0, and a message or an alert.
        [content::HANDSHAKE | content::ALERT, major, minor, 0, 0, _, _, _, _, _, _, high, low, ..]
            if is_version([*major, *minor])
                && usize::from(u16::from_be_bytes([*high, *low])) <= datagram.len() - 13
    )
}

/// The message that is put together in one direction.
#[derive(Debug)]
struct Half {
    sequence: Option<u16>,
    /// The message of this number is whole: what comes of it again is old.
    complete: bool,
    length: usize,
    fragments: Assembler,
    done: bool,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            sequence: None,
            complete: false,
            length: 0,
            fragments: Assembler::new(MESSAGE_MAX),
            done: false,
        }
    }
}

/// A connection's hellos, from the datagrams of both directions.
#[derive(Debug, Default)]
pub struct Dtls {
    halves: [Half; 2],
    pending: Pending,
}

/// What a datagram gave.
#[derive(Debug, Default)]
pub struct Read {
    /// A hello that it completed.
    pub hello: Option<Arc<ClientHello>>,
    /// A handshake of which nothing more will be seen.
    pub finished: Option<Box<Handshake>>,
    /// Why a message could not be read.
    pub failure: Option<Error>,
}

/// A fragment of a handshake message.
struct Piece<'a> {
    kind: u8,
    length: usize,
    sequence: u16,
    offset: u32,
    bytes: &'a [u8],
}

fn piece<'a>(records: &mut Cursor<'a>) -> Option<Piece<'a>> {
    let (kind, length, sequence) = (records.u8()?, records.u24()?, records.u16()?);
    let (offset, bytes) = (records.u24()?, records.vector24()?);
    (u64::from(offset) + bytes.left() as u64 <= u64::from(length)).then_some(Piece {
        kind,
        length: length as usize,
        sequence,
        offset,
        bytes: bytes.0,
    })
}

impl Dtls {
    /// Reads a datagram.
    pub fn read(&mut self, from: Side, datagram: &[u8], now: u64) -> Read {
        let mut out = Read::default();
        let mut records = Cursor(datagram);
        while let Some([kind, major, minor, epoch_high, epoch_low, ..]) = records.array::<11>() {
            if major != 0xfe && !is_version([major, minor]) {
                break;
            }
            let Some(mut payload) = records.vector16() else { break };
            // Later epochs are encrypted.
            if (epoch_high, epoch_low) != (0, 0) {
                self.end(from, &mut out);
                break;
            }
            match kind {
                content::HANDSHAKE => {
                    while let Some(piece) = piece(&mut payload) {
                        self.piece(from, &piece, now, &mut out);
                    }
                }
                content::ALERT => {
                    if let [level @ 1..=2, description] = *payload.0 {
                        if let Some(answer) = self.pending.answer_mut() {
                            answer.alert = Some(description);
                        }
                        if level == 2 {
                            out.finished = out.finished.take().or_else(|| self.pending.take());
                        }
                    }
                }
                content::CHANGE_CIPHER_SPEC => self.end(from, &mut out),
                _ => break,
            }
        }
        out
    }

    fn end(&mut self, from: Side, out: &mut Read) {
        let half = &mut self.halves[from.index()];
        half.done = true;
        half.fragments = Assembler::new(MESSAGE_MAX);
        if self.halves.iter().all(|half| half.done) {
            out.finished = out.finished.take().or_else(|| self.pending.take());
        }
    }

    fn piece(&mut self, from: Side, piece: &Piece<'_>, now: u64, out: &mut Read) {
        match piece.kind {
            message::CLIENT_HELLO | message::SERVER_HELLO => {}
            message::HELLO_VERIFY_REQUEST => {
                if let Some(answer) = self.pending.answer_mut() {
                    answer.hello_retry = Some(true);
                }
                out.finished = out.finished.take().or_else(|| self.pending.take());
                return;
            }
            _ => return,
        }
        let half = &mut self.halves[from.index()];
        if half.done {
            return;
        }
        if piece.length > MESSAGE_MAX {
            out.failure = Some(Error::malformed(Part::Length));
            return;
        }
        if half.sequence != Some(piece.sequence) || (half.length != piece.length && !half.complete) {
            *half = Half { sequence: Some(piece.sequence), length: piece.length, ..Half::default() };
            half.fragments.start(0);
        }
        if half.complete {
            return;
        }
        let whole = piece.offset == 0 && piece.bytes.len() == piece.length;
        let body = if whole {
            piece.bytes
        } else {
            if half.fragments.push(piece.offset, piece.bytes).is_err() {
                out.failure = Some(Error::malformed(Part::Length));
                half.complete = true;
                return;
            }
            half.fragments.contiguous()
        };
        if body.len() < piece.length {
            return;
        }
        half.complete = true;
        let result = if piece.kind == message::CLIENT_HELLO {
            ClientHello::parse_body(body, Carrier::Dtls).map(|hello| {
                let hello = Arc::new(hello);
                out.finished = out.finished.take().or(self.pending.begin(from, hello.clone(), None, now));
                out.hello = Some(hello);
            })
        } else {
            ServerHello::parse_body(body).map(|hello| {
                if self.pending.answer(&hello, now) {
                    out.finished = out.finished.take().or_else(|| self.pending.take());
                }
            })
        };
        half.fragments = Assembler::new(MESSAGE_MAX);
        out.failure = out.failure.or(result.err());
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
        self.pending.memory() + self.halves.iter().map(|half| half.fragments.memory()).sum::<usize>()
    }
}
