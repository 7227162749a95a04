//! Hosts side by side: readable with one and with hundreds.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{dns_errors, failed_attempts, mean, quantile, retransmitted, top_rate};

pub(crate) fn board() -> Board {
    Board {
        name: "hosts",
        title: "Hosts side by side",
        description: "Which hosts differ from the others. Lines are of the most conspicuous; `Show` says how many.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![fleet(), busiest(), health(), cost()],
    }
}

/// How a number by host is spread over the hosts: three lines, however many there are.
fn spread(unit: Unit, title: &'static str, description: &'static str, by_host: &str) -> Panel {
    Panel::lines(unit, title, description)
        .query("most", format!("max({by_host})"))
        .query("95 %", format!("quantile(0.95, {by_host})"))
        .query("half", format!("quantile(0.5, {by_host})"))
}

fn top(by_host: &str) -> String {
    format!("topk($top, {by_host})")
}

fn io(direction: &str) -> String {
    top_rate("instance", "weir_network_io_bytes_total", &format!("$link, direction=\"{direction}\""))
}

fn fleet() -> Row {
    Row {
        title: "Fleet",
        panels: vec![
            Panel::number(Unit::Count, "Hosts", "Hosts that answer.")
                .query("hosts", "count(weir_build_info{$host})")
                .at_least(1.0)
                .width(4),
            Panel::number(
                Unit::Count,
                "Silent",
                "Hosts that were there within the last hour of data and do not answer now.",
            )
            .query(
                "silent",
                "count(last_over_time(weir_build_info{$host}[1h]) unless weir_build_info{$host}) or vector(0)",
            )
            .limits(1.0, 2.0)
            .width(4),
            Panel::bars(Unit::Count, "Which versions run?", "Hosts by the version of Weir.")
                .query("{{version}}", "count by (version) (weir_build_info{$host})")
                .width(16),
            spread(
                Unit::BytesPerSecond,
                "Is the load even?",
                "Bytes a host, both directions: the most, what 95 % stay below, and half.",
                "sum by (instance) (rate(weir_network_io_bytes_total{$link}[$rate]))",
            ),
            spread(
                Unit::Share,
                "Does loss hit all or some?",
                "Share of TCP segments sent again a host. A high maximum over a low half: look at that host alone.",
                &format!("({})", retransmitted("instance", "$rate")),
            )
            .limits(0.01, 0.05),
        ],
    }
}

fn busiest() -> Row {
    Row {
        title: "Busiest",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Who receives most?",
                "Bytes in, of those with most in the time shown.",
            )
            .query("{{instance}}", io("receive")),
            Panel::lines(
                Unit::BytesPerSecond,
                "Who sends most?",
                "Bytes out, of those with most in the time shown.",
            )
            .query("{{instance}}", io("transmit")),
            Panel::bars(Unit::Count, "Who holds most flows?", "Flows in the table now.")
                .query("{{instance}}", top("sum by (instance) (weir_flows_active{$host})")),
            Panel::lines(
                Unit::PerSecond,
                "Where do most flows begin?",
                "New flows, of those with most in the time shown.",
            )
            .query("{{instance}}", top_rate("instance", "weir_flows_started_total", "$host")),
        ],
    }
}

fn health() -> Row {
    Row {
        title: "Health",
        panels: vec![
            Panel::bars(Unit::Share, "Who sends most again?", "Share of TCP segments sent again.")
                .query("{{instance}}", top(&retransmitted("instance", "$rate")))
                .limits(0.01, 0.05),
            Panel::bars(
                Unit::Seconds,
                "Whose round trips are long?",
                "95 % of round trips are shorter than this.",
            )
            .query("{{instance}}", top(&quantile("0.95", ", instance", "weir_tcp_rtt_seconds", "$host")))
            .limits(0.2, 1.0),
            Panel::bars(Unit::Share, "Whose connections fail?", "Share of attempts that came to nothing.")
                .query("{{instance}}", top(&failed_attempts("instance", "$rate")))
                .limits(0.05, 0.2),
            Panel::table(
                "How is each host?",
                "The hosts with most flows; a click on one leads to its overview.",
            )
            .column("Flows", Unit::Count, top("sum by (instance) (weir_flows_active{$host})"))
            .column("Sent again", Unit::Share, kept(&retransmitted("instance", "$rate")))
            .column("Failed connections", Unit::Share, kept(&failed_attempts("instance", "$rate")))
            .column(
                "Round trip, mean",
                Unit::Seconds,
                kept(&mean("instance", "weir_tcp_rtt_seconds", "$host", "$rate")),
            )
            .column("DNS errors", Unit::Share, kept(&dns_errors("instance", "$rate")))
            .column(
                "DNS answer, mean",
                Unit::Seconds,
                kept(&mean("instance", "weir_dns_latency_seconds", "$host", "$rate")),
            )
            .column("Scanners", Unit::Count, kept("sum by (instance) (weir_fanout_sources{$host})"))
            .link("instance", "overview", "instance"),
        ],
    }
}

/// Of the hosts in the table alone.
fn kept(by_host: &str) -> String {
    format!("({by_host}) and topk($top, sum by (instance) (weir_flows_active{{$host}}))")
}

fn cost() -> Row {
    Row {
        title: "What Weir costs there",
        panels: vec![
            Panel::bars(Unit::Share, "Where does Weir take CPU?", "Share of one CPU, user space alone.")
                .query(
                    "{{instance}}",
                    top("sum by (instance) (rate(process_cpu_seconds_total{$host}[$rate]) and on (job, instance) weir_build_info{$host})"),
                )
                .limits(0.1, 0.5),
            Panel::bars(Unit::Bytes, "Where does it take memory?", "Resident memory of the process.")
                .query(
                    "{{instance}}",
                    top("sum by (instance) (process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})"),
                )
                .limits(500e6, 2e9),
        ],
    }
}
