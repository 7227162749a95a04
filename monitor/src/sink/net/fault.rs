//! Why a peer did not take records.

use std::io;

/// What went wrong between an output and its peer. Displayed in one line: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no connection.
    #[error("{peer}: {source}; see that it runs and that the way there is open")]
    Connect {
        /// Who.
        peer: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("{0}; it is tried again")]
    Broken(#[source] io::Error),
    /// It did not answer in time.
    #[error("no answer in time; it is tried again, and `timeout` says how long to wait")]
    Timeout,
    /// It is not whom it should be, or speaks another TLS.
    #[error("TLS: {0}; `tls-ca` says who vouches for it and `tls-name` which name it has")]
    Tls(String),
    /// It does not let us in.
    #[error("not let in: {0}; see `user` and `password-file`")]
    Login(String),
    /// It answers something that is not the protocol.
    #[error("not understood: {0}; see that `to` is a peer of this kind")]
    Protocol(String),
    /// It does not take records as they are; it may once something was changed there.
    #[error("not taken: {0}")]
    Unready(String),
    /// What waits cannot be read, or noted as sent.
    #[error("spool: {0}; free space, or see what became of its directory")]
    Spool(#[source] io::Error),
}

impl Fault {
    /// The label of its metric.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Broken(_) => "broken",
            Self::Timeout => "timeout",
            Self::Tls(_) => "tls",
            Self::Login(_) => "login",
            Self::Protocol(_) => "protocol",
            Self::Unready(_) => "unready",
            Self::Spool(_) => "spool",
        }
    }

    /// All labels.
    pub const KINDS: [&'static str; 8] =
        ["connect", "broken", "timeout", "tls", "login", "protocol", "unready", "spool"];

    /// From an error of a connection.
    pub(super) fn of(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = inner {
            return Self::Tls(tls.to_string());
        }
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout,
            _ => Self::Broken(error),
        }
    }
}
