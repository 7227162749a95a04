//! All flows: bounded in number and in bytes, the least recently used forgotten first.

use monitor_common::abi::Side;

use super::{
    Event, Payload,
    flow::{Flow, Shared, Sink},
};
use crate::lru::Lru;

/// Bounds of a [`Dpi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpiConfig {
    /// Flows that are read at once.
    pub max_flows: u32,
    /// Bytes that all of them hold, beyond a fixed size each.
    pub max_bytes: usize,
    /// How long a hello waits for its answer after the flow's last payload, nanoseconds.
    pub linger: u64,
}

impl Default for DpiConfig {
    fn default() -> Self {
        Self { max_flows: 1 << 16, max_bytes: 64 << 20, linger: 10_000_000_000 }
    }
}

/// What a [`Dpi`] did and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DpiCounters {
    /// Flows that are held.
    pub flows: u64,
    /// Bytes that they hold.
    pub bytes: u64,
    /// Flows that were forgotten to make room for others.
    pub evicted_flows: u64,
    /// Flows that were forgotten because all of them held too many bytes.
    pub evicted_bytes: u64,
}

#[derive(Debug)]
struct Held {
    flow: Flow,
    memory: usize,
    /// Time of its last payload.
    last: u64,
}

/// Payloads of all flows in, [`Event`]s out.
///
/// A flow's entry is made by its first payload (or SYN) and kept until [`Dpi::close`], [`Dpi::expire`] or
/// until room is needed. A flow that says nothing that is known allocates nothing.
#[derive(Debug)]
pub struct Dpi {
    config: DpiConfig,
    flows: Lru<u64, Held>,
    memory: usize,
    evicted_flows: u64,
    evicted_bytes: u64,
    shared: Shared,
}

impl Dpi {
    /// Without flows.
    pub fn new(config: DpiConfig) -> Self {
        Self {
            config,
            flows: Lru::new(config.max_flows),
            memory: 0,
            evicted_flows: 0,
            evicted_bytes: 0,
            shared: Shared::new(),
        }
    }

    /// Takes a payload; what it says is appended to `events`. Returns whether more of the flow's direction
    /// is wanted; later payloads of one that is not are ignored at little cost.
    pub fn payload(&mut self, payload: &Payload<'_>, events: &mut Vec<Event>) -> bool {
        if self.flows.peek(&payload.flow).is_none() {
            let held = Held { flow: Flow::new(), memory: 0, last: payload.time };
            if let Some((id, gone)) = self.flows.insert(payload.flow, held) {
                self.evicted_flows += 1;
                self.forget(id, gone, events);
            }
        }
        let Some(held) = self.flows.get(&payload.flow) else { return false };
        held.last = payload.time;
        let wanted = held.flow.payload(payload, &mut self.shared, events);
        let memory = held.flow.memory();
        self.memory = self.memory - held.memory + memory;
        held.memory = memory;
        while self.memory > self.config.max_bytes
            && let Some((id, gone)) = self.flows.pop_oldest()
        {
            self.evicted_bytes += 1;
            self.forget(id, gone, events);
        }
        wanted
    }

    /// A flow is over. Events of what it did not finish are appended.
    pub fn close(&mut self, flow: u64, events: &mut Vec<Event>) {
        if let Some(gone) = self.flows.remove(&flow) {
            self.forget(flow, gone, events);
        }
    }

    /// Gives up waiting for answers that have not come in the time allowed.
    pub fn expire(&mut self, now: u64, events: &mut Vec<Event>) {
        while let Some((_, held)) = self.flows.oldest()
            && held.last.saturating_add(self.config.linger) < now
            && let Some((id, gone)) = self.flows.pop_oldest()
        {
            self.forget(id, gone, events);
        }
    }

    /// All flows are over.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        while let Some((id, gone)) = self.flows.pop_oldest() {
            self.forget(id, gone, events);
        }
    }

    /// What it did and holds.
    pub fn counters(&self) -> DpiCounters {
        DpiCounters {
            flows: self.flows.len() as u64,
            bytes: self.memory as u64,
            evicted_flows: self.evicted_flows,
            evicted_bytes: self.evicted_bytes,
        }
    }

    fn forget(&mut self, id: u64, mut gone: Held, events: &mut Vec<Event>) {
        self.memory -= gone.memory;
        gone.flow.close(&mut Sink { flow: id, from: Side::Lower, time: gone.last, events });
    }
}
