//! What the committed boards ask, as Grafana would ask it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::demo::{Demo, root};
use crate::prometheus::{self, Series, escaped};

/// The time in which a rate is measured. Grafana takes four scrapes or more.
pub(super) const RATE: &str = "15s";

/// The time that is shown.
const RANGE: &str = "20s";

/// A query of a panel.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) board: String,
    pub(super) panel: String,
    pub(super) legend: String,
    expression: String,
}

/// Families of what no host of the demo has: units of systemd and containers.
const NOT_THERE: [&str; 2] = ["weir_unit_", "weir_container_"];

/// Every query of every panel of every board that is about something that the demo has.
pub(super) fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for board in boards() {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                if NOT_THERE.iter().any(|family| target["expr"].as_str().is_some_and(|e| e.contains(family)))
                {
                    continue;
                }
                questions.push(Question {
                    board: text(&board["uid"]),
                    panel: text(&panel["title"]),
                    legend: text(&target["legendFormat"]),
                    expression: text(&target["expr"]),
                });
            }
        }
    }
    questions
}

/// The committed boards.
fn boards() -> Vec<Value> {
    let directory = std::fs::read_dir(root().join("dashboards")).expect("boards");
    let paths = directory.map(|entry| entry.expect("an entry").path());
    let boards: Vec<Value> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| serde_json::from_str(&std::fs::read_to_string(path).expect("a board")).expect("JSON"))
        .collect();
    assert_eq!(boards.len(), 10);
    boards
}

impl Question {
    /// What Prometheus answers when all, or one, of the hosts are chosen.
    pub(super) fn ask(&self, demo: &Demo, instance: &str) -> Vec<Series> {
        demo.ask(&substituted(&self.expression, instance))
    }

    /// Whether there is something to see: a number that is not 0.
    pub(super) fn is_lit(&self, demo: &Demo) -> bool {
        self.ask(demo, ".*").iter().any(|series| series.value.is_finite() && series.value != 0.0)
    }

    /// Board, panel and legend.
    pub(super) fn name(&self) -> [&str; 3] {
        [&self.board, &self.panel, &self.legend]
    }
}

/// An expression with values in place of the variables, longer names first.
fn substituted(expression: &str, instance: &str) -> String {
    let values = [
        ("$__rate_interval", RATE),
        ("$__range", RANGE),
        ("$job", "weir"),
        ("$instance", instance),
        ("$interface", ".*"),
        ("$domain", ".*"),
        ("$top", "10"),
    ];
    let text = values.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('$'), "{text}");
    text
}

/// What each variable of the boards that asks Prometheus offers.
pub(super) fn choices(demo: &Demo) -> Vec<(String, BTreeSet<String>)> {
    let boards = boards();
    let variables =
        boards.iter().flat_map(|board| board["templating"]["list"].as_array().expect("variables"));
    let asking = variables.filter(|variable| variable["type"] == "query");
    asking
        .map(|variable| {
            let query = variable["query"]["query"].as_str().expect("a query");
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values");
            let path = format!("label/{label}/values?match%5B%5D={}", escaped(&substituted(selector, ".*")));
            let values = prometheus::api(demo.prometheus(), &path).expect("an answer");
            let name = variable["name"].as_str().expect("a name").to_owned();
            (name, serde_json::from_value(values).expect("values"))
        })
        .collect()
}
