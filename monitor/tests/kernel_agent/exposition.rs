//! A strict reader of the page of metrics, in both formats: what is not as the specifications have
//! it ends the test.
//!
//! Text format 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>. OpenMetrics 1.0:
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::{BTreeMap, BTreeSet};

/// A line with a number.
#[derive(Debug)]
pub(crate) struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    samples: Vec<Sample>,
}

/// A family while its lines are read.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    has_help: bool,
    unit: Option<String>,
    /// Last cumulative bucket of the histogram whose labels these are.
    bucket: Option<(BTreeMap<String, String>, f64, f64)>,
}

impl Page {
    pub(crate) fn text(page: &str) -> Self {
        Self::read(page, false)
    }

    pub(crate) fn open_metrics(page: &str) -> Self {
        let body = page.strip_suffix("# EOF\n").expect("an end");
        Self::read(body, true)
    }

    fn read(text: &str, open: bool) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut page = Self::default();
        let mut family = Family::default();
        let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_else(|| panic!("cut short: {line}"));
                let (keyword, name, rest) = (word(), word(), word());
                if name != family.name {
                    assert!(families.insert(name.to_owned()), "a family in two pieces: {line}");
                    family = Family { name: name.to_owned(), ..Family::default() };
                }
                match keyword {
                    "HELP" => assert!(!std::mem::replace(&mut family.has_help, true), "twice: {line}"),
                    "TYPE" => {
                        assert!(family.kind.is_empty(), "twice: {line}");
                        assert!(["counter", "gauge", "histogram", "summary"].contains(&rest), "{line}");
                        rest.clone_into(&mut family.kind);
                    }
                    "UNIT" if open => {
                        assert!(name.ends_with(&format!("_{rest}")), "no unit of it: {line}");
                        assert!(family.unit.replace(rest.to_owned()).is_none(), "twice: {line}");
                    }
                    _ => panic!("no such comment: {line}"),
                }
                continue;
            }
            let sample = sample(line);
            family.allows(&sample, open, line);
            assert!(series.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
            page.samples.push(sample);
        }
        page
    }

    /// Samples of a name with these labels among theirs.
    fn of<'a>(&'a self, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        let has = move |sample: &Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        self.samples.iter().filter(move |s| s.name == name && has(s))
    }

    /// Their sum.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|s| s.value).sum()
    }

    /// How many there are.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.of(name, labels).count()
    }

    /// The different values of a label.
    pub(crate) fn values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let of_name = self.samples.iter().filter(|s| s.name == name);
        of_name.filter_map(|s| s.labels.get(label)).map(String::as_str).collect()
    }

    /// The least bucket bound of a histogram below which `count` observations lie.
    pub(crate) fn quantile(&self, name: &str, labels: &[(&str, &str)], count: f64) -> f64 {
        let bucket = format!("{name}_bucket");
        let mut by_bound: Vec<(f64, f64)> = Vec::new();
        for sample in self.of(&bucket, labels) {
            let bound = number(&sample.labels["le"]);
            match by_bound.iter_mut().find(|(b, _)| *b == bound) {
                Some((_, sum)) => *sum += sample.value,
                None => by_bound.push((bound, sample.value)),
            }
        }
        by_bound.sort_by(|a, b| a.0.total_cmp(&b.0));
        by_bound.iter().find(|(_, sum)| *sum >= count).expect("as many").0
    }

    /// Packets that hooks saw minus packets that are accounted for.
    pub(crate) fn unaccounted(&self) -> f64 {
        self.sum("weir_hook_packets_total", &[]) - self.sum("weir_accounted_packets_total", &[])
    }

    /// Samples that are not 0, for who looks for what went wrong.
    pub(crate) fn not_zero(&self) -> String {
        let samples = self.samples.iter().filter(|s| s.value != 0.0 && !s.name.ends_with("_bucket"));
        let lines: Vec<_> = samples.map(|s| format!("{} {:?} {}", s.name, s.labels, s.value)).collect();
        lines.join("\n")
    }
}

impl Family {
    fn allows(&mut self, sample: &Sample, open: bool, line: &str) {
        assert!(self.has_help && !self.kind.is_empty(), "a sample without HELP and TYPE: {line}");
        let suffix = sample.name.strip_prefix(&self.name).unwrap_or_else(|| panic!("another family: {line}"));
        let allowed: &[&str] = match (self.kind.as_str(), open) {
            ("counter", true) => &["_total", "_created"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("summary", _) => &["_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.contains(&suffix), "{} of a {}: {line}", sample.name, self.kind);
        if self.kind == "counter" {
            assert!(open || self.name.ends_with("_total"), "a counter's name: {line}");
            assert!(sample.value >= 0.0, "a counter below 0: {line}");
        }
        if self.kind == "histogram" {
            self.bucket(sample, suffix, line);
        }
    }

    /// Buckets ascend, count upwards and end with infinity, which equals `_count`.
    fn bucket(&mut self, sample: &Sample, suffix: &str, line: &str) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le");
        match suffix {
            "_bucket" => {
                let bound = number(&bound.unwrap_or_else(|| panic!("no bound: {line}")));
                if let Some((last, below, count)) = &self.bucket
                    && *last == labels
                {
                    assert!(*below < bound && *count <= sample.value, "buckets do not ascend: {line}");
                }
                self.bucket = Some((labels, bound, sample.value));
            }
            "_count" => {
                let last = Some((labels, f64::INFINITY, sample.value));
                assert_eq!(self.bucket, last, "the last bucket is infinity's: {line}");
            }
            _ => {}
        }
    }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => text.parse().unwrap_or_else(|_| panic!("no number: {text}")),
    }
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "no name: {line}");
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inner.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            assert!(is_name(label), "no label's name: {line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("no label's value: {line}"));
            assert!(labels.insert(label.to_owned(), value).is_none(), "a label twice: {line}");
            match after.split_at_checked(1) {
                Some((",", more)) => inner = more,
                Some(("}", more)) => {
                    rest = more;
                    break;
                }
                _ => panic!("labels do not end: {line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space before the number: {line}"));
    assert!(!value.contains(' '), "more than a number: {line}");
    Sample { name: name.to_owned(), labels, value: number(value) }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Up to the closing quotation mark, and what is after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}
