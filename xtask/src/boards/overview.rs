//! What goes on, on all hosts or one.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{dns_errors, failed_attempts, mean, rate, retransmitted, top_increase, top_rate, total};

pub(crate) fn board() -> Board {
    Board {
        name: "overview",
        title: "Overview",
        description: "What passes, for which domains and services, and whether it is well.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![now(), traffic(), hosts()],
    }
}

fn now() -> Row {
    let io = "weir_network_io_bytes_total";
    Row {
        title: "Now",
        panels: vec![
            Panel::number(Unit::Count, "Hosts", "Hosts that answer Prometheus, of those chosen above.")
                .query("hosts", "count(weir_build_info{$host})")
                .at_least(1.0),
            Panel::number(Unit::BytesPerSecond, "In", "Bytes on the wire that come in.")
                .query("in", total(io, "$link, direction=\"receive\"")),
            Panel::number(Unit::BytesPerSecond, "Out", "Bytes on the wire that go out.")
                .query("out", total(io, "$link, direction=\"transmit\"")),
            Panel::number(Unit::Count, "Flows", "Flows in the tables now, each once.")
                .query("flows", "sum(weir_flows_active{$host})"),
            Panel::number(
                Unit::Share,
                "Sent again",
                "Share of TCP segments that were sent again. Above 1 % users begin to notice.",
            )
            .query("retransmitted", retransmitted("", "$rate"))
            .limits(0.01, 0.05),
            Panel::number(
                Unit::Share,
                "Failed connections",
                "Share of attempts of TCP connections that were refused, reset or not answered.",
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
                "How much passes?",
                "Bytes on the wire, from the link layer on; what comes in upwards, what goes out downwards.",
            )
            .query("{{direction}}", rate("direction", "weir_network_io_bytes_total", "$link"))
            .mirrored(),
            Panel::lines(
                Unit::PacketsPerSecond,
                "How many packets?",
                "IP packets on the wire: a super-packet of the kernel counts as what it is cut into.",
            )
            .query("{{direction}}", rate("direction", "weir_network_io_packets_total", "$link"))
            .mirrored(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Which domains take it?",
                "Both directions, by registrable domain: those with most bytes in the time shown.",
            )
            .query("{{domain}}", top_rate("domain", "weir_domain_io_bytes_total", "$host, domain!=\"\""))
            .stacked(),
            Panel::lines(
                Unit::BytesPerSecond,
                "Which applications?",
                "Both directions, by what flows speak: TLS, QUIC, DNS and others.",
            )
            .query("{{application}}", top_rate("application", "weir_application_io_bytes_total", "$host"))
            .stacked(),
            Panel::bars(
                Unit::Bytes,
                "Which services, in the time shown?",
                "Both directions, by transport, port and name of the server's service.",
            )
            .query(
                "{{transport}} {{server_port}} {{service}}",
                top_increase("transport, server_port, service", "weir_service_io_bytes_total", "$host"),
            ),
            Panel::lines(
                Unit::BytesPerSecond,
                "Over which transports?",
                "Both directions, by transport and IP version.",
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
        rate("instance", "weir_network_io_bytes_total", &format!("$link, direction=\"{direction}\""))
    };
    let busiest = format!("topk($top, {})", rate("instance", "weir_network_io_bytes_total", "$link"));
    let of_busiest = |by_host: &str| format!("({by_host}) and {busiest}");
    Row {
        title: "Hosts",
        panels: vec![
            Panel::table(
                "Which host is worth a look?",
                "One row a host, the busiest; a click on one shows this board for it alone.",
            )
            .column("In", Unit::BytesPerSecond, of_busiest(&io("receive")))
            .column("Out", Unit::BytesPerSecond, of_busiest(&io("transmit")))
            .column("Flows", Unit::Count, of_busiest("sum by (instance) (weir_flows_active{$host})"))
            .column("Sent again", Unit::Share, of_busiest(&retransmitted("instance", "$rate")))
            .column("Failed connections", Unit::Share, of_busiest(&failed_attempts("instance", "$rate")))
            .column(
                "Round trip, mean",
                Unit::Seconds,
                of_busiest(&mean("instance", "weir_tcp_rtt_seconds", "$host", "$rate")),
            )
            .link("instance", "overview", "instance"),
        ],
    }
}
