//! Do connections come about, is data lost, how long does it take, and who tries what.

use monitor_core::{
    label::TcpState,
    report::{Behaviour, CONNECTION_BOUNDS, Label, Latency, NameStat},
};

use super::{Block, Cell, Column, Context, Row, Said, Table, shared};
use crate::view::{report::document::Tone, units};

/// `median 12.3 ms, p95 40.0 ms, max 1.20 s (n = 12)`.
pub(super) fn spread(latency: &Latency) -> Option<Cell> {
    let (median, p95) = (latency.median()?, latency.quantile(0.95)?);
    let about = if latency.is_exact() { "" } else { "; p50 and p95 ±1 %" };
    Some(Cell::text(format!(
        "median {}, p95 {}, max {} (n = {}{about})",
        units::seconds(median),
        units::seconds(p95),
        units::seconds(latency.max()),
        units::count(latency.count()),
    )))
}

/// From which retransmission rate on people feel it, and from which on it hurts.
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
        "Whether connections are established, lose data, or are slow; times as seen at the capture point.";
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
                "{}, {} of them seen from the start",
                units::count(tcp.flows),
                units::count(tcp.attempts)
            )),
        ),
        ("Handshakes", Cell::text(of_attempts(tcp.established))),
    ];
    for (label, state) in [
        ("Refused", TcpState::Refused),
        ("Timed out", TcpState::TimedOut),
        ("Pending", TcpState::SynSent),
        ("Reset", TcpState::Reset),
    ] {
        let n = tcp.state(state);
        facts.push((label, Cell::text(of_attempts(n)).tone(attention(n))));
    }
    facts.push((
        "Retransmissions",
        Cell::text(format!("{} segments, {}", units::count(again), units::percent(again, tcp.packets)))
            .tone(loss_tone(again, tcp.packets)),
    ));
    for (label, n) in [
        ("Out of order", segments.out_of_order),
        ("Duplicate ACKs", segments.duplicate_acks),
        ("Lost segments", segments.lost_segments),
    ] {
        if n > 0 {
            facts.push((label, Cell::count(n)));
        }
    }
    if segments.zero_windows > 0 {
        let clients = tcp.client_zero_windows;
        let servers = segments.zero_windows.saturating_sub(clients);
        let text = format!("{} from clients, {} from servers", units::count(clients), units::count(servers));
        facts.push(("Zero window", Cell::text(text)));
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
    facts.push(("Closed by client", Cell::text(ended(tcp.client_ended))));
    facts.push(("Closed by server", Cell::text(ended(tcp.server_ended))));
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(slowest(context));
    (about, blocks)
}

/// Response times above this are slow.
const SLOW: f64 = 0.2;

/// Names or servers by p95 of their time to the first response.
pub(super) fn slow_names<'a>(context: &Context<'a>) -> Vec<(String, &'a NameStat, f64)> {
    let names = context.report.traffic.names.iter();
    let mut slow: Vec<_> = names
        .filter_map(|((_, label), stat)| {
            let time = stat.response.quantile(0.95)?.max(stat.handshake.quantile(0.95).unwrap_or(0.0));
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
    // One or two retransmissions are no rate.
    if stat.retransmissions >= 3 && loss_tone(stat.retransmissions, stat.tcp_packets) == Tone::Bad {
        return Cell::text("loss").tone(Tone::Bad);
    }
    let (Some(response), handshake) = (stat.response.quantile(0.95), stat.handshake.quantile(0.95)) else {
        return Cell::default();
    };
    let warn = |what: &str| Cell::text(what).tone(Tone::Warn);
    match handshake {
        // One round trip is the network's, the rest the server's.
        Some(trip) if response > SLOW && response - trip > 2.0 * trip => warn("server"),
        Some(trip) if trip > SLOW => warn("network"),
        None if response > 1.0 => warn("slow"),
        // The answer comes in time, and then waits until the client reads it.
        _ if stat.client_zero_windows > 0 => Cell::text("client"),
        _ => Cell::text("OK").tone(Tone::Good),
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
                Cell::seconds(stat.response.quantile(0.95)),
                Cell::seconds(Some(stat.response.max())),
                Cell::percent(stat.response.over(SLOW), stat.response.count()),
                Cell::percent(stat.retransmissions, stat.tcp_packets),
                blame(stat),
            ])
        })
        .collect();
    let columns = vec![
        Column::text("NAME"),
        Column::number("FLOWS").drop(2),
        Column::number("HANDSHAKE"),
        Column::number("RESPONSE P50"),
        Column::number("P95"),
        Column::number("MAX").drop(1),
        Column::number("> 200 MS").drop(3),
        Column::number("RETRANS %"),
        Column::text("BOTTLENECK"),
    ];
    let note = super::more(slow.len().saturating_sub(rows.len()) as u64, "names", false);
    (!rows.is_empty()).then_some(Block::Table(Table { title: "Slowest responses", columns, rows, note }))
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
    let about = "Who opens connections to how many hosts and ports; FAILED: refused or unanswered.";
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
        Column::text("VERDICT"),
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
    labels.push(format!("≥ {}", units::count(from)));
    let rows: Vec<_> = labels.into_iter().zip(sources.distribution()).filter(|(_, n)| *n > 0).collect();
    let rows = rows.into_iter().map(|(label, n)| (Cell::text(label), n)).collect();
    blocks.extend(shared("Connections per source", "CONNECTIONS", rows, Cell::count));
    (about, blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(responses: &[f64]) -> NameStat {
        let mut stat = NameStat::default();
        for seconds in responses {
            stat.response.observe(*seconds);
            stat.handshake.observe(0.01);
        }
        stat
    }

    #[test]
    fn half_of_the_responses_being_slow_is_not_ok() {
        let half = stat(&[0.01, 0.01, 0.01, 0.01, 0.01, 0.701, 0.702, 0.703, 0.704, 0.705]);
        assert_eq!(blame(&half).text, "server");
        assert_eq!(blame(&half).tone, Tone::Warn);
        let text = spread(&half.response).unwrap().text;
        assert!(text.contains("p95 705 ms") && text.contains("n = 10"), "{text}");
    }

    #[test]
    fn few_slow_responses_of_many_are_ok() {
        let mut fast = vec![0.01; 990];
        fast.extend([0.9; 10]);
        assert_eq!(blame(&stat(&fast)).text, "OK");
    }
}
