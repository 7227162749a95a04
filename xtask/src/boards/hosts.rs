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
        .query("max", format!("max({by_host})"))
        .query("p95", format!("quantile(0.95, {by_host})"))
        .query("median", format!("quantile(0.5, {by_host})"))
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
            Panel::number(Unit::Count, "Hosts", "Hosts that are up.")
                .query("hosts", "count(weir_build_info{$host})")
                .at_least(1.0)
                .width(4),
            Panel::number(
                Unit::Count,
                "Down",
                "Hosts that were scraped within the last hour and are down now.",
            )
            .query(
                "silent",
                "count(last_over_time(weir_build_info{$host}[1h]) unless weir_build_info{$host}) or vector(0)",
            )
            .limits(1.0, 2.0)
            .width(4),
            Panel::bars(Unit::Count, "Versions of Weir", "Hosts by the version of Weir.")
                .query("{{version}}", "count by (version) (weir_build_info{$host})")
                .width(16),
            spread(
                Unit::BytesPerSecond,
                "Throughput per host",
                "Bytes per second and host, both directions: maximum, p95 and median.",
                "sum by (instance) (rate(weir_network_io_bytes_total{$link}[$rate]))",
            ),
            spread(
                Unit::Share,
                "Retransmission rate per host",
                "TCP retransmissions per host, as a share of its segments. A high maximum over a low median: look at that host.",
                &format!("({})", retransmitted("instance", "$rate")),
            )
            .limits(0.01, 0.05),
        ],
    }
}

fn busiest() -> Row {
    Row {
        title: "Top hosts",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Top receivers",
                "Bytes in, of those with most in the time range.",
            )
            .query("{{instance}}", io("receive")),
            Panel::lines(
                Unit::BytesPerSecond,
                "Top senders",
                "Bytes out, of those with most in the time range.",
            )
            .query("{{instance}}", io("transmit")),
            Panel::bars(Unit::Count, "Active flows by host", "Flows in the table now.")
                .query("{{instance}}", top("sum by (instance) (weir_flows_active{$host})")),
            Panel::lines(
                Unit::PerSecond,
                "New flows by host",
                "New flows, of those with most in the time range.",
            )
            .query("{{instance}}", top_rate("instance", "weir_flows_started_total", "$host")),
        ],
    }
}

fn health() -> Row {
    Row {
        title: "Health",
        panels: vec![
            Panel::bars(
                Unit::Share,
                "Retransmission rate by host",
                "TCP retransmissions, as a share of all segments.",
            )
            .query("{{instance}}", top(&retransmitted("instance", "$rate")))
            .limits(0.01, 0.05),
            Panel::bars(Unit::Seconds, "RTT by host (p95)", "95th percentile of the TCP RTT.")
                .query("{{instance}}", top(&quantile("0.95", ", instance", "weir_tcp_rtt_seconds", "$host")))
                .limits(0.2, 1.0),
            Panel::bars(
                Unit::Share,
                "Failed connection attempts by host",
                "Failed attempts, as a share of all.",
            )
            .query("{{instance}}", top(&failed_attempts("instance", "$rate")))
            .limits(0.05, 0.2),
            Panel::table(
                "Health by host",
                "The hosts with most flows; a click on one leads to its overview.",
            )
            .column("Flows", Unit::Count, top("sum by (instance) (weir_flows_active{$host})"))
            .column("Retransmission rate", Unit::Share, kept(&retransmitted("instance", "$rate")))
            .column("Failed connections", Unit::Share, kept(&failed_attempts("instance", "$rate")))
            .column(
                "RTT, mean",
                Unit::Seconds,
                kept(&mean("instance", "weir_tcp_rtt_seconds", "$host", "$rate")),
            )
            .column("DNS errors", Unit::Share, kept(&dns_errors("instance", "$rate")))
            .column(
                "DNS time, mean",
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
        title: "Overhead of Weir",
        panels: vec![
            Panel::bars(Unit::Share, "CPU of Weir by host", "Share of one CPU, user space alone.")
                .query(
                    "{{instance}}",
                    top("sum by (instance) (rate(process_cpu_seconds_total{$host}[$rate]) and on (job, instance) weir_build_info{$host})"),
                )
                .limits(0.1, 0.5),
            Panel::bars(Unit::Bytes, "Memory of Weir by host", "Resident memory of the process.")
                .query(
                    "{{instance}}",
                    top("sum by (instance) (process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})"),
                )
                .limits(500e6, 2e9),
        ],
    }
}
