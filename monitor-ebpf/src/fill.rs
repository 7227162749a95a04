//! Filling the list of free slots: user space would need a system call for each of them.
#![expect(unsafe_code, reason = "a map value by pointer")]

use crate::maps::{FREE, UNOFFERED};

/// Slots that one run offers at most.
const STEP: u32 = 256;

/// Offers the highest slots that were not offered yet, so that the lowest number comes out first.
#[inline(always)]
pub(crate) fn offer() {
    let Some(unoffered) = UNOFFERED.get_ptr_mut(0) else { return };
    // SAFETY: user space runs this program on one thread, and nobody else writes the value meanwhile.
    let unoffered = unsafe { &mut *unoffered };
    let mut step = 0;
    while step < STEP {
        let left = *unoffered;
        if left == 0 || FREE.push(left - 1, 0).is_err() {
            return;
        }
        *unoffered = left - 1;
        step += 1;
    }
}
