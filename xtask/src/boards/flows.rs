//! Flows and services.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{buckets, increase, quantile, rate, top_increase, top_rate};

pub(crate) fn board() -> Board {
    Board {
        name: "flows",
        title: "Flows and services",
        description: "How many flows, why they end, which services they use and who is behind unusual ones.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![flows(), services(), http(), risks()],
    }
}

fn flows() -> Row {
    Row {
        title: "Flows",
        panels: vec![
            Panel::lines(Unit::Count, "How many flows are there?", "Flows in the tables, each once.")
                .query("{{transport}}", "sum by (transport) (weir_flows_active{$host}) > 0")
                .stacked(),
            Panel::lines(Unit::PerSecond, "How many begin?", "New flows by transport. A flood or a scan is a step.")
                .query("{{transport}}", rate("transport", "weir_flows_started_total", "$host") + " > 0")
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Why do they end?",
                "`fin` was closed, `rst` reset, `idle` fell silent; `evicted` had to give way: raise `max-flows`.",
            )
            .query("{{reason}}", rate("reason", "weir_flows_ended_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Bytes,
                "How large are packets?",
                "Mean bytes of an IP packet on the wire. Many small ones cost the most to handle.",
            )
            .query(
                "{{direction}}",
                format!(
                    "{} / ({} > 0)",
                    rate("direction", "weir_network_io_bytes_total", "$link"),
                    rate("direction", "weir_network_io_packets_total", "$link")
                ),
            ),
            Panel::lines(
                Unit::BytesPerSecond,
                "Which interfaces carry it?",
                "Both directions. What passes several interfaces counts on each.",
            )
            .query("{{interface}}", top_rate("interface", "weir_network_io_bytes_total", "$link")),
            Panel::lines(
                Unit::PerSecond,
                "How many flows are seen on several interfaces?",
                "Flows that a bridge, bond or tunnel shows again: counted once but by interface.",
            )
            .query("seen again", "sum(rate(weir_duplicate_flows_total{$host}[$rate]))"),
        ],
    }
}

fn services() -> Row {
    let bytes = "weir_service_io_bytes_total";
    let key = "transport, server_port, service";
    let one = |direction: &str| {
        format!(
            "{} and {}",
            increase(key, bytes, &format!("$host, direction=\"{direction}\"")),
            top_increase(key, bytes, "$host")
        )
    };
    Row {
        title: "Services",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Which services carry it?",
                "Both directions, by the server's port and the name of its service.",
            )
            .query("{{transport}} {{server_port}} {{service}}", top_rate(key, bytes, "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Does the host serve, ask or forward?",
                "Bytes of flows by what the host is in them: `server`, `client` or `forwarded`.",
            )
            .query("{{role}}", rate("role", bytes, "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "What do they speak?",
                "By the configuration, by what the bytes show, else by IANA's name of the port.",
            )
            .query("{{application}}", top_rate("application", "weir_application_io_bytes_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Who are the peers?",
                "Both directions by address. Only of hosts that run with `peers = true`.",
            )
            .query("{{peer}}", top_rate("peer", "weir_peer_io_bytes_total", "$host")),
            Panel::table("What does each service take?", "In the time shown, those with most bytes.")
                .column("Bytes", Unit::Bytes, top_increase(key, bytes, "$host"))
                .column("In", Unit::Bytes, one("receive"))
                .column("Out", Unit::Bytes, one("transmit"))
                .column(
                    "Packets",
                    Unit::Count,
                    format!(
                        "{} and {}",
                        increase(key, "weir_service_io_packets_total", "$host"),
                        top_increase(key, bytes, "$host")
                    ),
                ),
        ],
    }
}

fn http() -> Row {
    let seconds = "weir_http_response_seconds";
    Row {
        title: "HTTP in clear text",
        panels: vec![
            Panel::lines(Unit::PerSecond, "What is asked?", "Requests of HTTP/1 by method.")
                .query("{{method}}", rate("method", "weir_http_requests_total", "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "What is answered?",
                "Responses of HTTP/1 by class; `5xx` are the server's failures.",
            )
            .query("{{status_class}}", rate("status_class", "weir_http_responses_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Seconds,
                "How long does an answer take?",
                "From the last byte of a request to the first of its response.",
            )
            .query("half", quantile("0.5", "", seconds, "$host"))
            .query("95 %", quantile("0.95", "", seconds, "$host"))
            .limits(0.5, 2.0),
            Panel::heatmap("How are these times spread?", "Responses of HTTP/1 by time.")
                .query("{{le}}", buckets(seconds, "$host")),
        ],
    }
}

fn risks() -> Row {
    Row {
        title: "Risks",
        panels: vec![
            Panel::bars(
                Unit::Count,
                "Is anything risky going on?",
                "Findings in the time shown, each once a flow: docs/findings.md says what each means.",
            )
            .query("{{kind}}", increase("kind", "weir_findings_total", "$host"))
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::Count,
                "Does anybody scan?",
                "Sources over the threshold of `hosts` or `ports` now. Who: `/api/v1/fanout` of the host.",
            )
            .query("{{kind}}", "sum by (kind) (weir_fanout_sources{$host})")
            .limits(1.0, 5.0),
        ],
    }
}
