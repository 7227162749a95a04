//! The metrics and labels that docs/metrics.md has, and which of an expression's it has not.

use std::collections::{BTreeMap, BTreeSet};

/// Labels that Prometheus itself puts on every series.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// Words of `PromQL` that are no metric and no label.
const WORDS: [&str; 13] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "inf",
    "nan",
];

/// Names of series, each with its labels.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    series: BTreeMap<String, BTreeSet<String>>,
}

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named<'a> {
    /// Metrics, and labels between the braces after them.
    selectors: Vec<(&'a str, Vec<&'a str>)>,
    /// Labels by which it groups or matches.
    groups: Vec<&'a str>,
}

impl Vocabulary {
    /// Reads the tables `| name | type | labels | meaning |`, and the process's metrics from the text.
    pub(crate) fn of(list: &str) -> Self {
        let mut series = BTreeMap::new();
        let mut add = |name: String, labels: &str, more: &[&str]| {
            let labels = labels.split(',').map(str::trim).chain(OF_PROMETHEUS).chain(more.iter().copied());
            series.insert(name, labels.filter(|label| !label.is_empty()).map(str::to_owned).collect());
        };
        for line in list.lines() {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
            let (Some(name), Some(kind), Some(labels)) = (name, cells.next(), cells.next()) else { continue };
            match kind {
                "histogram" | "summary" => {
                    add(format!("{name}_sum"), labels, &[]);
                    add(format!("{name}_count"), labels, &[]);
                    if kind == "histogram" {
                        add(format!("{name}_bucket"), labels, &["le"]);
                    }
                }
                _ => add(name.to_owned(), labels, &[]),
            }
        }
        for name in list.split('`').filter(|word| word.starts_with("process_")) {
            add(name.to_owned(), "", &[]);
        }
        add("up".to_owned(), "", &[]);
        Self { series }
    }

    /// Every series and its labels.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.series.iter().map(|(name, labels)| (name.as_str(), labels))
    }

    /// Adds what a recording rule makes, which gives these labels to it.
    pub(crate) fn record(&mut self, name: &str, expression: &str, given: &[String]) {
        let labels = named(expression).groups.into_iter().chain(OF_PROMETHEUS).map(str::to_owned);
        let labels = labels.chain(given.iter().cloned());
        self.series.entry(name.to_owned()).or_default().extend(labels);
    }

    /// What an expression, and labels that its answer is said to have, name and is not there.
    pub(crate) fn unknown(&self, expression: &str, labels: &[&str]) -> Vec<String> {
        let named = named(expression);
        let mut unknown = Vec::new();
        let mut any = BTreeSet::new();
        for (metric, matched) in &named.selectors {
            let Some(has) = self.series.get(*metric) else {
                unknown.push(format!("docs/metrics.md has no {metric}"));
                continue;
            };
            any.extend(has.iter().map(String::as_str));
            let missing = matched.iter().filter(|label| !has.contains(**label));
            unknown.extend(missing.map(|label| format!("{metric} has no label {label}")));
        }
        if unknown.is_empty() {
            let missing = named.groups.iter().chain(labels).filter(|label| !any.contains(**label));
            unknown.extend(missing.map(|label| format!("no metric here has a label {label}")));
        }
        unknown
    }
}

/// Walks over an expression word by word.
fn named(expression: &str) -> Named<'_> {
    let mut named = Named::default();
    let mut rest = expression;
    let mut grouping = false;
    while let Some(first) = rest.chars().next() {
        let (word, after) = word(rest);
        if first == '"' {
            rest = after_string(rest);
        } else if first == '[' {
            rest = rest.split_once(']').map_or("", |(_, after)| after);
        } else if first == '{' {
            let (labels, after) = matchers(rest);
            if let Some((_, of_last)) = named.selectors.last_mut() {
                of_last.extend(labels);
            }
            rest = after;
        } else if word.is_empty() {
            grouping &= first != ')';
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        } else {
            if matches!(word, "by" | "without" | "on" | "ignoring") {
                grouping = true;
            } else if grouping {
                named.groups.push(word);
            } else if is_metric(word, after) {
                named.selectors.push((word, Vec::new()));
            }
            rest = after;
        }
    }
    named
}

/// The word at the beginning, empty if there is none, and what comes after it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !is_of_word(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$' | '.')
}

/// Whether a word is no number, no variable, no function and no word of the language.
fn is_metric(word: &str, after: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !WORDS.contains(&word)
        && !after.trim_start().starts_with('(')
        && !is_aggregation(after)
}

/// `sum by (…) (…)`: the word before `by` is no metric.
fn is_aggregation(after: &str) -> bool {
    matches!(word(after.trim_start()).0, "by" | "without")
}

/// Labels between braces, and what comes after.
fn matchers(text: &str) -> (Vec<&str>, &str) {
    let mut labels = Vec::new();
    let mut rest = text.strip_prefix('{').unwrap_or(text);
    while let Some(first) = rest.chars().next() {
        let (word, after) = word(rest);
        if first == '}' {
            return (labels, rest.get(1..).unwrap_or(""));
        }
        if first == '"' {
            rest = after_string(rest);
        } else if word.is_empty() {
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        } else {
            labels.push(word);
            rest = after;
        }
    }
    (labels, "")
}

/// What comes after the string at the beginning.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return text.get(at + 1..).unwrap_or(""),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "| name | type | labels | meaning |\n|---|---|---|---|\n\
        | `weir_a_total` | counter | kind, direction | see `weir_z` |\n\
        | `weir_b_seconds` | histogram |  | time |\n\
        | `weir_c_seconds` | summary | domain | time |\n\nBesides `process_x`.\n";

    #[test]
    fn names_metrics_their_labels_and_groups() {
        let expression = "sum by (kind) (rate(weir_a_total{job=~\"a}\\\"{\", kind!=\"\"}[$__range] @ end())) \
                          / on (job) group_left () topk($top, 5e3 * instance:b:rate5m offset 1h) > 0.5";
        assert_eq!(
            named(expression),
            Named {
                selectors: vec![("weir_a_total", vec!["job", "kind"]), ("instance:b:rate5m", vec![])],
                groups: vec!["kind", "job"],
            }
        );
    }

    #[test]
    fn knows_what_the_list_has_and_no_more() {
        let vocabulary = Vocabulary::of(LIST);
        for known in [
            "sum by (kind, instance) (weir_a_total{job=\"x\"})",
            "histogram_quantile(0.9, sum by (le) (rate(weir_b_seconds_bucket[5m])))",
            "weir_c_seconds_sum{domain=\"a\"} / weir_c_seconds_count",
            "process_x and on (job) up",
        ] {
            assert_eq!(vocabulary.unknown(known, &[]), Vec::<String>::new(), "{known}");
        }
        for (unknown, what) in [
            ("weir_a", "docs/metrics.md has no weir_a"),
            ("weir_z", "docs/metrics.md has no weir_z"),
            ("weir_b_seconds", "docs/metrics.md has no weir_b_seconds"),
            ("weir_c_seconds_bucket", "docs/metrics.md has no weir_c_seconds_bucket"),
            ("weir_a_total{domain=\"a\"}", "weir_a_total has no label domain"),
            ("sum by (domain) (weir_a_total)", "no metric here has a label domain"),
        ] {
            assert_eq!(vocabulary.unknown(unknown, &[]), [what]);
        }
        assert_eq!(vocabulary.unknown("weir_a_total", &["knd"]), ["no metric here has a label knd"]);
    }

    #[test]
    fn what_a_rule_records_is_known_with_its_groups() {
        let mut vocabulary = Vocabulary::of(LIST);
        vocabulary.record("instance:a:rate5m", "sum by (instance, kind) (rate(weir_a_total[5m]))", &[]);
        assert!(vocabulary.unknown("instance:a:rate5m{kind=\"x\"}", &["instance"]).is_empty());
        assert_eq!(vocabulary.unknown("instance:a:rate5m{le=\"1\"}", &[]).len(), 1);
    }
}
