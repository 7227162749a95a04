//! Do connections come about, is data lost, how long does it take, and who tries what.

use monitor_core::{
    label::TcpState,
    report::{Behaviour, CONNECTION_BOUNDS, Label, Latency, NameStat},
};

use super::{Block, Cell, Column, Context, Row, Said, Table, shared};
use crate::view::{report::document::Tone, units};

/// `12.3 ms, 95 % within 40 ms, longest 1.20 s`.
fn spread(latency: &Latency) -> Option<Cell> {
    let (median, most) = (latency.median()?, latency.quantile(0.95)?);
    let number = units::count(latency.count());
    Some(Cell::text(format!(
        "median {}, 95 % within {}, longest {} ({number})",
        units::seconds(median),
        units::seconds(most.max(median)),
        units::seconds(latency.max())
    )))
}

/// From what share of segments sent again on people feel it, and from what on it hurts.
pub(super) fn loss_tone(again: u64, packets: u64) -> Tone {
    let share = if packets == 0 { 0.0 } else { again as f64 / packets as f64 };
    match share {
        s if s >= 0.03 => Tone::Bad,
        s if s >= 0.01 => Tone::Warn,
        _ => Tone::Good,
    }
}

fn attention(count: u64) -> Tone {
    if count > 0 { Tone::Warn } else { Tone::Plain }
}

pub(super) fn tcp(context: &Context<'_>) -> Said {
    let about =
        "Whether connections come about, lose data, or are slow; times as seen where it was captured.";
    let tcp = &context.report.tcp;
    if tcp.flows == 0 {
        return (about, Vec::new());
    }
    let of_attempts = |n: u64| format!("{}, {}", units::count(n), units::percent(n, tcp.attempts));
    let segments = &tcp.segments;
    let again = segments.retransmissions;
    let mut facts = vec![
        (
            "Connections",
            Cell::text(format!(
                "{}, {} of them from their beginning",
                units::count(tcp.flows),
                units::count(tcp.attempts)
            )),
        ),
        ("Handshakes", Cell::text(of_attempts(tcp.established))),
    ];
    for (label, state) in [
        ("Refused", TcpState::Refused),
        ("Timed out", TcpState::TimedOut),
        ("No answer yet", TcpState::SynSent),
        ("Reset", TcpState::Reset),
    ] {
        let n = tcp.state(state);
        facts.push((label, Cell::text(of_attempts(n)).tone(attention(n))));
    }
    facts.push((
        "Sent again",
        Cell::text(format!("{} segments, {}", units::count(again), units::percent(again, tcp.packets)))
            .tone(loss_tone(again, tcp.packets)),
    ));
    for (label, n) in [
        ("Out of order", segments.out_of_order),
        ("Duplicate ACKs", segments.duplicate_acks),
        ("Gaps", segments.lost_segments),
    ] {
        if n > 0 {
            facts.push((label, Cell::count(n)));
        }
    }
    if segments.zero_windows > 0 {
        let clients = tcp.client_zero_windows;
        let servers = segments.zero_windows.saturating_sub(clients);
        let text = format!("{} from clients, {} from servers", units::count(clients), units::count(servers));
        facts.push(("Zero windows", Cell::text(text)));
    }
    for (label, latency) in [
        ("Handshake", &tcp.handshake),
        ("RTT to servers", &tcp.server_rtt),
        ("RTT to clients", &tcp.client_rtt),
        ("First response", &tcp.response),
    ] {
        facts.extend(spread(latency).map(|cell| (label, cell)));
    }
    let ended =
        |(fin, rst): (u64, u64)| format!("{} by FIN, {} by RST", units::count(fin), units::count(rst));
    facts.push(("Client ended", Cell::text(ended(tcp.client_ended))));
    facts.push(("Server ended", Cell::text(ended(tcp.server_ended))));
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(slowest(context));
    (about, blocks)
}

/// Names or servers by their usual time to the first response.
pub(super) fn slow_names<'a>(context: &Context<'a>) -> Vec<(String, &'a NameStat, f64)> {
    let names = context.report.traffic.names.iter();
    let mut slow: Vec<_> = names
        .filter_map(|((_, label), stat)| {
            let time = stat.response.median()?.max(stat.handshake.median().unwrap_or(0.0));
            let name = match label {
                Label::Name(name) => name.to_string(),
                Label::Server(ip) => ip.to_string(),
            };
            Some((name, stat, time))
        })
        .collect();
    slow.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    slow
}

/// Where the time to a response goes.
pub(super) fn blame(stat: &NameStat) -> Cell {
    // One or two segments sent again are no rate.
    if stat.retransmissions >= 3 && loss_tone(stat.retransmissions, stat.tcp_packets) == Tone::Bad {
        return Cell::text("loss").tone(Tone::Bad);
    }
    let (Some(response), handshake) = (stat.response.median(), stat.handshake.median()) else {
        return Cell::default();
    };
    match handshake {
        // One round trip is the network's, the rest the server's.
        Some(trip) if response > 0.2 && response - trip > 2.0 * trip => Cell::text("server").tone(Tone::Warn),
        Some(trip) if trip > 0.2 => Cell::text("network").tone(Tone::Warn),
        None if response > 1.0 => Cell::text("slow").tone(Tone::Warn),
        // The answer comes in time, and then waits until the client reads it.
        _ if stat.client_zero_windows > 0 => Cell::text("client"),
        _ => Cell::text("fine").tone(Tone::Good),
    }
}

fn slowest(context: &Context<'_>) -> Option<Block> {
    let slow = slow_names(context);
    let rows: Vec<Row> = slow
        .iter()
        .take(context.top)
        .map(|(name, stat, _)| {
            Row::new(vec![
                Cell::text(name.as_str()),
                Cell::count(stat.flows),
                Cell::seconds(stat.handshake.median()),
                Cell::seconds(stat.response.median()),
                Cell::seconds(Some(stat.response.max())),
                Cell::percent(stat.retransmissions, stat.tcp_packets),
                blame(stat),
            ])
        })
        .collect();
    let columns = vec![
        Column::text("NAME"),
        Column::number("FLOWS").drop(2),
        Column::number("HANDSHAKE"),
        Column::number("RESPONSE"),
        Column::number("LONGEST").drop(1),
        Column::number("AGAIN"),
        Column::text("WHOSE"),
    ];
    let note = super::more(slow.len().saturating_sub(rows.len()) as u64, "names", false);
    (!rows.is_empty()).then_some(Block::Table(Table { title: "Slowest to respond", columns, rows, note }))
}

/// What a source seems to do, in words.
pub(super) const fn behaviour(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Usual => "",
        Behaviour::FanOut => "unusually many hosts",
        Behaviour::PortScan => "port scan?",
        Behaviour::HostScan => "host scan?",
    }
}

pub(super) fn sources(context: &Context<'_>) -> Said {
    let about = "Who opens connections to how many others; FAILED: refused, or never answered.";
    let sources = &context.report.sources;
    let ranked = sources.ranked(&context.report.findings);
    if ranked.is_empty() {
        return (about, Vec::new());
    }
    let approximate = |distinct: &monitor_core::report::Distinct| {
        let about = if distinct.is_exact() { "" } else { "~" };
        Cell::number(format!("{about}{}", units::count(distinct.count())), distinct.count() as f64)
    };
    let rows = ranked.iter().take(context.top).map(|(ip, source, seems)| {
        let tone = match seems {
            Behaviour::Usual => Tone::Plain,
            Behaviour::FanOut => Tone::Warn,
            Behaviour::PortScan | Behaviour::HostScan => Tone::Bad,
        };
        Row::new(vec![
            Cell::text(ip.to_string()),
            approximate(&source.destinations),
            approximate(&source.ports),
            Cell::count(source.flows),
            Cell::percent(source.failed, source.flows),
            Cell::text(behaviour(*seems)).tone(tone),
        ])
    });
    let columns = vec![
        Column::text("SOURCE"),
        Column::number("HOSTS"),
        Column::number("PORTS"),
        Column::number("FLOWS"),
        Column::number("FAILED"),
        Column::text("LOOKS LIKE"),
    ];
    let note = super::more(
        (ranked.len().saturating_sub(context.top)) as u64 + sources.all.folded(),
        "sources",
        sources.all.folded() > 0,
    );
    let mut blocks = vec![Block::Table(Table { title: "", columns, rows: rows.collect(), note })];
    let mut from = 1;
    let mut labels: Vec<String> = CONNECTION_BOUNDS
        .iter()
        .map(|&to| {
            let label = if from == to {
                to.to_string()
            } else {
                format!("{} – {}", units::count(from), units::count(to))
            };
            from = to + 1;
            label
        })
        .collect();
    labels.push(format!("from {}", units::count(from)));
    let rows: Vec<_> = labels.into_iter().zip(sources.distribution()).filter(|(_, n)| *n > 0).collect();
    let rows = rows.into_iter().map(|(label, n)| (Cell::text(label), n)).collect();
    blocks.extend(shared("How many connections sources opened", "CONNECTIONS", rows, Cell::count));
    (about, blocks)
}
