//! TCP: loss, time, connections that fail.

use super::model::{Board, Panel, Row, Unit};
use super::query::{buckets, failed_attempts, quantile, rate, retransmitted};

pub(crate) fn board() -> Board {
    Board {
        name: "tcp",
        title: "TCP health",
        description: "Whether the network loses or reorders, how long it takes, and which connections fail.",
        filters: &[],
        rows: vec![loss(), time(), connections()],
    }
}

fn loss() -> Row {
    Row {
        title: "Loss and reordering",
        panels: vec![
            Panel::lines(
                Unit::Share,
                "Retransmission rate",
                "TCP retransmissions, as a share of all segments. `transmit` is loss behind this host, `receive` before it.",
            )
            .query("{{direction}}", retransmitted("direction", "$rate"))
            .limits(0.01, 0.05),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Retransmissions",
                "Retransmissions, as far as time and duplicate acknowledgments tell them from reordering.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_retransmitted_packets_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Out-of-order segments",
                "Segments that arrived after a later one. Some are retransmissions within one RTT.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_out_of_order_packets_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Duplicate ACKs",
                "Duplicate acknowledgments: the receiver misses a segment.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_duplicate_acks_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Zero window",
                "Segments that advertise a zero window: `transmit` is an application on this host, `receive` the peer's.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_zero_windows_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "TCP flags",
                "SYN without SYN-ACK is a port that does not answer; many RST are refusals or broken connections.",
            )
            .query("{{flag}}", rate("flag", "weir_tcp_flags_total", "$host, flag!=\"psh\"")),
        ],
    }
}

fn time() -> Row {
    let rtt = "weir_tcp_rtt_seconds";
    Row {
        title: "Latency",
        panels: vec![
            Panel::lines(
                Unit::Seconds,
                "RTT, remote peers",
                "From a segment with data to its acknowledgment, peers outside the host's networks.",
            )
            .query("median", quantile("0.5", "", rtt, "$host, scope=\"remote\""))
            .query("p95", quantile("0.95", "", rtt, "$host, scope=\"remote\""))
            .query("p99", quantile("0.99", "", rtt, "$host, scope=\"remote\""))
            .limits(0.2, 1.0),
            Panel::lines(
                Unit::Seconds,
                "RTT, local networks (p95)",
                "95th percentile. A local network that takes milliseconds is full.",
            )
            .query("{{role}}", quantile("0.95", ", role", rtt, "$host, scope=\"local\""))
            .limits(0.01, 0.1),
            Panel::heatmap("RTT distribution", "All roles and peers; two bands are two kinds of path.")
                .query("{{le}}", buckets(rtt, "$host")),
            Panel::lines(
                Unit::Seconds,
                "TCP handshake time (p95)",
                "From the SYN to the last ACK of the handshake; 95th percentile.",
            )
            .query(
                "{{role}}, {{scope}}",
                quantile("0.95", ", role, scope", "weir_tcp_handshake_seconds", "$host"),
            )
            .limits(0.2, 1.0),
            Panel::lines(
                Unit::Seconds,
                "Server response time (p95)",
                "From the last byte of the first request to the first of its response; 95th percentile. Large here \
                 and a small RTT: it is the server, not the network.",
            )
            .query(
                "{{role}}, {{scope}}",
                quantile("0.95", ", role, scope", "weir_tcp_first_response_seconds", "$host"),
            )
            .limits(0.5, 2.0),
        ],
    }
}

fn connections() -> Row {
    let attempts = "weir_tcp_connection_attempts_total";
    Row {
        title: "Connections",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Connection attempts by result",
                "Attempts by result: `refused` by RST, `timed_out` without a response.",
            )
            .query("{{result}}", rate("result", attempts, "$host"))
            .stacked(),
            Panel::lines(
                Unit::Share,
                "Failed connection attempts",
                "Failed attempts, as a share of all. `client`: attempts of this host; `server`: attempts of others to it.",
            )
            .query("{{role}}", failed_attempts("role", "$rate"))
            .limits(0.05, 0.2),
            Panel::lines(
                Unit::Count,
                "Connections by state",
                "Many in `syn_received` are a flood, many `half_closed` a program that does not close.",
            )
            .query("{{state}}", "sum by (state) (weir_tcp_connections{$host})")
            .stacked(),
        ],
    }
}
