//! What the tests said on each kernel: a table of features, and the verifier's counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::archive::Series;
use super::guest::END;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Feature {
    title: &'static str,
    /// Its name in the lines of the tests.
    name: &'static str,
    /// Whether a quick run shows it.
    quick: bool,
}

const fn feature(title: &'static str, name: &'static str, quick: bool) -> Feature {
    Feature { title, name, quick }
}

/// What the kernel side and the agent need of a kernel.
pub(crate) const KERNEL: [Feature; 16] = [
    // Where there is no TCX it is what the quick run takes; elsewhere it is the other way.
    feature("clsact", "clsact", false),
    feature("TCX", "tcx", true),
    feature("XDP, native", "xdp", true),
    feature("XDP, generic", "xdp_generic", false),
    feature("XDP, several buffers", "xdp_frags", true),
    feature("loopback", "loopback", true),
    feature("IPv6", "ipv6", true),
    feature("tunnels", "tunnel", true),
    feature("ring buffer", "ring_buffer", true),
    feature("ring buffer at XDP", "xdp_samples", true),
    feature("batch deletion", "batch_deletion", true),
    feature("clock set", "clock_steps", false),
    feature("suspended", "suspend", false),
    feature("upgrade in place", "pins", false),
    feature("limit of locked memory", "locked_memory", false),
    feature("locked down", "lockdown", false),
];

/// What systemd's unit needs of a kernel.
pub(crate) const UNIT: [Feature; 2] =
    [feature("systemd's unit", "unit", false), feature("its pins", "unit_pins", false)];

/// What is known of a feature on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works.
    Works,
    /// This kernel is too old for it, and the agent goes on without.
    Absent,
    /// It should work and does not: nothing was heard of it.
    Fails,
    /// It was not asked for.
    NotRun,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "yes",
            Self::Absent => "-",
            Self::Fails => "FAILS",
            Self::NotRun => "not run",
        }
    }
}

/// What one machine printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// By test: whether it passed.
    tests: BTreeMap<String, bool>,
    /// By feature: whether this kernel has it.
    features: BTreeMap<String, bool>,
    /// By program: instructions that the verifier walked; by program and `:stack`: bytes of its stack.
    pub(crate) verified: BTreeMap<String, u32>,
    exit: Option<i32>,
    /// The console's last lines.
    tail: Vec<String>,
}

/// How many lines of a console are shown when tests fail.
const TAIL: usize = 60;

impl Run {
    /// Reads the console of a machine.
    pub(crate) fn parse(console: &str) -> Self {
        let mut run = Self::default();
        let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
        run.tail =
            lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| (*line).to_owned()).collect();
        for line in console.lines().map(str::trim_end) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["test", name, "...", outcome] => {
                    run.tests.insert((*name).to_owned(), *outcome == "ok");
                }
                ["feature", name, verdict] => {
                    run.features.insert((*name).to_owned(), *verdict == "works");
                }
                ["verified", program, count] => {
                    if let Some(count) = count.parse().ok().filter(|&count| count != 0) {
                        run.verified.insert((*program).to_owned(), count);
                    }
                }
                [end, code] if *end == END => run.exit = code.parse().ok(),
                _ => {}
            }
        }
        run
    }

    fn verdict(&self, feature: &Feature, quick: bool) -> Verdict {
        match self.features.get(feature.name) {
            Some(true) => Verdict::Works,
            Some(false) => Verdict::Absent,
            None if quick && !feature.quick => Verdict::NotRun,
            None => Verdict::Fails,
        }
    }

    /// Tests that failed, features of which nothing was heard, and what kept the tests from their end.
    pub(crate) fn problems(&self, features: &[Feature], quick: bool) -> Vec<String> {
        let mut problems: Vec<String> =
            self.tests.iter().filter(|(_, passed)| !**passed).map(|(name, _)| name.clone()).collect();
        let silent = features.iter().filter(|feature| self.verdict(feature, quick) == Verdict::Fails);
        problems.extend(silent.map(|feature| format!("not shown: {}", feature.title)));
        match self.exit {
            None => problems.push("the tests did not come to their end".into()),
            Some(code) if code != 0 && self.tests.values().all(|passed| *passed) => {
                problems.push(format!("exit code {code}"));
            }
            Some(_) => {}
        }
        problems
    }

    /// What the console says at its end: the messages of tests that failed, or why there are none.
    pub(crate) fn failures(&self) -> String {
        self.tail.join("\n")
    }

    fn passed(&self) -> String {
        let passed = self.tests.values().filter(|passed| **passed).count();
        format!("{passed}/{}", self.tests.len())
    }
}

/// Features and counts of all kernels, for a terminal.
pub(crate) fn table(features: &[Feature], runs: &[(String, Run)], quick: bool) -> String {
    let mut rows = vec![row("", runs, |(release, _)| release.clone())];
    for feature in features {
        rows.push(row(feature.title, runs, |(_, run)| run.verdict(feature, quick).as_str().to_owned()));
    }
    for program in programs(runs) {
        rows.push(row(&format!("verified: {program}"), runs, |(_, run)| {
            run.verified.get(program).map_or_else(|| "not told".into(), u32::to_string)
        }));
    }
    rows.push(row("tests passed", runs, |(_, run)| run.passed()));
    let columns = runs.len() + 1;
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn row(name: &str, runs: &[(String, Run)], cell: impl Fn(&(String, Run)) -> String) -> Vec<String> {
    [name.to_owned()].into_iter().chain(runs.iter().map(cell)).collect()
}

fn programs(runs: &[(String, Run)]) -> Vec<&String> {
    let mut all: Vec<&String> = runs.iter().flat_map(|(_, run)| run.verified.keys()).collect();
    all.sort();
    all.dedup();
    all
}

/// How far a count may be from the recorded one, in percent.
const TOLERANCE: u32 = 20;

/// The recorded counts: by program and series; under [`ROW`] for each program that has a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<(String, &'static str), u32>);

/// No series: the program has a row, whatever it tells.
const ROW: &str = "";

impl Counts {
    /// Reads the table of the document.
    pub(crate) fn parse(document: &str) -> Self {
        let mut counts = BTreeMap::new();
        for line in document.lines().filter(|line| line.starts_with("| weir_")) {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let program = cells.next().unwrap_or_default();
            counts.insert((program.to_owned(), ROW), 0);
            for (series, cell) in Series::ALL.into_iter().zip(cells) {
                if let Ok(count) = cell.parse() {
                    counts.insert((program.to_owned(), series.as_str()), count);
                }
            }
        }
        Self(counts)
    }

    /// Takes over what a machine counted.
    pub(crate) fn record(&mut self, series: Series, run: &Run) {
        for (program, count) in &run.verified {
            self.0.insert((program.clone(), ROW), 0);
            self.0.insert((program.clone(), series.as_str()), *count);
        }
    }

    /// Counts that are too far from the recorded ones, or new.
    pub(crate) fn differences(&self, series: Series, run: &Run) -> Vec<String> {
        let compare = |(program, count): (&String, &u32)| {
            let Some(&recorded) = self.0.get(&(program.clone(), series.as_str())) else {
                // A row without a number for this kernel: it had not told when the table was written.
                let known = self.0.contains_key(&(program.clone(), ROW));
                return (!known)
                    .then(|| format!("{program} on {}: {count} is not recorded", series.as_str()));
            };
            let far = count.abs_diff(recorded) > recorded / 100 * TOLERANCE;
            far.then(|| format!("{program} on {}: {count}, recorded {recorded}", series.as_str()))
        };
        run.verified.iter().filter_map(compare).collect()
    }

    /// The document.
    pub(crate) fn document(&self) -> String {
        let mut programs: Vec<&String> = self.0.keys().map(|(program, _)| program).collect();
        programs.dedup();
        let names: Vec<&str> = Series::ALL.iter().map(|series| series.as_str()).collect();
        let mut text = format!(
            "{DOCUMENT}\n| program | {} |\n|---|{}\n",
            names.join(" | "),
            "---:|".repeat(names.len())
        );
        for program in programs {
            let cell = |name: &&str| {
                let count = self.0.get(&(program.clone(), *name));
                count.map_or_else(|| "not told".to_owned(), u32::to_string)
            };
            let cells: Vec<String> = names.iter().map(cell).collect();
            let _ = writeln!(text, "| {program} | {} |", cells.join(" | "));
        }
        text
    }
}

const DOCUMENT: &str = "\
# What the verifier walks

Instructions that the kernel's verifier walked through each program, payload samples on, with all tunnels;
it refuses a program beyond 1,000,000. In the rows with `:stack`, bytes of stack, of all functions of a program
together; it refuses a chain of calls beyond 512. `cargo xtask test-kernels` measures them on Debian's kernels and
fails when one is more than 20 % away from this table, so that a change which doubles them is seen before
it is a change that no kernel takes; `cargo xtask test-kernels --record` writes the table anew.
";

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
running 2 tests\r
test features::tc ... ok\r
test features::xdp ... FAILED\r
feature tcx absent\r
feature clsact works\r
verified weir_xdp 1000\r
verified weir_egress 0\r
weir-guest-end 101\r
";

    fn all(verdict: &str) -> String {
        KERNEL.map(|feature| format!("feature {} {verdict}\n", feature.name)).concat()
    }

    #[test]
    fn reads_what_a_machine_printed() {
        let run = Run::parse(CONSOLE);
        let verdict = |name, quick| {
            let feature = KERNEL.iter().find(|feature| feature.name == name).unwrap();
            run.verdict(feature, quick)
        };
        assert_eq!(verdict("clsact", true), Verdict::Works);
        assert_eq!(verdict("tcx", true), Verdict::Absent);
        assert_eq!(verdict("ipv6", true), Verdict::Fails, "silence is no success");
        assert_eq!(verdict("xdp_generic", true), Verdict::NotRun);
        assert_eq!(verdict("xdp_generic", false), Verdict::Fails);
        assert_eq!(run.verified, BTreeMap::from([("weir_xdp".to_owned(), 1000)]));
        assert_eq!(run.problems(&KERNEL, true)[0], "features::xdp");
        assert!(run.problems(&KERNEL, true).contains(&"not shown: IPv6".to_owned()));
    }

    #[test]
    fn a_machine_that_died_has_a_problem() {
        let all = all("works");
        assert_eq!(Run::parse(&format!("{all}{END} 0\n")).problems(&KERNEL, false), Vec::<String>::new());
        assert_eq!(Run::parse(&all).problems(&KERNEL, false), ["the tests did not come to their end"]);
        assert_eq!(Run::parse(&format!("{all}{END} 101\n")).problems(&KERNEL, false), ["exit code 101"]);
    }

    #[test]
    fn counts_may_move_by_a_fifth() {
        let mut counts = Counts::default();
        counts.record(Series::V6_1, &Run::parse("verified weir_xdp 1000"));
        assert_eq!(Counts::parse(&counts.document()), counts, "what is written can be read");
        let differences = |text: &str| counts.differences(Series::V6_1, &Run::parse(text)).len();
        assert_eq!(differences("verified weir_xdp 1200"), 0);
        assert_eq!(differences("verified weir_xdp 1201"), 1);
        assert_eq!(differences("verified weir_xdp 799"), 1);
        assert_eq!(differences("verified weir_new 1000"), 1);
        let another = counts.differences(Series::V6_12, &Run::parse("verified weir_xdp 1000"));
        assert_eq!(another, Vec::<String>::new(), "nothing to compare with yet");
    }

    #[test]
    fn the_table_has_a_column_for_each_kernel() {
        let runs = [("5.10.0".to_owned(), Run::parse(CONSOLE)), ("7.2.1".to_owned(), Run::default())];
        let text = table(&KERNEL, &runs, false);
        assert!(text.lines().next().unwrap().ends_with("5.10.0  7.2.1"), "{text}");
        assert!(
            text.contains("\nTCX") && text.contains("not told") && text.ends_with("1/2     0/0\n"),
            "{text}"
        );
    }
}
