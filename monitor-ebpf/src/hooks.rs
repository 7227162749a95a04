//! The counters of the hook that a packet passes.
#![expect(unsafe_code, reason = "per-CPU pointers")]

use monitor_common::abi::{Direction, HookCounters};

use crate::maps::{HOOKS, config};

/// The cell of an interface and direction on this CPU; `None`: nobody asked to watch it.
#[inline(always)]
pub(crate) fn find(ifindex: u32, direction: Direction) -> Option<&'static mut HookCounters> {
    let mut probe = 0;
    while probe < HookCounters::PROBES {
        let index = HookCounters::map_index(HookCounters::cell(ifindex, probe, config::cells()), direction);
        let pointer = HOOKS.get_ptr_mut(index)?;
        // SAFETY: programs of one CPU do not interrupt each other here; one reference a program.
        let cell = unsafe { &mut *pointer };
        if cell.ifindex == ifindex {
            return Some(cell);
        }
        probe += 1;
    }
    None
}
