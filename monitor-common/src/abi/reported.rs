//! What user space has told of the flow in a slot, in words of its own beside the slots: pinned with
//! them, they tell a successor from where to go on.

use super::Counters;
use crate::cell::Cell64;

/// Words of a [`Reported`]: two readings, each with half a word for every counter of both directions, and the rest.
pub const REPORTED_WORDS: usize = 48 + 2 * (Counters::TCP + 1);

/// Watermark of one slot. Only user space reads and writes it; what the words mean is the engine's.
#[repr(C)]
pub struct Reported(pub [Cell64; REPORTED_WORDS]);

const _: () = assert!(size_of::<Reported>() == 640);

impl Reported {
    /// Nothing was told.
    pub const fn new() -> Self {
        Self([const { Cell64::new(0) }; REPORTED_WORDS])
    }
}

impl Default for Reported {
    fn default() -> Self {
        Self::new()
    }
}
