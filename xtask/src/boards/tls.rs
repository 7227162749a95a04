//! TLS and QUIC.

use super::model::{Board, Panel, Row, Unit};
use super::query::{buckets, increase, quantile, rate};

const HELLOS: &str = "weir_tls_handshakes_total";

pub(crate) fn board() -> Board {
    Board {
        name: "tls",
        title: "TLS and QUIC",
        description: "Which versions and protocols are agreed on, what fails, what is weak, what is hidden.",
        filters: &[],
        rows: vec![now(), agreed(), time(), weak()],
    }
}

fn share(matchers: &str) -> String {
    format!(
        "(sum(rate({HELLOS}{{$host, {matchers}}}[$rate])) or vector(0)) / (sum(rate({HELLOS}{{$host}}[$rate])) > 0)"
    )
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::number(Unit::PerSecond, "Handshakes", "Hellos over TCP, DTLS and QUIC.")
                .query("handshakes", format!("sum(rate({HELLOS}{{$host}}[$rate]))"))
                .width(6),
            Panel::number(
                Unit::Share,
                "Not answered well",
                "Share of hellos that got an alert or no answer.",
            )
            .query("failed", share("result=~\"alert|unanswered\""))
            .limits(0.05, 0.2)
            .width(6),
            Panel::number(
                Unit::Share,
                "Without a server's name",
                "Share of hellos that do not say whom they ask for (SNI).",
            )
            .query("absent", share("sni=\"absent\""))
            .limits(0.3, 0.6)
            .width(6),
            Panel::number(
                Unit::Share,
                "With an encrypted hello",
                "Share of hellos with the extension of ECH. Browsers send one with the true name too.",
            )
            .query("ech", share("ech=\"true\""))
            .width(6),
        ],
    }
}

fn agreed() -> Row {
    Row {
        title: "Agreed",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Which versions are chosen?",
                "As the server chose. Below TLS 1.2 is broken (RFC 8996).",
            )
            .query("{{version}}", rate("version", HELLOS, "$host"))
            .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Which protocols are offered?",
                "The first of ALPN that the client offers: `h2`, `h3`, `http/1.1`.",
            )
            .query("{{alpn}}", rate("alpn", HELLOS, "$host"))
            .stacked(),
            Panel::lines(Unit::PerSecond, "What carries it?", "Hellos over `tcp`, `dtls` and `quic`.")
                .query("{{carrier}}", rate("carrier", HELLOS, "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Which versions of QUIC?",
                "Connections whose first packet could be read.",
            )
            .query("{{version}}", rate("version", "weir_quic_connections_total", "$host"))
            .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "How do hellos end?",
                "`alert` is a refusal; `unanswered` had no ServerHello.",
            )
            .query("{{result}}", rate("result", HELLOS, "$host"))
            .stacked(),
        ],
    }
}

fn time() -> Row {
    let seconds = "weir_tls_handshake_seconds";
    Row {
        title: "Time",
        panels: vec![
            Panel::lines(
                Unit::Seconds,
                "How long does the server's answer take?",
                "From a ClientHello to the server's answer to it.",
            )
            .query("half", quantile("0.5", "", seconds, "$host"))
            .query("95 %", quantile("0.95", "", seconds, "$host"))
            .limits(0.2, 1.0),
            Panel::heatmap("How are these times spread?", "From a ClientHello to the server's answer.")
                .query("{{le}}", buckets(seconds, "$host")),
        ],
    }
}

fn weak() -> Row {
    Row {
        title: "Weak",
        panels: vec![
            Panel::bars(
                Unit::Count,
                "Is encryption as it should be?",
                "Old versions, weak ciphers and wrong certificates in the time shown, each once a flow.",
            )
            .query(
                "{{kind}}",
                increase("kind", "weir_findings_total", "$host, kind!=\"cleartext_credentials\""),
            )
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Is anything malformed?",
                "Messages of TLS and QUIC that could not be read, by the part that is wrong.",
            )
            .query(
                "{{protocol}} {{reason}}",
                rate("protocol, reason", "weir_parse_failures_total", "$host, protocol=~\"tls|dtls|quic\"")
                    + " > 0",
            )
            .limits(1.0, 10.0),
        ],
    }
}
