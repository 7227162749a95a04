//! HTTP/2 in clear text (RFC 9113): whom the first request asks for.
//!
//! Header fields are compressed with a table that grows over a connection (HPACK, RFC 7541). The first
//! block of fields needs only its fixed part, and a host only the short codes of its Huffman code: that much
//! is here, and nothing after the first request is read.

use monitor_common::abi::Side;

/// What a client begins with.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// Header of a frame.
const HEADER: usize = 9;
/// Most frames before the first request.
const FRAMES_MAX: u8 = 32;
/// Longest frame that a peer must accept without having said more.
const FRAME_MAX: usize = 16_384;
/// Most fields of a request that are looked at.
const FIELDS_MAX: usize = 64;
/// Places in HPACK's fixed table of the pseudo-field `:authority` and of `host`.
const AUTHORITY: [usize; 2] = [1, 38];

/// The beginning of a connection, as the client sends it.
#[derive(Debug)]
pub struct Beginning {
    client: Side,
    /// Bytes that are still to be passed over.
    skip: usize,
    frames: u8,
}

/// What was made of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many were read; the rest is to come again, with more.
    More(usize),
    /// Nothing after this is read.
    Done {
        /// Whom the first request asks for, bytes as sent.
        authority: Option<Vec<u8>>,
    },
}

impl Beginning {
    /// Before the preface that `client` sends.
    pub const fn new(client: Side) -> Self {
        Self { client, skip: PREFACE, frames: 0 }
    }

    /// Who sends it.
    pub const fn client(&self) -> Side {
        self.client
    }

    /// Reads the client's next bytes.
    pub fn read(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        loop {
            let skipped = self.skip.min(bytes.len() - at);
            at += skipped;
            self.skip -= skipped;
            let rest = bytes.get(at..).unwrap_or_default();
            let &[l0, l1, l2, kind, flags, _, _, _, _, ..] = rest else { return Step::More(at) };
            let length = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
            if self.frames == FRAMES_MAX || length > FRAME_MAX {
                return Step::Done { authority: None };
            }
            if kind == 1 {
                return match rest.get(HEADER..HEADER + length) {
                    Some(payload) => Step::Done { authority: block(flags, payload).and_then(authority) },
                    None => Step::More(at),
                };
            }
            self.frames += 1;
            self.skip = HEADER + length;
        }
    }
}

/// The fields within a HEADERS frame: without padding and priority.
fn block(flags: u8, payload: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = match (flags & 0x8 != 0, payload) {
        (true, [padding, rest @ ..]) => (usize::from(*padding), rest),
        (true, []) => return None,
        (false, rest) => (0, rest),
    };
    let rest = if flags & 0x20 != 0 { rest.get(5..)? } else { rest };
    rest.get(..rest.len().checked_sub(padding)?)
}

/// Finds the host among fields.
fn authority(mut fields: &[u8]) -> Option<Vec<u8>> {
    for _ in 0..FIELDS_MAX {
        let first = *fields.first()?;
        if first & 0x80 != 0 {
            integer(&mut fields, 7)?;
            continue;
        }
        if first & 0xe0 == 0x20 {
            // The size of the table.
            integer(&mut fields, 5)?;
            continue;
        }
        let index = integer(&mut fields, if first & 0x40 != 0 { 6 } else { 4 })?;
        let is_host = if index == 0 {
            let name = string(&mut fields)?.text();
            name.is_some_and(|name| name == b":authority" || name == b"host")
        } else {
            AUTHORITY.contains(&index)
        };
        let value = string(&mut fields)?;
        if is_host {
            return value.text();
        }
    }
    None
}

/// An integer whose first byte holds `bits` of it (RFC 7541, 5.1).
fn integer(fields: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut rest) = fields.split_first()?;
    let most = (1 << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value = value.checked_add((usize::from(*byte) & 0x7f) << shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 21 {
                return None;
            }
        }
    }
    *fields = rest;
    Some(value)
}

/// A string as it stands in a block.
struct Raw<'a> {
    huffman: bool,
    bytes: &'a [u8],
}

fn string<'a>(fields: &mut &'a [u8]) -> Option<Raw<'a>> {
    let huffman = fields.first()? & 0x80 != 0;
    let length = integer(fields, 7)?;
    let (bytes, rest) = fields.split_at_checked(length)?;
    *fields = rest;
    Some(Raw { huffman, bytes })
}

impl Raw<'_> {
    /// What it says; `None` if it holds what no name of a host or field does.
    fn text(&self) -> Option<Vec<u8>> {
        if self.huffman { huffman(self.bytes) } else { Some(self.bytes.to_vec()) }
    }
}

/// Characters by their code in HPACK's Huffman code (RFC 7541, B), which ascends with its length: those of
/// 5, 6, 7 and 8 bits. The others are in no host's name.
const CODES: [(u32, &[u8]); 4] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
];

fn huffman(bytes: &[u8]) -> Option<Vec<u8>> {
    let total = bytes.len() * 8;
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    let mut out = Vec::with_capacity(total / 5);
    let mut at = 0;
    while at < total {
        let (mut code, mut first, mut length) = (0, 0, 0);
        let found = CODES.iter().find_map(|(bits, symbols)| {
            while length < *bits {
                code = code << 1 | bit(at + length as usize);
                first <<= 1;
                length += 1;
            }
            let symbol = symbols.get(code.checked_sub(first)?).copied();
            first += symbols.len();
            symbol
        });
        match found {
            Some(symbol) if at + length as usize <= total => out.push(symbol),
            // What is left are fewer than eight ones.
            _ if total - at < 8 && (at..total).all(|at| bit(at) == 1) => break,
            _ => return None,
        }
        at += length as usize;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const SETTINGS: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];

    /// A connection's beginning with a block of fields in its first request.
    fn beginning(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(SETTINGS);
        bytes.extend([0, 0, payload.len() as u8, 1, flags, 0, 0, 0, 1]);
        bytes.extend(payload);
        bytes
    }

    fn found(bytes: &[u8]) -> Option<Vec<u8>> {
        match Beginning::new(Side::Lower).read(bytes) {
            Step::Done { authority } => authority,
            Step::More(_) => None,
        }
    }

    /// RFC 7541, C.3.1 and C.4.1.
    const PLAIN: &[u8] = b"\x82\x86\x84\x41\x0fwww.example.com";
    const PACKED: &[u8] = &[
        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
    ];

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for block in [PLAIN, PACKED] {
            assert_eq!(found(&beginning(5, block)).as_deref(), Some(&b"www.example.com"[..]));
        }
        let padded = [&[3, 0, 0, 0, 0, 16], PLAIN, &[0; 3]].concat();
        assert_eq!(found(&beginning(0x2c, &padded)).as_deref(), Some(&b"www.example.com"[..]));
        // C.6.1: "302" and a date in Huffman's code; "no-cache" of C.4.2.
        assert_eq!(huffman(&[0x64, 0x02]).as_deref(), Some(&b"302"[..]));
        assert_eq!(huffman(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Some(&b"no-cache"[..]));
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let whole = beginning(5, PACKED);
        for size in 1..whole.len() {
            let mut beginning = Beginning::new(Side::Lower);
            let (mut held, mut found) = (Vec::new(), None);
            for piece in whole.chunks(size) {
                held.extend_from_slice(piece);
                match beginning.read(&held) {
                    Step::More(read) => drop(held.drain(..read)),
                    Step::Done { authority } => found = authority,
                }
            }
            assert_eq!(found.as_deref(), Some(&b"www.example.com"[..]), "{size}");
        }
    }

    #[test]
    fn neither_noise_nor_endless_frames_keep_it_reading() {
        let mut random = Random(5);
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..random.below(60)).map(|_| random.bits() as u8).collect();
            let _ = found(&beginning(random.bits() as u8, &noise));
            let _ = huffman(&noise);
        }
        let mut endless = vec![0; PREFACE];
        (0..100).for_each(|_| endless.extend(SETTINGS));
        assert_eq!(Beginning::new(Side::Lower).read(&endless), Step::Done { authority: None });
    }
}
