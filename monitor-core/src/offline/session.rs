//! Frames of captures in, records out.

use monitor_common::{
    abi::{Flow, Side, Transport},
    wire::{Fragment, Packet, tcp_flags},
};

use super::{Frame, Outcome, Table, TableConfig, datagrams::Datagrams};
use crate::{
    dpi::{
        Dpi, DpiConfig, DpiCounters, Event, Payload, What,
        inspector::{self, Findings, Inspector, InspectorConfig, InspectorTotals, Subject, TcpHeader},
    },
    engine::{Engine, EngineConfig},
    finding,
    label::EndReason,
    record::{AnyRecord, ApplicationSource, Carrier, FlowRecord, Text, Time},
};

/// How a [`Session`] works and how much it may hold.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// The flow table.
    pub table: TableConfig,
    /// The engine.
    pub engine: EngineConfig,
    /// Hellos.
    pub dpi: DpiConfig,
    /// Messages.
    pub inspector: InspectorConfig,
}

/// A table, the engine that reads its slots, and what understands payload: one record a flow, written when
/// its 5-tuple begins a new connection or when the capture ends, and one a message when it is whole.
#[derive(Debug)]
pub struct Session {
    table: Table,
    engine: Engine,
    dpi: Dpi,
    events: Vec<Event>,
    inspector: Inspector,
    datagrams: Datagrams,
    /// By slot: sides of which no payload is wanted any more, as bits.
    understood: Vec<u8>,
}

impl Session {
    /// An empty session.
    pub fn new(SessionConfig { table, engine, dpi, inspector }: SessionConfig) -> Self {
        // Slots are read once, when their flows end: nothing ever waits in the engine.
        let engine = EngineConfig { records: true, record_queue: 1, wall_offset: 0, ..engine };
        Self {
            table: Table::new(table),
            engine: Engine::new(engine, 0),
            dpi: Dpi::new(dpi),
            events: Vec::new(),
            inspector: Inspector::new(inspector),
            datagrams: Datagrams::new(),
            understood: Vec::new(),
        }
    }

    /// Counts a frame. What ended or was understood by it is appended to `records`.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>, records: &mut Vec<AnyRecord>) -> Outcome {
        let outcome = self.table.packet(frame);
        while let Some(slot) = self.table.pop_ended() {
            self.end(slot, records);
        }
        if let Outcome::Flow { slot, side, opened } = outcome {
            let packet = *self.table.last_packet();
            if packet.fragment == Fragment::None as u8 {
                self.read(&packet, frame.bytes, frame.time, (slot, side, opened), records);
            } else {
                if opened {
                    self.forget(slot);
                }
                if let Some((packet, bytes)) = self.datagrams.whole(&packet, frame.bytes, frame.ifindex) {
                    self.read(&packet, &bytes, frame.time, (slot, side, opened), records);
                }
            }
        }
        outcome
    }

    /// Ends all flows, in the order in which they began.
    pub fn finish(&mut self, records: &mut Vec<AnyRecord>) {
        let mut slots: Vec<u32> = self.table.live().map(|(slot, _)| slot).collect();
        slots.sort_unstable_by_key(|slot| self.table.frames(*slot).first);
        records.reserve(slots.len());
        for slot in slots {
            self.end(slot, records);
        }
    }

    /// Hands the payload of a packet to those who understand it.
    #[inline]
    fn read(
        &mut self,
        packet: &Packet,
        bytes: &[u8],
        time: u64,
        (slot, side, opened): (u32, Side, bool),
        records: &mut Vec<AnyRecord>,
    ) {
        if !matches!(packet.protocol, 6 | 17) {
            return;
        }
        if opened {
            self.forget(slot);
        }
        // Behind the payload there may be padding of the link layer.
        let begin = packet.payload_offset as usize;
        let end = begin.saturating_add(packet.payload_length as usize).min(bytes.len());
        let bytes = bytes.get(begin..end).unwrap_or_default();
        self.inspect(packet, bytes, time, slot, side, records);
        self.payload(packet, bytes, time, slot, side);
        if !self.events.is_empty() {
            self.tell(records);
        }
    }

    /// Nothing of the flow in a slot was understood yet.
    fn forget(&mut self, slot: u32) {
        if let Some(understood) = self.understood.get_mut(slot as usize) {
            *understood = 0;
        }
    }

    fn payload(&mut self, packet: &Packet, bytes: &[u8], time: u64, slot: u32, side: Side) {
        let transport = Transport::from_protocol(packet.protocol);
        let syn = packet.tcp_flags & tcp_flags::SYN != 0;
        let is_payload = match transport {
            Transport::Tcp => packet.payload_length != 0 || syn,
            Transport::Udp => packet.payload_length != 0,
            _ => false,
        };
        if !is_payload {
            return;
        }
        let at = slot as usize;
        if at >= self.understood.len() {
            self.understood.resize(at + 1, 0);
        }
        let Some(understood) = self.understood.get_mut(at) else { return };
        let bit = 1 << side.index();
        if *understood & bit != 0 {
            return;
        }
        let payload = Payload {
            flow: u64::from(slot),
            from: side,
            transport,
            ports: [packet.source_port, packet.destination_port],
            seq: packet.seq,
            syn,
            bytes,
            time,
        };
        if !self.dpi.payload(&payload, &mut self.events) {
            *understood |= bit;
        }
    }

    /// Reads messages.
    fn inspect(
        &mut self,
        packet: &Packet,
        bytes: &[u8],
        time: u64,
        slot: u32,
        sender: Side,
        records: &mut Vec<AnyRecord>,
    ) {
        let Some(flow) = self.table.flow(slot) else { return };
        let length = packet.payload_length;
        let tcp = (packet.protocol == 6).then(|| TcpHeader {
            seq: packet.seq,
            ack: (packet.tcp_flags & tcp_flags::ACK != 0).then_some(packet.ack),
            syn: packet.tcp_flags & tcp_flags::SYN != 0,
        });
        let payload = inspector::Payload { time, sender, bytes, length, tcp };
        let client = self.engine.client(&flow.head.key, flow.head.client());
        let subject = Subject { slot, key: &flow.head.key, client, interface: "" };
        self.inspector.packet(&subject, &payload, records);
    }

    /// Makes records of what payload said.
    fn tell(&mut self, records: &mut Vec<AnyRecord>) {
        for event in self.events.drain(..) {
            let Some(flow) = self.table.flow(event.flow as u32) else { continue };
            match event.what {
                What::Tls(handshake) => {
                    let identity = self.engine.identity(flow);
                    let time = Time(handshake.time);
                    for found in finding::tls(&handshake, time) {
                        if self.inspector.is_new(event.flow as u32, found.kind) {
                            let record = found.into_record(time, identity.clone());
                            records.push(AnyRecord::Finding(Box::new(record)));
                        }
                    }
                    records.push(AnyRecord::Tls(Box::new(handshake.record(identity, 0))));
                }
                What::Hello(hello) => {
                    let name = hello.server_name.as_deref();
                    self.inspector.hello(event.flow as u32, hello.carrier, name, hello.ech);
                }
                What::GoogleName { name, .. } => {
                    self.inspector.hello(event.flow as u32, Carrier::Quic, Some(&name), false);
                }
                What::Failure(_) => {}
            }
        }
    }

    fn end(&mut self, slot: u32, records: &mut Vec<AnyRecord>) {
        self.dpi.close(u64::from(slot), &mut self.events);
        self.tell(records);
        let frames = self.table.frames(slot);
        let Some(flow): Option<&Flow> = self.table.flow(slot) else { return };
        let last = flow.hot[0].last.get().max(flow.hot[1].last.get());
        let client = self.engine.client(&flow.head.key, flow.head.client());
        let subject = Subject { slot, key: &flow.head.key, client, interface: "" };
        let findings = self.inspector.close(&subject, last, records);
        self.engine.close(slot, flow, EndReason::Shutdown);
        for mut record in self.engine.take_records() {
            record.first_frame = Some(frames.first);
            record.last_frame = Some(frames.last);
            // A capture says nothing of why a flow has no more packets, and its interfaces are one.
            record.end_reason = None;
            record.identity.interface = None;
            name(&mut record, &findings);
            records.push(AnyRecord::Flow(Box::new(record)));
        }
        self.table.release(slot);
    }

    /// The table, with what was counted.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What was done and is held to understand payload.
    pub fn dpi(&self) -> DpiCounters {
        self.dpi.counters()
    }

    /// What was met in messages.
    pub fn inspected(&self) -> InspectorTotals {
        self.inspector.totals()
    }
}

/// Writes into a record what was found out about its flow.
fn name(record: &mut FlowRecord, findings: &Findings) {
    if let Some(name) = &findings.name {
        record.domain = name.domain().map(Text::from);
        record.name = Some(name.text.clone());
        record.name_source = Some(name.source);
    }
    // What the user calls a port stands above what its bytes look like.
    if record.application_source != Some(ApplicationSource::Config)
        && let Some(application) = findings.application
    {
        record.application = Some(Text::from(application.as_str()));
        record.application_source = Some(ApplicationSource::Wire);
    }
}
