//! TCP health.

use std::borrow::Cow;

use super::{dns::quantiles, flows::state_paint};
use crate::view::top::{
    draw::Block,
    grid::{Cell, Value},
    model::Top,
    paint::Paint,
};

/// A retransmission in a hundred segments is felt.
const BAD_RATIO: f64 = 0.01;

pub(super) fn panel(top: &Top) -> Vec<Block<'_>> {
    let Some(snapshot) = top.snapshot() else { return Vec::new() };
    let tcp = &snapshot.tcp;
    let bars = |counts: &'_ std::collections::BTreeMap<String, u64>| -> Vec<_> {
        let mut bars: Vec<_> =
            counts.iter().map(|(name, n)| (Cow::Owned(name.clone()), *n, state_paint(name))).collect();
        bars.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        bars
    };
    let mut segments = Vec::new();
    if !top.is_capture() {
        segments.push(("Segments", Cell::new(Value::Pace(tcp.segments_per_second)).paint(Paint::Label)));
        segments.push(("Retransmissions", Cell::new(Value::Pace(tcp.retransmitted_per_second))));
    }
    let ratio = tcp.retransmission_ratio;
    let paint = if ratio.is_some_and(|ratio| ratio >= BAD_RATIO) { Paint::Bad } else { Paint::Plain };
    let ratio = ratio.map_or(Value::Empty, Value::Share);
    segments.push(("Retrans %", Cell::new(ratio).paint(paint)));
    if !top.is_capture() {
        for (label, pace) in [
            ("Out of order", tcp.out_of_order_per_second),
            ("Duplicate ACKs", tcp.duplicate_acks_per_second),
            ("Zero window", tcp.zero_windows_per_second),
        ] {
            segments.push((label, Cell::new(Value::Pace(pace))));
        }
    }
    let mut times = Vec::new();
    times.extend(quantiles(["RTT, median", "RTT, p95"], tcp.rtt_seconds));
    times.extend(quantiles(["Handshake, median", "Handshake, p95"], tcp.handshake_seconds));
    let now = if top.is_capture() { "Connections by final state" } else { "Connections by state" };
    let mut blocks = vec![
        Block::Bars { title: now, bars: bars(&tcp.connections) },
        Block::Facts { title: "Segments", facts: segments },
        Block::Bars { title: "Connection attempts by result", bars: bars(&tcp.attempts) },
        Block::Facts { title: "Times", facts: times },
    ];
    if !top.is_capture() {
        blocks.push(Block::Chart {
            title: "Retransmissions per second",
            lines: vec![(Paint::Warn, &top.trends().retransmitted)],
            value: Value::Pace,
        });
    }
    blocks
}
