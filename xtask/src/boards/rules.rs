//! Alerts and recorded series: what they use is there, and each alert has a page and a test.

use super::vocabulary::Vocabulary;
use super::{DIRECTORY, files, read};
use crate::error::Error;
use crate::project::Project;

/// A rule of a file, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    /// `record` or `alert`.
    kind: String,
    name: String,
    expression: String,
    runbook: String,
    /// Labels that it gives.
    labels: Vec<String>,
}

/// What is wrong with the rules.
pub(super) fn findings(project: &Project, vocabulary: &Vocabulary) -> Result<Vec<String>, Error> {
    let directory = project.root().join(DIRECTORY).join("rules");
    let text = |paths: Vec<std::path::PathBuf>| -> Result<String, Error> {
        paths.iter().map(|path| read(path)).collect()
    };
    let rules = parse(&text(files(&directory, "yaml")?)?);
    let tests = text(files(&directory.join("tests"), "yaml")?)?;
    let pages = files(&project.root().join("docs/runbooks"), "md")?;
    let pages: Vec<String> =
        pages.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    Ok(of(&rules, &tests, &pages, vocabulary))
}

fn of(rules: &[Rule], tests: &str, pages: &[String], vocabulary: &Vocabulary) -> Vec<String> {
    let mut vocabulary = vocabulary.clone();
    let alerts: Vec<&Rule> = rules.iter().filter(|rule| rule.kind == "alert").collect();
    for rule in rules.iter().filter(|rule| rule.kind == "record") {
        vocabulary.record(&rule.name, &rule.expression, &rule.labels);
    }
    let mut findings = Vec::new();
    for rule in rules {
        let wrong = vocabulary.unknown(&rule.expression, &[]);
        findings.extend(wrong.into_iter().map(|what| format!("{}: {what}", rule.name)));
    }
    for Rule { name, runbook, .. } in &alerts {
        if !pages.contains(name) {
            findings.push(format!("{name}: docs/runbooks has no page"));
        }
        if *runbook != format!("docs/runbooks/{name}.md") {
            findings.push(format!("{name}: its annotation `runbook` does not name its page"));
        }
        if !tests.lines().any(|line| line.trim().trim_start_matches("- ") == format!("alertname: {name}")) {
            findings.push(format!("{name}: no test"));
        }
    }
    let gone =
        pages.iter().filter(|page| *page != "README" && !alerts.iter().any(|rule| rule.name == **page));
    findings.extend(gone.map(|page| format!("docs/runbooks/{page}.md: no such alert")));
    findings
}

/// Reads the form that our files have: a key a line, an expression on the line or indented below it.
fn parse(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let (mut below, mut labels) = (None, None);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        for kind in ["record", "alert"] {
            if let Some(name) = line.strip_prefix(&format!("- {kind}: ")) {
                rules.push(Rule { kind: kind.to_owned(), name: name.to_owned(), ..Rule::default() });
            }
        }
        let Some(rule) = rules.last_mut() else { continue };
        if below.is_some_and(|of| indent > of) {
            rule.expression.push_str(line);
            rule.expression.push(' ');
            continue;
        }
        below = None;
        if labels.is_some_and(|of| indent > of) {
            rule.labels.extend(line.split_once(": ").map(|(label, _)| label.to_owned()));
            continue;
        }
        labels = (line == "labels:").then_some(indent);
        match line.split_once(": ") {
            Some(("expr", "|")) => below = Some(indent),
            Some(("expr", expression)) => expression.clone_into(&mut rule.expression),
            Some(("runbook", page)) => page.clone_into(&mut rule.runbook),
            _ => {}
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "groups:\n- name: x\n  rules:\n  - record: instance:a:rate5m\n    expr: |\n      sum by (instance) (\n        rate(weir_a_total[5m]))\n\
        \x20 - alert: A\n    expr: instance:a:rate5m > 1\n    annotations:\n      runbook: docs/runbooks/A.md\n";

    #[test]
    fn reads_names_expressions_and_pages() {
        let rules = parse(RULES);
        assert_eq!(rules[0].expression, "sum by (instance) ( rate(weir_a_total[5m])) ");
        assert_eq!((rules[1].kind.as_str(), rules[1].name.as_str()), ("alert", "A"));
        assert_eq!(rules[1].expression, "instance:a:rate5m > 1");
        assert_eq!(rules[1].runbook, "docs/runbooks/A.md");
    }

    #[test]
    fn finds_what_is_not_there() {
        let vocabulary = Vocabulary::of("| `weir_a_total` | counter |  | a |\n");
        let check = |rules: &str, tests: &str, pages: &[&str], vocabulary: &Vocabulary| {
            let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
            of(&parse(rules), tests, &pages, vocabulary)
        };
        let tests = "  - alertname: A\n";
        assert_eq!(check(RULES, tests, &["A", "README"], &vocabulary), Vec::<String>::new());
        assert_eq!(check(RULES, "", &["A"], &vocabulary), ["A: no test"]);
        assert_eq!(check(RULES, tests, &[], &vocabulary), ["A: docs/runbooks has no page"]);
        assert_eq!(check(RULES, tests, &["A", "B"], &vocabulary), ["docs/runbooks/B.md: no such alert"]);
        let renamed = Vocabulary::of("| `weir_b_total` | counter |  | b |\n");
        assert_eq!(
            check(RULES, tests, &["A"], &renamed),
            ["instance:a:rate5m: docs/metrics.md has no weir_a_total"]
        );
        let other = RULES.replace("runbooks/A", "runbooks/C");
        assert_eq!(
            check(&other, tests, &["A"], &vocabulary),
            ["A: its annotation `runbook` does not name its page"]
        );
    }
}
