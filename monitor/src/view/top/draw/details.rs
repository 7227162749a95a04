//! All that is known of one flow.

use std::{borrow::Cow, collections::VecDeque};

use ratatui::layout::Rect;

use super::{Block, Canvas, panel};
use crate::view::{
    flows::{Distribution, Flow, Side},
    live::FlowEvent,
    text::endpoint,
    top::{
        grid::{Cell, Value, clock},
        model::{Opened, Top},
        paint::Paint,
        tab::state_paint,
    },
};

/// Draws it in place of the table.
pub(super) fn details(top: &mut Top, canvas: &mut Canvas<'_>, area: Rect, opened: &Opened) {
    let Opened { details: of, there, .. } = opened;
    let flow = &of.flow;
    let title = format!(
        "{}  →  {}",
        endpoint(flow.client_ip, flow.client_port),
        endpoint(flow.server_ip, flow.server_port)
    );
    let name = flow.name.as_deref().unwrap_or_default();
    let gone = if *there { "" } else { "  ended; last values" };
    let gap = "  ";
    let parts = [(Paint::Label, &*title), (Paint::Plain, gap), (Paint::Accent, name), (Paint::Warn, gone)];
    canvas.line(area.x + 1, area.y, area.width - 2, &parts);
    let lines: Vec<VecDeque<f64>> = of
        .timeline
        .iter()
        .flat_map(|timeline| [&timeline.sent_bytes_per_second, &timeline.received_bytes_per_second])
        .map(|values| values.iter().copied().collect())
        .collect();
    let mut blocks = facts(flow, top.is_capture());
    if let [sent, received] = &*lines
        && !sent.is_empty()
    {
        blocks.insert(
            0,
            Block::Chart {
                title: "Sent (above) and received",
                lines: vec![(Paint::Second, sent), (Paint::Accent, received)],
                value: Value::Rate,
            },
        );
    }
    if !of.events.is_empty() {
        blocks.push(Block::Facts { title: "Events", facts: of.events.iter().map(happened).collect() });
    }
    let below = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    panel(canvas, below, &blocks, &mut top.scrolled, top.bits);
}

type Fact<'a> = (&'static str, Cell<'a>);

/// An event and when it was, UTC.
fn happened(event: &FlowEvent) -> Fact<'_> {
    let (label, paint) = match &*event.kind {
        "start" => ("Start", Paint::Plain),
        "handshake" => ("Handshake", Paint::Plain),
        "response" => ("Response", Paint::Plain),
        "state" => ("State", state_paint(&event.text)),
        "risk" => ("Finding", Paint::Warn),
        _ => ("Event", Paint::Plain),
    };
    let text = format!("{}  {}", clock(event.time), event.text);
    (label, Cell::new(Value::Text(Cow::Owned(text))).paint(paint))
}

fn text<'a>(label: &'static str, text: Option<&'a str>) -> Option<Fact<'a>> {
    text.map(|text| (label, Cell::new(Value::text(text))))
}

fn value<'a>(label: &'static str, value: Value<'a>) -> Option<Fact<'a>> {
    (value != Value::Empty).then(|| (label, Cell::new(value)))
}

fn facts<'a>(flow: &'a Flow<'static>, capture: bool) -> Vec<Block<'a>> {
    let known = |what: Option<&'a str>, by: Option<&'a str>| match (what, by) {
        (Some(what), Some(by)) => Value::Text(Cow::Owned(format!("{what} ({by})"))),
        (what, _) => Value::maybe(what),
    };
    let who = [
        value("Client", Value::Endpoint(flow.client_ip, flow.client_port)),
        value("Server", Value::Endpoint(flow.server_ip, flow.server_port)),
        text("Client rule", Some(&flow.client_rule)),
        value("Name", known(flow.name.as_deref(), flow.name_source.as_deref())),
        text("Domain", flow.domain.as_deref()),
        text("Transport", Some(&flow.transport)),
        value("Application", known(flow.application.as_deref(), flow.application_source.as_deref())),
        text("Service", flow.service.as_deref()),
        text("State", flow.state.as_deref()),
        value("Interfaces", if capture { Value::Empty } else { Value::Text(flow.seen_on()) }),
        text("Ended by", flow.end_reason.as_deref()),
        text("Role", Some(&*flow.role).filter(|_| !capture)),
        text("Scope", Some(&*flow.scope).filter(|_| !capture)),
    ];
    let lasted = flow.last.0.saturating_sub(flow.start.0) as f64 / 1e9;
    let times = [
        value("First packet", Value::Text(Cow::Owned(flow.start.to_string()))),
        value("Last packet", Value::Text(Cow::Owned(flow.last.to_string()))),
        value("Duration", Value::Seconds(lasted)),
        value("Handshake", Value::seconds(flow.handshake_seconds)),
        value("First response", Value::seconds(flow.first_response_seconds)),
        value("RTT to client", trips(flow.rtt_seconds.client)),
        value("RTT to server", trips(flow.rtt_seconds.server)),
    ];
    let block = |title, facts: &[Option<Fact<'a>>]| Block::Facts {
        title,
        facts: facts.iter().flatten().cloned().collect(),
    };
    let is_tcp = flow.transport == "tcp";
    let mut blocks = vec![
        block("Flow", &who),
        block("Sent, from client to server", &side(&flow.sent, is_tcp, capture)),
        block("Received, from server to client", &side(&flow.received, is_tcp, capture)),
        block("Times", &times),
    ];
    if !flow.owned.is_empty() {
        let mut facts = owner(flow);
        facts.retain(Option::is_some);
        blocks.push(block("Owner", &facts));
    }
    blocks
}

/// Whose it is; where both ends are on this host the client's first.
fn owner<'a>(flow: &'a Flow<'static>) -> Vec<Option<Fact<'a>>> {
    let fact = |(label, field): (&'static str, &str)| {
        flow.owner(field).map(|text| (label, Cell::new(Value::Text(text))))
    };
    [
        ("Owner", "owner"),
        ("Process", "process"),
        ("Command", "command"),
        ("User", "user"),
        ("Unit", "unit"),
        ("Container", "container"),
        ("Container id", "container_id"),
        ("Image", "image"),
        ("Namespace", "namespace"),
        ("Pod", "pod"),
        ("Known by", "owner_source"),
    ]
    .into_iter()
    .map(fact)
    .collect()
}

/// Least, mean and most of round trips.
fn trips(of: Option<Distribution>) -> Value<'static> {
    of.map_or(Value::Empty, |of| {
        let [min, mean, max] = [of.min, of.mean, of.max].map(crate::view::units::seconds);
        Value::Text(Cow::Owned(format!("mean {mean}, min {min}, max {max}, n = {}", of.samples)))
    })
}

fn side<'a>(side: &'a Side<'static>, is_tcp: bool, capture: bool) -> Vec<Option<Fact<'a>>> {
    let mut facts = vec![
        value("Bytes", Value::Bytes(side.bytes)),
        value("Packets", Value::Count(side.packets)),
        value("Payload", Value::Bytes(side.payload_bytes)),
    ];
    if !capture {
        facts.push(value("Rate", Value::Rate(side.bytes_per_second)));
    }
    if is_tcp {
        for (label, count) in [
            ("Retransmissions", side.retransmissions),
            ("Out of order", side.out_of_order),
            ("Duplicate ACKs", side.duplicate_acks),
            ("Zero window", side.zero_windows),
        ] {
            let paint = if count > 0 { Paint::Warn } else { Paint::Dim };
            facts.push(Some((label, Cell::new(Value::Count(count.into())).paint(paint))));
        }
    }
    facts
}
