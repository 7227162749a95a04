//! docs/benchmarks.md: what was found, between what people write there.

use std::fmt::Write as _;
use std::fs;

use super::Bench;
use super::result::{Found, number};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// The lines around what is written here; all else in the document is left as it is.
const BEGIN: &str = "<!-- cargo xtask bench writes from here -->";
const END: &str = "<!-- to here -->";

/// One table a bench.
pub(crate) fn table(benches: &[Bench], found: &[Found]) -> String {
    let mut text = String::new();
    for bench in benches {
        let _ = writeln!(text, "\n### {}\n", bench.title());
        let rows: Vec<&Found> = found.iter().filter(|found| found.bench == bench.as_str()).collect();
        if rows.is_empty() {
            let _ = writeln!(text, "Nothing: `cargo xtask bench {}` says why.", bench.as_str());
            continue;
        }
        text.push_str("| what | median | spread | of | to reach |\n|---|---:|---:|---|---|\n");
        for row in rows {
            let [low, middle, high] = row.values.map(number);
            let goal = row.goal.as_ref().map_or_else(String::new, |(goal, reached)| {
                format!("{goal}: {}", if *reached { "reached" } else { "**not reached**" })
            });
            let spread = if row.runs > 1 { format!("{low} – {high}") } else { String::new() };
            let runs =
                if row.runs > 1 { format!("{} of {}", row.spread, row.runs) } else { "once".to_owned() };
            let _ = writeln!(text, "| {} | {middle} {} | {spread} | {runs} | {goal} |", row.what, row.unit);
        }
    }
    text
}

/// Puts the tables into the document. `complete`: every bench ran to its end.
pub(crate) fn write(project: &Project, tables: &str, complete: bool) -> Result<(), Error> {
    let path = project.root().join("docs/benchmarks.md");
    let file = |operation| {
        let path = path.clone();
        move |source| Error::File { operation, path, source }
    };
    let document = fs::read_to_string(&path).map_err(file("read"))?;
    let missing = if complete { "" } else { "\nNot every bench ran to its end.\n" };
    let written = format!("{}{missing}{tables}", circumstances(project));
    let document = replace(&document, &written).ok_or_else(|| Error::Check {
        findings: vec![format!("docs/benchmarks.md lacks the lines {BEGIN} and {END}")],
        hint: "put them back",
    })?;
    fs::write(&path, document).map_err(file("write"))
}

/// Says on standard error what was not reached.
pub(crate) fn summary(found: &[Found]) {
    let goals =
        found.iter().filter_map(|found| found.goal.as_ref().map(|(goal, reached)| (found, goal, *reached)));
    let (reached, missed): (Vec<_>, Vec<_>) = goals.partition(|(_, _, reached)| *reached);
    eprintln!("xtask: {} results, {} goals reached, {} not", found.len(), reached.len(), missed.len());
    for (found, goal, _) in missed {
        let [low, middle, high] = found.values.map(number);
        eprintln!(
            "  {}: {} {middle} {} ({low} to {high}), to reach: {goal}",
            found.bench, found.what, found.unit
        );
    }
}

/// The document with other tables.
fn replace(document: &str, written: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", written.trim()))
}

/// Machine, kernel and source.
fn circumstances(project: &Project) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu = read("/proc/cpuinfo");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let model = field(&cpu, "model name").unwrap_or_else(|| "unknown".to_owned());
    let virtual_machine = cpu.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes >> 20);
    let git = |arguments: &[&str]| {
        let output = Program::new("git").args(arguments).directory(project.root()).probe();
        output.unwrap_or_default().trim().to_owned()
    };
    let changed =
        if git(&["status", "--porcelain", "--untracked-files=no"]).is_empty() { "" } else { ", changed" };
    let date = Program::new("date").args(["-u", "+%Y-%m-%d"]).probe().unwrap_or_default();
    format!(
        "| | |\n|---|---|\n| machine | {model}, {cores} cores{}, {memory} GiB |\n| kernel | {} |\n\
         | commit | {}{changed} |\n| date | {} |\n| load when it began to write | {} |\n",
        if virtual_machine { ", virtual" } else { "" },
        read("/proc/sys/kernel/osrelease").trim(),
        git(&["rev-parse", "--short", "HEAD"]),
        date.trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(what: &str, goal: Option<(String, bool)>) -> Found {
        Found {
            bench: "drain".into(),
            what: what.into(),
            unit: "ns".into(),
            values: [1.0, 2.0, 3.0],
            spread: "quartiles".into(),
            runs: 30,
            goal,
        }
    }

    #[test]
    fn a_table_says_what_was_not_reached_and_which_bench_said_nothing() {
        let found = [found("a", Some(("≤ 1".into(), false))), found("b", None)];
        let text = table(&[Bench::Drain, Bench::Race], &found);
        assert!(
            text.contains("| a | 2.00 ns | 1.00 – 3.00 | quartiles of 30 | ≤ 1: **not reached** |"),
            "{text}"
        );
        assert!(text.contains("| b | 2.00 ns | 1.00 – 3.00 | quartiles of 30 |  |"), "{text}");
        assert!(text.contains("Nothing: `cargo xtask bench race`"), "{text}");
    }

    #[test]
    fn what_people_wrote_stays() {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## Tried\n");
        let new = replace(&document, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\n## Tried\n"));
        assert_eq!(replace("# Title", "new"), None);
    }

    #[test]
    fn the_document_has_its_place() {
        let document = include_str!("../../../docs/benchmarks.md");
        assert!(replace(document, "new").is_some());
    }
}
