//! DNS messages (RFC 1035), and those of mDNS (RFC 6762) and LLMNR (RFC 4795), which have their form.
//!
//! What monitors meet is cut by the network, by the sample or by malice. So a [`Message`] is read from
//! the front as far as it goes: each question and record that is whole comes out, then the reason why no
//! more can be read. Nothing is copied and nothing allocated by reading; [`record::write`] copies what a
//! record keeps.
//!
//! Work is linear in the length of a message: a name takes at most 255 bytes and 128 pointers whatever it
//! is made of, and each record takes at least seven bytes of the message.
//!
//! Why not a library: hickory-proto and simple-dns parse a message whole or not at all, so that one record
//! that is cut or malformed hides the answers before it, and both allocate for each name (hickory also for
//! each record); domain reads piece by piece, but refuses pointers that lead forward and wants its own
//! types through the whole path for what here is one cursor. simple-dns is the independent writer of the
//! tests.

mod matching;
mod message;
mod name;
mod rdata;
pub mod record;
mod stream;
mod svcb;
#[cfg(test)]
pub(crate) mod tests;
mod types;

use std::fmt;

pub use matching::{Exchange, MatchConfig, QueryTable, Verdict};
pub use message::{Entry, Message, Question, Record, Section};
pub use name::{Name, NameText};
pub use stream::Stream;
pub use svcb::public_names;
pub use types::RecordType;

use crate::record::DnsKind;

/// Why a message can not be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsError {
    /// It ends before what its header or a length in it announces.
    Truncated,
    /// The first byte of a label has one of the reserved forms (RFC 6891, 5).
    Label(u8),
    /// A name is longer than 255 bytes.
    NameTooLong,
    /// A name is made of more pointers than any needs: they may form a circle.
    Pointers,
}

impl DnsError {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Label(_) => "label",
            Self::NameTooLong => "name_too_long",
            Self::Pointers => "pointers",
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.pad("the message ends too early"),
            Self::Label(byte) => write!(f, "a label begins with the reserved byte {byte:#04x}"),
            Self::NameTooLong => f.pad("a name is longer than 255 bytes"),
            Self::Pointers => f.pad("a name consists of too many pointers"),
        }
    }
}

impl std::error::Error for DnsError {}

/// Which protocol the messages of a flow belong to, by its ports; `None` for other ports. Of two such
/// ports the lower one says it.
pub const fn kind(one_port: u16, other_port: u16) -> Option<DnsKind> {
    const fn of(port: u16) -> Option<DnsKind> {
        match port {
            53 => Some(DnsKind::Dns),
            5353 => Some(DnsKind::Mdns),
            5355 => Some(DnsKind::Llmnr),
            _ => None,
        }
    }
    let (low, high) = if one_port <= other_port { (one_port, other_port) } else { (other_port, one_port) };
    match of(low) {
        None => of(high),
        known => known,
    }
}
