//! What detections are told of flows.

use monitor_common::abi::{Side, Transport};

use super::books::Books;
use crate::{
    detection::{Contact, Gain, Outcome, Volume},
    flow::{
        entry::Entry,
        reading::{Reading, SideReading},
        role,
    },
    label::{TcpCounter, TcpState},
    record::AnyRecord,
};

impl Books {
    /// A flow, or an earlier connection of its slot, is over.
    pub(super) fn contact(&mut self, entry: &Entry) {
        if self.detection.is_on() {
            self.detection.flow(contact(entry));
        }
    }

    /// A flow gained something.
    pub(super) fn gained(&mut self, entry: &Entry, delta: &Reading) {
        if !self.detection.is_on() {
            return;
        }
        let client = entry.parties.client;
        // Of most flows nothing is looked for while they go on: those of TCP that open none.
        let syn = delta.side(client).tcp(TcpCounter::Syn);
        if entry.transport() == Transport::Tcp && syn == 0 {
            return;
        }
        let is_first = *delta == entry.reading;
        self.detection.gained(&Gain {
            id: entry.talk.id,
            transport: entry.transport(),
            client: role::ip(&entry.key, client),
            server: role::ip(&entry.key, client.other()),
            client_port: entry.key.endpoint(client).1,
            port: entry.key.endpoint(client.other()).1,
            from: if is_first { entry.first } else { self.step.before().max(entry.first) },
            to: entry.last,
            sent: volume(delta.side(client)),
            // What the server ever sent: it answers, though not in this drain.
            received: volume(entry.reading.side(client.other())),
            syn: syn.saturating_sub(delta.side(client).tcp(TcpCounter::SynRetransmissions)),
            syn_ack: delta.side(client.other()).tcp(TcpCounter::SynAck),
            established: outcome(entry, client) == Outcome::Success,
        });
    }

    /// Hands a record to detections.
    pub(super) fn said(&mut self, record: &AnyRecord) {
        if self.detection.is_on() {
            let time = record.time().0.saturating_add_signed(self.config.wall_offset.saturating_neg());
            self.detection.message(record, time);
        }
    }

    /// Queues the detections that began or ended; `take`: somebody takes them, beside the records of them.
    pub(super) fn tell_detections(&mut self, take: bool) {
        for record in self.detection.take(self.config.wall_offset) {
            if take {
                self.outbox.detection(&record);
            }
            if self.config.records {
                self.outbox.record(self.config.record_queue, || AnyRecord::Detection(Box::new(record)));
            }
        }
    }
}

fn volume(side: &SideReading) -> Volume {
    Volume { packets: side.packets, bytes: side.ip_bytes, payload: side.payload_bytes }
}

fn contact(entry: &Entry) -> Contact {
    let client = entry.parties.client;
    let server = client.other();
    let (sent, received) = (entry.reading.side(client), entry.reading.side(server));
    let known = &entry.talk.known;
    Contact {
        id: entry.talk.id,
        transport: entry.transport(),
        client: role::ip(&entry.key, client),
        server: role::ip(&entry.key, server),
        port: entry.key.endpoint(server).1,
        start: entry.begun,
        end: entry.last,
        outcome: outcome(entry, client),
        probe: probe(entry, sent, received),
        sent: volume(sent),
        received: volume(received),
        name: known.name.as_ref().map(|name| name.text.clone()),
        application: known.application,
    }
}

/// What became of an attempt; a handshake that was left half open was answered.
fn outcome(entry: &Entry, client: Side) -> Outcome {
    match entry.state().filter(|_| entry.transport() == Transport::Tcp) {
        Some(TcpState::Refused | TcpState::TimedOut | TcpState::SynSent) => Outcome::Failure,
        Some(TcpState::Midstream) => Outcome::Unknown,
        Some(_) if !entry.track.connection().began() => Outcome::Unknown,
        Some(TcpState::SynReceived) => Outcome::Failure,
        Some(_) => Outcome::Success,
        None if entry.reading.side(client.other()).packets != 0 => Outcome::Success,
        None => Outcome::Failure,
    }
}

/// What TCP without a connection looks like: FIN alone, FIN with PSH and URG, or no flag at all. A leftover of an
/// earlier connection acknowledges something.
fn probe(entry: &Entry, sent: &SideReading, received: &SideReading) -> Option<&'static str> {
    let none = |side: &SideReading| {
        side.tcp(TcpCounter::Syn) == 0 && side.tcp(TcpCounter::SynAck) == 0 && side.payload_bytes == 0
    };
    if entry.transport() != Transport::Tcp
        || !none(sent)
        || !none(received)
        || sent.packets == 0
        || sent.packets > 4
        || sent.tcp(TcpCounter::Rst) != 0
        || entry.track.connection().client_acknowledges()
    {
        return None;
    }
    Some(match (sent.tcp(TcpCounter::Fin) != 0, sent.tcp(TcpCounter::Urg) != 0) {
        (true, true) => "ports xmas",
        (true, false) => "ports fin",
        (false, false) => "ports null",
        (false, true) => return None,
    })
}
