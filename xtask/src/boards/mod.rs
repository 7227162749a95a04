//! `cargo xtask boards`: Grafana's boards and the rules of Prometheus, from one source and checked.

mod containers;
mod dns;
mod domains;
mod draw;
mod fleet;
mod flows;
mod hosts;
mod json;
mod model;
mod overview;
mod own;
mod processes;
mod promtool;
mod query;
mod rules;
mod schema;
mod tcp;
mod tls;
mod vocabulary;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;
use model::Board;
use vocabulary::Vocabulary;

/// Where boards and rules are.
const DIRECTORY: &str = "dashboards";

fn all() -> [Board; 10] {
    [
        overview::board(),
        domains::board(),
        flows::board(),
        tcp::board(),
        dns::board(),
        tls::board(),
        hosts::board(),
        processes::board(),
        containers::board(),
        own::board(),
    ]
}

/// Writes the JSON of every board.
pub(crate) fn write(project: &Project) -> Result<(), Error> {
    for board in all() {
        let path = path(project, &board);
        fs::write(&path, text(&board)?).map_err(failed("write", &path))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Draws every board in a browser, over real and over many numbers.
pub(crate) fn draw(project: &Project) -> Result<(), Error> {
    draw::run(project, &all())
}

/// Installs what [`check`] needs.
pub(crate) fn setup(project: &Project) -> Result<(), Error> {
    schema::setup(project)
}

/// Fails when a committed board is not what the code makes, when boards or rules use what docs/metrics.md does
/// not have, when an alert has no page, when a board is none by Grafana's own types, or when `promtool` cannot read
/// an expression, when one gives more than a person can read where there are hundreds of hosts, or when a rule's test
/// fails.
pub(crate) fn check(project: &Project) -> Result<(), Error> {
    let list = read(&project.root().join("docs/metrics.md"))?;
    let vocabulary = Vocabulary::of(&list);
    let boards = all();
    let mut findings = Vec::new();
    for board in &boards {
        let path = path(project, board);
        if fs::read_to_string(&path).ok().as_deref() != Some(text(board)?.as_str()) {
            findings.push(format!("{} is not what the code makes", path.display()));
        }
        for panel in board.panels() {
            for query in &panel.queries {
                let labels = legend_labels(query.legend);
                let wrong = vocabulary.unknown(&query.expression, &labels);
                findings
                    .extend(wrong.iter().map(|what| format!("{}, “{}”: {what}", board.name, panel.title)));
            }
        }
    }
    findings.extend(strangers(project, &boards)?);
    findings.extend(rules::findings(project, &vocabulary)?);
    if !findings.is_empty() {
        return Err(Error::Check { findings, hint: "type `cargo xtask boards` to write the boards anew" });
    }
    schema::check(project, &boards)?;
    promtool::expressions(project, &boards)?;
    fleet::check(project, &boards, &vocabulary)?;
    promtool::rules(project)
}

/// Boards that no code makes any more.
fn strangers(project: &Project, boards: &[Board]) -> Result<Vec<String>, Error> {
    let known: BTreeSet<PathBuf> = boards.iter().map(|board| path(project, board)).collect();
    let found = files(&project.root().join(DIRECTORY), "json")?;
    Ok(found
        .into_iter()
        .filter(|path| !known.contains(path))
        .map(|path| format!("{} is made by no code", path.display()))
        .collect())
}

fn path(project: &Project, board: &Board) -> PathBuf {
    project.root().join(DIRECTORY).join(format!("{}.json", board.name))
}

fn text(board: &Board) -> Result<String, Error> {
    let json = serde_json::to_string_pretty(&board.json()).map_err(|source| Error::File {
        operation: "write",
        path: board.name.into(),
        source: source.into(),
    })?;
    Ok(json + "\n")
}

/// Labels in `{{…}}`.
fn legend_labels(legend: &str) -> Vec<&str> {
    legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Files of a directory with an extension, in order.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("read", directory))? {
        let path = entry.map_err(failed("read", directory))?.path();
        if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
