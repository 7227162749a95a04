//! A kernel in small: slots, a map of keys, hooks that count, and drains as the agent makes them.

use std::collections::{BTreeMap, HashMap};

use monitor_common::{
    abi::{Address, Direction, Flow, FlowKey, HookCounters, Superseded, Transport, hook_flags},
    account::{self, At},
    wire::{Packet, tcp_flags},
};

use crate::{
    engine::{DrainReport, EndReason, Engine, EngineConfig, HookReading},
    host::{Interface, LocalNetwork},
    label::{AttemptResult, Role, TcpState},
    record::{AnyRecord, FlowRecord},
    totals::{InterfaceTotals, Totals},
};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MS: u64 = 1_000_000;
pub(super) const ETH: u32 = 2;
pub(super) const BRIDGE: u32 = 3;
/// This host.
pub(super) const HOST: [u8; 4] = [203, 0, 113, 5];
/// Somebody on the internet.
pub(super) const PEER: [u8; 4] = [198, 51, 100, 9];

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) slots: Vec<Flow>,
    pub(super) map: HashMap<FlowKey, u32>,
    pub(super) free: Vec<u32>,
    pub(super) hooks: BTreeMap<(u32, Direction), HookCounters>,
    pub(super) one_sided: bool,
    pub(super) now: u64,
    /// What was measured of connections that others followed in their slots, until it is read; none: the ring is full.
    pub(super) superseded: Option<Vec<(u32, u32, Superseded)>>,
    /// Slots that the last drain closed, and why.
    pub(super) closed: Vec<(u32, EndReason)>,
}

impl World {
    pub(super) fn new(config: EngineConfig) -> Self {
        let now = 1000 * SECOND;
        let slots = config.max_flows;
        let mut engine = Engine::new(config, now);
        engine.surroundings().set_interfaces(&[interface(ETH, "eth0"), interface(BRIDGE, "br0")]);
        engine.surroundings().set_local_networks(&[LocalNetwork { address: HOST.into(), prefix: 24 }]);
        let mut hooks = BTreeMap::new();
        for ifindex in [ETH, BRIDGE] {
            for direction in Direction::ALL {
                hooks.insert((ifindex, direction), HookCounters::default());
            }
        }
        Self {
            engine,
            slots: (0..slots).map(|_| Flow::default()).collect(),
            map: HashMap::new(),
            free: (0..slots).rev().collect(),
            hooks,
            one_sided: false,
            now,
            superseded: Some(Vec::new()),
            closed: Vec::new(),
        }
    }

    pub(super) fn with_slots(slots: u32) -> Self {
        Self::new(EngineConfig { max_flows: slots, ..EngineConfig::default() })
    }

    /// A packet at a hook.
    pub(super) fn see(&mut self, ifindex: u32, direction: Direction, packet: &Packet) {
        let flags = if self.one_sided { hook_flags::ONE_SIDED } else { 0 };
        let mut key = FlowKey::default();
        let side = account::key(packet, ifindex, flags, direction, &mut key);
        let hook = self.hooks.entry((ifindex, direction)).or_default();
        let slot = match self.map.get(&key) {
            Some(slot) => Some(*slot),
            None => self.free.pop().inspect(|slot| {
                (self.slots[*slot as usize], _) =
                    account::opened(packet, ifindex, flags, direction, self.now);
                self.map.insert(key, *slot);
            }),
        };
        if let Some(slot) = slot {
            let flow = &self.slots[slot as usize];
            if account::starts_anew(flow, packet, side)
                && let Some(superseded) = &mut self.superseded
            {
                let head = &flow.head;
                let of =
                    Superseded { handshake: head.handshake.get(), first_response: head.first_response.get() };
                superseded.push((slot, head.reused.get(), of));
            }
            account::account(&self.slots[slot as usize], packet, side, &At(self.now));
        } else {
            let class = HookCounters::class(packet.protocol, packet.ip_version);
            hook.overflow += u64::from(packet.segments);
            hook.overflow_packets[class] += u64::from(packet.segments);
            hook.overflow_bytes[class] += u64::from(packet.wire_length);
        }
        hook.skbs += 1;
        hook.packets += u64::from(packet.segments);
    }

    /// A packet between this host and somebody, at the network card.
    pub(super) fn eth(&mut self, packet: &Packet) {
        let own = packet.source == Address::from_v4_octets(HOST);
        self.see(ETH, if own { Direction::Transmit } else { Direction::Receive }, packet);
    }

    pub(super) fn readings(&self) -> Vec<HookReading> {
        self.hooks
            .iter()
            .map(|(&(ifindex, direction), &counters)| HookReading { ifindex, direction, counters })
            .collect()
    }

    /// The flow records since the last call.
    pub(super) fn flow_records(&mut self) -> Vec<FlowRecord> {
        let only = |record| match record {
            AnyRecord::Flow(record) => *record,
            other => panic!("{other:?}"),
        };
        self.engine.outbox_mut().take_records().into_iter().map(only).collect()
    }

    /// A drain in which no packet comes.
    pub(super) fn drain(&mut self) -> DrainReport {
        self.drain_while(|_| ())
    }

    /// A drain; `late` happens after the slots were read and before the ending ones are read again.
    pub(super) fn drain_while(&mut self, late: impl FnOnce(&mut Self)) -> DrainReport {
        let before = self.readings();
        self.engine.begin_drain(self.now, &before);
        for (slot, flow) in (0..).zip(&self.slots) {
            if flow.head.live.get() != 0 {
                self.engine.observe(slot, flow);
            }
        }
        let others = self.readings();
        self.closed = self.engine.expired(&others);
        late(self);
        for (slot, connection, of) in self.superseded.as_mut().map(std::mem::take).unwrap_or_default() {
            let flow = &self.slots[slot as usize];
            self.engine.superseded(slot, flow, connection, &of, |_| Default::default());
        }
        for (slot, reason) in self.closed.clone() {
            let flow = &mut self.slots[slot as usize];
            self.map.remove(&flow.head.key.get());
            self.engine.close(slot, flow, reason);
            flow.clear();
            self.free.push(slot);
        }
        let after = self.readings();
        self.engine.end_drain(self.now, &after)
    }

    pub(super) fn wait(&mut self, time: u64) -> DrainReport {
        self.now += time;
        self.drain()
    }

    pub(super) fn totals(&self) -> &Totals {
        self.engine.ledger().totals()
    }

    pub(super) fn interface(&self, name: &str) -> &InterfaceTotals {
        self.engine.interfaces().totals().iter().find(|i| i.name == name).unwrap()
    }

    pub(super) fn attempts(&self, role: Role) -> [u64; AttemptResult::COUNT] {
        self.totals().tcp.attempts[role.index()]
    }

    pub(super) fn connections(&self, state: TcpState) -> u64 {
        self.totals().tcp.connections[state.index()]
    }

    pub(super) fn ended(&self, transport: Transport, reason: EndReason) -> u64 {
        self.totals().flows.ended[transport.index()][reason.index()]
    }
}

pub(super) fn interface(ifindex: u32, name: &str) -> Interface {
    Interface { ifindex, name: name.to_owned(), loopback: false, one_sided: false }
}

/// A UDP packet with 100 bytes of payload.
pub(super) fn udp(source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> Packet {
    Packet {
        source: Address::from_v4_octets(source.0),
        destination: Address::from_v4_octets(destination.0),
        source_port: source.1,
        destination_port: destination.1,
        protocol: 17,
        ip_version: 4,
        ttl: 64,
        ip_length: 128,
        payload_length: 100,
        wire_length: 142,
        segments: 1,
        ..Packet::default()
    }
}

/// Both ends of a TCP connection, to write its packets by hand.
#[derive(Clone, Copy)]
pub(super) struct Tcp {
    pub(super) client: ([u8; 4], u16),
    pub(super) server: ([u8; 4], u16),
    /// Next sequence numbers.
    pub(super) seq: [u32; 2],
}

pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;

impl Tcp {
    pub(super) fn new(client: ([u8; 4], u16), server: ([u8; 4], u16), isn: u32) -> Self {
        Self { client, server, seq: [isn, isn.wrapping_add(500_000)] }
    }

    /// A segment with these flags and payload; sequence numbers go on.
    pub(super) fn segment(&mut self, from: usize, flags: u8, length: u32) -> Packet {
        let (source, destination) =
            if from == CLIENT { (self.client, self.server) } else { (self.server, self.client) };
        let packet = Packet {
            protocol: 6,
            tcp_flags: flags,
            seq: self.seq[from],
            ack: if flags & tcp_flags::ACK == 0 { 0 } else { self.seq[from ^ 1] },
            window: 1000,
            ip_length: 40 + length,
            payload_length: length,
            wire_length: 54 + length,
            ..udp(source, destination)
        };
        let advance = length + u32::from(flags & (tcp_flags::SYN | tcp_flags::FIN) != 0);
        self.seq[from] = self.seq[from].wrapping_add(advance);
        packet
    }

    pub(super) fn syn(&mut self) -> Packet {
        self.segment(CLIENT, tcp_flags::SYN, 0)
    }

    pub(super) fn syn_ack(&mut self) -> Packet {
        self.segment(SERVER, tcp_flags::SYN | tcp_flags::ACK, 0)
    }

    pub(super) fn ack(&mut self, from: usize) -> Packet {
        self.segment(from, tcp_flags::ACK, 0)
    }

    pub(super) fn data(&mut self, from: usize, length: u32) -> Packet {
        self.segment(from, tcp_flags::ACK | tcp_flags::PSH, length)
    }

    pub(super) fn fin(&mut self, from: usize) -> Packet {
        self.segment(from, tcp_flags::ACK | tcp_flags::FIN, 0)
    }

    pub(super) fn rst(&mut self, from: usize) -> Packet {
        self.segment(from, tcp_flags::RST | tcp_flags::ACK, 0)
    }

    /// SYN, SYN-ACK 10 ms later, ACK 2 ms later.
    pub(super) fn handshake(&mut self, world: &mut World) {
        world.eth(&self.syn());
        world.now += 10 * MS;
        world.eth(&self.syn_ack());
        world.now += 2 * MS;
        world.eth(&self.ack(CLIENT));
    }

    /// FIN, FIN, ACK.
    pub(super) fn close(&mut self, world: &mut World) {
        world.eth(&self.fin(CLIENT));
        world.eth(&self.fin(SERVER));
        world.eth(&self.ack(CLIENT));
    }
}

/// A connection that this host opens to a web server.
pub(super) fn outbound(port: u16, isn: u32) -> Tcp {
    Tcp::new((HOST, port), (PEER, 443), isn)
}

/// A connection that somebody opens to this host's web server.
pub(super) fn inbound(port: u16, isn: u32) -> Tcp {
    Tcp::new((PEER, port), (HOST, 80), isn)
}
