//! How many slots were taken, and when user space wants to hear of it.

use crate::cell::Cell64;

/// One value of a map of its own: a line that only new flows touch.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C, align(64))]
pub struct Supply {
    /// Slots taken from the free ones since the programs were loaded. It only grows.
    pub taken: Cell64,
    /// User space is woken when so many were taken; [`Supply::NEVER`]: it was, or wants nothing.
    pub wake_at: Cell64,
}

impl Supply {
    /// Nobody is woken.
    pub const NEVER: u64 = u64::MAX;
}

const _: () = assert!(size_of::<Supply>() == 64);
