//! Outputs to other hosts: records are encoded and spooled by the output's thread, and sent by another, which gets its
//! sockets from a third that alone may connect (`dial`).
//!
//! A kind is an `Encode`, which makes bytes of a record, and a `Deliver`, which sends those of many and comes back
//! when the peer has them. Queue, spool, order, pauses, bounds and counters are the same for all.

mod channel;
mod clickhouse;
mod dial;
mod fault;
#[doc(hidden)]
pub mod heard;
mod http;
mod ipfix;
mod json;
mod kafka;
mod meter;
mod nats;
mod otlp;
mod protobuf;
mod runner;

use std::{io, sync::Arc, time::Duration};

use monitor_core::record::{AnyRecord, RECORDS, Time};

use self::{
    channel::Way,
    meter::Meter,
    runner::{Deliver, Ends, Runner},
};
pub use self::{dial::Dialer, fault::Fault};
use super::{
    Context, Fields, OutputError, Reason, Sink, Tally,
    number::{self, Mark, Numbers, Origin},
    spool::{Bounds, Frame, Kind as FrameKind, Spool},
};
use crate::{
    clock::{self, Stopwatch},
    config::outputs::{Kind, Network},
};

/// Between two marks, ns.
const MARKS: u64 = 1_000_000_000;
/// How long a successor waits for the spool of the one before it.
const SUCCESSION: Duration = Duration::from_secs(15);
/// How long what is in the spool may go on being sent at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A record with its number.
pub(super) struct Line<'a> {
    /// Whose it is.
    pub(super) origin: &'a Origin,
    /// Its stream.
    pub(super) stream: usize,
    /// Its number there.
    pub(super) number: u64,
    /// The record.
    pub(super) record: &'a AnyRecord,
}

/// Makes bytes of records.
pub(super) trait Encode: Send {
    /// What tells these bytes from others: spools of another format are not sent.
    fn format(&self) -> u32;

    /// Appends a record; `false`: its kind does not go there.
    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool;

    /// Appends a mark; `false`: there are none in this kind.
    fn mark(&mut self, _: &Origin, _: &Mark, _: Time, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// An output to another host.
pub(super) struct Output {
    network: Network,
    encode: Box<dyn Encode>,
    context: Option<Context>,
    open: Option<Open>,
    numbers: Option<Numbers>,
    /// The numbers that this output was given, the first and the last, by stream.
    given: [(u64, u64); RECORDS.len()],
    marked: u64,
}

struct Open {
    spool: Arc<Spool>,
    runner: Runner,
}

impl Output {
    /// The sink of an output. Makes its directory.
    pub(super) fn new(network: &Network, fields: &Fields) -> Result<Self, OutputError> {
        super::part::make_directory(&network.spool)?;
        if network.tls.as_ref().is_some_and(|tls| tls.authority.is_none()) {
            channel::trust_system();
        }
        Ok(Self {
            network: network.clone(),
            encode: encoder(network, fields),
            context: None,
            open: None,
            numbers: None,
            given: [(0, 0); RECORDS.len()],
            marked: 0,
        })
    }

    /// Opens the spool and begins to send, unless that was done. The one before may still have the spool.
    fn open(&mut self, tally: &mut Tally) -> Result<&Arc<Spool>, OutputError> {
        if self.open.is_none() {
            let opened = self.begin(tally)?;
            self.open = Some(opened);
        }
        self.open
            .as_ref()
            .map(|open| &open.spool)
            .ok_or_else(|| OutputError::file(&self.network.spool)(io::ErrorKind::NotFound.into()))
    }

    fn begin(&mut self, tally: &mut Tally) -> Result<Open, OutputError> {
        let failed = OutputError::file(&self.network.spool);
        let Some(Context { state, name, origin, dialer }) = self.context.clone() else {
            return Err(failed(io::ErrorKind::NotConnected.into()));
        };
        let Some(dialer) = dialer else { return Err(OutputError::NoneBefore) };
        let bounds = Bounds {
            bytes: self.network.spool_bytes,
            age: self.network.spool_age.as_nanos() as u64,
            format: self.encode.format(),
        };
        let since = Stopwatch::start();
        let (spool, before) = loop {
            match Spool::open(&self.network.spool, bounds, &origin, tally) {
                Ok(opened) => break opened,
                Err(error) if since.elapsed() > SUCCESSION => return Err(error),
                Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
            }
        };
        let spool = Arc::new(spool);
        if let Some((run, marks)) = before {
            self.marks(&spool, &run, &marks, tally);
        }
        let ends = Arc::new(Ends::default());
        let way = Way::new(dialer, &self.network, Arc::clone(&ends.stop))
            .map_err(|source| OutputError::Peer { output: name.clone(), source })?;
        let meter = Meter::new(&state, &name, self.network.kind());
        let lost = {
            let (state, name, kind) = (Arc::clone(&state), name.clone(), self.network.kind());
            let of = move |reason: &Reason| {
                state.own.output_lost.with_label_values(&[name.as_str(), kind, reason.as_str()]).get()
            };
            Arc::new(move || Reason::ALL.iter().map(&of).sum())
        };
        let deliver = deliverer(&self.network, way, &origin, lost);
        let runner = Runner::start(state, name.clone(), meter, Arc::clone(&spool), deliver, ends)
            .map_err(|source| OutputError::Thread { output: name, source })?;
        Ok(Open { spool, runner })
    }

    /// Writes marks of a run.
    fn marks(&mut self, spool: &Spool, origin: &Origin, marks: &[Mark], tally: &mut Tally) {
        let (time, mut bytes, mut body) = (Time(clock::wall() as u64), Vec::new(), Vec::new());
        for mark in marks {
            body.clear();
            if self.encode.mark(origin, mark, time, &mut body) {
                let stream = RECORDS.iter().position(|(name, _)| *name == mark.stream).unwrap_or(0) as u8;
                Frame { kind: FrameKind::Mark, stream, number: mark.last, flow: 0, body: &body }
                    .write(&mut bytes);
            }
        }
        // A mark that is not there makes nothing wrong: the next one says the same.
        drop(spool.append(&bytes, 0, tally));
    }

    fn given(&self) -> Vec<Mark> {
        let given = self.given.iter().enumerate().filter(|(_, (first, last))| *first != 0 && last >= first);
        given
            .map(|(at, (first, last))| Mark {
                stream: number::name(at).to_owned(),
                first: *first,
                last: *last,
            })
            .collect()
    }

    fn write(&mut self, records: &[AnyRecord], tally: &mut Tally) -> Result<(), OutputError> {
        let count = records.len() as u64;
        let spool = Arc::clone(self.open(tally).inspect_err(|_| tally.lose(Reason::WriteFailed, count))?);
        let (mut bytes, mut body, mut written) = (Vec::new(), Vec::new(), 0);
        if let Some(numbers) = &self.numbers {
            for (stream, number, record) in numbers.of(records) {
                body.clear();
                let line = Line { origin: &numbers.origin, stream, number, record };
                if self.encode.record(&line, &mut body) {
                    let flow = record.identity().map_or(0, |identity| identity.id.0);
                    let stream = stream as u8;
                    Frame { kind: FrameKind::Record, stream, number, flow, body: &body }.write(&mut bytes);
                    written += 1;
                    if let Some((first, last)) = self.given.get_mut(usize::from(stream)) {
                        if *first == 0 {
                            *first = number;
                        }
                        *last = number;
                    }
                }
            }
        }
        let now = clock::now();
        let marks = self.given();
        if now.saturating_sub(self.marked) >= MARKS
            && let Some(numbers) = self.numbers.clone()
        {
            self.marked = now;
            spool.mark(&marks);
            self.marks(&spool, &numbers.origin, &marks, tally);
        }
        let failed = OutputError::file(&self.network.spool);
        let done = spool.append(&bytes, written, tally);
        if done.is_err() {
            tally.lose(Reason::WriteFailed, written);
        }
        done.and_then(|()| spool.sync(false)).map_err(failed)
    }
}

impl Sink for Output {
    fn attach(&mut self, context: Context) {
        self.context = Some(context);
    }

    fn begins_at_once(&self) -> bool {
        true
    }

    fn numbers(&mut self, numbers: &Numbers) {
        self.numbers = Some(numbers.clone());
    }

    fn write(&mut self, records: &[AnyRecord], tally: &mut Tally) -> Result<(), OutputError> {
        self.write(records, tally)
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), OutputError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let marks = self.given();
        if let Some(numbers) = self.numbers.clone() {
            open.spool.mark(&marks);
            self.marks(&open.spool, &numbers.origin, &marks, tally);
        }
        let synced = open.spool.sync(true).map_err(OutputError::file(&self.network.spool));
        open.runner.end(FAREWELL);
        synced
    }
}

fn encoder(network: &Network, fields: &Fields) -> Box<dyn Encode> {
    match &network.kind {
        Kind::Ipfix(settings) => Box::new(ipfix::Encoder { version_9: settings.version_9 }),
        Kind::ClickHouse(_) => Box::new(clickhouse::Encoder::new(fields)),
        Kind::Otlp { .. } => Box::new(otlp::Encoder::new(fields)),
        Kind::Nats { .. } | Kind::Kafka(_) => Box::new(json::Encoder::new(fields)),
    }
}

fn deliverer(network: &Network, way: Way, origin: &Origin, lost: ipfix::Lost) -> Box<dyn Deliver> {
    let to = network.to.clone();
    match &network.kind {
        Kind::Ipfix(settings) => Box::new(ipfix::Sender::new(way, to, settings.clone(), &origin.host, lost)),
        Kind::ClickHouse(settings) => Box::new(clickhouse::Sender::new(way, network, settings.clone())),
        Kind::Nats { subject } => Box::new(nats::Sender::new(way, network, subject.clone())),
        Kind::Otlp { path } => Box::new(otlp::Sender::new(way, network, path.clone(), &origin.host)),
        Kind::Kafka(settings) => Box::new(kafka::Sender::new(way, network, settings.clone())),
    }
}
