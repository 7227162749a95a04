//! Slots as a process left them that may have died anywhere.

use crate::source::ebpf::{Error, grace::Grace, slots::Slots};

/// Puts in order what a dead process left half done. Returns the slots to which no key leads any more:
/// their flows are to end.
///
/// - A slot whose numbers the state of `generation` has (its mark says so) is emptied and given back.
/// - One that was marked for a state that never came into force has its numbers itself.
/// - One whose key was deleted, or found another slot since, gets no more packets.
pub(in crate::source::ebpf) fn recover(
    slots: &mut Slots,
    grace: &Grace,
    generation: u64,
) -> Result<Vec<u32>, Error> {
    let count = slots.high_water()?;
    for slot in 0..count {
        let Some(flow) = slots.get(slot) else { continue };
        let retired = flow.head.retired.get();
        if retired != 0 && retired <= generation {
            slots.empty(slot)?;
        } else if retired != 0 {
            flow.head.retired.set(0);
        }
    }
    // A program that has just made a slot ready publishes its key within its run.
    let unkeyed = lost(slots, 0..count)?;
    grace.wait()?;
    lost(slots, unkeyed.into_iter())
}

/// Live slots that are not those of their keys.
fn lost(slots: &Slots, among: impl Iterator<Item = u32>) -> Result<Vec<u32>, Error> {
    let mut lost = Vec::new();
    for slot in among {
        let Some(flow) = slots.get(slot).filter(|flow| flow.head.live.get() != 0) else { continue };
        if slots.find(&flow.head.key.get())? != Some(slot) {
            lost.push(slot);
        }
    }
    Ok(lost)
}
