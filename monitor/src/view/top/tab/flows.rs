//! Flows.

use std::borrow::Cow;

use crate::view::{
    flows::Flow,
    order::{self, Order},
    top::{
        grid::{Cell, Column, Of, Row, Sort, Value},
        model::Top,
        paint::Paint,
    },
};

pub(super) const BYTES: usize = 11;
pub(super) const RATE: usize = 12;

pub(super) const COLUMNS: [Column; 18] = [
    Column::text("CLIENT", (15, 47), 2).rank(4),
    Column::text("SERVER", (17, 47), 2),
    Column::text("NAME", (18, 60), 4).shrink(8),
    Column::text("PROCESS", (9, 24), 1).rank(8).only(Of::Live),
    Column::text("PROTO", (6, 6), 0).rank(9),
    Column::text("APPLICATION", (11, 20), 1).rank(6),
    Column::text("STATE", (12, 12), 0).rank(7),
    Column::number("SENT", 8).rank(5).only(Of::Capture),
    Column::number("RECEIVED", 9).rank(5).only(Of::Capture),
    Column::number("IN", 8).rank(5).only(Of::Live),
    Column::number("OUT", 8).rank(5).only(Of::Live),
    Column::number("BYTES", 8).only(Of::Capture),
    Column::number("RATE", 11).only(Of::Live),
    Column::number("RTT", 8).rank(10),
    Column::number("RETRANS", 8).rank(11),
    Column::number("PACKETS", 10).rank(13),
    Column::number("DURATION", 10).rank(12),
    Column::text("INTERFACE", (9, 20), 0).rank(14).only(Of::Live),
];

/// The order in which the source of the flows has them as the table has them: all flows, not only those told.
pub(super) fn order(sort: Sort) -> order::Sort {
    let (title, number) = COLUMNS.get(sort.column).map_or(("", true), |column| (column.title, column.number));
    let by = match title {
        "CLIENT" => Order::Client,
        "SERVER" => Order::Server,
        "NAME" => Order::Name,
        "PROCESS" => Order::Process,
        "PROTO" => Order::Transport,
        "APPLICATION" => Order::Application,
        "STATE" => Order::State,
        "SENT" => Order::Sent,
        "RECEIVED" => Order::Received,
        "IN" => Order::In,
        "OUT" => Order::Out,
        "BYTES" => Order::Bytes,
        "RTT" => Order::Rtt,
        "RETRANS" => Order::Retransmissions,
        "PACKETS" => Order::Packets,
        "DURATION" => Order::Start,
        "INTERFACE" => Order::Interface,
        _ => Order::Rate,
    };
    // What has lasted longest began first.
    order::Sort { by, reverse: (sort.down != number) != (by == Order::Start) }
}

pub(super) fn rows(top: &Top) -> Vec<Row<'_>> {
    let now = top.snapshot().map(|snapshot| snapshot.time.0);
    top.flows()
        .iter()
        .enumerate()
        .map(|(at, flow)| row(flow, at, now.filter(|_| !top.is_capture())))
        .collect()
}

/// A flow that goes on lasts until now.
fn row<'a>(flow: &'a Flow<'static>, at: usize, now: Option<u64>) -> Row<'a> {
    let (sent, received) = (&flow.sent, &flow.received);
    let (incoming, outgoing) = if sent.direction == "receive" { (sent, received) } else { (received, sent) };
    let retransmissions = u64::from(sent.retransmissions) + u64::from(received.retransmissions);
    let application = flow.application.as_deref().or(flow.service.as_deref());
    let lasted = now.unwrap_or(flow.last.0).saturating_sub(flow.start.0) as f64 / 1e9;
    let is_tcp = flow.transport == "tcp";
    let state = flow.state.as_deref();
    let retransmitted = if is_tcp { Value::Count(retransmissions) } else { Value::Empty };
    let cells = vec![
        Cell::new(Value::Endpoint(flow.client_ip, flow.client_port)),
        Cell::new(Value::Endpoint(flow.server_ip, flow.server_port)),
        Cell::new(Value::maybe(flow.name.as_deref())).paint(Paint::Accent),
        Cell::new(flow.process().map_or(Value::Empty, Value::Text)),
        Cell::new(Value::text(&flow.transport)).paint(Paint::Dim),
        Cell::new(Value::maybe(application)),
        Cell::new(Value::maybe(state)).paint(state.map_or(Paint::Plain, state_paint)),
        Cell::new(Value::Bytes(sent.bytes)),
        Cell::new(Value::Bytes(received.bytes)),
        Cell::new(Value::Bytes(incoming.bytes)),
        Cell::new(Value::Bytes(outgoing.bytes)),
        Cell::new(Value::Bytes(sent.bytes.saturating_add(received.bytes))).paint(Paint::Label),
        Cell::new(Value::Rate(rate(flow))).paint(Paint::Label),
        Cell::new(Value::seconds(rtt(flow))),
        Cell::new(retransmitted).paint(if retransmissions > 0 { Paint::Warn } else { Paint::Dim }),
        Cell::new(Value::Count(sent.packets.saturating_add(received.packets))),
        Cell::new(Value::Seconds(lasted)).paint(Paint::Dim),
        Cell::new(Value::Text(flow.seen_on())).paint(Paint::Dim),
    ];
    Row { id: Cow::Owned(flow.id.to_string()), at, cells, last: false }
}

/// Both directions; what is quieter than a byte in ten seconds is quiet.
fn rate(flow: &Flow<'_>) -> f64 {
    let rate = flow.sent.bytes_per_second + flow.received.bytes_per_second;
    if rate < 0.1 { 0.0 } else { rate }
}

/// Mean round trip of the side where it is longer.
fn rtt(flow: &Flow<'_>) -> Option<f64> {
    let mean = [flow.rtt_seconds.client, flow.rtt_seconds.server].into_iter().flatten().map(|rtt| rtt.mean);
    mean.reduce(f64::max)
}

/// What went wrong stands out.
pub(in super::super) fn state_paint(state: &str) -> Paint {
    match state {
        "established" => Paint::Good,
        "refused" | "timed_out" | "reset" => Paint::Warn,
        _ => Paint::Dim,
    }
}
