//! TLS: what the two hellos say before encryption begins.
//!
//! [`ClientHello`] and [`ServerHello`] are messages; [`Connection`] finds them in the records of a
//! TCP stream, [`Dtls`] in datagrams, and `quic` in CRYPTO frames. Together they make a [`Handshake`].
//!
//! Written here and not taken from a library: those that exist either belong to an implementation of
//! the protocol and refuse what it would refuse, or build a tree of every message; here a hello is
//! read once, keeps its unknown values, and one whose extensions are damaged still tells its name.

mod certificate;
mod client;
mod connection;
mod cursor;
mod dtls;
mod handshake;
mod ja4;
mod names;
mod server;

pub use certificate::Certificate;
pub use client::ClientHello;
pub use connection::{Begins, Connection, begins, begins_whole};
pub use dtls::{Dtls, is_dtls};
pub use handshake::{Answer, Handshake};
pub use ja4::Ja4;
pub use names::{alert_name, cipher_name, group_name, is_grease, version_name};
pub use server::ServerHello;

pub(crate) use cursor::Cursor;
pub(crate) use handshake::Pending;

/// Longest handshake message that is put together, bytes.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes of a handshake message's header: type and length.
const MESSAGE_HEADER: usize = 4;

/// Content types of records (RFC 8446, 5.1).
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
}

/// Types of handshake messages (RFC 8446, 4; RFC 5246, 7.4; RFC 6347, 4.3.2).
pub(crate) mod message {
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(crate) const CERTIFICATE: u8 = 11;
    pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// They stop before its end.
    Incomplete {
        /// At least so many more bytes are needed.
        needed: usize,
    },
    /// A part of it contradicts itself.
    Malformed {
        /// Which.
        what: Part,
    },
    /// They are something else: another protocol, another message, or SSL 2.0.
    NotTls,
}

impl Error {
    const fn malformed(what: Part) -> Self {
        Self::Malformed { what }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Incomplete { needed } => write!(f, "{needed} more bytes are needed"),
            Self::Malformed { what } => write!(f, "the {} is malformed", what.as_str()),
            Self::NotTls => f.write_str("not TLS"),
        }
    }
}

impl std::error::Error for Error {}

/// Parts of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Header of a record.
    Record,
    /// Length of a handshake message.
    Length,
    /// Version of the protocol.
    Version,
    /// Session identifier.
    SessionId,
    /// Cookie of DTLS.
    Cookie,
    /// Cipher suites.
    Ciphers,
    /// Compression methods.
    Compression,
    /// Extensions.
    Extensions,
}

impl Part {
    /// The word in metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Length => "length",
            Self::Version => "version",
            Self::SessionId => "session_id",
            Self::Cookie => "cookie",
            Self::Ciphers => "ciphers",
            Self::Compression => "compression",
            Self::Extensions => "extensions",
        }
    }
}

/// The body of a whole handshake message of a type.
fn body(bytes: &[u8], kind: u8) -> Result<&[u8], Error> {
    let incomplete = |whole: usize| Error::Incomplete { needed: whole.saturating_sub(bytes.len()) };
    let mut rest = Cursor(bytes);
    if rest.u8().ok_or_else(|| incomplete(MESSAGE_HEADER))? != kind {
        return Err(Error::NotTls);
    }
    let length = rest.u24().ok_or_else(|| incomplete(MESSAGE_HEADER))? as usize;
    if length > MESSAGE_MAX {
        return Err(Error::malformed(Part::Length));
    }
    rest.take(length).ok_or_else(|| incomplete(MESSAGE_HEADER + length))
}

#[cfg(test)]
pub(crate) mod tests;
