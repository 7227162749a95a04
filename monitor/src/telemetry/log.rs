//! The log: lines on standard error, for people or as JSON.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::types::{LogFormat, LogLevel};

/// The log of this process; its level can change.
#[derive(Debug)]
pub struct Log {
    level: reload::Handle<LevelFilter, Registry>,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("log: {0}; start one instance a process")]
pub struct LogError(#[from] TryInitError);

impl Log {
    /// Sends what this process logs to standard error.
    pub fn start(level: LogLevel, format: LogFormat) -> Result<Self, LogError> {
        let (filter, handle) = reload::Layer::new(filter(level));
        let lines = match format {
            LogFormat::Text => {
                let colours = rustix::termios::isatty(io::stderr());
                fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false).boxed()
            }
            LogFormat::Json => {
                fmt::layer().json().flatten_event(true).with_writer(io::stderr).with_target(false).boxed()
            }
        };
        tracing_subscriber::registry().with(filter).with(lines).try_init()?;
        Ok(Self { level: handle })
    }

    /// Changes the least severe level that is written.
    pub fn set_level(&self, level: LogLevel) {
        // It fails only when the subscriber is gone, and that lives as long as the process.
        drop(self.level.reload(filter(level)));
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
