//! The counters of the hooks, summed over CPUs, and who sits in which cell.

use std::collections::{BTreeMap, BTreeSet};

use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, PerCpuValues},
};
use monitor_common::abi::{Direction, HookCounters};
use monitor_core::engine::HookReading;

use super::Error;

pub(super) struct Hooks {
    map: PerCpuArray<MapData, HookCounters>,
    /// Values of each key.
    cpus: usize,
    /// How many cells there are, a power of two.
    room: u32,
    /// Cell by interface index.
    cells: BTreeMap<u32, u32>,
    /// Cells that are in use.
    taken: BTreeSet<u32>,
}

impl Hooks {
    pub(super) fn new(ebpf: &mut Ebpf, room: u32) -> Result<Self, Error> {
        let map = ebpf.take_map("HOOKS").ok_or(Error::Incomplete("HOOKS"))?;
        let map = PerCpuArray::try_from(map).map_err(Error::map("HOOKS"))?;
        Ok(Self { map, cpus: cpus()?, room, cells: BTreeMap::new(), taken: BTreeSet::new() })
    }

    /// Gives an interface a cell with counters at zero, before it is attached, unless it has one. `false`: none is free.
    pub(super) fn claim(&mut self, ifindex: u32, flags: u32) -> Result<bool, Error> {
        if self.cells.contains_key(&ifindex) {
            return Ok(true);
        }
        let free = (0..HookCounters::PROBES)
            .map(|probe| HookCounters::cell(ifindex, probe, self.room))
            .find(|cell| !self.taken.contains(cell));
        let Some(cell) = free else { return Ok(false) };
        self.write(cell, HookCounters { ifindex, flags, ..HookCounters::default() })?;
        self.cells.insert(ifindex, cell);
        self.taken.insert(cell);
        Ok(true)
    }

    /// Takes over the cells that are in use.
    pub(super) fn adopt(&mut self) -> Result<(), Error> {
        for cell in 0..self.room {
            let index = HookCounters::map_index(cell, Direction::Receive);
            let values = self.map.get(&index, 0).map_err(Error::map("HOOKS"))?;
            if let Some(ifindex) = values.iter().map(|v| v.ifindex).find(|ifindex| *ifindex != 0) {
                self.cells.insert(ifindex, cell);
                self.taken.insert(cell);
            }
        }
        Ok(())
    }

    /// How many cells there are.
    pub(super) const fn room(&self) -> u32 {
        self.room
    }

    /// Interfaces that have a cell.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = u32> {
        self.cells.keys().copied()
    }

    /// Frees the cell of an interface from which everything is detached.
    pub(super) fn release(&mut self, ifindex: u32) -> Result<(), Error> {
        match self.cells.remove(&ifindex) {
            Some(cell) => {
                self.taken.remove(&cell);
                self.write(cell, HookCounters::default())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, cell: u32, counters: HookCounters) -> Result<(), Error> {
        for direction in Direction::ALL {
            let values = PerCpuValues::try_from(vec![counters; self.cpus]).map_err(|source| {
                Error::System { operation: "writing", subject: "the hook counters", source }
            })?;
            self.map.set(HookCounters::map_index(cell, direction), values, 0).map_err(Error::map("HOOKS"))?;
        }
        Ok(())
    }

    /// Reads all hooks of all interfaces that have a cell.
    pub(super) fn read(&self) -> Result<Vec<HookReading>, Error> {
        let mut out = Vec::with_capacity(self.cells.len() * 2);
        for (&ifindex, &cell) in &self.cells {
            for direction in Direction::ALL {
                let values = self
                    .map
                    .get(&HookCounters::map_index(cell, direction), 0)
                    .map_err(Error::map("HOOKS"))?;
                out.push(HookReading { ifindex, direction, counters: sum(&values) });
            }
        }
        Ok(out)
    }
}

/// How many CPUs there may be; aya reads the file itself, and says less when it is not there.
pub(super) fn cpus() -> Result<usize, Error> {
    aya::util::nr_cpus().map_err(|(file, source)| match source.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Error::NoDescriptors(source),
        _ => Error::NoCpus { file, source },
    })
}

fn sum(values: &[HookCounters]) -> HookCounters {
    let mut total = HookCounters::default();
    for v in values {
        total.ifindex = v.ifindex;
        total.flags = v.flags;
        total.packets += v.packets;
        total.skbs += v.skbs;
        total.not_ip += v.not_ip;
        total.undecodable += v.undecodable;
        total.overflow += v.overflow;
        total.fragments += v.fragments;
        for (t, n) in total.overflow_packets.iter_mut().zip(v.overflow_packets) {
            *t += n;
        }
        for (t, n) in total.overflow_bytes.iter_mut().zip(v.overflow_bytes) {
            *t += n;
        }
    }
    total
}
