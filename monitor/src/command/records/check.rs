//! Which numbers of each stream are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use serde::Deserialize;

use super::Error;

/// Ranges that are printed of a stream; the others are counted.
const RANGES: usize = 20;

/// What of a record is looked at. All else is left as it is.
#[derive(Debug, Deserialize)]
struct Line {
    host: Option<String>,
    boot: Option<String>,
    run: Option<String>,
    stream: Option<String>,
    seq: Option<u64>,
    record: Option<String>,
    first: Option<u64>,
    last: Option<u64>,
}

/// Numbers that are there, as ranges that do not touch.
#[derive(Debug, Default)]
struct Numbers {
    /// The last number of each range by its first.
    ranges: BTreeMap<u64, u64>,
    twice: u64,
    /// Of those that came twice, as many as are printed.
    twice_first: BTreeSet<u64>,
    first: Option<u64>,
    last: u64,
    marks: u64,
}

impl Numbers {
    fn add(&mut self, number: u64) {
        let before = self.ranges.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if let Some((first, last)) = before {
            if number <= last {
                self.twice += 1;
                if self.twice_first.len() < RANGES {
                    self.twice_first.insert(number);
                }
                return;
            }
            if last + 1 == number {
                self.ranges.insert(first, number);
                self.join(first, number);
                return;
            }
        }
        self.ranges.insert(number, number);
        self.join(number, number);
    }

    /// A range that ends where the next begins is one with it.
    fn join(&mut self, first: u64, last: u64) {
        if let Some(next) = last.checked_add(1).and_then(|next| self.ranges.remove(&next)) {
            self.ranges.insert(first, next);
        }
    }

    fn mark(&mut self, first: u64, last: u64) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = self.last.max(last);
        self.marks += 1;
    }

    /// What should be there and is not.
    fn missing(&self) -> Vec<(u64, u64)> {
        let last = self.ranges.last_key_value().map_or(0, |(_, last)| *last).max(self.last);
        let mut next = self.first.unwrap_or(1);
        let mut missing = Vec::new();
        for (first, end) in &self.ranges {
            if *first > next {
                missing.push((next, first - 1));
            }
            next = next.max(end.saturating_add(1));
        }
        if next <= last {
            missing.push((next, last));
        }
        missing
    }
}

/// A stream: host, boot, run and name.
type Stream = (String, String, String, String);

/// Reads records and says what is missing.
#[derive(Debug, Default)]
pub(super) struct Checker {
    streams: BTreeMap<Stream, Numbers>,
    /// Lines that are no numbered records.
    other: u64,
}

impl Checker {
    pub(super) fn read(&mut self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error { path: path.to_owned(), source };
        let mut reader: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(path).map_err(failed)?))
        };
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? != 0 {
            self.line(&line);
            line.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let text = line.trim_ascii();
        if text.is_empty() {
            return;
        }
        let Ok(Line {
            host: Some(host),
            boot: Some(boot),
            run: Some(run),
            stream: Some(stream),
            seq,
            record,
            first,
            last,
        }) = serde_json::from_slice(text)
        else {
            self.other += 1;
            return;
        };
        let numbers = self.streams.entry((host, boot, run, stream)).or_default();
        match (seq, record.as_deref(), first, last) {
            (_, Some("mark"), first, Some(last)) => numbers.mark(first.unwrap_or(1), last),
            (Some(number), ..) => numbers.add(number),
            _ => self.other += 1,
        }
    }

    /// A line a stream, and one a range that is missing; whether nothing is.
    pub(super) fn report(&self) -> (String, bool) {
        let (mut text, mut whole) = (String::new(), !self.streams.is_empty());
        let mut write = |line: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = text.write_fmt(line);
            text.push('\n');
        };
        for ((host, _, run, stream), numbers) in &self.streams {
            let missing = numbers.missing();
            let count: u64 = missing.iter().map(|(first, last)| last - first + 1).sum();
            let there: u64 = numbers.ranges.iter().map(|(first, last)| last - first + 1).sum();
            whole &= missing.is_empty();
            let host = monitor_core::record::Text::from(host.as_str());
            let (twice, marks) = (numbers.twice, numbers.marks);
            write(format_args!(
                "{host} {run} {stream}: {there} there, {count} missing, {twice} twice, {marks} marks"
            ));
            for (first, last) in missing.iter().take(RANGES) {
                write(format_args!("  missing {first}-{last}"));
            }
            if missing.len() > RANGES {
                write(format_args!("  and {} more ranges", missing.len() - RANGES));
            }
            for number in &numbers.twice_first {
                write(format_args!("  twice {number}"));
            }
        }
        if self.other != 0 {
            write(format_args!("{} lines are no numbered records", self.other));
        }
        if self.streams.is_empty() {
            write(format_args!("no numbered records"));
        }
        (text, whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[(&str, u64)], marks: &[(u64, u64)]) -> (String, bool) {
        let mut checker = Checker::default();
        let head = "\"host\":\"h\",\"boot\":\"b\",\"schema\":1,\"stream\":\"flow\"";
        for (run, seq) in lines {
            checker
                .line(format!("{{{head},\"run\":\"{run}\",\"seq\":{seq},\"record\":\"flow\"}}\n").as_bytes());
        }
        for (first, last) in marks {
            let mark =
                format!("{{{head},\"run\":\"a\",\"record\":\"mark\",\"first\":{first},\"last\":{last}}}");
            checker.line(mark.as_bytes());
        }
        checker.report()
    }

    #[test]
    fn gaps_tails_and_doubles_are_told_and_order_does_not_matter() {
        let all = [("a", 3), ("a", 1), ("a", 2)];
        assert_eq!(
            report(&all, &[(1, 3)]),
            ("h a flow: 3 there, 0 missing, 0 twice, 1 marks\n".to_owned(), true)
        );
        let (text, whole) = report(&[("a", 2), ("a", 4), ("a", 4)], &[(1, 6)]);
        assert_eq!(
            text,
            "h a flow: 2 there, 4 missing, 1 twice, 1 marks\n  missing 1-1\n  missing 3-3\n  missing 5-6\n  twice 4\n"
        );
        assert!(!whole);
        // What an output was not given it need not have.
        assert!(report(&[("a", 5), ("a", 6)], &[(5, 6)]).1);
        // A run that has nothing but marks has lost all.
        assert!(!report(&[], &[(1, 1)]).1);
        assert!(report(&[("a", 1), ("b", 1)], &[]).1);
    }

    #[test]
    fn what_is_no_record_is_counted() {
        let mut checker = Checker::default();
        for line in
            ["", "x", "{}", "[1]", "{\"host\":\"h\",\"boot\":\"b\",\"run\":\"r\",\"stream\":\"flow\"}"]
        {
            checker.line(line.as_bytes());
        }
        assert!(checker.report().0.contains("4 lines are no numbered records"));
    }
}
