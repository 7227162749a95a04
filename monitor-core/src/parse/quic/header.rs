//! Long headers (RFC 9000, 17.2; RFC 8999).

use super::{Suite, suite};
use crate::parse::tls::Cursor;

/// Longest connection identifier of the versions that are read.
const CONNECTION_ID_MAX: usize = 20;

/// Bits of the first byte: a long header, and the bit that is always set.
const LONG: u8 = 0x80;

/// Whether a datagram begins with a long header of QUIC.
pub const fn is_long(datagram: &[u8]) -> bool {
    matches!(datagram, [first, _, _, _, _, _, _, ..] if *first & LONG != 0)
}

/// What a packet with a long header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongKind {
    /// It carries the hellos.
    Initial,
    /// The server wants the client to begin again with another identifier.
    Retry,
    /// The server lists its versions.
    VersionNegotiation,
    /// Handshake or 0-RTT: nothing in it can be read.
    Other,
    /// The version is not known: nothing more can be said.
    Unknown,
}

/// A long header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Long<'a> {
    /// What it is.
    pub kind: LongKind,
    /// Version.
    pub version: u32,
    /// How the version is read.
    pub suite: Option<Suite>,
    /// Destination connection identifier.
    pub destination: &'a [u8],
    /// Source connection identifier.
    pub source: &'a [u8],
    /// Offset of the protected packet number; meaningless without length.
    pub number_at: usize,
    /// Length of the packet with its header: the next one of the datagram begins there.
    pub length: usize,
}

/// A variable-length integer (RFC 9000, 16).
pub(super) fn variable(from: &mut Cursor<'_>) -> Option<u64> {
    let first = from.u8()?;
    let mut value = u64::from(first & 0x3f);
    for byte in from.take((1 << (first >> 6)) - 1)? {
        value = value << 8 | u64::from(*byte);
    }
    Some(value)
}

impl<'a> Long<'a> {
    /// Reads the packet at the beginning of `bytes`, the rest of a datagram.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        let first = rest.u8()?;
        if first & LONG == 0 {
            return None;
        }
        let version = rest.u32()?;
        let destination = rest.vector8()?.0;
        let source = rest.vector8()?.0;
        let suite = suite(version);
        let mut out = Self {
            kind: LongKind::Unknown,
            version,
            suite,
            destination,
            source,
            number_at: 0,
            length: bytes.len(),
        };
        if version == 0 {
            out.kind = LongKind::VersionNegotiation;
            return Some(out);
        }
        let Some(suite) = suite else { return Some(out) };
        if destination.len() > CONNECTION_ID_MAX || source.len() > CONNECTION_ID_MAX {
            return None;
        }
        let kind = first >> 4 & 3;
        if kind == suite.retry {
            out.kind = LongKind::Retry;
            return Some(out);
        }
        out.kind = LongKind::Other;
        if kind == suite.initial {
            out.kind = LongKind::Initial;
            let token = variable(&mut rest)?;
            rest.take(usize::try_from(token).ok()?)?;
        }
        let length = usize::try_from(variable(&mut rest)?).ok()?;
        out.number_at = bytes.len() - rest.left();
        rest.take(length)?;
        out.length = out.number_at + length;
        Some(out)
    }
}
