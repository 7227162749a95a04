//! The grace period: when it has passed, no program still holds what was unpublished before.

use std::os::fd::OwnedFd;

use aya::maps::MapData;

use super::{Error, sys};

/// How to wait for running programs.
pub(super) enum Grace {
    /// membarrier(2), global.
    Membarrier,
    /// Where that is refused (`nohz_full`, seccomp): an update of a map in a map waits as well
    /// (kernel/bpf/syscall.c, `maybe_wait_bpf_programs`).
    MapInMap { outer: OwnedFd, inner: MapData },
}

impl Grace {
    pub(super) fn new() -> Result<Self, Error> {
        if sys::membarrier_global().is_ok() { Ok(Self::Membarrier) } else { Self::map_in_map() }
    }

    fn map_in_map() -> Result<Self, Error> {
        let failed =
            |source| Error::System { operation: "creating maps for", subject: "the grace period", source };
        let inner = sys::create_array(4, 1, 0).map_err(failed)?;
        let outer = sys::create_array_of_maps(&inner).map_err(failed)?;
        Ok(Self::MapInMap { outer, inner })
    }

    /// Waits until every program that runs now has ended.
    pub(super) fn wait(&self) -> Result<(), Error> {
        match self {
            Self::Membarrier => sys::membarrier_global(),
            Self::MapInMap { outer, inner } => sys::set_map(outer, inner),
        }
        .map_err(|source| Error::System {
            operation: "waiting for",
            subject: "running programs",
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membarrier_is_enough_for_an_unprivileged_process() {
        assert!(matches!(Grace::new().expect("a grace period"), Grace::Membarrier));
    }
}
