//! Later fragments count on the flow of their first.

use monitor_common::{
    abi::{FragmentFlow, FragmentKey},
    account::{self, FragmentTable},
};

use crate::maps::{FRAGMENTS, Scratch};

/// The map of first fragments.
struct Remembered;

impl FragmentTable for Remembered {
    #[inline(always)]
    #[expect(unsafe_code, reason = "a map value by reference")]
    fn get(&self, key: &FragmentKey) -> Option<FragmentFlow> {
        // SAFETY: copied at once; at worst the flow of another datagram after a reuse of the element.
        unsafe { FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn insert(&mut self, key: &FragmentKey, flow: &FragmentFlow) {
        // A table that takes nothing more costs a later fragment its ports, never a count.
        let _ = FRAGMENTS.insert(key, flow, 0);
    }
}

/// Remembers the flow of a first fragment, or gives it to a later one.
#[inline(always)]
pub(crate) fn resolve(scratch: &mut Scratch, ifindex: u32) {
    let Scratch { packet, state, flow } = scratch;
    account::resolve(packet, state, ifindex, flow, &mut Remembered);
}
