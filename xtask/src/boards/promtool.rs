//! What Prometheus itself says of expressions and rules.

use std::fs;

use serde_json::{Value, json};

use super::model::Board;
use super::{DIRECTORY, failed, files};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// What Grafana would put in place of the variables, longer names first.
const VALUES: [(&str, &str); 7] = [
    ("$__rate_interval", "1m"),
    ("$__range", "1h"),
    ("$job", ".*"),
    ("$instance", ".*"),
    ("$interface", ".*"),
    ("$domain", ".*"),
    ("$top", "10"),
];

/// An expression as Prometheus gets it.
pub(super) fn substituted(expression: &str) -> String {
    VALUES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Fails when a board's expression is no `PromQL`: each is put into a file of rules, which promtool reads.
pub(super) fn expressions(project: &Project, boards: &[Board]) -> Result<(), Error> {
    let groups: Vec<Value> = boards.iter().map(group).collect();
    let path = project.target().join("boards.rules.yaml");
    // JSON is YAML too.
    fs::write(&path, json!({ "groups": groups }).to_string()).map_err(failed("write", &path))?;
    Program::new("promtool").args(["check", "rules"]).arg(&path).output().map(|_| ())
}

fn group(board: &Board) -> Value {
    let queries = board.panels().flat_map(|panel| panel.queries.iter().map(move |query| (panel, query)));
    let rule = |(at, (panel, query)): (usize, (&super::model::Panel, &super::model::Query))| {
        json!({
            "record": format!("weir:{}:{at}", board.name),
            "expr": substituted(&query.expression),
            "labels": { "panel": panel.title },
        })
    };
    json!({ "name": board.name, "rules": queries.enumerate().map(rule).collect::<Vec<_>>() })
}

/// Fails when a rule cannot be read or one of their tests fails.
pub(super) fn rules(project: &Project) -> Result<(), Error> {
    let directory = project.root().join(DIRECTORY).join("rules");
    Program::new("promtool").args(["check", "rules"]).args(files(&directory, "yaml")?).run()?;
    let tests = files(&directory.join("tests"), "yaml")?;
    Program::new("promtool").args(["test", "rules"]).args(tests).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_grafana_is_left_once_variables_have_values() {
        for board in super::super::all() {
            for query in board.panels().flat_map(|panel| &panel.queries) {
                let text = substituted(&query.expression);
                assert!(!text.contains('$'), "{text}");
            }
        }
    }
}
