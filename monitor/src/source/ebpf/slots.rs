//! The flow table as user space sees it: a mapping of the slots, the keys, the free list.

use std::os::fd::AsFd as _;

use aya::{
    Ebpf,
    maps::{Array, Map, MapData, PerCpuArray, Stack},
    programs::SchedClassifier,
};
use monitor_common::abi::{Flow, FlowKey, index_lines};

use super::{
    Error, Options, attach,
    batch::Keys,
    error::io_cause,
    sys::{self, Mapping},
};

/// The program that fills the free list.
const FILL: &str = "weir_fill";
/// Slots that one run of it offers (monitor-ebpf/src/fill.rs).
const STEP: u32 = 256;
/// How often it is started again when a signal interrupts it.
const ATTEMPTS: u32 = 64;

pub(super) struct Slots {
    mapping: Mapping<Flow>,
    keys: Keys<FlowKey>,
    free: Stack<MapData, u32>,
    high_water: PerCpuArray<MapData, u32>,
    index_mask: Array<MapData, u32>,
    /// Lines of the index that there are, and that are in use.
    lines: [u32; 2],
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or(Error::Incomplete(name))
}

/// A map once more, with a descriptor of its own: the loaded object keeps it.
pub(super) fn also(ebpf: &Ebpf, name: &'static str) -> Result<Map, Error> {
    let (Map::Array(data) | Map::HashMap(data) | Map::Stack(data)) =
        ebpf.map(name).ok_or(Error::Incomplete(name))?
    else {
        return Err(Error::Incomplete(name));
    };
    let own = data.fd().as_fd().try_clone_to_owned().map_err(Error::NoDescriptors)?;
    MapData::from_fd(own).and_then(Map::from_map_data).map_err(Error::map(name))
}

impl Slots {
    /// Maps the slots. In a table that nobody `used` yet all are free: the lowest number comes out first.
    pub(super) fn new(ebpf: &mut Ebpf, options: &Options, used: bool) -> Result<Self, Error> {
        let count = options.max_flows;
        let left = if used { 0 } else { fill(ebpf, count)? };
        let Map::Array(slots) = also(ebpf, "SLOTS")? else { return Err(Error::Incomplete("SLOTS")) };
        let mapping = Mapping::new(&slots, count as usize).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOMEM) => Error::out_of_memory(options, source),
            _ => Error::System { operation: "mapping", subject: "the flow table", source },
        })?;
        let mut this = Self {
            mapping,
            keys: Keys::new(also(ebpf, "FLOWS")?).map_err(Error::map("FLOWS"))?,
            free: Stack::try_from(also(ebpf, "FREE")?).map_err(Error::map("FREE"))?,
            index_mask: Array::try_from(take(ebpf, "INDEX_MASK")?).map_err(Error::map("INDEX_MASK"))?,
            lines: [index_lines(count), 0],
            high_water: PerCpuArray::try_from(take(ebpf, "HIGH_WATER")?).map_err(Error::map("HIGH_WATER"))?,
        };
        for slot in (0..left).rev() {
            this.give_back(slot)?;
        }
        this.fit_index(0)?;
        Ok(this)
    }

    /// Lets the index have as many lines as so many flows need: fewer are warmer. It shrinks late, since each change
    /// sends flows through the hash once.
    pub(super) fn fit_index(&mut self, flows: u32) -> Result<(), Error> {
        let [all, used] = self.lines;
        let lines = index_lines(flows).min(all);
        if lines > used || lines < used / 4 {
            self.index_mask.set(0, lines - 1, 0).map_err(Error::map("INDEX_MASK"))?;
            self.lines = [all, lines];
        }
        Ok(())
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
    pub(super) fn delete_keys(&mut self, keys: &[FlowKey]) -> Result<(), Error> {
        self.keys.delete(keys).map_err(|source| Error::System {
            operation: "deleting from",
            subject: "the flow table",
            source,
        })
    }

    /// The slot that a key has.
    pub(super) fn find(&self, key: &FlowKey) -> Result<Option<u32>, Error> {
        self.keys.get(key).map_err(|source| Error::System {
            operation: "reading",
            subject: "the flow table",
            source,
        })
    }

    /// Empties a slot that no program can hold, and gives it back.
    pub(super) fn empty(&mut self, slot: u32) -> Result<(), Error> {
        let Some(flow) = self.get(slot) else { return Ok(()) };
        flow.clear();
        // Before another flow can have it. Who dies here loses one slot and no packet.
        flow.head.retired.set(0);
        self.give_back(slot)
    }

    /// Offers a slot to the programs again.
    pub(super) fn give_back(&mut self, slot: u32) -> Result<(), Error> {
        self.free.push(slot, 0).map_err(|error| Error::System {
            operation: "filling",
            subject: "the list of free slots",
            source: sys::cause(error),
        })
    }
}

/// Fills the free list within the kernel, where it is not a system call a slot. Returns how many of the lowest slots
/// it left out: all, where the kernel does not let programs be run.
fn fill(ebpf: &mut Ebpf, count: u32) -> Result<u32, Error> {
    attach::load(ebpf, FILL)?;
    let map = take(ebpf, "UNOFFERED")?;
    let mut unoffered: Array<_, u32> = Array::try_from(map).map_err(Error::map("UNOFFERED"))?;
    unoffered.set(0, count, 0).map_err(Error::map("UNOFFERED"))?;
    let program: &mut SchedClassifier =
        ebpf.program_mut(FILL).and_then(|p| p.try_into().ok()).ok_or(Error::Incomplete(FILL))?;
    let mut left = count;
    for _ in 0..ATTEMPTS {
        let done = match program.fd() {
            Ok(fd) => sys::run(fd, left.div_ceil(STEP)),
            Err(error) => {
                Err(io_cause(&error).map_or_else(|| std::io::ErrorKind::Other.into(), |e| e.kind().into()))
            }
        };
        left = unoffered.get(&0, 0).map_err(Error::map("UNOFFERED"))?;
        let interrupted = matches!(&done, Err(e) if e.kind() == std::io::ErrorKind::Interrupted);
        if left == 0 || !(interrupted || done.is_ok()) {
            break;
        }
    }
    // It is of no use any more.
    drop(program.unload());
    Ok(left)
}
