//! DNS: what is asked, what is answered, how quickly.

use super::model::{Board, Panel, Row, Unit};
use super::query::{buckets, dns_errors, quantile, rate, total};

const RESPONSES: &str = "weir_dns_responses_total";
const LATENCY: &str = "weir_dns_latency_seconds";

pub(crate) fn board() -> Board {
    Board {
        name: "dns",
        title: "DNS",
        description: "What is asked, what is answered, how quickly, and what is odd.",
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
                "No such name",
                "Share of responses with NXDOMAIN. Search lists make some; malware that looks for its master, many.",
            )
            .query("NXDOMAIN", of_responses("NXDOMAIN"))
            .limits(0.3, 0.6)
            .width(6),
            Panel::number(
                Unit::Share,
                "Without an answer",
                "Share of queries that nobody answered in 10 s.",
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
        title: "Questions and answers",
        panels: vec![
            Panel::lines(Unit::PerSecond, "What is asked?", "Queries by the type of the first question.")
                .query("{{qtype}}", rate("qtype", "weir_dns_queries_total", "$host"))
                .stacked(),
            Panel::lines(Unit::PerSecond, "What is answered?", "Responses by their code.")
                .query("{{rcode}}", rate("rcode", RESPONSES, "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "How does the local network ask?",
                "Queries by kind: `dns` of servers, `mdns` and `llmnr` of neighbours.",
            )
            .query("{{kind}}", rate("kind", "weir_dns_queries_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::Share,
                "Do servers fail?",
                "Responses that are errors, and that say that there is no such name, of all.",
            )
            .query("errors", dns_errors("", "$rate"))
            .query("no such name", of_responses("NXDOMAIN"))
            .limits(0.05, 0.5),
        ],
    }
}

fn time() -> Row {
    Row {
        title: "Time",
        panels: vec![
            Panel::lines(Unit::Seconds, "How long does an answer take?", "From a query to its response.")
                .query("half", quantile("0.5", "", LATENCY, "$host"))
                .query("95 %", quantile("0.95", "", LATENCY, "$host"))
                .query("99 %", quantile("0.99", "", LATENCY, "$host"))
                .limits(0.1, 1.0),
            Panel::heatmap(
                "How are these times spread?",
                "Answers from a cache are a band of their own below those that had to be fetched.",
            )
            .query("{{le}}", buckets(LATENCY, "$host")),
        ],
    }
}

fn trust() -> Row {
    Row {
        title: "Odd",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Is anything never answered?",
                "Queries without a response in 10 s.",
            )
            .query("unanswered", "sum(rate(weir_dns_unanswered_total{$host}[$rate]))")
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Does anybody answer unasked?",
                "Responses that nobody asked for, or that answer another question: a late one, one whose query was \
                 not seen, or somebody who guesses.",
            )
            .query("unasked", "sum(rate(weir_dns_unasked_responses_total{$host}[$rate]))")
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Is anything malformed?",
                "Messages of DNS that could not be read, by the part that is wrong.",
            )
            .query("{{reason}}", rate("reason", "weir_parse_failures_total", "$host, protocol=\"dns\""))
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::Count,
                "How many names are remembered?",
                "Names that DNS gave to addresses, by client; at most 65,536 a host.",
            )
            .query("names", "max(weir_name_cache_entries{$host})")
            .limits(58_000.0, 65_000.0),
        ],
    }
}
