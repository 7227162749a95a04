//! TLS and QUIC.

use super::model::{Board, Panel, Row, Unit};
use super::query::{buckets, increase, quantile, rate};

const HELLOS: &str = "weir_tls_handshakes_total";

pub(crate) fn board() -> Board {
    Board {
        name: "tls",
        title: "TLS and QUIC",
        description: "Negotiated versions and protocols, failures and weaknesses.",
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
            Panel::number(Unit::PerSecond, "Handshakes", "TLS handshakes over TCP, DTLS and QUIC.")
                .query("handshakes", format!("sum(rate({HELLOS}{{$host}}[$rate]))"))
                .width(6),
            Panel::number(
                Unit::Share,
                "Failed handshakes",
                "Handshakes that ended with an alert or without a ServerHello.",
            )
            .query("failed", share("result=~\"alert|unanswered\""))
            .limits(0.05, 0.2)
            .width(6),
            Panel::number(
                Unit::Share,
                "No SNI",
                "ClientHellos without SNI, as a share of all.",
            )
            .query("absent", share("sni=\"absent\""))
            .limits(0.3, 0.6)
            .width(6),
            Panel::number(
                Unit::Share,
                "ECH",
                "ClientHellos with the ECH extension, as a share of all. Browsers send one with the true name too (GREASE).",
            )
            .query("ech", share("ech=\"true\""))
            .width(6),
        ],
    }
}

fn agreed() -> Row {
    Row {
        title: "Negotiated",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "TLS versions",
                "As the server chose. Below TLS 1.2 is broken (RFC 8996).",
            )
            .query("{{version}}", rate("version", HELLOS, "$host"))
            .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Preferred ALPN",
                "The first of ALPN that the client offers: `h2`, `h3`, `http/1.1`.",
            )
            .query("{{alpn}}", rate("alpn", HELLOS, "$host"))
            .stacked(),
            Panel::lines(Unit::PerSecond, "Handshakes by transport", "Over `tcp`, `dtls` and `quic`.")
                .query("{{carrier}}", rate("carrier", HELLOS, "$host"))
                .stacked(),
            Panel::lines(Unit::PerSecond, "QUIC versions", "Connections whose first packet could be read.")
                .query("{{version}}", rate("version", "weir_quic_connections_total", "$host"))
                .stacked(),
            Panel::lines(
                Unit::PerSecond,
                "Handshakes by result",
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
        title: "Latency",
        panels: vec![
            Panel::lines(Unit::Seconds, "TLS handshake time", "From ClientHello to ServerHello.")
                .query("median", quantile("0.5", "", seconds, "$host"))
                .query("p95", quantile("0.95", "", seconds, "$host"))
                .limits(0.2, 1.0),
            Panel::heatmap("TLS handshake time distribution", "From ClientHello to ServerHello.")
                .query("{{le}}", buckets(seconds, "$host")),
        ],
    }
}

fn weak() -> Row {
    Row {
        title: "Weaknesses",
        panels: vec![
            Panel::bars(
                Unit::Count,
                "TLS findings",
                "Old versions, weak ciphers and wrong certificates in the time range, each once a flow.",
            )
            .query(
                "{{kind}}",
                increase("kind", "weir_findings_total", "$host, kind!=\"cleartext_credentials\""),
            )
            .limits(1.0, 10.0),
            Panel::lines(
                Unit::PerSecond,
                "Malformed messages",
                "TLS and QUIC messages that could not be parsed, by the part that is wrong.",
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
