//! OpenTelemetry: records as log records over HTTP (OTLP 1.x, opentelemetry/proto/collector/logs/v1).

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use monitor_core::{
    record::{RECORDS, Time},
    row::{Cell, Columns, Row},
};

use super::{
    Encode, Fault, Line,
    channel::Way,
    http::{Client, first_line, gzip},
    protobuf::Message,
    runner::{Deliver, Delivered, Portion},
};
use crate::{
    clock,
    config::outputs::Network,
    sink::{
        Fields,
        number::{self, Mark, Origin, SCHEMA},
        spool::{Chunk, Kind, frames},
    },
};

/// `SEVERITY_NUMBER_INFO`.
const INFO: u64 = 9;

/// Columns that OpenTelemetry's semantic conventions have names for; all others are below `weir.`.
const NAMES: [(&str, &str); 24] = [
    ("client_ip", "source.address"),
    ("client_port", "source.port"),
    ("server_ip", "destination.address"),
    ("server_port", "destination.port"),
    ("transport", "network.transport"),
    ("interface", "network.interface.name"),
    ("application", "network.protocol.name"),
    ("name", "server.address"),
    ("server_name", "server.address"),
    ("host", "server.address"),
    ("method", "http.request.method"),
    ("status", "http.response.status_code"),
    ("uri", "url.path"),
    ("process", "process.executable.name"),
    ("command", "process.command_line"),
    ("exe", "process.executable.path"),
    ("pid", "process.pid"),
    ("user", "process.user.name"),
    ("container", "container.name"),
    ("container_id", "container.id"),
    ("image", "container.image.name"),
    ("namespace", "k8s.namespace.name"),
    ("pod", "k8s.pod.name"),
    ("pod_container", "k8s.container.name"),
];

/// The attribute of a column.
pub(super) fn attribute(column: &str) -> String {
    let known = NAMES.iter().find(|(name, _)| *name == column);
    known.map_or_else(|| format!("weir.{column}"), |(_, name)| (*name).to_owned())
}

/// Makes messages `LogRecord`.
pub(super) struct Encoder {
    columns: Vec<(Columns, Vec<String>)>,
    row: Row,
}

impl Encoder {
    pub(super) fn new(fields: &Fields) -> Self {
        let of = |all| {
            let columns = fields.columns(all);
            let names = columns.as_slice().iter().map(|column| attribute(&column.name)).collect();
            (columns, names)
        };
        Self { columns: RECORDS.iter().map(|(_, all)| of(all)).collect(), row: Row::default() }
    }
}

/// `KeyValue` with an `AnyValue` as field 6 of a log record.
fn put(log: &mut Message, name: &str, value: &Message) {
    let mut pair = Message::default();
    pair.text(1, name);
    pair.message(2, value);
    log.message(6, &pair);
}

/// `AnyValue`.
fn text(value: &str) -> Message {
    let mut any = Message::default();
    any.text(1, value);
    any
}

fn number(value: u64) -> Message {
    let mut any = Message::default();
    // It has whole numbers with a sign alone; those beyond are texts.
    match i64::try_from(value) {
        Ok(_) => any.always(3, value),
        Err(_) => any.text(1, &value.to_string()),
    }
    any
}

fn value(row: &Row, cell: &Cell) -> Option<Message> {
    let mut any = Message::default();
    match cell {
        Cell::Absent => return None,
        Cell::Boolean(value) => any.always(2, (*value).into()),
        Cell::Integer(value) => return Some(number(*value)),
        Cell::Number(value) => any.double(4, *value),
        Cell::Text(at) => any.text(1, row.text(at)),
        Cell::List(items) => {
            let mut array = Message::default();
            items.iter().filter_map(|item| value(row, item)).for_each(|item| array.message(1, &item));
            any.message(5, &array);
        }
        Cell::Record(cells) => {
            let mut array = Message::default();
            cells.iter().filter_map(|item| value(row, item)).for_each(|item| array.message(1, &item));
            any.message(5, &array);
        }
    }
    Some(any)
}

fn envelope(log: &mut Message, origin: &Origin, stream: &str) {
    put(log, "host.name", &text(&origin.host));
    put(log, "weir.boot", &text(&origin.boot));
    put(log, "weir.run", &text(&origin.run));
    put(log, "weir.stream", &text(stream));
    put(log, "weir.schema", &number(SCHEMA.into()));
}

impl Encode for Encoder {
    fn format(&self) -> u32 {
        1
    }

    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let Some((columns, names)) = self.columns.get(line.stream) else { return false };
        if columns.is_empty() || self.row.fill(columns, line.record).is_err() {
            return false;
        }
        let stream = number::name(line.stream);
        let mut log = Message::default();
        log.fixed(1, line.record.time().0);
        log.fixed(11, clock::wall() as u64);
        log.always(2, INFO);
        log.message(5, &text(stream));
        log.text(12, &format!("weir.{stream}"));
        envelope(&mut log, line.origin, stream);
        put(&mut log, "weir.seq", &number(line.number));
        for (name, cell) in names.iter().zip(self.row.cells()) {
            if let Some(value) = value(&self.row, cell) {
                put(&mut log, name, &value);
            }
        }
        out.extend_from_slice(log.as_bytes());
        true
    }

    fn mark(&mut self, origin: &Origin, mark: &Mark, time: Time, out: &mut Vec<u8>) -> bool {
        let mut log = Message::default();
        log.fixed(1, time.0);
        log.fixed(11, clock::wall() as u64);
        log.always(2, INFO);
        log.message(5, &text("mark"));
        log.text(12, "weir.mark");
        envelope(&mut log, origin, &mark.stream);
        put(&mut log, "weir.record", &text("mark"));
        put(&mut log, "weir.first", &number(mark.first));
        put(&mut log, "weir.last", &number(mark.last));
        out.extend_from_slice(log.as_bytes());
        true
    }
}

/// Sends them.
pub(super) struct Sender {
    client: Client,
    path: String,
    resource: Message,
    records: u64,
    login: Option<String>,
}

impl Sender {
    pub(super) fn new(way: Way, network: &Network, path: String, host: &str) -> Self {
        let mut resource = Message::default();
        for (name, value) in [("service.name", "weir"), ("host.name", host)] {
            let mut pair = Message::default();
            pair.text(1, name);
            pair.message(2, &text(value));
            resource.message(1, &pair);
        }
        let login = network.login.as_ref().map(|login| {
            let password = login.password.as_ref().map_or("", |password| password.expose());
            format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{password}", login.user)))
        });
        let records = network.batch.unwrap_or(2_000).into();
        Self { client: Client::new(way, network.to.clone()), path, resource, records, login }
    }
}

impl Deliver for Sender {
    fn portion(&self) -> Portion {
        Portion { records: self.records, bytes: 2 << 20, linger: Duration::ZERO }
    }

    fn deliver(&mut self, chunk: &Chunk, _: &mut u64) -> Result<Delivered, Fault> {
        let mut scope_logs = Message::default();
        let mut scope = Message::default();
        scope.text(1, "weir");
        scope.text(2, env!("CARGO_PKG_VERSION"));
        scope_logs.message(1, &scope);
        let mut any = false;
        for (frame, _) in frames(&chunk.bytes).filter(|(frame, _)| frame.kind != Kind::Header) {
            scope_logs.bytes(2, frame.body);
            any = true;
        }
        if !any {
            return Ok(Delivered::default());
        }
        let mut resource_logs = Message::default();
        resource_logs.message(1, &self.resource);
        resource_logs.message(2, &scope_logs);
        let mut request = Message::default();
        request.message(1, &resource_logs);
        let body = gzip(request.as_bytes());
        let mut header = vec![("Content-Type", "application/x-protobuf"), ("Content-Encoding", "gzip")];
        if let Some(login) = &self.login {
            header.push(("Authorization", login));
        }
        self.client.sent = 0;
        let answer = self.client.post(&self.path, &header, &body, "retry-after")?;
        let said = || first_line(&answer.body);
        let refused = match answer.status {
            200 => rejected(&answer.body).min(chunk.records),
            401 | 403 => return Err(Fault::Login(said())),
            404 => return Err(Fault::Protocol(format!("404 {}", said()))),
            429 | 500.. => return Err(Fault::Unready(format!("{} {}", answer.status, said()))),
            // What cannot be tried again (OTLP, "Failures").
            _ => chunk.records,
        };
        Ok(Delivered { refused, bytes: self.client.sent })
    }

    fn close(&mut self) {
        self.client.close();
    }
}

/// `partial_success.rejected_log_records` of an answer.
pub(super) fn rejected(body: &[u8]) -> u64 {
    let Some(partial) = super::protobuf::find(body, 1).and_then(Result::ok) else { return 0 };
    super::protobuf::find(partial, 1).and_then(Result::err).unwrap_or(0)
}
