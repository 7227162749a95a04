//! From a key to its slot.
#![expect(unsafe_code, reason = "map values by pointer")]

use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_FORCE_WAKEUP};
use monitor_common::{
    abi::{Flow, FlowKey, IndexLine, KEY_WORDS, Place, Side, Supply, WAYS},
    account,
    wire::Packet,
};

use crate::maps::{FLOWS, FREE, HIGH_WATER, INDEX, INDEX_MASK, SLOTS, SUPPLY, WAKE, this_cpu};
use crate::report;

/// Another CPU had the same new key and was first (include/uapi/asm-generic/errno-base.h).
const EEXIST: i32 = 17;

/// Where the index has a key.
pub(crate) struct Hints {
    line: &'static IndexLine,
    place: Place,
}

impl Hints {
    /// The line of a key; `None`: there is no index.
    #[inline(always)]
    fn of(words: &[u64; KEY_WORDS]) -> Option<Self> {
        let place = Place::of(words);
        let mask = INDEX_MASK.get(0)?;
        Some(Self { line: INDEX.get(place.line() & *mask)?, place })
    }
}

/// The slot that a key has.
#[inline(always)]
pub(crate) fn find(key: &FlowKey) -> Option<(u32, &'static Flow)> {
    let index = number(key);
    if index == NONE {
        return None;
    }
    Some((index, SLOTS.get(index)?))
}

/// No slot.
const NONE: u32 = u32::MAX;

/// Its number: by the index, and where that has no hint or a stale one by the hash, whose answer the index gets. A
/// function of its own, whose every way ends in a number: the verifier goes on from there once.
#[inline(never)]
fn number(key: &FlowKey) -> u32 {
    let words = key.words();
    let Some(hints) = Hints::of(&words) else { return NONE };
    let mut way = 0;
    while way < WAYS {
        if let Some(index) = hints.line.hint(hints.place, way)
            && let Some(flow) = SLOTS.get(index)
            && flow.head.key.is(&words)
        {
            return index;
        }
        way += 1;
    }
    // SAFETY: values of a preallocated map stay readable; nobody writes one after its insertion.
    let index = FLOWS.get_ptr(key).map_or(NONE, |pointer| unsafe { pointer.read() });
    if index != NONE {
        hints.line.note(hints.place, index);
    }
    index
}

/// A slot for a key that has none yet. `None`: the table is full.
///
/// The slot is ready before its key is published, so a packet on another CPU that finds the key
/// may count at once. Of two CPUs with the same new key one loses and gives its slot back.
#[inline(always)]
pub(crate) fn create(key: &FlowKey, packet: &Packet, side: Side, now: u64) -> Option<(u32, &'static Flow)> {
    let index = FREE.pop().ok().flatten()?;
    let Some(flow) = SLOTS.get(index) else {
        report::no_such_slot(index);
        return None;
    };
    // A popped slot is this program's alone until its key is in the map.
    flow.head.key.set(key);
    account::open(flow, packet, side, now);
    flow.head.live.set(1);
    if let Some(high) = this_cpu(&HIGH_WATER)
        && *high <= index
    {
        *high = index + 1;
    }
    count_taken();
    let Err(code) = FLOWS.insert(key, index, BPF_NOEXIST as u64) else {
        flow.head.key.publish();
        return Some((index, flow));
    };
    if code != -EEXIST {
        report::not_published(index, code);
    }
    flow.head.live.set(0);
    if let Err(code) = FREE.push(index, 0) {
        report::not_given_back(index, code);
    }
    find(key)
}

/// One slot fewer is free. When user space wanted to hear of that it is woken, once: who else comes at the same time
/// wakes it again at worst.
#[inline(always)]
fn count_taken() {
    let Some(supply) = SUPPLY.get(0) else { return };
    supply.taken.add(1);
    if supply.taken.get() >= supply.wake_at.get() {
        supply.wake_at.set(Supply::NEVER);
        wake();
    }
}

#[inline(never)]
fn wake() {
    // A message that finds no room is one of many that nobody has read: user space is awake.
    let _ = WAKE.output::<u64>(0_u64, BPF_RB_FORCE_WAKEUP as u64);
}
