//! Boards with a hundred hosts: how many lines or rows each query gives, as Prometheus computes it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::failed;
use super::model::{Board, Kind, Panel, Query};
use super::promtool::substituted;
use super::vocabulary::Vocabulary;
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// How many hosts there are.
const HOSTS: usize = 100;

/// More than this nobody can tell apart. `$top` is 10; labels with few values give some more.
const LINES: usize = 16;

/// Values of labels that have few; any other label has another value on each host.
const VALUES: [(&str, &[&str]); 11] = [
    ("ip_version", &["4"]),
    ("direction", &["receive", "transmit"]),
    ("role", &["client", "server"]),
    ("scope", &["local", "remote"]),
    ("le", &["0.1", "+Inf"]),
    ("kind", &["dns", "ports"]),
    ("rcode", &["NOERROR", "SERVFAIL"]),
    ("result", &["established", "refused"]),
    ("source", &["none", "sni"]),
    ("transport", &["tcp"]),
    ("version", &["TLSv1.3"]),
];

/// Labels that have as many values as hosts and their traffic make up.
const OPEN: [&str; 7] = ["instance", "interface", "domain", "name", "peer", "server_port", "service"];

/// Fails when a query answers with more than a person can read where there are a hundred hosts, each with a domain,
/// a name, a peer and a service of its own.
pub(super) fn check(project: &Project, boards: &[Board], vocabulary: &Vocabulary) -> Result<(), Error> {
    let queries: Vec<(&Panel, &Query)> = boards
        .iter()
        .flat_map(Board::panels)
        .flat_map(|panel| panel.queries.iter().map(move |query| (panel, query)))
        .collect();
    let used = |name: &str| queries.iter().any(|(_, query)| query.expression.contains(name));
    let series = vocabulary.series().filter(|(name, _)| used(name));
    let series: Vec<Value> = series
        .flat_map(|(name, labels)| (0..HOSTS).flat_map(move |host| of_host(name, labels, host)))
        .map(|series| json!({ "series": series, "values": "0+15x9" }))
        .collect();
    let tests: Vec<Value> = queries.iter().map(|(panel, query)| few(panel, query)).collect();
    let test = json!({
        "evaluation_interval": "15s",
        "tests": [{ "interval": "15s", "input_series": series, "promql_expr_test": tests }],
    });
    let path = project.target().join("boards.fleet.yaml");
    // JSON is YAML too.
    fs::write(&path, test.to_string()).map_err(failed("write", &path))?;
    Program::new("promtool").args(["test", "rules"]).arg(&path).run()
}

/// That a query has few answers, and a lone number one.
fn few(panel: &Panel, query: &Query) -> Value {
    let most = if panel.kind == Kind::Number { 1 } else { LINES };
    let expression = substituted(&query.expression).replace("1h", "1m");
    json!({
        "expr": format!("(count({expression}) or vector(0)) <= bool {most}"),
        "eval_time": "2m",
        "exp_samples": [{ "labels": "{}", "value": 1 }],
    })
}

/// Minutes before and after now: drawing takes a while.
const BEFORE: u64 = 10;
const AFTER: u64 = 20;

/// Numbers of so many hosts around `now`, as OpenMetrics: counters grow on each host at its own pace.
pub(super) fn open_metrics(vocabulary: &Vocabulary, hosts: usize, now: u64) -> String {
    let mut text = String::new();
    for (name, labels) in vocabulary.series() {
        let counts = ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end));
        for host in 0..hosts {
            for (at, series) in of_host(name, labels, host).into_iter().enumerate() {
                for step in 0..=BEFORE + AFTER {
                    let pace = ((host * 7 + at) % 97 + 1) as f64;
                    let value = match name {
                        _ if name.ends_with("_timestamp_seconds") => now as f64,
                        _ if name.contains("cpu_seconds") => step as f64 * pace * 0.05,
                        _ if name.contains("retransmi") && counts => step as f64 * pace * 0.3,
                        _ if name.contains("resident_memory") => pace * 1e6,
                        _ if name.ends_with("_seconds_sum") => step as f64 * pace * 0.6,
                        _ if name.contains("bytes") && counts => step as f64 * pace * 1e6,
                        _ if counts => step as f64 * pace * 60.0,
                        "weir_build_info" | "up" => 1.0,
                        _ => pace,
                    };
                    let time = now - BEFORE * 60 + step * 60;
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{series} {value} {time}");
                }
            }
        }
    }
    text + "# EOF\n"
}

/// Series of a metric on a host, one for each value of a label that has few.
fn of_host(name: &str, labels: &BTreeSet<String>, host: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for label in labels {
        let values: Vec<String> = match VALUES.iter().find(|(known, _)| known == label) {
            Some(_) if label == "version" && name.ends_with("_info") => {
                vec![env!("CARGO_PKG_VERSION").to_owned()]
            }
            Some((_, values)) => values.iter().map(|&value| value.to_owned()).collect(),
            None if label == "server_port" => vec![(1000 + host).to_string()],
            None if label == "job" => vec!["weir".to_owned()],
            None if OPEN.contains(&label.as_str()) => vec![format!("{label}{host}")],
            None => vec!["one".to_owned()],
        };
        all = all
            .iter()
            .flat_map(|before| values.iter().map(move |value| format!("{before}{label}=\"{value}\",")))
            .collect();
    }
    all.iter().map(|inner| format!("{name}{{{}}}", inner.trim_end_matches(','))).collect()
}
