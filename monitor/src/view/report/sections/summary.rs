//! The answer on the first screen, and what is wrong.

use std::{collections::HashMap, net::IpAddr};

use monitor_core::{
    label::{FindingKind, TcpState},
    record::Text,
    report::{Behaviour, Label, Weighed},
};

use super::{Block, Cell, Column, Context, Row, Said, Table, capture, health, heaviest};
use crate::view::{report::document::Tone, units};

pub(super) fn summary(context: &Context<'_>) -> Said {
    let report = context.report;
    let capture = &report.capture;
    let mut facts = vec![("Capture", Cell::text(what(context)))];
    if let Some(when) = capture.span() {
        facts.push((
            "When",
            Cell::text(format!("{}, {}", capture::span(when), units::seconds(capture.seconds()))),
        ));
    }
    facts.extend(domains(context).map(|cell| ("Domains", cell)));
    facts.extend(talker(context).map(|cell| ("Top conversation", cell)));
    facts.extend(connections(context).map(|cell| ("Connections", cell)));
    facts.extend(speed(context).map(|cell| ("Latency", cell)));
    facts.extend(dns(context).map(|cell| ("DNS", cell)));
    facts.push(("Scanners", scanners(context)));
    facts.push(("Findings", findings_in_short(context)));
    ("The main numbers; details are in the sections below.", vec![Block::Spark, Block::Facts(facts)])
}

fn what(context: &Context<'_>) -> String {
    let capture = &context.report.capture;
    let seconds = capture.seconds();
    let mean = if seconds > 0.0 {
        format!(", {}", units::bit_rate(capture.bytes as f64 / seconds))
    } else {
        String::new()
    };
    let truncated = match (capture.truncated, capture.files) {
        (0, _) => String::new(),
        (_, 0 | 1) => ", truncated".to_owned(),
        (some, all) => format!(", {} of {} truncated", units::count(some), units::counted(all, "file")),
    };
    format!(
        "{}, {}, {}{mean}{truncated}",
        units::counted(capture.packets, "packet"),
        units::bytes(capture.bytes as f64),
        units::counted(context.report.traffic.flows, "flow")
    )
}

fn domains(context: &Context<'_>) -> Option<Cell> {
    let traffic = &context.report.traffic;
    // The same rows as in the section, so that the same shares stand here and there.
    let (shown, rest, _) = heaviest(&traffic.domains, context.top);
    let values: Vec<u64> = shown.iter().map(|(_, stat)| stat.weight()).chain([rest]).collect();
    let shares = shown.iter().zip(units::shares(&values));
    let (named, nameless): (Vec<_>, Vec<_>) = shares.partition(|((domain, _), _)| domain.is_some());
    let parts: Vec<String> = named
        .into_iter()
        .take(3)
        .chain(nameless)
        .map(|((domain, _), share)| {
            let name = domain.as_ref().map_or("unresolved", Text::as_str);
            format!("{name} {}", units::tenths(share))
        })
        .collect();
    (!parts.is_empty()).then(|| Cell::text(parts.join(", ")))
}

fn talker(context: &Context<'_>) -> Option<Cell> {
    let traffic = &context.report.traffic;
    let ((client, server), conversation) = traffic.conversations.sorted().first().copied()?;
    let share = units::percent(conversation.weight(), traffic.bytes);
    Some(Cell::text(format!("{client} → {server}: {}, {share}", units::bytes(conversation.weight() as f64))))
}

fn connections(context: &Context<'_>) -> Option<Cell> {
    let tcp = &context.report.tcp;
    let parts: Vec<String> = [
        (tcp.state(TcpState::Refused), "refused"),
        (tcp.state(TcpState::TimedOut) + tcp.state(TcpState::SynSent), "unanswered"),
        (tcp.state(TcpState::Reset), "reset"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!(", {} {what}", units::count(n)))
    .collect();
    let failed = tcp.attempts.saturating_sub(tcp.established);
    let tone = if failed * 10 > tcp.attempts { Tone::Warn } else { Tone::Plain };
    (tcp.attempts > 0).then(|| {
        let handshakes = units::count(tcp.established);
        let text = format!("{handshakes} of {} TCP handshakes", units::count(tcp.attempts));
        Cell::text(text + &parts.concat()).tone(tone)
    })
}

fn speed(context: &Context<'_>) -> Option<Cell> {
    let tcp = &context.report.tcp;
    let mut parts = Vec::new();
    for (what, of) in [("handshake", &tcp.handshake), ("response", &tcp.response)] {
        if let (Some(p50), Some(p95)) = (of.median(), of.quantile(0.95)) {
            parts.push(format!("{what} p50 {}, p95 {}", units::seconds(p50), units::seconds(p95)));
        }
    }
    if tcp.packets == 0 {
        return None;
    }
    let again = tcp.segments.retransmissions;
    parts.push(format!("retrans {}", units::percent(again, tcp.packets)));
    let slow = health::slow_names(context);
    let slowest = slow.iter().find(|(_, stat, _)| matches!(health::blame(stat).tone, Tone::Warn | Tone::Bad));
    let mut tone = health::loss_tone(again, tcp.packets);
    if let Some((name, stat, time)) = slowest {
        parts.push(format!("slowest {name} p95 {} ({})", units::seconds(*time), health::blame(stat).text));
        tone = if tone == Tone::Good { Tone::Warn } else { tone };
    }
    Some(Cell::text(parts.join(", ")).tone(tone))
}

fn dns(context: &Context<'_>) -> Option<Cell> {
    let dns = &context.report.dns;
    if dns.queries == 0 {
        return None;
    }
    let errors: u64 = dns.codes.iter().filter(|(code, _)| **code != 0).map(|(_, n)| n).sum();
    let unanswered = dns.unanswered();
    let mut parts = vec![units::counted_as(dns.queries, "query", "queries")];
    if let (Some(p50), Some(p95)) = (dns.latency.median(), dns.latency.quantile(0.95)) {
        parts.push(format!("response time p50 {}, p95 {}", units::seconds(p50), units::seconds(p95)));
    }
    for (n, what) in [(unanswered, "unanswered"), (errors, "errors")] {
        if n > 0 {
            parts.push(format!("{} {what}", units::count(n)));
        }
    }
    let tone = if unanswered * 20 > dns.queries { Tone::Warn } else { Tone::Plain };
    Some(Cell::text(parts.join(", ")).tone(tone))
}

fn scanners(context: &Context<'_>) -> Cell {
    let ranked = context.report.sources.ranked(&context.report.findings);
    let suspicious: Vec<_> = ranked.iter().filter(|(.., seems)| *seems != Behaviour::Usual).collect();
    let Some((ip, source, seems)) = suspicious.first() else {
        return Cell::text("none seen").tone(Tone::Good);
    };
    let more = match suspicious.len() {
        1 => String::new(),
        n => format!("; {} more", n - 1),
    };
    let text = format!(
        "{ip}: {} ({}, {}, {} failed){more}",
        health::behaviour(*seems),
        units::counted(source.destinations.count(), "host"),
        units::counted(source.ports.count(), "port"),
        units::percent(source.failed, source.flows)
    );
    Cell::text(text).tone(if *seems == Behaviour::FanOut { Tone::Warn } else { Tone::Bad })
}

/// What is wrong: how grave, what, where, how often.
fn found(context: &Context<'_>) -> Vec<(Tone, &'static str, String, u64)> {
    let mut names: HashMap<IpAddr, &str> = HashMap::new();
    for ((_, label), stat) in context.report.traffic.names.sorted() {
        if let Label::Name(name) = label {
            for ip in &stat.addresses {
                names.entry(*ip).or_insert(name.as_str());
            }
        }
    }
    let all = context.report.findings.all.sorted().into_iter();
    let mut found: Vec<_> = all
        .map(|((kind, detail, ip), n)| {
            let place = names.get(ip).map_or_else(|| ip.to_string(), |name| format!("{name} ({ip})"));
            let (tone, what) = in_words(*kind);
            (tone, what, format!("{detail} with {place}"), *n)
        })
        .collect();
    // What is grave first; within that the order of how often stays.
    found.sort_by_key(|(tone, ..)| *tone != Tone::Bad);
    let http = &context.report.http;
    if http.requests + http.responses > 0 {
        let place = format!("HTTP with {}", units::counted(http.hosts.len() as u64, "host"));
        found.push((Tone::Warn, "cleartext HTTP", place, http.requests.max(http.responses)));
    }
    found
}

const fn in_words(kind: FindingKind) -> (Tone, &'static str) {
    match kind {
        FindingKind::CleartextCredentials => (Tone::Bad, "cleartext credentials"),
        FindingKind::OldTls => (Tone::Bad, "old TLS"),
        FindingKind::WeakCipher => (Tone::Bad, "weak cipher"),
        FindingKind::CertificateExpired => (Tone::Bad, "certificate expired"),
        FindingKind::CertificateNotYetValid => (Tone::Bad, "certificate not valid yet"),
        FindingKind::CertificateSelfSigned => (Tone::Warn, "certificate self-signed"),
        FindingKind::CertificateNameMismatch => (Tone::Warn, "hostname mismatch"),
    }
}

fn findings_in_short(context: &Context<'_>) -> Cell {
    let found = found(context);
    let Some(first) = found.first() else { return Cell::text("none").tone(Tone::Good) };
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for (_, what, _, n) in &found {
        match kinds.iter_mut().find(|(kind, _)| kind == what) {
            Some((_, sum)) => *sum += n,
            None => kinds.push((what, *n)),
        }
    }
    let parts: Vec<String> = kinds.iter().map(|(kind, n)| format!("{kind} {}", times(*n))).collect();
    Cell::text(parts.join(", ")).tone(first.0)
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{} times", units::count(n)) }
}

pub(super) fn findings(context: &Context<'_>) -> Said {
    let about = "Weak encryption and cleartext traffic.";
    let found = found(context);
    let left = found.len().saturating_sub(context.top);
    let rows: Vec<Row> = found
        .into_iter()
        .take(context.top)
        .map(|(tone, what, place, n)| {
            Row::new(vec![Cell::text(what).tone(tone), Cell::text(place), Cell::count(n)])
        })
        .collect();
    let columns = vec![Column::text("FINDING"), Column::text("WHERE"), Column::number("TIMES")];
    if rows.is_empty() {
        return (about, Vec::new());
    }
    let note = super::more(left as u64, "findings", false);
    (about, vec![Block::Table(Table { title: "", columns, rows, note })])
}
