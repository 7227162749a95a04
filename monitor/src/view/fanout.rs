//! Who reaches unusually many hosts or ports now, as JSON: the field names of the fanout records.

use std::net::IpAddr;

use monitor_core::fanout::{Fanout, Over};
use monitor_core::record::Time;
use serde::Serialize;

/// The sources that are over a threshold, and the thresholds.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Length of the window, seconds.
    pub window_seconds: f64,
    /// Servers from which on a source is told; 0: never.
    pub hosts: u32,
    /// Ports of servers from which on a source is told; 0: never.
    pub ports: u32,
    /// Those who reach most first.
    pub sources: Vec<Source>,
}

/// A source and what it reaches many of.
#[derive(Debug, Serialize)]
pub struct Source {
    /// Its address.
    pub source: IpAddr,
    /// `hosts` or `ports`.
    pub kind: &'static str,
    /// How many, as far as the window goes back; an estimate beyond a few dozen.
    pub count: u64,
    /// When it passed the threshold.
    pub since: Time,
}

impl Answer {
    /// What is known now. `wall_offset` makes Unix time of the flow clock.
    pub fn new(fanout: &Fanout, wall_offset: i64) -> Self {
        let source = |over: Over| Source {
            source: over.source,
            kind: over.kind.as_str(),
            count: over.count,
            since: Time::from_clock(over.since, wall_offset),
        };
        let config = fanout.config();
        Self {
            window_seconds: config.window as f64 / 1e9,
            hosts: config.hosts,
            ports: config.ports,
            sources: fanout.over().into_iter().map(source).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use monitor_core::fanout::FanoutConfig;

    use super::*;

    #[test]
    fn an_answer_has_thresholds_and_sources() {
        let mut fanout = Fanout::new(FanoutConfig { ports: 3, ..FanoutConfig::default() });
        for port in 1..=3 {
            fanout.reached(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into(), port, 5_000_000_000);
        }
        let json = serde_json::to_value(Answer::new(&fanout, 1_000_000_000)).unwrap();
        let expected = serde_json::json!({
            "window_seconds": 60.0, "hosts": 256, "ports": 3,
            "sources": [{
                "source": "127.0.0.1", "kind": "ports", "count": 3,
                "since": "1970-01-01T00:00:06.000000000Z",
            }],
        });
        assert_eq!(json, expected);
    }
}
