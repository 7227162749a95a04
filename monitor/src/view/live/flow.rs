//! One flow: what it is, its life over time, and what happened to it.

use monitor_core::engine::Engine;
use monitor_core::flow::{FlowId, FlowView};
use monitor_core::live::{Line, Risks};
use monitor_core::record::Time;
use serde::{Deserialize, Serialize};

use crate::view::{flows::Flow, units};

/// A flow and its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life<'a> {
    /// The flow.
    pub flow: Flow<'a>,
    /// Its traffic over time, from when it was first followed on: as a flow of many bytes, or because
    /// somebody asked. Absent while too many are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// What happened to it, oldest first.
    pub events: Vec<FlowEvent>,
}

/// Traffic over time: columns of equal length, oldest first, one value a step, up to the last with traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Begin of the first step.
    pub start: Time,
    /// Length of a step, seconds: doubled whenever there are 300.
    pub step_seconds: f64,
    /// Bytes that the client sent.
    pub sent_bytes_per_second: Vec<f64>,
    /// Bytes that the server sent.
    pub received_bytes_per_second: Vec<f64>,
    /// Packets that the client sent.
    pub sent_packets_per_second: Vec<f64>,
    /// Packets that the server sent.
    pub received_packets_per_second: Vec<f64>,
    /// TCP segments sent again, by both.
    pub retransmitted_per_second: Vec<f64>,
}

/// Something that happened to a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowEvent {
    /// When.
    pub time: Time,
    /// `start`, `handshake`, `response`, `state` or `risk`.
    pub kind: String,
    /// One line for people.
    pub text: String,
}

impl Life<'static> {
    /// The life of a flow; `None`: it is gone. From now on it is followed, if not too many are.
    pub fn of(engine: &mut Engine, id: FlowId) -> Option<Self> {
        let wall_offset = engine.config().wall_offset;
        let now = engine.ledger().totals().last_drain;
        let (view, line, risks) = engine.look_at(id)?;
        Some(Self {
            flow: Flow::from(&view).into_owned(),
            timeline: line.map(|line| Timeline::of(line, wall_offset, now)),
            events: events(&view, line, risks, wall_offset),
        })
    }
}

impl Timeline {
    fn of(line: &Line, wall_offset: i64, now: u64) -> Self {
        let start = Time::from_clock(line.begin(), wall_offset);
        let width = line.width() as f64 / 1e9;
        let samples = line.samples();
        // The last step may not be over yet.
        let last =
            start.0.saturating_add(line.width().saturating_mul(samples.len().saturating_sub(1) as u64));
        let so_far = (now.saturating_sub(last) as f64 / 1e9).clamp(width.min(1.0), width);
        let rates = |of: &dyn Fn(&monitor_core::live::Sample) -> u64| {
            let rate = |(i, sample): (usize, _)| {
                of(sample) as f64 / if i + 1 == samples.len() { so_far } else { width }
            };
            samples.iter().enumerate().map(rate).collect()
        };
        Self {
            start,
            step_seconds: width,
            sent_bytes_per_second: rates(&|s| s.bytes[0]),
            received_bytes_per_second: rates(&|s| s.bytes[1]),
            sent_packets_per_second: rates(&|s| u64::from(s.packets[0])),
            received_packets_per_second: rates(&|s| u64::from(s.packets[1])),
            retransmitted_per_second: rates(&|s| s.retransmissions.iter().map(|n| u64::from(*n)).sum()),
        }
    }
}

fn events(view: &FlowView<'_>, line: Option<&Line>, risks: &Risks, wall_offset: i64) -> Vec<FlowEvent> {
    let event =
        |time: u64, kind: &str, text: String| FlowEvent { time: Time(time), kind: kind.to_owned(), text };
    let mut events = vec![event(view.start, "start", "first packet".to_owned())];
    let after = |seconds: f64| view.start.saturating_add((seconds * 1e9) as u64);
    if let Some(seconds) = view.handshake_seconds {
        let text = format!("handshake complete after {}", units::seconds(seconds));
        events.push(event(after(seconds), "handshake", text));
    }
    if let Some(seconds) = view.first_response_seconds {
        let text = format!("first response {} after the request", units::seconds(seconds));
        events.push(event(after(view.handshake_seconds.unwrap_or(0.0) + seconds), "response", text));
    }
    for passage in line.into_iter().flat_map(Line::passages) {
        let time = Time::from_clock(passage.time, wall_offset);
        events.push(event(time.0, "state", passage.state.as_str().to_owned()));
    }
    events.extend(risks.of(view).map(|risk| {
        let text = format!("{}: {}", risk.kind.as_str(), risk.detail.as_str());
        event(risk.time.0, "risk", text)
    }));
    events.sort_by_key(|event| event.time);
    events
}
