//! Numbers of records: what lets a receiver prove from the records alone that none is missing.
//!
//! A kind of record is a stream. Each record of a stream has the next number, from 1 on, given before any queue, so that
//! whatever is lost afterwards leaves a gap. Marks say how far a stream had come, so that its tail shows too.

use std::sync::Arc;

use monitor_core::record::{AnyRecord, RECORDS, Time};
use serde::{Deserialize, Serialize};

use crate::clock;

/// Version of the schema of records; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;
/// Kinds of records, each of which is a stream.
const STREAMS: usize = RECORDS.len();

/// Whose records they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the host.
    pub host: String,
    /// The boot, as the kernel names it (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The run: 64 bits by chance in hexadecimal, new at each start.
    pub run: String,
}

impl Origin {
    /// Of this host and of a run that begins now.
    pub fn new(host: &str) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let mut run = [0; 8];
        if ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut run).is_err() {
            // Never the same twice either.
            run = clock::wall().to_be_bytes();
        }
        Self {
            host: host.to_owned(),
            boot: boot.trim().to_owned(),
            run: format!("{:016x}", u64::from_be_bytes(run)),
        }
    }
}

/// Gives numbers.
#[derive(Debug)]
pub struct Numbering {
    origin: Arc<Origin>,
    last: [u64; STREAMS],
}

/// The numbers of a batch of records.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// Whose records they are.
    pub origin: Arc<Origin>,
    /// The last number of each stream before this batch.
    before: [u64; STREAMS],
}

impl Numbering {
    /// From 1 on.
    pub fn new(origin: Origin) -> Self {
        Self { origin: Arc::new(origin), last: [0; STREAMS] }
    }

    /// The numbers of the next records.
    pub fn give(&mut self, records: &[AnyRecord]) -> Numbers {
        let numbers = Numbers { origin: Arc::clone(&self.origin), before: self.last };
        for record in records {
            if let Some(last) = self.last.get_mut(stream(record)) {
                *last += 1;
            }
        }
        numbers
    }
}

impl Numbers {
    /// The last number of a stream before this batch.
    pub fn before(&self, stream: usize) -> u64 {
        self.before.get(stream).copied().unwrap_or_default()
    }

    /// Each record with its stream and number.
    pub fn of<'a>(&self, records: &'a [AnyRecord]) -> impl Iterator<Item = (usize, u64, &'a AnyRecord)> {
        let mut last = self.before;
        records.iter().map(move |record| {
            let stream = stream(record);
            let number = last.get_mut(stream).map_or(0, |last| {
                *last += 1;
                *last
            });
            (stream, number, record)
        })
    }
}

/// The stream of a record: the place of its kind among all kinds.
fn stream(record: &AnyRecord) -> usize {
    let kind = record.kind();
    RECORDS.iter().position(|(name, _)| *name == kind).unwrap_or(0)
}

/// The name of a stream.
pub fn name(stream: usize) -> &'static str {
    RECORDS.get(stream).map_or("", |(name, _)| name)
}

/// The name of a record's own field among those of [`Origin`]: the host that a request of HTTP names is not the one
/// that tells of it.
pub fn own_name(field: &str) -> &str {
    if field == "host" { "http_host" } else { field }
}

/// How far a stream had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The stream.
    pub stream: String,
    /// The first number that this output was given.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// What stands before a record's own fields, once.
pub(super) struct Envelope {
    head: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(origin: &Origin) -> Self {
        let mut head = b"{".to_vec();
        for (name, value) in [("host", &origin.host), ("boot", &origin.boot), ("run", &origin.run)] {
            head.extend_from_slice(format!("\"{name}\":").as_bytes());
            // A text is written without errors.
            drop(serde_json::to_writer(&mut head, value));
            head.push(b',');
        }
        head.extend_from_slice(format!("\"schema\":{SCHEMA},").as_bytes());
        Self { head }
    }

    /// Puts it before the fields of a record, which stands in `line` as one line of JSON.
    pub(super) fn wrap(&self, stream: usize, number: u64, line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(format!("\"stream\":\"{}\",\"seq\":{number},", name(stream)).as_bytes());
        let rest = line.strip_prefix(b"{").unwrap_or(line);
        let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
        // Within a text the quotes would have backslashes, so this is the field.
        let own: &[u8] = b"\"host\":";
        match rest.windows(own.len()).position(|part| part == own).map(|at| rest.split_at(at)) {
            Some((before, after)) => {
                out.extend_from_slice(before);
                out.extend_from_slice(format!("\"{}\":", own_name("host")).as_bytes());
                out.extend_from_slice(after.get(own.len()..).unwrap_or_default());
            }
            None => out.extend_from_slice(rest),
        }
    }

    /// A mark as JSON.
    pub(super) fn mark(&self, mark: &Mark, time: Time, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        let Mark { stream, first, last } = mark;
        let text = format!(
            "\"stream\":\"{stream}\",\"record\":\"mark\",\"time\":\"{time}\",\"first\":{first},\"last\":{last}}}"
        );
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::records;

    #[test]
    fn numbers_go_on_from_batch_to_batch_and_stand_before_the_fields() {
        let mut numbering = Numbering::new(Origin::new("a\"b"));
        let records = records(3);
        numbering.give(&records);
        let numbers = numbering.give(&records);
        let all: Vec<_> = numbers.of(&records).map(|(stream, number, _)| (name(stream), number)).collect();
        assert_eq!(all, [("flow", 4), ("flow", 5), ("flow", 6)]);
        let (mut line, mut out) = (Vec::new(), Vec::new());
        records[0].to_json(&mut line).unwrap();
        let envelope = Envelope::new(&numbers.origin);
        envelope.wrap(0, 4, &line, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((value["host"].as_str(), value["seq"].as_u64()), (Some("a\"b"), Some(4)));
        assert_eq!((value["stream"].as_str(), value["record"].as_str()), (Some("flow"), Some("flow")));
        out.clear();
        envelope.mark(&Mark { stream: "flow".into(), first: 1, last: 6 }, Time(0), &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((value["record"].as_str(), value["last"].as_u64()), (Some("mark"), Some(6)));
    }

    #[test]
    fn each_run_has_a_name_of_its_own_and_the_boot_is_the_kernels() {
        let (one, other) = (Origin::new("h"), Origin::new("h"));
        assert_ne!(one.run, other.run);
        assert_eq!((one.boot.len(), one.boot == other.boot), (36, true));
    }
}
