//! Who sent how much to whom, over what, by what name.

use std::{collections::HashMap, net::IpAddr};

use monitor_common::abi::Transport;
use monitor_core::{
    record::{Protocol, Text},
    report::{Label, NameStat, ServiceKey, Weighed},
    services::ServiceTable,
};

use super::{Block, Cell, Column, Context, Row, Said, Table, heaviest, known_by, more};
use crate::view::{
    report::{document::Tone, purpose::purpose},
    units,
};

/// Names that are shown below a domain.
const NAMES: usize = 3;

pub(in super::super) const NO_NAME: &str = "unresolved";

pub(super) fn domains(context: &Context<'_>) -> Said {
    let about = "Share of all traffic by domain and, below, its names. SOURCE: how the name is known.";
    let traffic = &context.report.traffic;
    let (shown, rest, others) = heaviest(&traffic.domains, context.top);
    if shown.is_empty() {
        return (about, Vec::new());
    }
    let mut below: HashMap<&Option<Text>, Vec<(&Label, &NameStat)>> = HashMap::new();
    for ((domain, label), stat) in traffic.names.sorted() {
        below.entry(domain).or_default().push((label, stat));
    }
    let values: Vec<u64> = shown.iter().map(|(_, stat)| stat.weight()).chain([rest]).collect();
    let mut shares = units::shares(&values).into_iter();
    let mut rows = Vec::new();
    for (domain, stat) in shown {
        let share = shares.next().unwrap_or_default();
        let name = domain.as_ref().map_or(NO_NAME, Text::as_str);
        let tone = if domain.is_none() { Tone::Dim } else { Tone::Plain };
        rows.push(Row::new(row(context, Cell::text(name).tone(tone), stat, Some(share))));
        let names = below.remove(domain).unwrap_or_default();
        // A domain whose only name is itself says it once.
        if matches!(&*names, [(Label::Name(only), _)] if only.as_str() == name) {
            continue;
        }
        for (label, stat) in names.iter().take(NAMES) {
            let text = match label {
                Label::Name(name) => name.to_string(),
                Label::Server(ip) => match &stat.application {
                    Some(application) => format!("{ip} {application}"),
                    None => ip.to_string(),
                },
            };
            rows.push(Row::below(row(context, Cell::text(text), stat, None)));
        }
        if names.len() > NAMES {
            let text = format!("{} more", units::count((names.len() - NAMES) as u64));
            let rest: u64 = names.iter().skip(NAMES).map(|(_, stat)| stat.weight()).sum();
            let mut cells = vec![Cell::text(text), Cell::default(), Cell::default(), Cell::bytes(rest)];
            cells.resize_with(7, Cell::default);
            rows.push(Row::below(cells));
        }
    }
    if rest > 0 {
        let share = shares.next().unwrap_or_default();
        let mut cells = vec![
            super::others(others),
            Cell::tenths(share),
            Cell::bar(f64::from(share) / 1000.0),
            Cell::bytes(rest),
        ];
        cells.resize_with(7, Cell::default);
        rows.push(Row::new(cells));
    }
    let columns = vec![
        Column::text("DOMAIN"),
        Column::number("SHARE"),
        Column::text("").drop(2),
        Column::number("BYTES"),
        Column::number("FLOWS").drop(3),
        Column::text("SOURCE"),
        Column::text("ADDRESSES").drop(1),
    ];
    (about, vec![Block::Table(Table { title: "", columns, rows, note: None })])
}

fn row(context: &Context<'_>, name: Cell, stat: &NameStat, share: Option<u32>) -> Vec<Cell> {
    vec![
        name,
        share.map_or_else(Cell::default, Cell::tenths),
        share.map_or_else(Cell::default, |share| Cell::bar(f64::from(share) / 1000.0)),
        Cell::bytes(stat.weight()),
        Cell::count(stat.flows),
        known_by(stat),
        Cell::text(addresses(context, stat)),
    ]
}

/// The first addresses, and how many more there are.
fn addresses(context: &Context<'_>, stat: &NameStat) -> String {
    let Some(first) = stat.addresses.first() else { return String::new() };
    let more = stat.addresses.len() - 1;
    let plus = if stat.more_addresses { "+" } else { "" };
    let more = if more == 0 { String::new() } else { format!(" +{more}{plus}") };
    match context.owner(*first) {
        Some(owner) => format!("{first}{more} {owner}"),
        None => format!("{first}{more}"),
    }
}

pub(super) fn hosts(context: &Context<'_>) -> Said {
    let about = "Hosts by traffic. OPENED, ACCEPTED: flows as client, as server; CLOSED, RESET: TCP connections ended first, by FIN or RST.";
    let (shown, _, others) = heaviest(&context.report.traffic.endpoints, context.top);
    let rows = shown.into_iter().map(|(ip, host)| {
        Row::new(vec![
            Cell::text(context.owned(*ip)),
            Cell::bytes(host.sent),
            Cell::bytes(host.received),
            Cell::count(host.packets),
            Cell::count(host.opened),
            Cell::count(host.accepted),
            Cell::count(host.closed),
            Cell::count(host.reset),
        ])
    });
    let columns = vec![
        Column::text("ADDRESS"),
        Column::number("SENT"),
        Column::number("RECEIVED"),
        Column::number("PACKETS").drop(1),
        Column::number("OPENED"),
        Column::number("ACCEPTED"),
        Column::number("CLOSED"),
        Column::number("RESET"),
    ];
    let note = more(others, "addresses", context.report.traffic.endpoints.folded() > 0);
    (about, table(columns, rows.collect(), note))
}

fn table(columns: Vec<Column>, rows: Vec<Row>, note: Option<String>) -> Vec<Block> {
    if rows.is_empty() { Vec::new() } else { vec![Block::Table(Table { title: "", columns, rows, note })] }
}

pub(super) fn conversations(context: &Context<'_>) -> Said {
    let about = "Traffic by client and server; the client opened the connection.";
    let traffic = &context.report.traffic;
    let (shown, rest, others) = heaviest(&traffic.conversations, context.top);
    let values: Vec<u64> = shown.iter().map(|(_, c)| c.weight()).chain([rest]).collect();
    let rows = shown.into_iter().zip(units::shares(&values)).map(|(((client, server), c), share)| {
        Row::new(vec![
            Cell::text(client.to_string()),
            Cell::text(context.owned(*server)),
            Cell::bytes(c.sent),
            Cell::bytes(c.received),
            Cell::count(c.packets),
            Cell::count(c.flows),
            Cell::tenths(share),
        ])
    });
    let columns = vec![
        Column::text("CLIENT"),
        Column::text("SERVER"),
        Column::number("SENT"),
        Column::number("RECEIVED"),
        Column::number("PACKETS").drop(2),
        Column::number("FLOWS").drop(1),
        Column::number("SHARE"),
    ];
    let note = more(others, "conversations", traffic.conversations.folded() > 0);
    (about, table(columns, rows.collect(), note))
}

pub(super) fn services(context: &Context<'_>) -> Said {
    let about = "Traffic by server port and application. SOURCE: payload or port.";
    let traffic = &context.report.traffic;
    let (shown, rest, others) = heaviest(&traffic.services, context.top);
    let values: Vec<u64> = shown.iter().map(|(_, service)| service.bytes).chain([rest]).collect();
    let rows = shown.into_iter().zip(units::shares(&values)).map(|((key, service), share)| {
        let (port, name) = (port(key), service_name(key, context.services));
        let how = match key.application {
            Some(_) if service.from_wire > 0 => "payload",
            Some(_) => "port",
            None => "",
        };
        Row::new(vec![
            Cell::text(port),
            Cell::text(name.as_str()),
            Cell::text(how).tone(Tone::Dim),
            Cell::tenths(share),
            Cell::bytes(service.bytes),
            Cell::count(service.flows),
            Cell::text(purpose(&name)),
        ])
    });
    let columns = vec![
        Column::text("PORT"),
        Column::text("SERVICE"),
        Column::text("SOURCE").drop(2),
        Column::number("SHARE"),
        Column::number("BYTES"),
        Column::number("FLOWS"),
        Column::text("DESCRIPTION").drop(1),
    ];
    let note = more(others, "ports", traffic.services.folded() > 0);
    (about, table(columns, rows.collect(), note))
}

/// `443/tcp`, `icmp`, `protocol 47`.
fn port(key: &ServiceKey) -> String {
    let protocol = Protocol(key.protocol);
    match Transport::from_protocol(key.protocol) {
        Transport::Tcp | Transport::Udp | Transport::Sctp => format!("{}/{protocol}", key.port),
        Transport::Other => format!("protocol {protocol}"),
        _ => protocol.to_string(),
    }
}

fn service_name(key: &ServiceKey, names: &ServiceTable) -> String {
    if let Some(application) = &key.application {
        return application.to_string();
    }
    let transport = Transport::from_protocol(key.protocol);
    match key.protocol {
        2 => "igmp".to_owned(),
        47 => "gre".to_owned(),
        50 => "esp".to_owned(),
        51 => "ah".to_owned(),
        89 => "ospf".to_owned(),
        1 | 58 => transport.as_str().to_owned(),
        _ => names.name(transport, key.port).to_owned(),
    }
}

pub(super) fn owners(context: &Context<'_>) -> Said {
    let about = "Traffic by autonomous system of the server (--asn-db).";
    let Some(owners) = context.owners else { return (about, Vec::new()) };
    let traffic = &context.report.traffic;
    let mut by_owner: HashMap<String, (u64, u64)> = HashMap::new();
    let mut unknown = traffic.endpoints.rest().served;
    for (ip, host) in traffic.endpoints.iter().filter(|(_, host)| host.served > 0) {
        match owners.owner(*ip) {
            Some(owner) => {
                let sum = by_owner.entry(owner).or_default();
                *sum = (sum.0 + host.served, sum.1 + 1);
            }
            None => unknown += host.served,
        }
    }
    let mut sorted: Vec<_> = by_owner.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others = sorted.split_off(context.top.min(sorted.len()));
    let mut rows: Vec<(Cell, u64)> =
        sorted.into_iter().map(|(owner, (bytes, _))| (Cell::text(owner), bytes)).collect();
    let rest: u64 = others.iter().map(|(_, (bytes, _))| bytes).sum();
    if rest > 0 {
        rows.push((super::others(others.len() as u64), rest));
    }
    if unknown > 0 {
        rows.push((Cell::text("private or unknown").tone(Tone::Dim), unknown));
    }
    (about, super::shared("", "OWNER", rows, Cell::bytes).into_iter().collect())
}

pub(super) fn fragments(context: &Context<'_>) -> Said {
    let about = "Fragmented packets: slow, often dropped, and a way around filters.";
    let traffic = &context.report.traffic;
    if traffic.fragments == 0 {
        return (about, Vec::new());
    }
    let (shown, _, others) = heaviest(&traffic.fragmented, context.top);
    let fragments = |client: IpAddr, server: IpAddr| (client.to_string(), server.to_string());
    let rows = shown.into_iter().map(|((protocol, client, server), f)| {
        let (client, server) = fragments(*client, *server);
        Row::new(vec![
            Cell::text(Protocol(*protocol).to_string()),
            Cell::text(client),
            Cell::text(server),
            Cell::count(f.fragments),
            Cell::percent(f.fragments, f.packets),
        ])
    });
    let columns = vec![
        Column::text("TRANSPORT"),
        Column::text("CLIENT"),
        Column::text("SERVER"),
        Column::number("FRAGMENTS"),
        Column::number("OF PACKETS"),
    ];
    let total = units::count(traffic.fragments);
    let mut blocks = vec![Block::Facts(vec![("Fragments", Cell::text(total))])];
    blocks.extend(table(columns, rows.collect(), more(others, "pairs", traffic.fragmented.folded() > 0)));
    (about, blocks)
}
