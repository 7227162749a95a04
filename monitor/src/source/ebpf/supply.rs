//! Being woken when free slots run out.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::{
    Ebpf,
    maps::{Map, MapData, RingBuf},
};
use monitor_common::abi;

use super::{Error, Source, sys::Mapping};

/// Free slots that are left when the kernel side wakes user space, as a part of those that were free after the last
/// drain: the rest is for what comes until the next has ended.
const LEFT: u64 = 2;

pub(super) struct Supply {
    words: Mapping<abi::Supply>,
    wake: RingBuf<MapData>,
}

impl Supply {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, Error> {
        // It stays where it is: a program that is loaded later refers to it.
        let Some(Map::Array(words)) = ebpf.map("SUPPLY") else {
            return Err(Error::Incomplete("SUPPLY"));
        };
        let words = Mapping::new(words, 1).map_err(|source| Error::System {
            operation: "mapping",
            subject: "the number of slots that are taken",
            source,
        })?;
        let wake = ebpf.take_map("WAKE").ok_or(Error::Incomplete("WAKE"))?;
        Ok(Self { words, wake: RingBuf::try_from(wake).map_err(Error::map("WAKE"))? })
    }

    /// So many slots are free now.
    fn expect(&self, free: u32) {
        let Some(words) = self.words.get(0) else { return };
        let free = u64::from(free);
        words.wake_at.set(words.taken.get() + (free - free / LEFT).max(1));
    }

    /// Whether user space was woken since this was last asked.
    fn was_woken(&mut self) -> bool {
        let mut woken = false;
        while self.wake.next().is_some() {
            woken = true;
        }
        woken
    }
}

impl Source {
    /// What becomes readable when free slots run out.
    pub fn alarm(&self) -> BorrowedFd<'_> {
        self.supply.wake.as_fd()
    }

    /// Whether free slots ran out since this was last asked.
    pub fn is_short(&mut self) -> bool {
        self.supply.was_woken()
    }

    /// From now on the kernel side wakes user space when half of what is free was taken.
    pub(super) fn set_alarm(&self) {
        self.supply.expect(self.options.max_flows.saturating_sub(self.live));
    }
}
