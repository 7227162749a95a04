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
        title: "Loss and order",
        panels: vec![
            Panel::lines(
                Unit::Share,
                "Is the network losing?",
                "Segments sent again, of all TCP segments. `transmit` is loss behind this host, `receive` before it.",
            )
            .query("{{direction}}", retransmitted("direction", "$rate"))
            .limits(0.01, 0.05),
            Panel::lines(
                Unit::PacketsPerSecond,
                "How many segments are sent again?",
                "Retransmissions, as far as time and duplicate acknowledgments tell them from reordering.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_retransmitted_packets_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Is the network reordering?",
                "Segments that came after a later one. Some of them are retransmissions within a round trip.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_out_of_order_packets_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Do receivers complain?",
                "Duplicate acknowledgments: somebody misses a segment.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_duplicate_acks_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Is a program too slow to read?",
                "Segments that advertise a window of zero: `transmit` is this host's own program, `receive` the peer's.",
            )
            .query("{{direction}}", rate("direction", "weir_tcp_zero_windows_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Which flags are seen?",
                "SYN without SYN-ACK is a port that does not answer; many RST are refusals or broken connections.",
            )
            .query("{{flag}}", rate("flag", "weir_tcp_flags_total", "$host, flag!=\"psh\"")),
        ],
    }
}

fn time() -> Row {
    let rtt = "weir_tcp_rtt_seconds";
    Row {
        title: "Time",
        panels: vec![
            Panel::lines(
                Unit::Seconds,
                "How long is a round trip?",
                "From a segment with data to its acknowledgment, peers outside the host's networks.",
            )
            .query("half", quantile("0.5", "", rtt, "$host, scope=\"remote\""))
            .query("95 %", quantile("0.95", "", rtt, "$host, scope=\"remote\""))
            .query("99 %", quantile("0.99", "", rtt, "$host, scope=\"remote\""))
            .limits(0.2, 1.0),
            Panel::lines(
                Unit::Seconds,
                "And within the own networks?",
                "95 % are quicker. A local network that takes milliseconds is full.",
            )
            .query("{{role}}", quantile("0.95", ", role", rtt, "$host, scope=\"local\""))
            .limits(0.01, 0.1),
            Panel::heatmap("How are round trips spread?", "All roles and peers; two bands are two kinds of path.")
                .query("{{le}}", buckets(rtt, "$host")),
            Panel::lines(
                Unit::Seconds,
                "How long does a connection take to begin?",
                "From the SYN to the last ACK of the handshake; 95 % are quicker.",
            )
            .query(
                "{{role}}, {{scope}}",
                quantile("0.95", ", role, scope", "weir_tcp_handshake_seconds", "$host"),
            )
            .limits(0.2, 1.0),
            Panel::lines(
                Unit::Seconds,
                "How long does a server think?",
                "From the last byte of the first request to the first of its response; 95 % are quicker. Large here \
                 and small round trips: it is the server, not the network.",
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
                "Do connections come about?",
                "Attempts by how they ended: `refused` by a RST, `timed_out` without an answer.",
            )
            .query("{{result}}", rate("result", attempts, "$host"))
            .stacked(),
            Panel::lines(
                Unit::Share,
                "Whose attempts fail?",
                "Attempts that came to nothing, of all. `client`: this host asks in vain; `server`: others do here.",
            )
            .query("{{role}}", failed_attempts("role", "$rate"))
            .limits(0.05, 0.2),
            Panel::lines(
                Unit::Count,
                "What state are connections in?",
                "Many in `syn_received` are a flood, many `half_closed` a program that does not close.",
            )
            .query("{{state}}", "sum by (state) (weir_tcp_connections{$host})")
            .stacked(),
        ],
    }
}
