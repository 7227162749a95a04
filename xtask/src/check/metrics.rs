//! docs/metrics.md lists exactly the metrics that are declared.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;

/// Where metrics are declared, each name as a literal of its own.
const VIEWS: &str = "monitor/src/view";

/// Where those of TCP's counters are, and of what Weir measures of itself.
const OTHERS: [&str; 2] = ["monitor-common/src/abi/counters.rs", "monitor/src/telemetry/own.rs"];

/// Fails with each metric that is declared and not listed, and the other way round.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let list = read(&project.root().join("docs/metrics.md"))?;
    let mut declared = BTreeSet::new();
    let views = sources(&project.root().join(VIEWS))?;
    for path in views.into_iter().chain(OTHERS.map(|file| project.root().join(file))) {
        declared.extend(literals(&read(&path)?).map(str::to_owned));
    }
    let findings = differences(&declared, &rows(&list));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "one row a metric: `| name | type | labels | meaning |`" })
}

/// Rust files below a directory, except those that hold tests alone.
fn sources(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { operation: "read", path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs")
            && path.file_name().is_some_and(|n| n != "tests.rs")
        {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })
}

/// String literals that are a metric's name, without `_total`, above the tests of a file.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or(source);
    code.split("\"weir_")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|rest| is_rest(rest))
        .map(base)
}

/// Names in the first cells of the tables, without `_total`.
fn rows(list: &str) -> BTreeSet<String> {
    list.lines()
        .filter_map(|line| line.strip_prefix("| `weir_")?.split('`').next())
        .filter(|rest| is_rest(rest))
        .map(|rest| base(rest).to_owned())
        .collect()
}

/// Whether this can follow the prefix `weir_`, which stands in every name and is left out from here on.
fn is_rest(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// OpenMetrics names a counter's family without the suffix of its samples.
fn base(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

fn differences(declared: &BTreeSet<String>, listed: &BTreeSet<String>) -> Vec<String> {
    let missing = declared.difference(listed).map(|name| format!("docs/metrics.md lacks weir_{name}"));
    let stale = listed
        .difference(declared)
        .map(|name| format!("docs/metrics.md has weir_{name}, which no view declares"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_metrics_that_are_not_listed_and_rows_without_a_metric() {
        let source = "A = Counter \"weir_a_bytes\"; B = Gauge \"weir_b\"; help(\"of weir_c here\", '\"');\n\
                      #[cfg(test)]\nmod tests { const X: &str = \"weir_x\"; }\n";
        let list = "| name | type |\n|---|---|\n| `weir_a_bytes_total` | counter | see `weir_b` |\n| `weir_gone` | gauge |\n";
        let declared = literals(source).map(str::to_owned).collect();
        assert_eq!(
            differences(&declared, &rows(list)),
            ["docs/metrics.md lacks weir_b", "docs/metrics.md has weir_gone, which no view declares"]
        );
    }
}
