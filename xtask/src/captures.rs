//! `cargo xtask applications` and `cargo xtask detect`: what Weir says of captures whose truth is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build::{self, Profile};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Where the table of detections stands in the documentation, between these lines.
const DOCUMENT: &str = "docs/detections.md";
const BEGIN: &str = "<!-- measured: cargo xtask detect -->\n";
const END: &str = "<!-- end -->";

/// A capture and what is true of it.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    capture: PathBuf,
    words: Vec<String>,
}

/// Reads lines of a capture's path beside the file and words after a tab, with commas between them.
fn expected(path: &Path) -> Result<Vec<Expected>, Error> {
    let text = fs::read_to_string(path).map_err(|source| file("read", path, source))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(capture, words)| Expected {
            capture: directory.join(capture),
            words: words
                .split('\t')
                .next()
                .unwrap_or(words)
                .split(',')
                .map(|word| word.trim().to_owned())
                .collect(),
        })
        .collect())
}

fn file(operation: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { operation, path: path.to_owned(), source }
}

/// The records of a kind that Weir writes of a capture.
fn records(weir: &Path, capture: &Path, kind: &str) -> Result<Vec<Value>, Error> {
    // A capture that is cut short is read as far as it goes, with a complaint.
    let text = Program::new(weir).args(["pcap", "--json"]).arg(capture).probe().unwrap_or_default();
    text.lines()
        .map(serde_json::from_str::<Value>)
        .filter(|record| record.as_ref().map_or(true, |record| record["record"] == kind))
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Output {
            command: "weir pcap --json".into(),
            expected: "a record in JSON on each line",
        })
}

/// How a capture's application was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    No,
    Port,
    Bytes,
}

/// Prints which applications Weir names in captures, by bytes or by port alone. `list` has a capture and its
/// application's words on each line.
pub(crate) fn applications(project: &Project, list: &Path) -> Result<(), Error> {
    let weir = build::agent(project, Profile::Dev)?;
    let mut table: BTreeMap<String, (Named, usize, BTreeSet<String>)> = BTreeMap::new();
    for Expected { capture, words } in expected(list)? {
        let mut best = Named::No;
        let mut others = BTreeSet::new();
        for flow in records(&weir, &capture, "flow")? {
            let Some(application) = flow["application"].as_str() else { continue };
            let wire = flow["application_source"] == "wire";
            if words.iter().any(|word| word == application) {
                best = best.max(if wire { Named::Bytes } else { Named::Port });
            } else if wire {
                others.insert(application.to_owned());
            }
        }
        let name = words.first().cloned().unwrap_or_default();
        let row = table.entry(name).or_insert((Named::No, 0, BTreeSet::new()));
        row.0 = row.0.max(best);
        row.1 += 1;
        if best != Named::Bytes {
            row.2.extend(others);
        }
    }
    println!("application\tcaptures\tnamed\tby bytes something else");
    for (name, (named, captures, others)) in &table {
        let named = match named {
            Named::Bytes => "bytes",
            Named::Port => "port",
            Named::No => "no",
        };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        println!("{name}\t{captures}\t{named}\t{}", others.join(" "));
    }
    let count = |least: Named| table.values().filter(|(named, ..)| *named >= least).count();
    println!("{} applications: {} named, {} by bytes", table.len(), count(Named::Port), count(Named::Bytes));
    Ok(())
}

/// All captures in a directory and those below it, sorted.
fn captures(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut inside: Vec<PathBuf> = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|source| file("read", directory, source))?;
    inside.sort();
    for path in inside {
        if path.is_dir() {
            captures(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|end| ["pcap", "pcapng", "cap"].iter().any(|known| end == *known))
        {
            found.push(path);
        }
    }
    Ok(())
}

/// What was found of one kind.
#[derive(Debug, Default)]
struct Score {
    labelled: usize,
    found: usize,
    wrong: usize,
}

/// Measures detections: captures of `labels` with their kinds, and those in `negatives` without any. Writes the
/// table into the documentation.
pub(crate) fn detect(project: &Project, labels: &Path, negatives: &[PathBuf]) -> Result<(), Error> {
    let weir = build::agent(project, Profile::Dev)?;
    let kinds = |capture: &Path| -> Result<BTreeSet<String>, Error> {
        let found = records(&weir, capture, "detection")?;
        Ok(found.iter().filter_map(|record| record["kind"].as_str()).map(str::to_owned).collect())
    };
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut misses = Vec::new();
    let labelled = expected(labels)?;
    for Expected { capture, words } in &labelled {
        let found = kinds(capture)?;
        for word in words {
            let score = scores.entry(word.clone()).or_default();
            score.labelled += 1;
            score.found += usize::from(found.contains(word));
            if !found.contains(word) {
                misses.push(format!("{}: no {word}", capture.display()));
            }
        }
        for other in found.iter().filter(|kind| !words.contains(kind)) {
            scores.entry(other.clone()).or_default().wrong += 1;
            misses.push(format!("{}: {other}, which it is not labelled as", capture.display()));
        }
    }
    let mut benign = Vec::new();
    for directory in negatives {
        captures(directory, &mut benign)?;
    }
    benign.retain(|capture| !labelled.iter().any(|expected| same(&expected.capture, capture)));
    for capture in &benign {
        for kind in kinds(capture)? {
            misses.push(format!("{}: {kind}, a false alarm", capture.display()));
            scores.entry(kind).or_default().wrong += 1;
        }
    }
    let table = rendered(&scores, benign.len());
    println!("{table}");
    for miss in &misses {
        println!("{miss}");
    }
    let path = project.root().join(DOCUMENT);
    let text = fs::read_to_string(&path).map_err(|source| file("read", &path, source))?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err(Error::Check {
            findings: vec![format!("{DOCUMENT} has no place for the table")],
            hint: "put the lines that begin and end it back",
        });
    };
    let (before, after) = (text.get(..begin + BEGIN.len()), text.get(end..));
    let text = [before.unwrap_or_default(), &table, after.unwrap_or_default()].concat();
    fs::write(&path, text).map_err(|source| file("write", &path, source))
}

fn same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn rendered(scores: &BTreeMap<String, Score>, benign: usize) -> String {
    let share = |part: usize, all: usize| {
        if all == 0 { "–".to_owned() } else { format!("{:.2}", part as f64 / all as f64) }
    };
    let mut table = String::from(
        "| kind | labelled captures | found | recall | captures with a false alarm | precision |\n|---|---|---|---|---|---|\n",
    );
    for (kind, Score { labelled, found, wrong }) in scores {
        let row = format!(
            "| `{kind}` | {labelled} | {found} | {} | {wrong} | {} |\n",
            share(*found, *labelled),
            share(*found, found + wrong)
        );
        table.push_str(&row);
    }
    table + &format!("\nNegatives: {benign} captures without any of these.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_recall_and_precision_by_kind() {
        let mut scores = BTreeMap::new();
        scores.insert("scan".to_owned(), Score { labelled: 4, found: 3, wrong: 1 });
        scores.insert("flood".to_owned(), Score { labelled: 0, found: 0, wrong: 0 });
        let table = rendered(&scores, 80);
        assert!(table.contains("| `scan` | 4 | 3 | 0.75 | 1 | 0.75 |"), "{table}");
        assert!(table.contains("| `flood` | 0 | 0 | – | 0 | – |"), "{table}");
        assert!(table.ends_with("Negatives: 80 captures without any of these.\n"), "{table}");
    }
}
