//! What clients may use up.

use std::time::Duration;

use crate::config::Config;

/// Bounds of the server; each is a setting, `web.` and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, over all addresses.
    pub connections: usize,
    /// Bytes of answers that are made or sent, of scrapes as many again.
    pub answer_bytes: usize,
    /// Threads that make answers other than scrapes.
    pub workers: usize,
    /// Requests that wait for memory or a thread.
    pub waiting: usize,
    /// Streams at a time.
    pub watchers: usize,
    /// Percent of a core that the events of all streams take.
    pub watch_cpu: u32,
    /// Passwords that wait to be checked.
    pub logins: usize,
    /// How long the answer to a wrong password is held back.
    pub login_delay: Duration,
    /// For a request's header, and between two requests of a connection.
    pub header: Duration,
    /// For an answer, until its first byte.
    pub answer: Duration,
    /// That a reader may stop reading.
    pub stall: Duration,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        let size = |n: u32| n as usize;
        Self {
            connections: size(config.web_max_connections.get()),
            answer_bytes: size(config.web_max_answer_bytes.get()),
            workers: size(config.web_max_workers.get()),
            waiting: size(config.web_max_waiting.get()),
            watchers: size(config.web_max_watchers.get()),
            watch_cpu: config.web_watch_cpu.get(),
            logins: size(config.web_max_logins.get()),
            login_delay: config.web_login_delay.get(),
            header: config.web_header_timeout.get(),
            answer: config.web_answer_timeout.get(),
            stall: config.web_stall_timeout.get(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            answer_bytes: 64 << 20,
            workers: 2,
            waiting: 128,
            watchers: 64,
            watch_cpu: 25,
            logins: 64,
            login_delay: Duration::from_secs(1),
            header: Duration::from_secs(30),
            answer: Duration::from_secs(20),
            stall: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_holds_without_settings_is_what_the_settings_say() {
        let config = Config::of_file(Path::new("weir.toml"), "").unwrap();
        assert_eq!(Limits::from(&config), Limits::default());
    }
}
