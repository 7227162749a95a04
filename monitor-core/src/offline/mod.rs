//! Stands where the kernel's programs and maps stand: frames in, slots with counters out.
//!
//! A frame takes the same way as in the kernel, through the same code: the short parser or the general
//! one, the table of fragments, the key, the slot, the accounting. Only time and memory differ: time
//! comes with the frame, and slots are this process's own.

mod datagrams;
mod duplicates;
mod expiry;
mod fragments;
mod index;
mod session;
#[cfg(test)]
mod tests;
mod way;

use monitor_common::{
    abi::{Direction, Flow, FlowKey, FragmentFlow, FragmentKey, HookCounters, Side},
    account,
    wire::{self, Fragment, Link, Packet, ParseError, ParseState, TunnelPorts},
};

use crate::record::Id;

pub use expiry::{CROWD, PATIENCE};
pub use session::{Session, SessionConfig};

use duplicates::{Duplicates, Original};
use fragments::Fragments;
use index::{Index, Tag};

/// Frames that are looked at together, before the first of them is counted: by then what the last will
/// touch is on its way from memory.
pub const AHEAD: usize = 32;

/// Slots are allocated this many at a time: they never move, and none is paid for long before it is used.
const CHUNK: usize = 256;

/// What a [`Table`] does and how much it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// Flows at once; beyond that packets count as overflow.
    pub max_flows: u32,
    /// UDP ports of tunnels.
    pub tunnels: TunnelPorts,
    /// A new connection on an old 5-tuple goes on in the old slot, as in the kernel. Otherwise the old
    /// one ends (see [`Table::pop_ended`]) and the new one gets its own.
    pub merge_reused: bool,
    /// Encapsulations that the kernel's programs do not follow are not followed.
    pub kernel_only: bool,
    /// A packet that was captured twice counts once; see [`Table::duplicates`].
    pub once: bool,
}

impl Default for TableConfig {
    fn default() -> Self {
        let tunnels = TunnelPorts::default();
        Self { max_flows: 1 << 20, tunnels, merge_reused: false, kernel_only: false, once: false }
    }
}

impl TableConfig {
    /// A table that does as the kernel's maps and programs do.
    pub const fn kernel(max_flows: u32) -> Self {
        Self { max_flows, tunnels: TunnelPorts::KERNEL, merge_reused: true, kernel_only: true, once: false }
    }
}

/// A frame and what is known of it beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What was captured of it, from `link` on.
    pub bytes: &'a [u8],
    /// What `bytes` begin with.
    pub link: Link,
    /// Length on the wire, link layer included.
    pub length: u32,
    /// Bytes of the link layer that stood before `bytes`.
    pub before: u32,
    /// The interface's number.
    pub ifindex: u32,
    /// Bits of [`monitor_common::abi::hook_flags`]: [`ONE_SIDED`](monitor_common::abi::hook_flags::ONE_SIDED)
    /// for captures, where both directions come from one place.
    pub hook_flags: u32,
    /// Direction through that interface; `Receive` for captures.
    pub direction: Direction,
    /// Direction as seen by the host that captured it, where the capture says it. Flows do not depend on it,
    /// only the totals of [`Session::survey`].
    pub way: Option<Direction>,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Its number in its file, from 1, as Wireshark numbers it.
    pub number: u64,
    /// Its file, of those that are read together.
    pub file: u32,
}

impl Frame<'_> {
    /// Length on the wire. Some writers give one that is shorter than what they captured, or none at all.
    #[inline]
    pub fn on_wire(&self) -> u32 {
        self.length.max(self.before.saturating_add(self.bytes.len() as u32))
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts on a flow.
    Flow {
        /// The flow's slot.
        slot: u32,
        /// The flow's number in records.
        id: Id,
        /// Who sent it.
        side: Side,
        /// It is the flow's first.
        opened: bool,
        /// It is one that counts already, captured once more.
        again: bool,
    },
    /// No slot was free.
    Overflow,
    /// It carries no IP.
    NotIp,
    /// Its headers are cut short or contradict themselves.
    Undecodable,
}

/// First and last frame of a flow, by [`Frame::number`] and [`Frame::file`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// The first.
    pub first: u64,
    /// The last so far.
    pub last: u64,
    /// File of the first.
    pub first_file: u32,
    /// File of the last so far.
    pub last_file: u32,
    /// Flows that were opened before this one.
    pub opened: u64,
}

/// The flow table.
///
/// The hash is foldhash: addresses and ports are hashed for every packet, so it is the choice between the
/// two fast hashes with a seed of their own in each process, and this one has no dependencies.
#[derive(Debug)]
pub struct Table {
    config: TableConfig,
    index: Index,
    slots: Vec<Box<[Flow]>>,
    frames: Vec<Frames>,
    free: Vec<u32>,
    ended: Vec<u32>,
    fragments: Fragments,
    duplicates: Option<Box<Duplicates>>,
    counters: HookCounters,
    state: ParseState,
    packet: Packet,
    first: FragmentFlow,
    key: FlowKey,
    ahead: Vec<Option<Ahead>>,
    opened: u64,
}

/// What is known of a usual packet before it is counted.
#[derive(Debug)]
struct Ahead {
    packet: Packet,
    key: FlowKey,
    side: Side,
    tag: Tag,
}

impl Table {
    /// An empty table.
    pub fn new(config: TableConfig) -> Self {
        Self {
            config,
            index: Index::default(),
            slots: Vec::new(),
            frames: Vec::new(),
            free: Vec::new(),
            ended: Vec::new(),
            fragments: Fragments::default(),
            duplicates: config.once.then(|| Box::new(Duplicates::new())),
            counters: HookCounters::default(),
            state: ParseState::default(),
            packet: Packet::default(),
            first: FragmentFlow::default(),
            key: FlowKey::default(),
            ahead: Vec::new(),
            opened: 0,
        }
    }

    /// Looks at frames that are counted next, in this order, by [`Table::next`].
    pub fn look_ahead(&mut self, frames: &[Frame<'_>]) {
        self.ahead.clear();
        for frame in frames {
            let usual = usual(frame, &self.config.tunnels).map(|packet| {
                let mut key = FlowKey::default();
                let side = account::key(&packet, frame.ifindex, frame.hook_flags, frame.direction, &mut key);
                let tag = self.index.tag(&key);
                Ahead { packet, key, side, tag }
            });
            self.ahead.push(usual);
        }
        // None of these loads waits for another: they wait for memory all at once.
        let mut sum = 0;
        for ahead in self.ahead.iter().flatten() {
            if let Some(flow) = self.index.guess(ahead.tag).and_then(|slot| self.flow(slot)) {
                sum ^= touch(flow, ahead.side);
            }
        }
        std::hint::black_box(sum);
    }

    /// Counts the frame that was looked at as the `at`th.
    #[inline]
    pub fn next(&mut self, frame: &Frame<'_>, at: usize) -> Outcome {
        let Some(ahead) = self.ahead.get_mut(at).and_then(Option::take) else { return self.packet(frame) };
        self.packet = ahead.packet;
        self.packet.wire_length = frame.on_wire();
        self.key = ahead.key;
        let outcome = self.on_flow(frame, ahead.side, ahead.tag);
        self.tally(outcome)
    }

    /// Counts a frame.
    pub fn packet(&mut self, frame: &Frame<'_>) -> Outcome {
        let outcome = self.count(frame);
        self.tally(outcome)
    }

    #[inline]
    fn tally(&mut self, outcome: Outcome) -> Outcome {
        let counters = &mut self.counters;
        match outcome {
            Outcome::Flow { again: true, .. } => return outcome,
            Outcome::Flow { .. } => {}
            Outcome::Overflow => {
                let class = HookCounters::class(self.packet.protocol, self.packet.ip_version);
                counters.overflow += 1;
                counters.overflow_packets[class] += 1;
                counters.overflow_bytes[class] += u64::from(self.packet.wire_length);
            }
            Outcome::NotIp => counters.not_ip += 1,
            Outcome::Undecodable => counters.undecodable += 1,
        }
        counters.skbs += 1;
        counters.packets += 1;
        outcome
    }

    fn count(&mut self, frame: &Frame<'_>) -> Outcome {
        let packet = &mut self.packet;
        let tunnels = &self.config.tunnels;
        if let Some(usual) = usual(frame, tunnels) {
            *packet = usual;
        } else {
            let parse =
                if self.config.kernel_only { wire::parse::<[u8]> } else { wire::parse_capture::<[u8]> };
            match parse(frame.bytes, frame.link, length(frame), tunnels, &mut self.state, packet) {
                Ok(()) => {}
                Err(ParseError::NotIp) => return Outcome::NotIp,
                Err(ParseError::Truncated | ParseError::Malformed | ParseError::TooDeep) => {
                    return Outcome::Undecodable;
                }
            }
            if packet.fragment != Fragment::None as u8 {
                self.counters.fragments += 1;
                let Self { state, first, fragments, .. } = self;
                account::resolve(packet, state, frame.ifindex, first, fragments);
            }
        }
        packet.wire_length = frame.on_wire();
        let side = account::key(packet, frame.ifindex, frame.hook_flags, frame.direction, &mut self.key);
        let tag = self.index.tag(&self.key);
        self.on_flow(frame, side, tag)
    }

    /// Counts the packet at hand on its flow.
    #[inline]
    fn on_flow(&mut self, frame: &Frame<'_>, side: Side, tag: Tag) -> Outcome {
        // 0 is "not yet" in a slot.
        let now = frame.time.max(1);
        let mut look = None;
        let mut tag = tag;
        if let Some(duplicates) = self.duplicates.as_deref_mut() {
            let found = duplicates.look(&self.packet, frame.bytes);
            if let Some(Original { slot, opened }) = duplicates.copy_of(found, &self.packet, &self.key, now)
                && self.frames.get(slot as usize).is_some_and(|frames| frames.opened == opened)
            {
                return Outcome::Flow { slot, id: Id(opened + 1), side, opened: false, again: true };
            }
            if let Some(segment) = duplicates.segment(&self.key) {
                self.key.segment = segment;
                tag = self.index.tag(&self.key);
            }
            look = Some(found);
        }
        let known =
            self.index.get(tag, |slot| self.flow(slot).is_some_and(|flow| flow.head.key.get() == self.key));
        let anew = match known {
            Some(slot) if !self.config.merge_reused => {
                self.flow(slot).is_some_and(|flow| account::starts_anew(flow, &self.packet, side))
            }
            _ => false,
        };
        let (slot, opened) = match known {
            Some(slot) if !anew => (slot, false),
            _ => {
                let Some(slot) = self.allocate() else { return Outcome::Overflow };
                if let Some(old) = known {
                    self.index.remove(tag, old);
                    self.ended.push(old);
                }
                self.index.insert(tag, slot);
                (slot, true)
            }
        };
        let Some(flow) = get(&mut self.slots, slot) else { return Outcome::Overflow };
        if opened {
            flow.head.key.set(&self.key);
            account::open(flow, &self.packet, side, now);
            flow.head.live.set(1);
        }
        account::account(flow, &self.packet, side, &account::At(now));
        if let Some(frames) = self.frames.get_mut(slot as usize) {
            if opened {
                frames.first = frame.number;
                frames.first_file = frame.file;
                frames.opened = self.opened;
                self.opened += 1;
            }
            frames.last = frame.number;
            frames.last_file = frame.file;
        }
        if let (Some(look), Some(duplicates)) = (look, self.duplicates.as_deref_mut()) {
            let of = Original { slot, opened: self.frames.get(slot as usize).map_or(0, |f| f.opened) };
            duplicates.remember(look, &self.packet, &self.key, now, of);
        }
        Outcome::Flow { slot, id: self.id(slot), side, opened, again: false }
    }

    /// A free slot, if the table may hold one more.
    fn allocate(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.frames.len();
        if slot >= self.config.max_flows as usize {
            return None;
        }
        if slot == self.slots.len() * CHUNK {
            self.slots.push(std::iter::repeat_with(Flow::default).take(CHUNK).collect());
        }
        self.frames.push(Frames::default());
        Some(slot as u32)
    }

    /// The last packet that was parsed, whatever became of it.
    pub const fn last_packet(&self) -> &Packet {
        &self.packet
    }

    /// Of the last packet, if it is a fragment: the key of that, and where in the frame its IP header begins.
    pub(super) fn last_fragment(&self) -> Option<(FragmentKey, u32)> {
        if self.packet.fragment == Fragment::None as u8 { None } else { self.state.fragment(&self.packet) }
    }

    /// A slot, whether live or not; `None` beyond those ever used.
    pub fn flow(&self, slot: u32) -> Option<&Flow> {
        self.slots.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)
    }

    /// The number in records of the flow in a slot.
    pub fn id(&self, slot: u32) -> Id {
        Id(self.frames(slot).opened + 1)
    }

    /// First and last frame of the flow in a slot.
    pub fn frames(&self, slot: u32) -> Frames {
        self.frames.get(slot as usize).copied().unwrap_or_default()
    }

    /// Slots that may be live: all below this number.
    pub const fn slots(&self) -> u32 {
        self.frames.len() as u32
    }

    /// Flows that go on.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The live flows and their slots, those that ended and were not yet released included, in the order
    /// of slots.
    pub fn live(&self) -> impl Iterator<Item = (u32, &Flow)> {
        let all = self.slots.iter().flat_map(|chunk| chunk.iter()).zip(0..);
        all.filter(|(flow, _)| flow.head.live.get() != 0).map(|(flow, slot)| (slot, flow))
    }

    /// A slot whose 5-tuple was used again, and which is to be [released](Self::release).
    #[inline]
    pub fn pop_ended(&mut self) -> Option<u32> {
        self.ended.pop()
    }

    /// Empties a slot for another flow; its 5-tuple is forgotten, unless another slot has it already.
    pub fn release(&mut self, slot: u32) {
        let Some(flow) = get(&mut self.slots, slot) else { return };
        if flow.head.live.get() == 0 {
            return;
        }
        let tag = self.index.tag(&flow.head.key.get());
        self.index.remove(tag, slot);
        flow.clear();
        self.free.push(slot);
    }

    /// Packets that were captured once more, and count once.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.as_ref().map_or(0, |duplicates| duplicates.packets)
    }

    /// What was counted, as a hook of the kernel counts it: `packets` is the sum of those on flows,
    /// overflow, not IP and undecodable.
    pub const fn counters(&self) -> &HookCounters {
        &self.counters
    }
}

/// Length on the wire from `link` on.
fn length(frame: &Frame<'_>) -> u32 {
    frame.on_wire().saturating_sub(frame.before)
}

/// The short parser's answer.
#[inline]
fn usual(frame: &Frame<'_>, tunnels: &TunnelPorts) -> Option<Packet> {
    match frame.link {
        Link::Ethernet => wire::parse_fast(frame.bytes, length(frame), || *tunnels),
        Link::Ip | Link::EtherType(_) | Link::Ppp => None,
    }
}

/// Reads a word of each line that a packet of this side is about to touch.
#[inline]
fn touch(flow: &Flow, side: Side) -> u64 {
    let [lower, upper] = &flow.hot;
    let Some(counters) = flow.counters.get(side.index()) else { return 0 };
    lower.last.get()
        ^ upper.last.get()
        ^ u64::from(counters.psh.get())
        ^ u64::from(flow.timing[0].mss.get())
        ^ flow.head.first.get()
        ^ flow.head.first_response.get()
}

fn get(slots: &mut [Box<[Flow]>], slot: u32) -> Option<&mut Flow> {
    slots.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)
}
