//! DNS: what is asked, what is answered, how quickly.

use super::model::{Board, Panel, Row, Unit};
use super::query::{buckets, dns_errors, quantile, rate, total};

const RESPONSES: &str = "weir_dns_responses_total";
const LATENCY: &str = "weir_dns_latency_seconds";

pub(crate) fn board() -> Board {
    Board {
        name: "dns",
        title: "DNS",
        description: "Queries, responses, response times and anomalies.",
        filters: &[],
        rows: vec![now(), questions(), time(), trust()],
    }
}

fn of_responses(rcode: &str) -> String {
    format!(
        "(sum(rate({RESPONSES}{{$host, rcode=\"{rcode}\"}}[$rate])) or vector(0)) \
         / (sum(rate({RESPONSES}{{$host}}[$rate])) > 0)"
    )
}

fn now() -> Row {
    let queries = "weir_dns_queries_total";
    Row {
        title: "Now",
        panels: vec![
            Panel::number(Unit::PerSecond, "Queries", "Queries of DNS, mDNS and LLMNR that were seen.")
                .query("queries", total(queries, "$host"))
                .width(6),
            Panel::number(
                Unit::Share,
                "Errors",
                "Share of responses with SERVFAIL, REFUSED, FORMERR or NOTIMP: the server could not or would not.",
            )
            .query("errors", dns_errors("", "$rate"))
            .limits(0.01, 0.05)
            .width(6),
            Panel::number(
                Unit::Share,
                "NXDOMAIN",
                "Share of responses with NXDOMAIN. Search lists make some; malware that looks for its master, many.",
            )
            .query("NXDOMAIN", of_responses("NXDOMAIN"))
            .limits(0.3, 0.6)
            .width(6),
            Panel::number(
                Unit::Share,
                "Unanswered",
                "Queries without a response within 10 s, as a share of all.",
            )
            .query(
                "unanswered",
                format!(
                    "sum(rate(weir_dns_unanswered_total{{$host}}[$rate])) \
                     / (sum(rate({queries}{{$host, kind=\"dns\"}}[$rate])) > 0)"
                ),
            )
            .limits(0.01, 0.05)
            .width(6),
        ],
    }
}

fn questions() -> Row {
    Row {
        title: "Queries and responses",
        panels: vec![
            Panel::lines(Unit::PerSecond, "Queries by type", "Queries by the type of the first question.")
                .query("{{qtype}}", rate("qtype", "weir_dns_queries_total", "$host"))
                .stacked(),
            Panel::lines(Unit::PerSecond, "Responses by code", "Responses by their code.")
                .query("{{rcode}}", rate("rcode", RESPONSES, "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Queries by protocol",
                "Queries by kind: `dns` of servers, `mdns` and `llmnr` of neighbours.",
            )
            .query("{{kind}}", rate("kind", "weir_dns_queries_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Share,
                "Error rate",
                "Shares of responses that are errors, and that are NXDOMAIN (no such name).",
            )
            .query("errors", dns_errors("", "$rate"))
            .query("NXDOMAIN", of_responses("NXDOMAIN"))
            .limits(0.05, 0.5),
        ],
    }
}

fn time() -> Row {
    Row {
        title: "Latency",
        panels: vec![
            Panel::lines(Unit::Seconds, "Response time", "From query to response.")
                .query("median", quantile("0.5", "", LATENCY, "$host"))
                .query("p95", quantile("0.95", "", LATENCY, "$host"))
                .query("p99", quantile("0.99", "", LATENCY, "$host"))
                .limits(0.1, 1.0),
            Panel::heatmap(
                "Response time distribution",
                "Answers from a cache are a band of their own below those that had to be fetched.",
            )
            .query("{{le}}", buckets(LATENCY, "$host")),
        ],
    }
}

fn trust() -> Row {
    Row {
        title: "Anomalies",
        panels: vec![
            Panel::lines(Unit::PerSecond, "Unanswered queries", "Queries without a response in 10 s.")
                .query("unanswered", "sum(rate(weir_dns_unanswered_total{$host}[$rate]))")
                .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Unsolicited DNS responses",
                "Responses without a matching query: late, forged, or the query was not seen.",
            )
            .query("unsolicited", "sum(rate(weir_dns_unasked_responses_total{$host}[$rate]))")
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Malformed messages",
                "DNS messages that could not be parsed, by the part that is wrong.",
            )
            .query("{{reason}}", rate("reason", "weir_parse_failures_total", "$host, protocol=\"dns\""))
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::Count,
                "DNS name cache",
                "Names that DNS gave to addresses, by client; at most 65,536 a host.",
            )
            .query("names", "max(weir_name_cache_entries{$host})")
            .limits(58_000.0, 65_000.0),
        ],
    }
}
