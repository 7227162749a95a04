//! DNS, TLS and HTTP.

use monitor_core::{
    label::FindingKind,
    protocol::{OTHER, rcode},
    report::{DnsName, Host, Latency},
};

use super::health::spread;
use super::{Block, Cell, Column, Context, Row, Said, Table, heaviest, more, tally};
use crate::view::{report::document::Tone, units};

fn usual(latency: &Latency) -> Cell {
    spread(latency).unwrap_or_else(|| Cell::text("not seen").tone(Tone::Dim))
}

pub(super) fn dns(context: &Context<'_>) -> Said {
    let about = "Queried names, response codes and response times.";
    let dns = &context.report.dns;
    if dns.queries + dns.responses + dns.local == 0 {
        return (about, Vec::new());
    }
    let unanswered = dns.unanswered();
    let tone = if unanswered * 20 > dns.queries { Tone::Warn } else { Tone::Plain };
    let mut facts = vec![
        ("Queries", Cell::count(dns.queries)),
        ("Responses", Cell::count(dns.responses)),
        (
            "Unanswered",
            Cell::text(format!("{}, {}", units::count(unanswered), units::percent(unanswered, dns.queries)))
                .tone(tone),
        ),
        ("Response time", usual(&dns.latency)),
    ];
    if dns.retransmissions > 0 {
        facts.push((
            "Retransmissions",
            Cell::text(units::counted_as(dns.retransmissions, "query", "queries")),
        ));
    }
    if dns.truncated > 0 {
        facts.push(("Truncated", Cell::count(dns.truncated)));
    }
    if dns.local > 0 {
        let text = format!("{} messages of mDNS and LLMNR", units::count(dns.local));
        facts.push(("Link-local", Cell::text(text)));
    }
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(tally("Response codes", "CODE", &dns.codes, context.top, |code| {
        Cell::text(code_name(*code)).tone(if *code == 0 { Tone::Plain } else { Tone::Warn })
    }));
    blocks.extend(tally("Types", "TYPE", &dns.types, context.top, |t| Cell::text(t.as_str())));

    let (names, _, others) = heaviest(&dns.names, context.top);
    let folded = dns.names.folded() > 0;
    let names = names.into_iter().map(|(name, stat)| dns_row(name.as_str(), stat)).collect();
    blocks.extend(dns_table("Top queried names", names, more(others, "names", folded)));
    let mut slow: Vec<_> = dns.names.iter().filter(|(_, stat)| stat.latency.count() > 0).collect();
    slow.sort_by(|a, b| b.1.latency.max().total_cmp(&a.1.latency.max()).then_with(|| a.0.cmp(b.0)));
    let slow =
        slow.into_iter().take(context.top.div_ceil(2)).map(|(name, stat)| dns_row(name.as_str(), stat));
    blocks.extend(dns_table("Slowest", slow.collect(), None));
    // What was never answered has no response time; what was sometimes answered is another fault.
    let mut lost: Vec<_> = dns.names.iter().filter(|(_, stat)| stat.unanswered() > 0).collect();
    lost.sort_by(|a, b| b.1.unanswered().cmp(&a.1.unanswered()).then_with(|| a.0.cmp(b.0)));
    let (never, sometimes): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(_, stat)| stat.matched == 0);
    let most = context.top.div_ceil(2);
    let never = never.into_iter().take(most).map(|(name, stat)| {
        Row::new(vec![Cell::text(name.as_str()), Cell::count(stat.unanswered()).tone(Tone::Warn)])
    });
    let never: Vec<Row> = never.collect();
    let columns = vec![Column::text("NAME"), Column::number("QUERIES")];
    blocks.extend((!never.is_empty()).then_some(Block::Table(Table {
        title: "Never answered",
        columns,
        rows: never,
        note: None,
    })));
    let sometimes = sometimes.into_iter().take(most).map(|(name, stat)| dns_row(name.as_str(), stat));
    blocks.extend(dns_table("Sometimes unanswered", sometimes.collect(), None));

    let (resolvers, _, others) = heaviest(&dns.resolvers, context.top);
    let rows = resolvers.into_iter().map(|(ip, stat)| {
        Row::new(vec![
            Cell::text(context.owned(*ip)),
            Cell::count(stat.queries),
            Cell::count(stat.queries.saturating_sub(stat.matched)),
            Cell::seconds(stat.latency.median()),
            Cell::seconds(stat.latency.quantile(0.95)),
            Cell::seconds(Some(stat.latency.max()).filter(|_| stat.latency.count() > 0)),
        ])
    });
    let columns = vec![
        Column::text("RESOLVER"),
        Column::number("QUERIES"),
        Column::number("UNANSWERED"),
        Column::number("P50"),
        Column::number("P95"),
        Column::number("MAX"),
    ];
    let note = more(others, "resolvers", dns.resolvers.folded() > 0);
    blocks.push(Block::Table(Table { title: "Resolvers", columns, rows: rows.collect(), note }));
    (about, blocks)
}

fn dns_row(name: &str, stat: &DnsName) -> Row {
    let tone = |n: u64| if n > 0 { Tone::Warn } else { Tone::Plain };
    Row::new(vec![
        Cell::text(name),
        Cell::count(stat.queries),
        Cell::count(stat.unanswered()).tone(tone(stat.unanswered())),
        Cell::count(stat.failed).tone(tone(stat.failed)),
        Cell::seconds(stat.latency.median()),
        Cell::seconds(stat.latency.quantile(0.95)),
        Cell::seconds(Some(stat.latency.max()).filter(|_| stat.latency.count() > 0)),
    ])
}

fn dns_table(title: &'static str, rows: Vec<Row>, note: Option<String>) -> Option<Block> {
    let columns = vec![
        Column::text("NAME"),
        Column::number("QUERIES"),
        Column::number("UNANSWERED"),
        Column::number("ERRORS"),
        Column::number("P50").drop(1),
        Column::number("P95"),
        Column::number("MAX").drop(2),
    ];
    (!rows.is_empty()).then_some(Block::Table(Table { title, columns, rows, note }))
}

/// Response codes by the names of RFC 6895, 2.3, those that people meet with what they mean.
fn code_name(code: u16) -> String {
    let meaning = match code {
        1 => " (format error)",
        2 => " (server failure)",
        3 => " (no such name)",
        4 => " (not implemented)",
        16 => " (bad EDNS version)",
        23 => " (bad cookie)",
        _ => "",
    };
    match rcode(code) {
        OTHER => code.to_string(),
        name => format!("{name}{meaning}"),
    }
}

pub(super) fn tls(context: &Context<'_>) -> Said {
    let about = "How encrypted connections start; version, cipher and group as the server chose.";
    let tls = &context.report.tls;
    if tls.hellos == 0 {
        return (about, Vec::new());
    }
    let of_all = |n: u64| Cell::text(format!("{}, {}", units::count(n), units::percent(n, tls.hellos)));
    let [tcp, dtls, quic] = tls.carriers.map(units::count);
    let nameless: u64 = tls.nameless.iter().map(|(_, n)| n).sum::<u64>() + tls.nameless.rest();
    let mut facts = vec![
        ("ClientHellos", Cell::text(format!("{tcp} over TCP, {quic} over QUIC, {dtls} over DTLS"))),
        ("Answered", of_all(tls.answered)),
        ("No SNI", of_all(nameless)),
    ];
    for (label, n) in [("ECH", tls.ech), ("Resumed", tls.resumed), ("HelloRetryRequest", tls.retried)] {
        if n > 0 {
            facts.push((label, of_all(n)));
        }
    }
    let mut blocks = vec![Block::Facts(facts)];
    let weak = |kind: FindingKind, value: &str| {
        let found = context.report.findings.has(kind, value);
        Cell::text(value).tone(if found { Tone::Bad } else { Tone::Plain })
    };
    blocks.extend(tally("Versions", "VERSION", &tls.versions, context.top, |v| {
        weak(FindingKind::OldTls, v.as_str())
    }));
    blocks.extend(tally("Ciphers", "CIPHER", &tls.ciphers, context.top, |c| {
        weak(FindingKind::WeakCipher, c.as_str())
    }));
    blocks
        .extend(tally("Key exchange groups", "GROUP", &tls.groups, context.top, |g| Cell::text(g.as_str())));
    blocks.extend(tally("Preferred ALPN", "ALPN", &tls.alpn, context.top, |a| Cell::text(a.as_str())));
    blocks.extend(tally("Servers without SNI", "SERVER", &tls.nameless, context.top, |ip| {
        Cell::text(context.owned(*ip))
    }));
    blocks.extend(tally("Alerts", "ALERT", &tls.alerts, context.top, |a| {
        Cell::text(a.as_str()).tone(Tone::Warn)
    }));
    blocks.extend(tally("Clients by JA4", "JA4", &tls.ja4, context.top, |j| Cell::text(j.as_str())));
    (about, blocks)
}

pub(super) fn http(context: &Context<'_>) -> Said {
    let about = "Cleartext HTTP requests and responses.";
    let http = &context.report.http;
    if http.requests + http.responses == 0 {
        return (about, Vec::new());
    }
    let facts = vec![
        ("Requests", Cell::count(http.requests)),
        ("Responses", Cell::count(http.responses)),
        ("Response time", usual(&http.response)),
    ];
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(tally("Methods", "METHOD", &http.methods, context.top, |m| Cell::text(m.as_str())));
    blocks.extend(tally("Statuses", "STATUS", &http.statuses, context.top, |status| {
        let tone = match status {
            500.. => Tone::Bad,
            400.. => Tone::Warn,
            _ => Tone::Plain,
        };
        Cell::text(status.to_string()).tone(tone)
    }));
    blocks.extend(tally("Types", "TYPE", &http.types, context.top, |t| Cell::text(t.as_str())));
    let (hosts, _, others) = heaviest(&http.hosts, context.top);
    let hosts = hosts.into_iter().map(|(host, stat)| http_row(host.to_string(), stat)).collect();
    blocks.extend(http_table("Hosts", "HOST", hosts, more(others, "hosts", http.hosts.folded() > 0)));
    let mut slow: Vec<_> = http.paths.iter().filter(|(_, stat)| stat.response.count() > 0).collect();
    slow.sort_by(|a, b| b.1.response.max().total_cmp(&a.1.response.max()).then_with(|| a.0.cmp(b.0)));
    let slow = slow.into_iter().take(context.top.div_ceil(2));
    let slow = slow.map(|((host, path), stat)| http_row(format!("{host}{path}"), stat)).collect();
    blocks.extend(http_table("Slowest", "REQUEST", slow, None));
    (about, blocks)
}

fn http_row(what: String, stat: &Host) -> Row {
    Row::new(vec![
        Cell::text(what),
        Cell::count(stat.requests),
        Cell::count(stat.responses),
        Cell::count(stat.errors).tone(if stat.errors > 0 { Tone::Warn } else { Tone::Plain }),
        Cell::seconds(stat.response.median()),
        Cell::seconds(stat.response.quantile(0.95)),
        Cell::seconds(Some(stat.response.max()).filter(|_| stat.response.count() > 0)),
    ])
}

fn http_table(
    title: &'static str,
    what: &'static str,
    rows: Vec<Row>,
    note: Option<String>,
) -> Option<Block> {
    let columns = vec![
        Column::text(what),
        Column::number("REQUESTS"),
        Column::number("RESPONSES").drop(2),
        Column::number("ERRORS"),
        Column::number("P50").drop(1),
        Column::number("P95"),
        Column::number("MAX").drop(2),
    ];
    (!rows.is_empty()).then_some(Block::Table(Table { title, columns, rows, note }))
}
