//! Frames of captures in, records out.

use monitor_common::{
    abi::{Flow, Side},
    wire::{Fragment, Packet, tcp_flags},
};

use super::{Frame, Outcome, Table, TableConfig, datagrams::Datagrams};
use crate::{
    dpi::{
        Understanding,
        inspector::{Payload, TcpHeader},
    },
    engine::{Engine, EngineConfig},
    label::EndReason,
    record::AnyRecord,
};

/// How a [`Session`] works and how much it may hold.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// The flow table.
    pub table: TableConfig,
    /// The engine.
    pub engine: EngineConfig,
}

/// A table, and the engine that reads its slots and understands payload: one record a flow, written when
/// its 5-tuple begins a new connection or when the capture ends, and one a message when it is whole.
#[derive(Debug)]
pub struct Session {
    table: Table,
    engine: Engine,
    datagrams: Datagrams,
}

impl Session {
    /// An empty session.
    pub fn new(SessionConfig { table, engine }: SessionConfig) -> Self {
        // Records are taken as they come: the queue is never longer than what one frame ends and says.
        let engine = EngineConfig { records: true, record_queue: u32::MAX, wall_offset: 0, ..engine };
        let mut engine = Engine::new(engine, 0);
        engine.tell_early();
        Self { table: Table::new(table), engine, datagrams: Datagrams::new() }
    }

    /// Counts a frame. What ended or was understood by it is appended to `records`.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>, records: &mut Vec<AnyRecord>) -> Outcome {
        let outcome = self.table.packet(frame);
        while let Some(slot) = self.table.pop_ended() {
            self.end(slot, records);
        }
        if let Outcome::Flow { slot, side, opened } = outcome {
            if opened {
                self.begin(slot, frame.time, records);
            }
            let packet = *self.table.last_packet();
            if packet.fragment == Fragment::None as u8 {
                self.read(&packet, frame.bytes, frame.time, (slot, side), records);
            } else if let Some((packet, bytes)) = self.datagrams.whole(&packet, frame.bytes, frame.ifindex) {
                self.read(&packet, &bytes, frame.time, (slot, side), records);
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

    /// A flow began in a slot: perhaps one of very many of its client.
    fn begin(&mut self, slot: u32, time: u64, records: &mut Vec<AnyRecord>) {
        let Some(flow) = self.table.flow(slot) else { return };
        self.engine.begins(&flow.head.key, flow.head.client(), time);
        self.engine.drain_records(records);
    }

    /// Hands the payload of a packet to the engine.
    #[inline]
    fn read(
        &mut self,
        packet: &Packet,
        bytes: &[u8],
        time: u64,
        (slot, sender): (u32, Side),
        records: &mut Vec<AnyRecord>,
    ) {
        if !matches!(packet.protocol, 6 | 17) {
            return;
        }
        let Some(flow) = self.table.flow(slot) else { return };
        // Behind the payload there may be padding of the link layer.
        let begin = packet.payload_offset as usize;
        let end = begin.saturating_add(packet.payload_length as usize).min(bytes.len());
        let tcp = (packet.protocol == 6).then(|| TcpHeader {
            seq: packet.seq,
            ack: (packet.tcp_flags & tcp_flags::ACK != 0).then_some(packet.ack),
            syn: packet.tcp_flags & tcp_flags::SYN != 0,
        });
        let payload = Payload {
            time,
            sender,
            bytes: bytes.get(begin..end).unwrap_or_default(),
            length: packet.payload_length,
            tcp,
        };
        self.engine.payload(slot, flow, &payload);
        self.engine.drain_records(records);
    }

    fn end(&mut self, slot: u32, records: &mut Vec<AnyRecord>) {
        let frames = self.table.frames(slot);
        let Some(flow): Option<&Flow> = self.table.flow(slot) else { return };
        let first = records.len();
        self.engine.close(slot, flow, EndReason::Shutdown);
        self.engine.drain_records(records);
        for record in records.iter_mut().skip(first) {
            if let AnyRecord::Flow(record) = record {
                record.first_frame = Some(frames.first);
                record.last_frame = Some(frames.last);
                // A capture says nothing of why a flow has no more packets, and its interfaces are one.
                record.end_reason = None;
                record.identity.interface = None;
            }
        }
        self.table.release(slot);
    }

    /// The table, with what was counted.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What reads payload, with what it met.
    pub const fn payloads(&self) -> &Understanding {
        self.engine.payloads()
    }
}
