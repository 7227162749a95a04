//! What a bench found: a line for whoever watches, and one for the table of `cargo xtask bench`.
//!
//! The latter is a JSON object a line, appended to the file that [`VARIABLE`] names:
//! `{"bench", "what", "unit", "low", "median", "high", "spread", "runs", "goal", "reached"}`. `goal` and
//! `reached` are left out where nothing is to be reached.

use std::{fs::OpenOptions, io::Write as _};

/// Names the file of the lines for the table.
const VARIABLE: &str = "WEIR_BENCH_RESULTS";

/// Whether this run only proves that the bench works: its numbers mean nothing.
pub(crate) fn quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// `full`, or a quick run's share of it.
pub(crate) fn rounds(full: usize, quickly: usize) -> usize {
    if quick() { quickly } else { full }
}

/// Lower quartile, median and upper quartile.
pub(crate) fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |q: usize| values.get(values.len().saturating_sub(1) * q / 4).copied().unwrap_or(f64::NAN);
    [at(1), at(2), at(3)]
}

/// One measured quantity.
pub(crate) struct Found<'a> {
    pub(crate) bench: &'a str,
    pub(crate) what: &'a str,
    pub(crate) unit: &'a str,
    /// Low, middle, high.
    pub(crate) values: [f64; 3],
    /// What low and high are.
    pub(crate) spread: &'static str,
    /// How many values there were.
    pub(crate) runs: usize,
    /// What is to be reached, and whether it was.
    pub(crate) goal: Option<(String, bool)>,
}

impl<'a> Found<'a> {
    /// The median of all values, with the quartiles.
    pub(crate) fn median(bench: &'a str, what: &'a str, unit: &'a str, values: &mut [f64]) -> Self {
        let runs = values.len();
        Self { bench, what, unit, values: quartiles(values), spread: "quartiles", runs, goal: None }
    }

    /// Says it; returns low, middle and high.
    pub(crate) fn tell(self) -> [f64; 3] {
        let Self { what, unit, values, spread, runs, .. } = &self;
        let [low, middle, high] = *values;
        let verdict = match &self.goal {
            None => String::new(),
            Some((goal, true)) => format!("   ok, to reach: {goal}"),
            Some((goal, false)) => format!("   MISS, to reach: {goal}"),
        };
        println!("{what:<58} {middle:>10.2} {unit} ({low:.2} to {high:.2}, {spread} of {runs}){verdict}");
        let Some(path) = std::env::var_os(VARIABLE) else { return *values };
        let file = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{}", self.line())) {
            eprintln!("{VARIABLE}: {error}");
        }
        self.values
    }

    /// The line for the table.
    pub(crate) fn line(&self) -> serde_json::Value {
        let [low, median, high] = self.values;
        let mut line = serde_json::json!({
            "bench": self.bench, "what": self.what, "unit": self.unit,
            "low": low, "median": median, "high": high, "spread": self.spread, "runs": self.runs,
        });
        if let (Some((goal, reached)), Some(object)) = (&self.goal, line.as_object_mut()) {
            object.insert("goal".to_owned(), goal.as_str().into());
            object.insert("reached".to_owned(), (*reached).into());
        }
        line
    }
}
