//! What goes on, on all hosts or one.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{dns_errors, failed_attempts, mean, rate, retransmitted, top_increase, top_rate, total};

pub(crate) fn board() -> Board {
    Board {
        name: "overview",
        title: "Overview",
        description: "Throughput, top domains and services, and health at a glance.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![now(), traffic(), hosts()],
    }
}

fn now() -> Row {
    let io = "weir_flow_io_bytes_total";
    Row {
        title: "Now",
        panels: vec![
            Panel::number(Unit::Count, "Hosts", "Hosts that are up, of those selected above.")
                .query("hosts", "count(weir_build_info{$host})")
                .at_least(1.0),
            Panel::number(
                Unit::BytesPerSecond,
                "In",
                "Bytes received in TCP, UDP and SCTP flows, each flow once.",
            )
            .query("in", total(io, "$host, direction=\"receive\"")),
            Panel::number(
                Unit::BytesPerSecond,
                "Out",
                "Bytes transmitted in TCP, UDP and SCTP flows, each flow once.",
            )
            .query("out", total(io, "$host, direction=\"transmit\"")),
            Panel::number(Unit::Count, "Flows", "Active flows, each once.")
                .query("flows", "sum(weir_flows_active{$host})"),
            Panel::number(
                Unit::Share,
                "Retransmission rate",
                "TCP retransmissions, as a share of all segments. Above 1 % users begin to notice.",
            )
            .query("retransmitted", retransmitted("", "$rate"))
            .limits(0.01, 0.05),
            Panel::number(
                Unit::Share,
                "Failed connections",
                "TCP connection attempts that were refused, reset or timed out.",
            )
            .query("failed", failed_attempts("", "$rate"))
            .limits(0.05, 0.2),
            Panel::number(
                Unit::Share,
                "DNS errors",
                "Share of DNS responses with SERVFAIL, REFUSED, FORMERR or NOTIMP. NXDOMAIN is an answer.",
            )
            .query("errors", dns_errors("", "$rate"))
            .limits(0.01, 0.05),
            Panel::number(
                Unit::Count,
                "Scanners",
                "Sources that reach unusually many hosts or ports now. Who: `/api/v1/fanout` of the host.",
            )
            .query("sources", "sum(weir_fanout_sources{$host})")
            .limits(1.0, 5.0),
        ],
    }
}

fn traffic() -> Row {
    Row {
        title: "Traffic",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput",
                "Bytes on the wire of TCP, UDP and SCTP flows, each flow once; received above the axis, transmitted below.",
            )
            .query("{{direction}}", rate("direction", "weir_flow_io_bytes_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Packets per second",
                "The same in packets: a super-packet of the kernel counts as its segments.",
            )
            .query("{{direction}}", rate("direction", "weir_flow_io_packets_total", "$host"))
            .mirrored(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Top domains",
                "Both directions, by registrable domain: top by bytes in the time range.",
            )
            .query("{{domain}}", top_rate("domain", "weir_domain_io_bytes_total", "$host, domain!=\"\""))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Applications",
                "Both directions, by what flows speak: TLS, QUIC, DNS and others.",
            )
            .query("{{application}}", top_rate("application", "weir_application_io_bytes_total", "$host"))
            .stacked(),
            Panel::bars(
                Unit::Bytes,
                "Top services",
                "Both directions, by transport, port and name of the server's service.",
            )
            .query(
                "{{transport}} {{server_port}} {{service}}",
                top_increase("transport, server_port, service", "weir_service_io_bytes_total", "$host"),
            ),
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput by interface",
                "All bytes on the wire, in and out; a packet that passes two interfaces, such as a bridge and its port, \
                 counts on both.",
            )
            .query(
                "{{instance}} {{interface}} {{direction}}",
                top_rate("instance, interface, direction", "weir_network_io_bytes_total", "$link"),
            ),
            Panel::lines(
                Unit::BytesPerSecond,
                "Transports",
                "Both directions, by transport and IP version, of all interfaces selected above: what passes two counts twice.",
            )
                .query(
                    "{{transport}} IPv{{ip_version}}",
                    rate("transport, ip_version", "weir_network_io_bytes_total", "$link") + " > 0",
                )
                .stacked(),
        ],
    }
}

fn hosts() -> Row {
    let io = |direction: &str| {
        rate("instance", "weir_flow_io_bytes_total", &format!("$host, direction=\"{direction}\""))
    };
    let busiest = format!("topk($top, {})", rate("instance", "weir_flow_io_bytes_total", "$host"));
    let of_busiest = |by_host: &str| format!("({by_host}) and {busiest}");
    Row {
        title: "Hosts",
        panels: vec![
            Panel::table(
                "Hosts",
                "One row a host, the busiest; a click on one shows this board for it alone.",
            )
            .column("In", Unit::BytesPerSecond, of_busiest(&io("receive")))
            .column("Out", Unit::BytesPerSecond, of_busiest(&io("transmit")))
            .column("Flows", Unit::Count, of_busiest("sum by (instance) (weir_flows_active{$host})"))
            .column("Retransmission rate", Unit::Share, of_busiest(&retransmitted("instance", "$rate")))
            .column("Failed connections", Unit::Share, of_busiest(&failed_attempts("instance", "$rate")))
            .column(
                "RTT, mean",
                Unit::Seconds,
                of_busiest(&mean("instance", "weir_tcp_rtt_seconds", "$host", "$rate")),
            )
            .link("instance", "overview", "instance"),
        ],
    }
}
