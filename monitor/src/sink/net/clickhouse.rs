//! ClickHouse over HTTP: rows as JSON, a table a kind of record. Each batch has a token made of its records' numbers, by
//! which tables with a deduplication window take it once, however often it is sent.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use monitor_core::{
    record::{RECORDS, Time},
    row::{Cell, Columns, Row},
    schema::Type,
};

use super::{
    Encode, Fault, Line,
    channel::Way,
    http::{Client, first_line, gzip},
    runner::{Deliver, Delivered, Portion},
};
use crate::{
    config::outputs::{ClickHouse, Network},
    sink::{
        Fields,
        number::{self, Mark, Origin, SCHEMA, own_name},
        spool::{Chunk, Kind, frames},
    },
};

/// Rows of a batch from which ClickHouse is to write it at once; fewer wait there for others.
const LARGE: u64 = 5_000;
/// Numbers of errors that say that rows are wrong and will be (src/Common/ErrorCodes.cpp): 6 `CANNOT_PARSE_TEXT`,
/// 26 `CANNOT_PARSE_QUOTED_STRING`, 27 `CANNOT_PARSE_INPUT_ASSERTION_FAILED`, 38 `CANNOT_PARSE_DATE`,
/// 41 `CANNOT_PARSE_DATETIME`, 72 `CANNOT_PARSE_NUMBER`, 117 `INCORRECT_DATA`.
const WRONG: [&str; 7] = ["6", "26", "27", "38", "41", "72", "117"];

/// Makes rows: JSON without nesting, `sent_packets` for `sent.packets`.
pub(super) struct Encoder {
    columns: Vec<Columns>,
    row: Row,
    head: Option<(Origin, String)>,
}

impl Encoder {
    pub(super) fn new(fields: &Fields) -> Self {
        let columns = RECORDS.iter().map(|(_, all)| fields.columns(all)).collect();
        Self { columns, row: Row::default(), head: None }
    }

    fn head(&mut self, origin: &Origin) -> &str {
        if self.head.as_ref().is_none_or(|(of, _)| of != origin) {
            self.head = None;
        }
        let make = || {
            let value = |text: &str| serde_json::to_string(text).unwrap_or_default();
            let Origin { host, boot, run } = origin;
            let (host, boot, run) = (value(host), value(boot), value(run));
            (origin.clone(), format!("{{\"host\":{host},\"boot\":{boot},\"run\":{run},\"schema\":{SCHEMA}"))
        };
        &self.head.get_or_insert_with(make).1
    }
}

/// A time as `DateTime64` is written.
fn date_time(text: &str) -> String {
    text.trim_end_matches('Z').replacen('T', " ", 1)
}

impl Encode for Encoder {
    fn format(&self) -> u32 {
        1
    }

    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let head = format!("{},\"seq\":{}", self.head(line.origin), line.number);
        let Some(columns) = self.columns.get(line.stream) else { return false };
        if columns.is_empty() || self.row.fill(columns, line.record).is_err() {
            return false;
        }
        out.extend_from_slice(head.as_bytes());
        for (column, cell) in columns.as_slice().iter().zip(self.row.cells()) {
            if matches!(cell, Cell::Absent) || column.name == "record" {
                continue;
            }
            out.extend_from_slice(format!(",\"{}\":", own_name(&column.name).replace('.', "_")).as_bytes());
            // What a cell holds JSON can.
            drop(match (column.field.kind, cell) {
                (Type::Time, Cell::Text(at)) => {
                    serde_json::to_writer(&mut *out, &date_time(self.row.text(at)))
                }
                (kind, cell) => self.row.cell_to_json(cell, kind, out),
            });
        }
        out.push(b'}');
        true
    }

    fn mark(&mut self, origin: &Origin, mark: &Mark, time: Time, out: &mut Vec<u8>) -> bool {
        let Mark { stream, first, last } = mark;
        let time = date_time(&time.to_string());
        let head = self.head(origin);
        let text =
            format!("{head},\"stream\":\"{stream}\",\"time\":\"{time}\",\"first\":{first},\"last\":{last}}}");
        out.extend_from_slice(text.as_bytes());
        true
    }
}

/// Sends rows.
pub(super) struct Sender {
    client: Client,
    settings: ClickHouse,
    portion: Portion,
    login: Option<String>,
}

/// The rows of one table.
#[derive(Default)]
struct Rows {
    body: Vec<u8>,
    count: u64,
    first: u64,
    last: u64,
    run: String,
}

impl Sender {
    pub(super) fn new(way: Way, network: &Network, settings: ClickHouse) -> Self {
        let login = network.login.as_ref().map(|login| {
            let password = login.password.as_ref().map_or("", |password| password.expose());
            format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{password}", login.user)))
        });
        let records = network.batch.unwrap_or(50_000).into();
        let portion = Portion { records, bytes: 32 << 20, linger: Duration::from_secs(5) };
        let portion = if network.batch.is_some_and(|batch| u64::from(batch) < LARGE) {
            Portion { linger: Duration::ZERO, ..portion }
        } else {
            portion
        };
        Self { client: Client::new(way, network.to.clone()), settings, portion, login }
    }

    fn insert(&mut self, table: &str, rows: &Rows) -> Result<u64, Fault> {
        let database = &self.settings.database;
        let mut target = format!("/?query=INSERT%20INTO%20{database}.{table}%20FORMAT%20JSONEachRow");
        let Rows { run, first, last, .. } = rows;
        if table != "mark" {
            // Writing to a string cannot fail.
            let _ = write!(target, "&insert_deduplication_token={run}-{table}-{first}-{last}");
        }
        // Roll-ups take a batch that is sent again once, as the table itself does.
        target.push_str("&deduplicate_blocks_in_dependent_materialized_views=1");
        if rows.count < LARGE && table == "mark" {
            target.push_str("&async_insert=1&wait_for_async_insert=1");
        }
        // Fields of a later schema are no reason to lose the others.
        target.push_str("&input_format_skip_unknown_fields=1");
        let body = if self.settings.gzip { gzip(&rows.body) } else { rows.body.clone() };
        let mut header = vec![("Content-Type", "application/x-ndjson")];
        if self.settings.gzip {
            header.push(("Content-Encoding", "gzip"));
        }
        if let Some(login) = &self.login {
            header.push(("Authorization", login));
        }
        let answer = self.client.post(&target, &header, &body, "x-clickhouse-exception-code")?;
        let said = || first_line(&answer.body);
        // Older servers tell the number in the text alone: `Code: 60, e.displayText() = …`.
        let in_text = String::from_utf8_lossy(&answer.body);
        let in_text = in_text.strip_prefix("Code: ").and_then(|rest| rest.split([',', '.']).next());
        let code = answer.field.as_deref().or(in_text);
        match (answer.status, code) {
            (200, None) => Ok(0),
            (401 | 403, _) | (_, Some("192" | "193" | "194" | "516")) => Err(Fault::Login(said())),
            (_, Some(code)) if WRONG.contains(&code) => Ok(rows.count),
            (_, Some(_)) | (500.., _) => Err(Fault::Unready(said())),
            (status, None) => Err(Fault::Protocol(format!("{status} {}", said()))),
        }
    }
}

/// The value of `"run":"…"`, which stands in each row.
fn run(row: &[u8]) -> &[u8] {
    let name = b"\"run\":\"";
    let at = row.windows(name.len()).position(|part| part == name).map_or(row.len(), |at| at + name.len());
    row.get(at..at + 16).unwrap_or_default()
}

impl Deliver for Sender {
    fn portion(&self) -> Portion {
        self.portion
    }

    fn deliver(&mut self, chunk: &Chunk, _: &mut u64) -> Result<Delivered, Fault> {
        let mut tables: BTreeMap<&str, Rows> = BTreeMap::new();
        for (frame, _) in frames(&chunk.bytes) {
            let (table, counts) = match frame.kind {
                Kind::Record => (number::name(frame.stream.into()), 1),
                Kind::Mark => ("mark", 0),
                Kind::Header => continue,
            };
            let rows = tables.entry(table).or_default();
            if rows.body.is_empty() {
                rows.first = frame.number;
                rows.run = String::from_utf8_lossy(run(frame.body)).into_owned();
            }
            rows.last = frame.number;
            rows.count += counts;
            rows.body.extend_from_slice(frame.body);
            rows.body.push(b'\n');
        }
        self.client.sent = 0;
        let mut refused = 0;
        for (table, rows) in &tables {
            refused += self.insert(table, rows)?;
        }
        Ok(Delivered { refused, bytes: self.client.sent })
    }

    fn close(&mut self) {
        self.client.close();
    }
}
