//! Who is on the other side of a connection.

use std::fmt;
use std::net::SocketAddr;

/// Whose connection it is, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Internet(SocketAddr),
    /// A user of this host, by number, at a unix socket.
    Local(u32),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Local(user) => write!(f, "user {user}"),
        }
    }
}
