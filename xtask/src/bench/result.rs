//! A result of a bench, as monitor/benches/common/results.rs writes it.

use serde_json::Value;

/// One measured quantity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Name of the bench.
    pub(crate) bench: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    /// Low, middle, high.
    pub(crate) values: [f64; 3],
    /// What low and high are.
    pub(crate) spread: String,
    /// How many values there were.
    pub(crate) runs: u64,
    /// What is to be reached, and whether it was.
    pub(crate) goal: Option<(String, bool)>,
}

impl Found {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| value.get(name)?.as_f64();
        Some(Self {
            bench: text("bench")?,
            what: text("what")?,
            unit: text("unit")?,
            values: [number("low")?, number("median")?, number("high")?],
            spread: text("spread")?,
            runs: value.get("runs")?.as_u64()?,
            goal: text("goal").zip(value.get("reached").and_then(Value::as_bool)),
        })
    }
}

/// As people write numbers: three digits that count, no more than needed.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
#[path = "../../../monitor/benches/common/results.rs"]
#[expect(dead_code, reason = "only what it writes is of interest here")]
mod writer;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(goal: Option<(String, bool)>) -> Option<Found> {
        let mut found = writer::Found::median("drain", "1k flows", "ns", &mut [3.0, 1.5, 2.0]);
        found.goal = goal;
        Found::parse(&found.line().to_string())
    }

    #[test]
    fn reads_what_a_bench_writes() {
        let goal = Some(("≤ 2".to_owned(), true));
        let found = written(goal.clone()).unwrap();
        let texts = [&found.bench, &found.what, &found.unit, &found.spread];
        assert_eq!(texts, ["drain", "1k flows", "ns", "quartiles"]);
        assert_eq!((found.values, found.runs, found.goal), ([1.5, 2.0, 2.0], 3, goal));
        assert_eq!(written(None).unwrap().goal, None);
    }

    #[test]
    fn what_is_no_result_is_none() {
        assert_eq!(Found::parse("{}"), None);
        let nothing = writer::Found::median("drain", "1k flows", "ns", &mut []);
        assert_eq!(Found::parse(&nothing.line().to_string()), None, "no value is no number");
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!([0.0, 0.1234, 1.0049, 23.45, 354.4].map(number), ["0", "0.123", "1.00", "23.4", "354"]);
    }
}
