//! Events, newest first.

use std::borrow::Cow;

use crate::view::{
    live::{Happening, Severity},
    top::{
        grid::{Cell, Column, Row, Value},
        model::Top,
        paint::Paint,
    },
};

pub(super) const COLUMNS: [Column; 4] = [
    Column::text("TIME", (8, 8), 0),
    Column::text("SEVERITY", (8, 8), 0).rank(1),
    Column::text("KIND", (14, 24), 1).rank(2),
    Column::text("WHAT", (20, 200), 4),
];

pub(super) fn rows(top: &Top) -> Vec<Row<'_>> {
    let events = top.snapshot().map(|snapshot| snapshot.events.as_slice()).unwrap_or_default();
    events.iter().enumerate().map(|(at, event)| row(event, at)).collect()
}

fn row(event: &Happening, at: usize) -> Row<'_> {
    let (severity, paint) = match event.severity {
        Severity::Info => ("info", Paint::Dim),
        Severity::Warning => ("warning", Paint::Warn),
    };
    let cells = vec![
        Cell::new(Value::Clock(event.time)).paint(Paint::Dim),
        Cell::new(Value::text(severity)).paint(paint),
        Cell::new(Value::text(&event.kind)),
        Cell::new(Value::text(&event.text)),
    ];
    Row { id: Cow::Owned(event.id.to_string()), at, cells, last: false }
}
