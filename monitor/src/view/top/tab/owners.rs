//! Whose the traffic is.

use std::borrow::Cow;

use monitor_core::filter::TextField;

use crate::view::{
    live::OwnerRow,
    top::{
        grid::{Cell, Column, Row, Value},
        model::Top,
        open::text,
        paint::Paint,
    },
};

pub(super) const COLUMNS: [Column; 8] = [
    Column::text("UNIT", (14, 60), 4),
    Column::text("PROCESS", (8, 16), 2),
    Column::text("CONTAINER", (10, 40), 2).rank(5),
    Column::number("SHARE", 7),
    Column::text("", (8, 24), 1).rank(4),
    Column::number("IN", 8),
    Column::number("OUT", 8).rank(1),
    Column::number("FLOWS", 8).rank(3),
];
/// The column by which the table is sorted at first.
pub(super) const SHARE: usize = 3;

pub(super) fn rows(top: &Top) -> Vec<Row<'_>> {
    let owners = top.snapshot().map(|snapshot| snapshot.owners.as_slice()).unwrap_or_default();
    owners.iter().enumerate().map(|(at, owner)| row(owner, at)).collect()
}

fn row(owner: &OwnerRow, at: usize) -> Row<'_> {
    let is_user = owner.is_user();
    let paint = if is_user { Paint::Accent } else { Paint::Dim };
    // A process without a unit, and what is no process, is told by its kind.
    let unit = match (&owner.unit, &*owner.owner) {
        (Some(unit), _) => Value::text(unit),
        (None, "other") => Value::text("other"),
        (None, _) if is_user => Value::text("(no unit)"),
        (None, kind) => Value::Text(Cow::Owned(format!("({kind})"))),
    };
    let cells = vec![
        Cell::new(unit).paint(paint),
        Cell::new(Value::maybe(owner.process.as_deref())),
        Cell::new(container(owner)),
        Cell::new(Value::Share(owner.share)).paint(Paint::Label),
        Cell::new(Value::Bar(owner.share)).paint(paint),
        Cell::new(Value::Bytes(owner.received_bytes)),
        Cell::new(Value::Bytes(owner.transmitted_bytes)),
        Cell::new(Value::Count(owner.connections)),
    ];
    let parts = [&owner.unit, &owner.process, &owner.container, &owner.namespace, &owner.pod];
    let parts = parts.map(|part| part.as_deref().unwrap_or_default());
    let id = format!("{}\n{}", owner.owner, parts.join("\n"));
    Row { id: Cow::Owned(id), at, cells, last: owner.owner == "other" }
}

/// A pod by its name, any other container by its own.
fn container(owner: &OwnerRow) -> Value<'_> {
    match (&owner.namespace, &owner.pod) {
        (Some(namespace), Some(pod)) => Value::Text(Cow::Owned(format!("{namespace}/{pod}"))),
        _ => Value::maybe(owner.container.as_deref()),
    }
}

/// The filter for the flows of an owner; `None`: they are not told apart.
pub(in super::super) fn filter(owner: &OwnerRow) -> Option<String> {
    if owner.owner == "other" {
        return None;
    }
    let of = |field, name: &Option<String>| name.as_deref().map(|name| text(field, name));
    let tests: Vec<String> = [
        of(TextField::Unit, &owner.unit),
        of(TextField::Process, &owner.process),
        of(TextField::Container, &owner.container),
        of(TextField::Namespace, &owner.namespace),
        of(TextField::Pod, &owner.pod),
    ]
    .into_iter()
    .flatten()
    .collect();
    Some(if tests.is_empty() { text(TextField::Owner, &owner.owner) } else { tests.join(" and ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::filter::Filter;

    #[test]
    fn an_owner_is_a_filter_of_its_flows_whatever_its_name() {
        let user = |unit: &str, process: &str| OwnerRow {
            owner: "user".to_owned(),
            unit: Some(unit.to_owned()),
            process: Some(process.to_owned()),
            ..OwnerRow::default()
        };
        let kernel = OwnerRow { owner: "kernel".to_owned(), ..OwnerRow::default() };
        let other = OwnerRow { owner: "other".to_owned(), ..OwnerRow::default() };
        let long = "x".repeat(200);
        for (owner, wanted) in [
            (user("nginx.service", "nginx"), Some("unit nginx.service and process nginx".to_owned())),
            (user("a b", "\" or tcp"), Some("unit \"a b\" and process \"\\\" or tcp\"".to_owned())),
            (user(&long, "x"), Some(format!("unit {long} and process x"))),
            (kernel, Some("owner kernel".to_owned())),
            (other, None),
        ] {
            let made = filter(&owner);
            assert_eq!(made, wanted);
            assert!(made.is_none_or(|filter| filter.parse::<Filter>().is_ok()), "{owner:?}");
        }
    }
}
