//! From a key to its slot.
#![expect(unsafe_code, reason = "map values by pointer")]

use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_FORCE_WAKEUP};
use monitor_common::{
    abi::{Flow, FlowKey, Side, Supply},
    account,
    wire::Packet,
};

use crate::maps::{FLOWS, FREE, HIGH_WATER, SLOTS, SUPPLY, WAKE, this_cpu};
use crate::report;

/// Another CPU had the same new key and was first (include/uapi/asm-generic/errno-base.h).
const EEXIST: i32 = 17;

/// The slot that a key has.
#[inline(always)]
pub(crate) fn find(key: &FlowKey) -> Option<(u32, &'static Flow)> {
    let pointer = FLOWS.get_ptr(key)?;
    // SAFETY: values of a preallocated map stay readable; nobody writes one after its insertion.
    let index = unsafe { pointer.read() };
    Some((index, SLOTS.get(index)?))
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
