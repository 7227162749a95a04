//! What an engine leaves for the next one that reads the same slots.
//!
//! Two parts. [`Carried`] has what accounts for packets: the totals of the interfaces without the flows
//! that are in slots, whose counters the slots have themselves. So it changes only with flows that end
//! and with what was counted elsewhere, and holds wherever the process dies: carried + slots = counted.
//! A [`Reported`] for each slot has what else was told of its flow: how far series and records have
//! counted it, its connection, its name.

use std::sync::atomic::{Ordering, fence};

use monitor_common::{
    abi::{ClientRule, Flow, HookCounters, REPORTED_WORDS, Reported, Side},
    account,
    cell::Cell64,
};
use serde::{Deserialize, Serialize};

use super::{
    Engine,
    flows::{Flows, packets},
};
use crate::{
    application::Application,
    flow::{
        reading::{Reading, SideReading},
        record::Unwritten,
        state::{TRACK_WORDS, Track},
    },
    label::TcpCounter,
    names::Name,
    record::{NameSource, Text},
    totals::{InterfaceTotals, Io},
};
use monitor_common::abi::TRAFFIC_CLASSES;

/// Traffic by direction and class.
pub(super) type Traffic = [[Io; TRAFFIC_CLASSES]; 2];

/// Totals of the interfaces, less what the slots have: a difference, which may be below zero (wrapping)
/// where an interface was renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// By name, sorted.
    pub interfaces: Vec<InterfaceTotals>,
    /// What reads which hooks.
    pub attachments: Vec<CarriedAttachment>,
}

/// An index of the kernel, and how far its hooks were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedAttachment {
    /// The kernel's index.
    pub ifindex: u32,
    /// Name in [`Carried::interfaces`].
    pub name: String,
    /// By direction.
    pub(super) hooks: [CarriedHook; 2],
}

/// See [`CarriedAttachment`]: the fields of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedHook {
    pub(super) last: Vec<u64>,
    pub(super) flows: u64,
    pub(super) told: [u64; crate::label::Outcome::COUNT],
}

/// Where the parts of a [`Reported`] begin; the first word is when the flow began.
mod at {
    use super::{REPORTED_WORDS, TRACK_WORDS};
    pub(super) const CONNECTION: usize = 1;
    pub(super) const BEGUN: usize = 2;
    /// 0: nothing is owed to records.
    pub(super) const RECORDED_AT: usize = 3;
    pub(super) const TRACK: usize = 4;
    pub(super) const COUNTED: usize = TRACK + TRACK_WORDS;
    pub(super) const RECORDED: usize = COUNTED + super::READING_WORDS;
    pub(super) const NAME: usize = REPORTED_WORDS - 16;
    const _: () = assert!(RECORDED + super::READING_WORDS <= NAME);
}

/// [`at::CONNECTION`]: the flow counts under its name, beside the number of its connection.
const DECIDED: u64 = 1 << 32;
/// There too: the connection was silent in another slot before; and its client, which this slot does not say.
const RESUMED: u64 = 1 << 33;
const CLIENT_SHIFT: u32 = 34;

/// 64-bit counters of a side, then the others of both in pairs.
const READING_WORDS: usize = 2 * 5 + (1 + TcpCounter::COUNT + 1);

/// What was told of a flow, as a successor needs it.
struct Watermark {
    told: u32,
    decided: bool,
    /// The client of a connection that was silent in another slot before.
    resumed: Option<(Side, ClientRule)>,
    begun: u64,
    track: Track,
    counted: Reading,
    recorded: Option<(Reading, u64)>,
    name: Option<Name>,
    application: Option<Application>,
}

impl Watermark {
    /// `None`: the words are of another flow, or of none.
    fn read(reported: &Reported, flow: &Flow) -> Option<Self> {
        let words = &reported.0;
        let word = |at: usize| words.get(at).map_or(0, Cell64::get);
        let first = word(0);
        if first == 0 || first != flow.head.first.get() {
            return None;
        }
        let mut track = [0; TRACK_WORDS];
        for (i, to) in track.iter_mut().enumerate() {
            *to = word(at::TRACK + i);
        }
        let counted = reading(words.get(at::COUNTED..)?);
        let is_behind = |r: &Reading| {
            let seen = |side: Side| flow.hot[side.index()].packets.get();
            r.0[0].packets <= seen(Side::Lower) && r.0[1].packets <= seen(Side::Upper)
        };
        let recorded = reading(words.get(at::RECORDED..)?);
        let recorded_at = Some(word(at::RECORDED_AT)).filter(|at| *at != 0 && is_behind(&recorded));
        let (name, application) = read_names(words.get(at::NAME..)?);
        is_behind(&counted).then(|| Self {
            told: word(at::CONNECTION) as u32,
            decided: word(at::CONNECTION) & DECIDED != 0,
            resumed: resumed(word(at::CONNECTION)),
            begun: word(at::BEGUN),
            track: Track::restore(&track),
            counted,
            recorded: recorded_at.map(|at| (recorded, at)),
            name,
            application,
        })
    }
}

/// What [`at::CONNECTION`] says of the client of a connection that was silent.
const fn resumed(word: u64) -> Option<(Side, ClientRule)> {
    if word & RESUMED == 0 {
        return None;
    }
    let client = word >> CLIENT_SHIFT;
    let side = if client & 1 == 0 { Side::Lower } else { Side::Upper };
    let rule = match client >> 1 & 3 {
        2 => ClientRule::Syn,
        1 => ClientRule::SynAck,
        _ => ClientRule::First,
    };
    Some((side, rule))
}

/// The other way round.
const fn resumed_word(resumed: bool, (side, rule): (Side, ClientRule)) -> u64 {
    if resumed { RESUMED | (side as u64 | (rule as u64) << 1) << CLIENT_SHIFT } else { 0 }
}

fn reading(words: &[Cell64]) -> Reading {
    let mut words = words.iter().map(Cell64::get);
    let mut next = || words.next().unwrap_or(0);
    let mut out = Reading::default();
    for side in &mut out.0 {
        side.packets = next();
        side.bytes = next();
        side.payload_bytes = next();
        side.ip_bytes = next();
        side.rtt_sum = next();
    }
    let pair = |word: u64| [word as u32, (word >> 32) as u32];
    [out.0[0].rtt_samples, out.0[1].rtt_samples] = pair(next());
    for counter in TcpCounter::ALL.map(TcpCounter::index) {
        [out.0[0].tcp[counter], out.0[1].tcp[counter]] = pair(next());
    }
    [out.0[0].fragments, out.0[1].fragments] = pair(next());
    out
}

fn write_reading(words: &[Cell64], reading: &Reading) {
    let mut words = words.iter();
    let mut put = |value: u64| {
        if let Some(word) = words.next() {
            word.set(value);
        }
    };
    let [lower, upper] = &reading.0;
    for SideReading { packets, bytes, payload_bytes, ip_bytes, rtt_sum, .. } in [lower, upper] {
        for value in [packets, bytes, payload_bytes, ip_bytes, rtt_sum] {
            put(*value);
        }
    }
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    put(pair(lower.rtt_samples, upper.rtt_samples));
    for (low, high) in lower.tcp.iter().zip(&upper.tcp) {
        put(pair(*low, *high));
    }
    put(pair(lower.fragments, upper.fragments));
}

const SOURCES: [NameSource; 7] = [
    NameSource::Sni,
    NameSource::Quic,
    NameSource::Http,
    NameSource::Dns,
    NameSource::Certificate,
    NameSource::Ech,
    NameSource::Migration,
];

/// Source, length of the name, length of the application's word, and both. A name that does not fit is
/// left out: its flow then counts as one without.
fn write_names(words: &[Cell64], name: Option<&Name>, application: Option<Application>) {
    let mut bytes = [0; 16 * 8];
    let word = application.map_or("", Application::as_str);
    let name = name.filter(|name| 3 + name.text.as_str().len() + word.len() <= bytes.len());
    let source = name.and_then(|name| SOURCES.iter().position(|s| *s == name.source)).unwrap_or(0);
    let text = name.map_or("", |name| name.text.as_str());
    let all = [source as u8, text.len() as u8, word.len() as u8];
    for (to, from) in bytes.iter_mut().zip(all.into_iter().chain(text.bytes()).chain(word.bytes())) {
        *to = from;
    }
    for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
        word.set(bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b)));
    }
}

fn read_names(words: &[Cell64]) -> (Option<Name>, Option<Application>) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.get().to_le_bytes()).collect();
    let [source, name, word, rest @ ..] = bytes.as_slice() else { return (None, None) };
    let text = |from: usize, length: u8| {
        std::str::from_utf8(rest.get(from..from + usize::from(length)).unwrap_or_default()).unwrap_or("")
    };
    let (text, word) = (text(0, *name), text(usize::from(*name), *word));
    let source = SOURCES.get(usize::from(*source)).copied().unwrap_or(NameSource::Dns);
    let name = (!text.is_empty()).then(|| Name { text: Text::from(text), source });
    (name, Application::ALL.iter().copied().find(|a| a.as_str() == word))
}

/// An engine that leaves its flows in their slots, or that goes on where another did; see
/// [`Engine::succession`].
#[derive(Debug)]
pub struct Succession<'a>(pub(super) &'a mut Engine);

impl Succession<'_> {
    /// Remembers from now on which flows have news for [`Self::report`].
    pub fn keep_watermarks(&mut self) {
        self.0.flows.moved = Some(Vec::new());
    }

    /// Slots whose [`Reported`] is to be written again.
    pub fn take_moved(&mut self) -> Vec<u32> {
        let mut moved = self.0.flows.moved.as_mut().map(std::mem::take).unwrap_or_default();
        moved.sort_unstable();
        moved.dedup();
        moved
    }

    /// What accounts for packets, without the flows in slots.
    pub fn carry(&self) -> Carried {
        let Engine { flows, books } = &*self.0;
        let mut live: Vec<Traffic> = vec![Traffic::default(); books.interfaces.attachments()];
        for (_, entry) in flows.table.iter() {
            let Some(live) = live.get_mut(entry.attachment as usize) else { continue };
            let class = HookCounters::class(entry.key.protocol, entry.key.ip_version);
            for side in [Side::Lower, Side::Upper] {
                let counted = entry.reading.side(side);
                let io = Io { packets: counted.packets, bytes: counted.bytes };
                if let Some(sum) = live[account::direction(entry.view, side).index()].get_mut(class) {
                    sum.add(io);
                }
            }
        }
        books.interfaces.carry(&live)
    }

    /// Goes on where another engine was: before the interfaces are set and before the first drain, at
    /// which each live slot is adopted.
    pub fn take_over(&mut self, carried: Carried) {
        self.0.books.interfaces.take_over(carried);
    }

    /// Reads a slot for the first time that another engine may have read before: what that one reported is
    /// not reported again, but the packets of its interface, which nothing but the slot has.
    pub fn adopt(&mut self, slot: u32, flow: &Flow, reported: &Reported) {
        let Engine { flows, books } = &mut *self.0;
        if flows.table.entry(slot).is_some() || packets(flow) == [0; 2] {
            return;
        }
        let Some(told) = Watermark::read(reported, flow) else { return };
        flows.open(books, slot, flow);
        let Some(entry) = flows.table.entry_mut(slot) else { return };
        entry.told = told.told;
        entry.begun = told.begun;
        entry.track = told.track;
        if let Some(seen) = told.resumed {
            entry.resumed = true;
            entry.answered = true;
            entry.seen = seen;
            entry.track.restore_resumed();
            let parties = flows.host.parties(&entry.key, seen, &books.config.services);
            entry.set_parties(parties);
        }
        entry.talk.known.name = told.name;
        entry.talk.known.application = told.application;
        entry.naming.inherit(told.decided);
        entry.reading = told.counted;
        entry.inherited = Some(Box::new(told.counted));
        if books.config.records
            && let Some((recorded, at)) = told.recorded
        {
            entry.unwritten = Some(Unwritten::new(recorded, at));
        }
        books.count_sighting(entry, &told.counted);
    }

    /// Writes what was told of the flow in a slot.
    pub fn report(&self, slot: u32, reported: &Reported) {
        let words = &reported.0;
        let set = |at: usize, value: u64| {
            if let Some(word) = words.get(at) {
                word.set(value);
            }
        };
        let Some(entry) = self.0.flows.table.entry(slot) else { return };
        if words[0].get() != entry.first {
            // Until all words are this flow's they are nobody's.
            set(0, 0);
            fence(Ordering::Release);
        }
        let decided = if entry.naming.is_decided() { DECIDED } else { 0 };
        let resumed = resumed_word(entry.resumed, entry.seen);
        set(at::CONNECTION, u64::from(entry.told) | decided | resumed);
        set(at::BEGUN, entry.begun);
        for (i, word) in entry.track.save().into_iter().enumerate() {
            set(at::TRACK + i, word);
        }
        if let Some(words) = words.get(at::COUNTED..) {
            write_reading(words, &entry.reading);
        }
        // Without records nothing is owed to them: whoever writes some begins where it begins.
        let recorded = entry.unwritten.as_ref().map_or((&entry.reading, entry.last), |u| u.written());
        if let Some(words) = words.get(at::RECORDED..) {
            write_reading(words, recorded.0);
        }
        set(at::RECORDED_AT, recorded.1.max(1));
        if let Some(words) = words.get(at::NAME..) {
            write_names(words, entry.talk.known.name.as_ref(), entry.talk.known.application);
        }
        fence(Ordering::Release);
        set(0, entry.first);
    }

    /// After the last drain of an engine that has a successor: flows do not end. What waits for a name is
    /// counted, and what records have not told is written.
    pub fn suspend(&mut self, now: u64) {
        let Engine { flows, books } = &mut *self.0;
        books.step_to(now);
        flows.settle(books);
        for slot in flows.table.slots() {
            flows.end_earlier(books, slot);
            let Flows { table, payloads, moved, .. } = flows;
            let Some(entry) = table.entry_mut(slot).filter(|entry| entry.is_representative()) else {
                continue;
            };
            Flows::name_silent(payloads, entry);
            books.name(entry, true);
            books.interim(entry);
            if let Some(moved) = moved {
                moved.push(slot);
            }
        }
        books.interfaces.publish();
    }
}

#[cfg(test)]
mod tests;
