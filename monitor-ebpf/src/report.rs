//! Errors that should not happen, into the agent's log. Rare: each costs the packet that met it a
//! few hundred nanoseconds, and the ring that carries them is small.

use aya_log_ebpf::error;

/// The list of free slots gave a number that is no slot's.
#[inline(never)]
pub(crate) fn no_such_slot(slot: u32) {
    error!((), "the list of free slots holds {}, which is no slot", slot);
}

/// A key could not be published, and not because another CPU was first.
#[inline(never)]
pub(crate) fn not_published(slot: u32, code: i32) {
    error!((), "the key of slot {} was not published: error {}", slot, code);
}

/// A slot could not be given back: it is lost until the agent starts again.
#[inline(never)]
pub(crate) fn not_given_back(slot: u32, code: i32) {
    error!((), "slot {} was not given back: error {}", slot, code);
}
