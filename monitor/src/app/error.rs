//! Why a run ends without success.

use std::io;

use super::counter::LAST_DRAIN;
use crate::{
    config::{ConfigError, secret::SecretError},
    confine::UserError,
    host::HostError,
    lock::LockError,
    sink::OutputError,
    source::ebpf,
    telemetry::LogError,
    web::WebError,
};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log could not be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The user that was named cannot be had.
    #[error(transparent)]
    User(#[from] UserError),
    /// The server could not.
    #[error(transparent)]
    Web(#[from] WebError),
    /// Records cannot be written anywhere.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What an output needs of files is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The host cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another instance counts already.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel side refuses.
    #[error(transparent)]
    Source(#[from] ebpf::Error),
    /// A named interface is not there.
    #[error("{name}: no such interface; give one of {known}")]
    NoSuchInterface {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing to count on.
    #[error("interfaces: none is up and no loopback; name one with --interface ({known})")]
    NoInterface {
        /// What there is.
        known: String,
    },
    /// Frames for other hosts cannot be asked for.
    #[error(
        "making {interface} promiscuous: {source}; run as root or grant CAP_NET_RAW, or leave out --promiscuous"
    )]
    Promiscuous {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// Packets of an interface cannot be had.
    #[error("packets of {interface}: {source}; run as root or grant CAP_NET_RAW")]
    Tap {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// Threads, signals or instruments could not be set up.
    #[error("{operation}: {source}; raise the limits of this process (ulimit)")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The counting thread did not come to its end.
    #[error(
        "the last reading of the flow table was not over after {} s, and what it would have written is lost; \
         see the log for what holds it up", LAST_DRAIN.as_secs()
    )]
    LastDrain,
    /// The counting thread ended by itself.
    #[error("counting ended unexpectedly; see the log, and please report this")]
    CounterEnded,
}

/// Names what was tried.
pub(super) fn system<E: std::error::Error + Send + Sync + 'static>(
    operation: &'static str,
) -> impl Fn(E) -> RunError {
    move |source| RunError::System { operation, source: Box::new(source) }
}
