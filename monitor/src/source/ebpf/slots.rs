//! The flow table as user space sees it: a mapping of the slots, the keys, the free list.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Ebpf,
    maps::{Map, MapData, PerCpuArray},
};
use monitor_common::abi::{Flow, FlowKey};

use super::{
    Error, Options, batch,
    sys::{self, Mapping},
};

pub(super) struct Slots {
    mapping: Mapping<Flow>,
    keys: OwnedFd,
    free: OwnedFd,
    high_water: PerCpuArray<MapData, u32>,
}

/// A map's own descriptor, by name.
pub(super) fn descriptor(ebpf: &mut Ebpf, name: &'static str) -> Result<OwnedFd, Error> {
    let map = ebpf.map(name).ok_or(Error::Incomplete(name))?;
    let (Map::Array(data)
    | Map::HashMap(data)
    | Map::Stack(data)
    | Map::PerCpuArray(data)
    | Map::LruHashMap(data)
    | Map::RingBuf(data)
    | Map::Queue(data)) = map
    else {
        return Err(Error::Incomplete(name));
    };
    data.fd().as_fd().try_clone_to_owned().map_err(Error::NoDescriptors)
}

impl Slots {
    /// Maps the slots. In a table that nobody `used` yet all are free: the lowest number comes out first.
    pub(super) fn new(ebpf: &mut Ebpf, options: &Options, used: bool) -> Result<Self, Error> {
        let count = options.max_flows;
        let slots = descriptor(ebpf, "SLOTS")?;
        let mapping = Mapping::new(&slots, count as usize).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOMEM) => Error::out_of_memory(options, source),
            _ => Error::System { operation: "mapping", subject: "the flow table", source },
        })?;
        let map = ebpf.take_map("HIGH_WATER").ok_or(Error::Incomplete("HIGH_WATER"))?;
        let high_water = PerCpuArray::try_from(map).map_err(Error::map("HIGH_WATER"))?;
        let this =
            Self { mapping, keys: descriptor(ebpf, "FLOWS")?, free: descriptor(ebpf, "FREE")?, high_water };
        if !used {
            for slot in (0..count).rev() {
                this.give_back(slot)?;
            }
        }
        Ok(this)
    }

    /// One more than the highest slot that was ever taken.
    pub(super) fn high_water(&self) -> Result<u32, Error> {
        let values = self.high_water.get(&0, 0).map_err(Error::map("HIGH_WATER"))?;
        Ok(values.iter().copied().max().unwrap_or(0).min(self.mapping.len() as u32))
    }

    /// A slot.
    pub(super) fn get(&self, slot: u32) -> Option<&Flow> {
        self.mapping.get(slot as usize)
    }

    /// The first `count` slots.
    pub(super) fn first(&self, count: u32) -> &[Flow] {
        self.mapping.first(count as usize)
    }

    /// Unpublishes keys. The programs that found them before may still count for a grace period.
    pub(super) fn delete_keys(&self, keys: &[FlowKey]) -> Result<(), Error> {
        batch::delete(&self.keys, keys).map_err(|source| Error::System {
            operation: "deleting from",
            subject: "the flow table",
            source,
        })
    }

    /// The slot that a key has.
    pub(super) fn find(&self, key: &FlowKey) -> Result<Option<u32>, Error> {
        sys::lookup(&self.keys, key).map_err(|source| Error::System {
            operation: "reading",
            subject: "the flow table",
            source,
        })
    }

    /// Empties a slot that no program can hold, and gives it back.
    pub(super) fn empty(&self, slot: u32) -> Result<(), Error> {
        let Some(flow) = self.get(slot) else { return Ok(()) };
        flow.clear();
        // Before another flow can have it. Who dies here loses one slot and no packet.
        flow.head.retired.set(0);
        self.give_back(slot)
    }

    /// Offers a slot to the programs again.
    pub(super) fn give_back(&self, slot: u32) -> Result<(), Error> {
        sys::push(&self.free, &slot).map_err(|source| Error::System {
            operation: "filling",
            subject: "the list of free slots",
            source,
        })
    }
}
