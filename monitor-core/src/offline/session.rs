//! Frames of captures in, records out.

use monitor_common::{
    abi::{Address, Direction, Flow, Head, Side},
    wire::{Fragment, Packet, tcp_flags},
};

use super::{
    AHEAD, Frame, Outcome, Table, TableConfig,
    datagrams::{Datagrams, Origin, Partial},
    expiry::{self, Look, Pace},
    way::Ways,
};
use crate::{
    engine::{Engine, EngineConfig, HookReading, Timeouts},
    host::Interface,
    label::EndReason,
    network::Network,
    payload::{Payload, Payloads, Talk, Talks, TcpHeader},
    record::{AnyRecord, Text},
};

/// How a [`Session`] works and how much it may hold.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// The flow table.
    pub table: TableConfig,
    /// The engine.
    pub engine: EngineConfig,
    /// Names of the files, by [`Frame::file`], where records are to say them.
    pub files: Vec<Text>,
    /// Names of interfaces, for [`Session::survey`].
    pub interfaces: Vec<Interface>,
    /// Networks of which every address is on the near side: it sends what is transmitted, where the capture
    /// does not say the direction itself.
    pub local: Vec<Network>,
}

/// A table, and the engine that reads its slots and understands payload: one record a flow, written when
/// its 5-tuple begins a new connection or when the capture ends, and one a message when it is whole.
#[derive(Debug)]
pub struct Session {
    table: Table,
    engine: Engine,
    datagrams: Datagrams,
    talks: Talks,
    /// By slot: sides of which no payload is wanted any more, as bits.
    understood: Vec<u8>,
    pace: Pace,
    files: Vec<Text>,
    ways: Ways,
}

impl Session {
    /// An empty session.
    pub fn new(SessionConfig { table, engine, files, interfaces, local }: SessionConfig) -> Self {
        // Records are taken as they come: the queue is never longer than what one frame ends and says.
        // A flow is told once, when it is over.
        let timeouts = Timeouts { active: u64::MAX, ..engine.timeouts };
        let engine =
            EngineConfig { records: true, record_queue: u32::MAX, wall_offset: 0, timeouts, ..engine };
        let mut engine = Engine::new(engine, 0);
        engine.note_early();
        engine.surroundings().set_interfaces(&interfaces);
        engine.surroundings().set_inside(&local);
        Self {
            datagrams: Datagrams::new(table.tunnels),
            table: Table::new(table),
            engine,
            talks: Talks::default(),
            understood: Vec::new(),
            pace: Pace::default(),
            files,
            ways: Ways::default(),
        }
    }

    /// Counts frames. What ended or was understood by each is appended to `records`; `each` is called after
    /// it with its place in `frames`, its outcome, and its headers.
    ///
    /// # Errors
    /// The first that `each` returns.
    pub fn packets<E>(
        &mut self,
        frames: &[Frame<'_>],
        records: &mut Vec<AnyRecord>,
        mut each: impl FnMut(usize, Outcome, &Packet, &mut Vec<AnyRecord>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (chunk, begin) in frames.chunks(AHEAD).zip((0..).step_by(AHEAD)) {
            self.table.look_ahead(chunk);
            for (at, frame) in chunk.iter().enumerate() {
                let outcome = self.table.next(frame, at);
                self.understand(frame, outcome, records);
                each(begin + at, outcome, self.table.last_packet(), records)?;
            }
        }
        Ok(())
    }

    /// Counts a frame. What ended or was understood by it is appended to `records`.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>, records: &mut Vec<AnyRecord>) -> Outcome {
        let outcome = self.table.packet(frame);
        self.understand(frame, outcome, records);
        outcome
    }

    /// What a frame means beyond what was counted.
    #[inline]
    fn understand(&mut self, frame: &Frame<'_>, outcome: Outcome, records: &mut Vec<AnyRecord>) {
        while let Some(slot) = self.table.pop_ended() {
            self.engine.begin_drain(self.pace.now(), &[]);
            self.end(slot, EndReason::Shutdown, records);
        }
        if let Outcome::Flow { slot, side, opened, again: false, .. } = outcome {
            if opened {
                self.begin(slot, frame.time, records);
            }
            if let Some(way) = frame.way {
                self.ways.note(slot, side, way);
            }
            let packet = *self.table.last_packet();
            if packet.fragment != Fragment::None as u8 {
                self.fragment(&packet, frame, (slot, side), records);
            } else if !self.is_understood(slot, side) {
                self.read(&packet, frame.bytes, frame.time, (slot, side), records);
            }
        }
        if let Some((now, look)) = self.pace.tick(frame.time, &self.table) {
            self.expire(now, look, records);
        }
    }

    /// Puts a fragment to the others of its datagram, and reads that if it is whole.
    fn fragment(
        &mut self,
        packet: &Packet,
        frame: &Frame<'_>,
        (slot, sender): (u32, Side),
        records: &mut Vec<AnyRecord>,
    ) {
        let Some((key, ip_offset)) = self.table.last_fragment() else { return };
        let opened = self.table.frames(slot).opened;
        let origin = Origin { slot, opened, sender, time: frame.time };
        if let Some((whole, bytes)) = self.datagrams.whole(&key, ip_offset, frame.bytes, origin)
            && ends(&whole) == ends(packet)
        {
            self.read(&whole, &bytes, frame.time, (slot, sender), records);
        }
        self.read_partial(records);
    }

    /// Reads what there is of datagrams that were given up.
    fn read_partial(&mut self, records: &mut Vec<AnyRecord>) {
        while let Some(Partial { origin, bytes, packet }) = self.datagrams.pop_given_up() {
            if self.table.frames(origin.slot).opened == origin.opened {
                self.read(&packet, &bytes, origin.time, (origin.slot, origin.sender), records);
            }
        }
    }

    /// Ends the flows that are not waited for any longer.
    fn expire(&mut self, now: u64, look: Look, records: &mut Vec<AnyRecord>) {
        self.engine.begin_drain(now, &[]);
        for (slot, reason) in expiry::ending(&self.table, &self.engine.config().timeouts, now, look) {
            self.end(slot, reason, records);
        }
        self.engine.expire_queries(now);
    }

    /// Ends all flows, in the order in which they began.
    pub fn finish(&mut self, records: &mut Vec<AnyRecord>) {
        self.datagrams.finish();
        self.read_partial(records);
        self.engine.begin_drain(self.pace.now(), &[]);
        let mut slots: Vec<u32> = self.table.live().map(|(slot, _)| slot).collect();
        slots.sort_unstable_by_key(|slot| self.table.frames(*slot).opened);
        for slot in slots {
            self.end(slot, EndReason::Shutdown, records);
        }
        self.engine.conclude();
        self.engine.outbox_mut().drain_records(records);
    }

    /// A flow began in a slot: perhaps one of very many of its client.
    fn begin(&mut self, slot: u32, time: u64, records: &mut Vec<AnyRecord>) {
        let at = slot as usize;
        if at >= self.understood.len() {
            self.understood.resize(at + 1, 0);
        }
        if let Some(understood) = self.understood.get_mut(at) {
            *understood = 0;
        }
        *self.talks.at(slot) = Talk::new(self.table.id(slot));
        self.ways.begin(slot, None);
        let Some(flow) = self.table.flow(slot) else { return };
        if let Some((talk, (client, rule))) = self.engine.resumes(flow) {
            // It began before: its first response was told.
            flow.head.set_client(client, rule);
            flow.head.first_response.set(Head::NO_RESPONSE_TIME);
            *self.talks.at(slot) = talk;
            return;
        }
        self.engine.begins(&flow.head.key.get(), flow.head.client(), time);
        self.engine.outbox_mut().drain_records(records);
    }

    /// Whether nothing that a side of a flow says is wanted any more.
    #[inline]
    fn is_understood(&self, slot: u32, side: Side) -> bool {
        self.understood.get(slot as usize).is_some_and(|understood| understood & 1 << side.index() != 0)
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
            urgent: packet.urgent(),
        });
        let payload = Payload {
            time,
            sender,
            bytes: bytes.get(begin..end).unwrap_or_default(),
            length: packet.payload_length,
            tcp,
        };
        if !self.engine.payload(slot, flow, &payload, &mut self.talks)
            && let Some(understood) = self.understood.get_mut(slot as usize)
        {
            *understood |= 1 << sender.index();
        }
        self.engine.outbox_mut().drain_records(records);
    }

    fn end(&mut self, slot: u32, reason: EndReason, records: &mut Vec<AnyRecord>) {
        let frames = self.table.frames(slot);
        let Some(flow): Option<&Flow> = self.table.flow(slot) else { return };
        let first = records.len();
        look(&mut self.engine, &mut self.ways, slot, flow);
        self.ways.end(slot, flow);
        let mut talk = std::mem::take(self.talks.at(slot));
        let table = &self.table;
        self.engine.find_moved(flow, &mut talk, |slot, id| {
            let flow = table.flow(slot).filter(|_| table.id(slot) == id)?;
            Some(flow.hot[0].last.get().max(flow.hot[1].last.get()))
        });
        self.engine.close_with(slot, flow, talk, reason);
        self.engine.outbox_mut().drain_records(records);
        for record in records.iter_mut().skip(first) {
            if let AnyRecord::Flow(record) = record {
                record.first_frame = Some(frames.first);
                record.last_frame = Some(frames.last);
                record.first_file = self.files.get(frames.first_file as usize).cloned();
                record.last_file = self.files.get(frames.last_file as usize).cloned();
                // A capture says nothing of why a flow has no more packets, and its interfaces are one.
                record.end_reason = None;
                record.identity.interface = None;
            }
        }
        self.table.release(slot);
    }

    /// Shows the engine what is there now, as a drain of a live host does: its totals are those of this moment.
    /// All packets stand under one interface; what is not known to be transmitted counts as received.
    /// With it comes how many packets belong to flows of which nothing says which way they pass.
    pub fn survey(&mut self, ifindex: u32) -> (&mut Engine, u64) {
        let now = self.pace.now();
        for (slot, flow) in self.table.live() {
            look(&mut self.engine, &mut self.ways, slot, flow);
        }
        let sums = self.ways.sums(self.table.live());
        let [received, transmitted] = sums.split(self.table.counters());
        let hooks = [(Direction::Receive, received), (Direction::Transmit, transmitted)]
            .map(|(direction, counters)| HookReading { ifindex, direction, counters });
        self.engine.begin_drain(now, &hooks);
        for (slot, flow) in self.table.live() {
            self.engine.observe(slot, flow);
            self.engine.learn(slot, self.talks.at(slot));
        }
        // None ends here: that is the session's to say.
        drop(self.engine.expired(&hooks));
        self.engine.end_drain(now, &hooks);
        (&mut self.engine, sums.unknown)
    }

    /// The table, with what was counted.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What reads payload, with what it met.
    pub const fn payloads(&self) -> &Payloads {
        self.engine.payloads()
    }
}

/// The two ends of a packet.
fn ends(packet: &Packet) -> (Address, u16, Address, u16, u8) {
    let Packet { source, source_port, destination, destination_port, protocol, .. } = *packet;
    (source, source_port, destination, destination_port, protocol)
}

/// Settles which way the directions of a flow pass, and lets the engine see it so.
fn look(engine: &mut Engine, ways: &mut Ways, slot: u32, flow: &Flow) {
    let known = ways.view(slot);
    if let Some(view) = known.or_else(|| engine.view_by_address(&flow.head.key.get())) {
        if known.is_none() {
            ways.begin(slot, Some(view));
        }
        engine.open_as(slot, flow, view);
    }
}
