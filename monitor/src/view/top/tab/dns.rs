//! DNS health, and the top queried names.

use std::borrow::Cow;

use crate::view::{
    live::{DnsName, Quantiles},
    top::{
        draw::Block,
        grid::{Cell, Column, Row, Value},
        model::Top,
        paint::Paint,
    },
};

pub(super) const COLUMNS: [Column; 3] =
    [Column::text("NAME", (20, 100), 1), Column::number("QUERIES", 10), Column::number("ERRORS", 10)];

pub(super) fn rows(top: &Top) -> Vec<Row<'_>> {
    let names = top.snapshot().map(|snapshot| snapshot.dns.names.as_slice()).unwrap_or_default();
    names.iter().enumerate().map(|(at, name)| row(name, at)).collect()
}

fn row(name: &DnsName, at: usize) -> Row<'_> {
    let text = if name.name.is_empty() { "." } else { &*name.name };
    let cells = vec![
        Cell::new(Value::text(text)).paint(Paint::Accent),
        Cell::new(Value::Count(name.queries)),
        Cell::new(Value::Count(name.errors)).paint(if name.errors > 0 { Paint::Warn } else { Paint::Dim }),
    ];
    Row { id: Cow::Borrowed(text), at, cells, last: false }
}

pub(super) fn panel(top: &Top) -> Vec<Block<'_>> {
    let Some(snapshot) = top.snapshot() else { return Vec::new() };
    let dns = &snapshot.dns;
    let mut facts = Vec::new();
    if !top.is_capture() {
        facts.push(("Queries", Cell::new(Value::Pace(dns.queries_per_second)).paint(Paint::Label)));
    }
    let unanswered = if dns.unanswered > 0 { Paint::Warn } else { Paint::Plain };
    facts.push(("Unanswered", Cell::new(Value::Count(dns.unanswered)).paint(unanswered)));
    facts.extend(quantiles(["Response time, median", "Response time, p95"], dns.latency_seconds));
    let responses = dns.responses.iter().map(|(code, count)| {
        (Cow::Borrowed(&**code), *count, if code == "NOERROR" { Paint::Good } else { Paint::Warn })
    });
    let mut blocks = vec![
        Block::Facts { title: "Queries", facts },
        Block::Bars { title: "Responses", bars: responses.collect() },
    ];
    if !top.is_capture() {
        blocks.push(Block::Chart {
            title: "Queries per second",
            lines: vec![(Paint::Accent, &top.trends().queries)],
            value: Value::Pace,
        });
    }
    blocks
}

/// The middle and the slow end, each where it is known.
pub(super) fn quantiles<'a>(
    [half, slow]: [&'static str; 2],
    of: Quantiles,
) -> impl Iterator<Item = (&'static str, Cell<'a>)> {
    [(half, of.p50), (slow, of.p95)]
        .into_iter()
        .map(|(label, value)| (label, Cell::new(Value::seconds(value))))
}
