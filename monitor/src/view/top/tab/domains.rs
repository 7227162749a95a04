//! Share of traffic by domain, and by service.

use std::borrow::Cow;

use crate::view::{
    live::{Domain, DomainKind, Host, Service},
    top::{
        grid::{Cell, Column, Of, Row, Value},
        model::Top,
        paint::Paint,
    },
};

pub(super) const DOMAINS: [Column; 8] = [
    Column::text("DOMAIN", (16, 50), 3),
    Column::number("SHARE", 7),
    Column::text("", (8, 24), 1).rank(2),
    Column::number("IN", 8),
    Column::number("OUT", 8).rank(1),
    Column::number("RATE", 11).rank(3).only(Of::Live),
    Column::number("FLOWS", 8).rank(4),
    Column::text("NAMES", (16, 120), 4).rank(5).only(Of::Live),
];

pub(super) const SERVICES: [Column; 7] = [
    Column::text("SERVICE", (14, 30), 3),
    Column::number("SHARE", 7),
    Column::text("", (8, 24), 1).rank(2),
    Column::text("PROTO", (6, 6), 0),
    Column::number("IN", 8),
    Column::number("OUT", 8).rank(1),
    Column::number("FLOWS", 8).rank(3),
];

/// What a domain's row is called.
pub(in super::super) fn title(domain: &Domain) -> &str {
    match domain.kind {
        DomainKind::Domain => &domain.domain,
        DomainKind::Unresolved => "unresolved",
        DomainKind::Other => "other",
    }
}

pub(super) const HOSTS: [Column; 6] = [
    Column::text("HOST", (15, 47), 3),
    Column::number("SHARE", 7),
    Column::text("", (8, 24), 1).rank(2),
    Column::number("IN", 8),
    Column::number("OUT", 8).rank(1),
    Column::number("FLOWS", 8).rank(3),
];

pub(super) fn hosts(top: &Top) -> Vec<Row<'_>> {
    let hosts = top.snapshot().map(|snapshot| snapshot.hosts.as_slice()).unwrap_or_default();
    hosts.iter().enumerate().map(|(at, host)| host_row(host, at)).collect()
}

fn host_row(host: &Host, at: usize) -> Row<'_> {
    let other = host.address == "other";
    let paint = if other { Paint::Dim } else { Paint::Accent };
    let cells = vec![
        Cell::new(Value::text(&host.address)).paint(paint),
        Cell::new(Value::Share(host.share)).paint(Paint::Label),
        Cell::new(Value::Bar(host.share)).paint(paint),
        Cell::new(Value::Bytes(host.received_bytes)),
        Cell::new(Value::Bytes(host.transmitted_bytes)),
        Cell::new(Value::Count(host.connections)),
    ];
    Row { id: Cow::Borrowed(&*host.address), at, cells, last: other }
}

pub(super) fn domains(top: &Top) -> Vec<Row<'_>> {
    let domains = top.snapshot().map(|snapshot| snapshot.domains.as_slice()).unwrap_or_default();
    let seen = |domain: &&Domain| {
        domain.kind == DomainKind::Domain
            || domain.received_bytes.saturating_add(domain.transmitted_bytes) > 0
    };
    let rows = domains.iter().enumerate().filter(|(_, domain)| seen(domain));
    rows.map(|(at, domain)| domain_row(domain, at)).collect()
}

fn domain_row(domain: &Domain, at: usize) -> Row<'_> {
    let named = domain.kind == DomainKind::Domain;
    let cells = vec![
        Cell::new(Value::text(title(domain))).paint(if named { Paint::Accent } else { Paint::Dim }),
        Cell::new(Value::Share(domain.share)).paint(Paint::Label),
        Cell::new(Value::Bar(domain.share)).paint(if named { Paint::Accent } else { Paint::Dim }),
        Cell::new(Value::Bytes(domain.received_bytes)),
        Cell::new(Value::Bytes(domain.transmitted_bytes)),
        Cell::new(Value::Rate(domain.bytes_per_second)),
        Cell::new(Value::Count(domain.connections)),
        Cell::new(Value::Text(Cow::Owned(domain.names.join(" ")))).paint(Paint::Dim),
    ];
    let id = match domain.kind {
        DomainKind::Domain => Cow::Borrowed(&*domain.domain),
        // No domain has a space.
        DomainKind::Unresolved => Cow::Borrowed(" unresolved"),
        DomainKind::Other => Cow::Borrowed(" other"),
    };
    Row { id, at, cells, last: domain.kind == DomainKind::Other }
}

pub(super) fn services(top: &Top) -> Vec<Row<'_>> {
    let services = top.snapshot().map(|snapshot| snapshot.services.as_slice()).unwrap_or_default();
    let seen = |service: &&Service| {
        !service.transport.is_empty() || service.received_bytes.saturating_add(service.transmitted_bytes) > 0
    };
    let rows = services.iter().enumerate().filter(|(_, service)| seen(service));
    rows.map(|(at, service)| service_row(service, at)).collect()
}

fn service_row(service: &Service, at: usize) -> Row<'_> {
    let other = service.transport.is_empty();
    let name = match &*service.service {
        _ if other => "other",
        "" => "(no ports)",
        name => name,
    };
    let cells = vec![
        Cell::new(Value::text(name)).paint(if other { Paint::Dim } else { Paint::Accent }),
        Cell::new(Value::Share(service.share)).paint(Paint::Label),
        Cell::new(Value::Bar(service.share)).paint(if other { Paint::Dim } else { Paint::Accent }),
        Cell::new(Value::text(&service.transport)).paint(Paint::Dim),
        Cell::new(Value::Bytes(service.received_bytes)),
        Cell::new(Value::Bytes(service.transmitted_bytes)),
        Cell::new(Value::Count(service.connections)),
    ];
    Row { id: Cow::Owned(format!("{} {}", service.transport, service.service)), at, cells, last: other }
}
