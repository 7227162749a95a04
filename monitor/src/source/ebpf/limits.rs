//! What this process may have of the system.
//!
//! Locked memory: kernels before 5.11 count maps and programs against `RLIMIT_MEMLOCK`, 64 KiB by default
//! (kernel/bpf/syscall.c, `bpf_charge_memlock`), and answer as if a right were missing.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::probe::Features;

/// Asks for no limit, and where that takes a right that is missing, for as much as this process may have. Best
/// effort: where it is too little and matters, creating the maps says so.
pub(super) fn raise_locked_memory() {
    if setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_err() {
        let maximum = getrlimit(Resource::Memlock).maximum;
        // What stands in the way is in the error of the map that needs more.
        let _ = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    }
}

/// The limit in bytes, if this kernel counts maps against it and there is one.
pub(super) fn locked_memory(features: Features) -> Option<u64> {
    if features.locked_memory { getrlimit(Resource::Memlock).current } else { None }
}

/// Asks for as many descriptors as this process may have: an interface takes three, and the limit that most are
/// started with is for programs that use select(2).
pub fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // What stands in the way is in the error of the interface that needs more.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
