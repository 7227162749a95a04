//! Names: who takes which share, what grows, what has no name.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{increase, mean, rate, top_increase, top_rate};

const BYTES: &str = "weir_domain_io_bytes_total";
const NAMED: &str = "$host, domain=~\"$domain\", domain!=\"\"";
/// Names of the domains that are chosen, whole or below them.
const BELOW: &str = "$host, name=~\"(.+[.])?$domain\", name!=\"\"";

pub(crate) fn board() -> Board {
    Board {
        name: "domains",
        title: "Domains",
        description: "Share and growth of domains, their names, and unresolved traffic.",
        filters: &[Filter::Domain, Filter::Top],
        rows: vec![coverage(), shares(), growth(), behind(), quality()],
    }
}

fn unresolved() -> String {
    format!(
        "(sum(rate({BYTES}{{$host, source=\"none\"}}[$rate])) or vector(0)) / (sum(rate({BYTES}{{$host}}[$rate])) > 0)"
    )
}

fn coverage() -> Row {
    Row {
        title: "Coverage",
        panels: vec![
            Panel::number(
                Unit::Share,
                "Unresolved",
                "Bytes of unresolved flows from TLS, QUIC, HTTP or DNS, as a share of all.",
            )
            .query("unresolved", unresolved())
            .limits(0.3, 0.6)
            .width(6),
            Panel::number(
                Unit::Share,
                "Over the series budget",
                "Share of bytes that count under `other`, because their domain has no series. Raise `series.max`.",
            )
            .query(
                "other",
                format!(
                    "(sum(rate({BYTES}{{$host, domain=\"other\"}}[$rate])) or vector(0)) \
                     / (sum(rate({BYTES}{{$host}}[$rate])) > 0)"
                ),
            )
            .limits(0.01, 0.1)
            .width(6),
            Panel::number(Unit::Count, "Domains", "Registrable domains that have a series.")
                .query("domains", format!("count(count by (domain) ({BYTES}{{{NAMED}}}))"))
                .width(6),
            Panel::number(
                Unit::Share,
                "ECH public name only",
                "Share of bytes whose only name is the public one of an encrypted hello (ECH).",
            )
            .query(
                "ech",
                format!(
                    "(sum(rate({BYTES}{{$host, source=\"ech\"}}[$rate])) or vector(0)) \
                     / (sum(rate({BYTES}{{$host}}[$rate])) > 0)"
                ),
            )
            .limits(0.3, 0.6)
            .width(6),
            Panel::lines(
                Unit::BytesPerSecond,
                "Names by source",
                "Bytes by the source of the name: `sni` of TLS, `quic`, `http`, `dns`, `certificate`; `none`: unresolved.",
            )
            .query("{{source}}", rate("source", BYTES, "$host"))
            .stacked(),
            Panel::lines(
                Unit::Share,
                "Unresolved share over time",
                "Bytes of unresolved flows, as a share of all. A rise after a change of the network: samples are lost, or \
                 DNS goes another way.",
            )
            .query("unresolved", unresolved())
            .limits(0.3, 0.6),
        ],
    }
}

fn shares() -> Row {
    Row {
        title: "Share",
        panels: vec![
            Panel::bars(
                Unit::Share,
                "Share by domain",
                "Share of all bytes of flows in the time range, unresolved ones included in the total.",
            )
            .query(
                "{{domain}}",
                format!(
                    "{} / scalar(sum(increase({BYTES}{{$host}}[$__range])))",
                    top_increase("domain", BYTES, NAMED)
                ),
            ),
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput by domain",
                "Both directions, of the domains with most bytes in the time range.",
            )
            .query("{{domain}}", top_rate("domain", BYTES, NAMED))
            .stacked(),
            Panel::table(
                "Domains",
                "In the time range. Growth is against the time of the same length before; a click on a domain shows \
                 this board for it alone.",
            )
            .column("Bytes", Unit::Bytes, top_increase("domain", BYTES, NAMED))
            .column("In", Unit::Bytes, in_top("receive"))
            .column("Out", Unit::Bytes, in_top("transmit"))
            .column(
                "Growth",
                Unit::Bytes,
                format!("({}) and {}", gained(), top_increase("domain", BYTES, NAMED)),
            )
            .column(
                "Connections",
                Unit::Count,
                format!(
                    "{} and {}",
                    increase("domain", "weir_domain_connections_total", NAMED),
                    top_increase("domain", BYTES, NAMED)
                ),
            )
            .column(
                "Handshake, mean",
                Unit::Seconds,
                format!(
                    "({}) and {}",
                    mean("domain", "weir_domain_handshake_seconds", NAMED, "$__range"),
                    top_increase("domain", BYTES, NAMED)
                ),
            )
            .link("domain", "domains", "domain"),
        ],
    }
}

fn in_top(direction: &str) -> String {
    let one = format!("{NAMED}, direction=\"{direction}\"");
    format!("{} and {}", increase("domain", BYTES, &one), top_increase("domain", BYTES, NAMED))
}

/// More in the time that is shown than in that before; what was not there then, gained all.
fn gained() -> String {
    let now = increase("domain", BYTES, NAMED);
    let before = format!("sum by (domain) (increase({BYTES}{{{NAMED}}}[$__range] offset $__range))");
    format!("{now} - ({before} or 0 * {now})")
}

fn growth() -> Row {
    Row {
        title: "Growth",
        panels: vec![
            Panel::bars(
                Unit::Bytes,
                "Fastest growing domains",
                "Bytes in the time range less those in the time of the same length before.",
            )
            .query("{{domain}}", format!("topk($top, ({}) > 0)", gained())),
            Panel::bars(
                Unit::Bytes,
                "New domains",
                "Bytes of domains that had no series in the time of the same length before.",
            )
            .query(
                "{{domain}}",
                format!(
                    "topk($top, {} unless sum by (domain) ({BYTES}{{{NAMED}}} offset $__range))",
                    increase("domain", BYTES, NAMED)
                ),
            ),
        ],
    }
}

fn behind() -> Row {
    Row {
        title: "Names within domains",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Throughput by name",
                "Both directions by whole name, subdomains apart, of the domains chosen above.",
            )
            .query("{{name}}", top_rate("name", "weir_name_io_bytes_total", BELOW))
            .stacked(),
            Panel::bars(Unit::Bytes, "Top names by source", "In the time range.").query(
                "{{name}} ({{source}})",
                top_increase("name, source", "weir_name_io_bytes_total", BELOW),
            ),
        ],
    }
}

fn quality() -> Row {
    Row {
        title: "Connections and latency",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Connections by domain",
                "New flows by domain: TCP connections, QUIC connections and DNS exchanges, each once.",
            )
            .query("{{domain}}", top_rate("domain", "weir_domain_connections_total", NAMED)),
            Panel::lines(
                Unit::Seconds,
                "TCP handshake time by domain",
                "Mean time of the TCP handshake, of the domains with most connections.",
            )
            .query(
                "{{domain}}",
                format!(
                    "({}) and topk($top, sum by (domain) (increase(weir_domain_handshake_seconds_count{{{NAMED}}}\
                     [$__range] @ end())))",
                    mean("domain", "weir_domain_handshake_seconds", NAMED, "$rate")
                ),
            )
            .limits(0.2, 1.0),
            Panel::lines(
                Unit::Seconds,
                "Server response time by domain",
                "Mean time from the last byte of the first request to the first byte of the response.",
            )
            .query(
                "{{domain}}",
                format!(
                    "({}) and topk($top, sum by (domain) (increase(weir_domain_first_response_seconds_count{{{NAMED}}}\
                     [$__range] @ end())))",
                    mean("domain", "weir_domain_first_response_seconds", NAMED, "$rate")
                ),
            )
            .limits(0.5, 2.0),
            Panel::lines(
                Unit::PerSecond,
                "Connections by direction",
                "Connections with a name: `transmit`: opened by the host; `receive`: opened by others.",
            )
            .query("{{direction}}", rate("direction", "weir_domain_connections_total", NAMED))
            .mirrored(),
        ],
    }
}
