//! Who is behind the packets that found no slot.

use std::cmp::Reverse;
use std::collections;

use aya::maps::{HashMap, MapData};
use monitor_common::abi::{COARSE_ENTRIES, CoarseCounters, CoarseKey};

use super::{Error, Source};

/// Entries from which on room is made for victims that are still to come.
const CROWDED: usize = COARSE_ENTRIES as usize / 4 * 3;
/// Entries that then stay: those that gained most since the last reading, and of equals those with most packets.
const KEPT: usize = COARSE_ENTRIES as usize / 4;

/// What was read of the table last.
#[derive(Debug, Default)]
pub(super) struct Victims {
    /// Packets that found no slot until then.
    overflow: u64,
    packets: collections::HashMap<CoarseKey, u64>,
}

impl Victims {
    /// Entries of the table.
    pub(super) fn known(&self) -> usize {
        self.packets.len()
    }

    /// What an entry gained since the last reading.
    fn gained(&self, key: &CoarseKey, counters: &CoarseCounters) -> u64 {
        counters.packets.saturating_sub(self.packets.get(key).copied().unwrap_or_default())
    }
}

impl Source {
    /// Who is behind the packets that found no slot, most packets since the start first. A table that
    /// becomes full is thinned out: a flood of made-up servers does not hide those that come after it.
    pub fn coarse(&mut self) -> Result<Vec<(CoarseKey, CoarseCounters)>, Error> {
        let map = self.ebpf.map_mut("COARSE").ok_or(Error::Incomplete("COARSE"))?;
        let mut map: HashMap<&mut MapData, CoarseKey, CoarseCounters> =
            HashMap::try_from(map).map_err(Error::map("COARSE"))?;
        let mut entries: Vec<_> = map.iter().filter_map(Result::ok).collect();
        if entries.len() >= CROWDED {
            entries.sort_by_cached_key(|(key, counters)| {
                Reverse((self.coarse.gained(key, counters), counters.packets))
            });
            for (key, _) in entries.split_off(KEPT) {
                // One that is gone already is as good.
                drop(map.remove(&key));
            }
        }
        self.coarse.packets = entries.iter().map(|(key, counters)| (*key, counters.packets)).collect();
        entries.sort_unstable_by_key(|(_, counters)| Reverse(counters.packets));
        Ok(entries)
    }

    /// The same, if packets found no slot since it was last asked for: reading an entry is two system calls.
    pub fn coarse_after(&mut self, overflow: u64) -> Option<Result<Vec<(CoarseKey, CoarseCounters)>, Error>> {
        (std::mem::replace(&mut self.coarse.overflow, overflow) != overflow).then(|| self.coarse())
    }
}
