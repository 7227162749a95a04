//! The last hour or day, as columns.

use monitor_core::engine::Engine;
use monitor_core::record::Time;
use serde::{Deserialize, Serialize};

use crate::state::State;

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last hour.
    Hour,
    /// The last day, in minutes.
    Day,
}

/// What was measured over the last hour or day: columns of equal length, oldest first, one value a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Begin of the first step.
    pub start: Time,
    /// Length of a step, seconds.
    pub step_seconds: f64,
    /// Bytes received, each flow counted once.
    pub received_bytes_per_second: Vec<f64>,
    /// Bytes transmitted.
    pub transmitted_bytes_per_second: Vec<f64>,
    /// Packets received.
    pub received_packets_per_second: Vec<f64>,
    /// Packets transmitted.
    pub transmitted_packets_per_second: Vec<f64>,
    /// Active flows at the end of the step.
    pub active_flows: Vec<f64>,
    /// TCP segments sent again.
    pub retransmitted_per_second: Vec<f64>,
    /// TCP connection attempts that failed: refused, timed out or reset.
    pub failed_attempts_per_second: Vec<f64>,
    /// DNS queries.
    pub dns_queries_per_second: Vec<f64>,
    /// DNS responses with a code other than NOERROR.
    pub dns_errors_per_second: Vec<f64>,
    /// Steps that no reading divides: the first of them and how many. Each value in it is their mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<(usize, usize)>,
}

impl History {
    /// The last hour.
    pub fn of(state: &State) -> Self {
        state.turn(|engine| Self::since(engine, 0).0)
    }

    /// The last hour or day, of all or of one interface; nothing of an interface that has no past of its own.
    pub fn of_range(engine: &Engine, range: Range, interface: Option<&str>) -> Self {
        let live = engine.ledger().live();
        let history = match (interface, range) {
            (Some(name), range) => live.interface(name, range == Range::Day),
            (None, Range::Hour) => Some(live.history()),
            (None, Range::Day) => Some(live.day()),
        };
        history.map_or_else(Self::default, |history| Self::columns(engine, history, 0).0)
    }

    /// The steps from number `from` on, and the number of the next: what is asked for next time.
    pub fn since(engine: &Engine, from: u64) -> (Self, u64) {
        Self::columns(engine, engine.ledger().live().history(), from)
    }

    fn columns(engine: &Engine, history: &monitor_core::live::History, from: u64) -> (Self, u64) {
        let (first, points) = history.since(from);
        let mut all = Self {
            start: Time::from_clock(first.saturating_mul(history.step()), engine.config().wall_offset),
            step_seconds: history.step() as f64 / 1e9,
            ..Self::default()
        };
        for (at, point) in points.enumerate() {
            let [received, transmitted] = point.bytes;
            all.received_bytes_per_second.push(round(received));
            all.transmitted_bytes_per_second.push(round(transmitted));
            let [received, transmitted] = point.packets;
            all.received_packets_per_second.push(round(received));
            all.transmitted_packets_per_second.push(round(transmitted));
            all.active_flows.push(round(point.active));
            all.retransmitted_per_second.push(round(point.retransmitted));
            all.failed_attempts_per_second.push(round(point.failed_attempts));
            all.dns_queries_per_second.push(round(point.dns_queries));
            all.dns_errors_per_second.push(round(point.dns_errors));
            // All steps of a gap have its length: a new one begins where the last is full.
            match all.gaps.last_mut() {
                Some((begin, length))
                    if point.gap > 0 && *begin + *length == at && *length < point.gap as usize =>
                {
                    *length += 1;
                }
                _ if point.gap > 0 => all.gaps.push((at, 1)),
                _ => {}
            }
        }
        (all, history.next())
    }
}

/// Fewer digits for the way: a tenth of a packet or byte is enough.
fn round(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}
