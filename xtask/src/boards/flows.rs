//! Flows and services.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{buckets, increase, quantile, rate, top_increase, top_rate};

pub(crate) fn board() -> Board {
    Board {
        name: "flows",
        title: "Flows and services",
        description: "Flows, services, peers and security findings.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![flows(), services(), http(), risks()],
    }
}

fn flows() -> Row {
    Row {
        title: "Flows",
        panels: vec![
            Panel::lines(Unit::Count, "Active flows", "Flows in the tables, each once.")
                .query("{{transport}}", "sum by (transport) (weir_flows_active{$host}) > 0")
                .stacked(),
            Panel::lines(Unit::PerSecond, "New flows", "New flows by transport. A flood or a scan is a step.")
                .query("{{transport}}", rate("transport", "weir_flows_started_total", "$host") + " > 0")
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Ended flows by reason",
                "`fin`: closed; `rst`: reset; `idle`: timed out; `evicted`: no room, raise `max-flows`.",
            )
            .query("{{reason}}", rate("reason", "weir_flows_ended_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Bytes,
                "Mean packet size",
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
                "Throughput by interface",
                "Both directions. What passes several interfaces counts on each.",
            )
            .query("{{interface}}", top_rate("interface", "weir_network_io_bytes_total", "$link")),
            Panel::lines(
                Unit::PerSecond,
                "Duplicate flows",
                "Flows seen on more than one interface (bridge, bond, tunnel): counted once, except by interface.",
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
                "Throughput by service",
                "Both directions, by the server's port and the name of its service.",
            )
            .query("{{transport}} {{server_port}} {{service}}", top_rate(key, bytes, "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput by role",
                "Bytes of flows by what the host is in them: `server`, `client` or `forwarded`.",
            )
            .query("{{role}}", rate("role", bytes, "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput by application",
                "By configuration, payload, else IANA's name of the port.",
            )
            .query("{{application}}", top_rate("application", "weir_application_io_bytes_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Top peers",
                "Both directions by address. Only of hosts that run with `peers = true`.",
            )
            .query("{{peer}}", top_rate("peer", "weir_peer_io_bytes_total", "$host")),
            Panel::table("Services", "In the time range, those with most bytes.")
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
        title: "Cleartext HTTP",
        panels: vec![
            Panel::lines(Unit::PerSecond, "Requests by method", "Requests of HTTP/1 by method.")
                .query("{{method}}", rate("method", "weir_http_requests_total", "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Responses by status class",
                "Responses of HTTP/1 by class; `5xx` are the server's failures.",
            )
            .query("{{status_class}}", rate("status_class", "weir_http_responses_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Seconds,
                "HTTP response time",
                "From the last byte of the request to the first of the response.",
            )
            .query("median", quantile("0.5", "", seconds, "$host"))
            .query("p95", quantile("0.95", "", seconds, "$host"))
            .limits(0.5, 2.0),
            Panel::heatmap("HTTP response time distribution", "Responses of HTTP/1 by time.")
                .query("{{le}}", buckets(seconds, "$host")),
        ],
    }
}

fn risks() -> Row {
    Row {
        title: "Security",
        panels: vec![
            Panel::bars(
                Unit::Count,
                "Findings",
                "Findings in the time range, each once a flow: docs/findings.md says what each means.",
            )
            .query("{{kind}}", increase("kind", "weir_findings_total", "$host"))
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::Count,
                "Scan sources",
                "Sources over the threshold of `hosts` or `ports` now. Who: `/api/v1/fanout` of the host.",
            )
            .query("{{kind}}", "sum by (kind) (weir_fanout_sources{$host})")
            .limits(1.0, 5.0),
        ],
    }
}
