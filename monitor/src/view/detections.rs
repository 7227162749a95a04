//! Detections that go on, as JSON.

use std::net::IpAddr;

use monitor_core::detection::{Active, DetectionTotals, Detector};
use monitor_core::record::{DetectionCounts, Time};
use serde::Serialize;

/// Most detections of an answer: the latest.
const MOST: usize = 256;

/// What goes on, with the numbers of all tables.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Entries of all tables, what was forgotten for want of room, and signs that found none.
    pub tracked: u64,
    /// See `tracked`.
    pub evicted: u64,
    /// See `tracked`.
    pub dropped: u64,
    /// The latest first; the field names of the records.
    pub detections: Vec<Detection>,
}

/// A detection that goes on.
#[derive(Debug, Serialize)]
pub struct Detection {
    kind: &'static str,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    since: Time,
    last: Time,
    score: f64,
    counts: DetectionCounts,
    first_flow: String,
    last_flow: String,
    text: String,
}

impl Answer {
    /// What is known now. `wall_offset` makes Unix time of the flow clock.
    pub fn new(detector: &Detector, wall_offset: i64) -> Self {
        let time = |time| Time::from_clock(time, wall_offset);
        let DetectionTotals { tracked, evicted, dropped, .. } = detector.totals();
        let one = |Active { sign, detected }: &Active| {
            let record = sign.record(*detected, None, wall_offset);
            Detection {
                kind: sign.kind.as_str(),
                detail: sign.detail,
                source_ip: sign.source,
                target_ip: sign.target,
                target_port: sign.port,
                name: sign.name.as_ref().map(|name| name.as_str().to_owned()),
                since: time(sign.since),
                last: time(sign.time),
                score: sign.score,
                counts: sign.counts.clone(),
                first_flow: sign.first.to_string(),
                last_flow: sign.last.to_string(),
                text: record.line(),
            }
        };
        let detections = detector.active().into_iter().take(MOST).map(one).collect();
        Self { tracked, evicted, dropped, detections }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_detections_is_empty() {
        let detector = Detector::new(monitor_core::detection::DetectionConfig::default());
        let json = serde_json::to_value(Answer::new(&detector, 0)).unwrap();
        assert_eq!(json, serde_json::json!({"tracked": 0, "evicted": 0, "dropped": 0, "detections": []}));
    }
}
