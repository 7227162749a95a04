//! Maps and links that outlive the process, in a directory of a BPF file system.
//!
//! While nobody runs, the programs count on. Who starts next with the same directory takes the maps,
//! puts its own programs into the links (one atomic exchange each), and goes on from what its predecessor
//! told last:
//!
//! - The accounting of packets stands in [`State`], less the flows in slots, which the slots have
//!   themselves. It is written anew before slots are emptied and comes into force by one store, so that a
//!   process may die between any two instructions: a slot is either in the state or still has its numbers,
//!   and [`monitor_common::abi::Head::retired`] says which.
//! - What else was told of a flow stands beside its slot ([`monitor_common::abi::Reported`]).

mod layout;
mod links;
mod recover;
mod remove;
mod state;

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aya::maps::MapData;
use monitor_common::abi::Reported;
use monitor_core::engine::{Carried, Engine};

use super::{
    Error, Options,
    probe::Features,
    sys::{self, Mapping},
};
use crate::files::{Directory, Refusal};
pub(super) use layout::{Found, MAPS, cells};
pub(super) use links::TcLink;
pub(super) use recover::recover;
pub use remove::{Removed, end, remove};
use state::State;

/// The maps that only user space knows.
const REPORTED: &str = "REPORTED";
const STATE: &str = "STATE";
/// What the others are of: it says whether they are ours, and whether all of them are there.
const CONFIG: &str = "CONFIG";

/// `statfs(2)` of a BPF file system (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: u32 = 0xcafe_4a11;

/// Kernel memory of what only user space knows.
pub(super) const fn bytes(slots: u32) -> u64 {
    slots as u64 * size_of::<Reported>() as u64 + state::WORDS as u64 * 8
}

/// An open directory of pins.
pub(super) struct Pins {
    directory: PathBuf,
    reported: Mapping<Reported>,
    state: State,
    /// Filters of clsact qdiscs that are ours: they stay as pins do.
    filters: Vec<links::Filter>,
    /// This process made the pins, and has not begun to count yet: if it fails they go.
    fresh: bool,
}

/// What a predecessor left.
pub(super) struct Legacy {
    pub(super) carried: Carried,
    /// See [`State::generation`].
    pub(super) generation: u64,
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Pin { operation, path: path.to_owned(), source }
}

/// Whether there is a directory of pins to go on from. Makes an empty one, or clears one that was never
/// finished; refuses one that another version or other settings made.
pub(super) fn prepare(directory: &Path, options: &Options, features: Features) -> Result<bool, Error> {
    let found = look(directory, options, features)?;
    if found == Found::Pins {
        return Ok(true);
    }
    make(directory)?;
    if found == Found::Unfinished {
        remove::clear(directory)?;
    }
    layout::begin(directory)?;
    Ok(false)
}

/// Makes the directory of pins, if it is not there.
///
/// # Errors
/// When it is on no BPF file system, or cannot be made.
pub fn make(directory: &Path) -> Result<(), Error> {
    on_bpf_file_system(directory)?;
    trusted(directory, Directory::make(directory).map(|(made, _)| made), "making the directory")
}

/// What [`prepare`] will find, without a change to it; refuses what that refuses.
pub(super) fn look(directory: &Path, options: &Options, features: Features) -> Result<Found, Error> {
    on_bpf_file_system(directory)?;
    if directory.symlink_metadata().is_ok() {
        trusted(directory, Directory::open(directory), "opening")?;
    }
    let found = layout::find(directory)?;
    if found == Found::Pins {
        layout::check(directory, options, features)?;
    }
    Ok(found)
}

/// Refuses a directory in which others could put maps and links of theirs in the place of ours.
fn trusted(path: &Path, opened: io::Result<Directory>, operation: &'static str) -> Result<(), Error> {
    let others = |refusal| Error::PinsOfOthers { directory: path.to_owned(), refusal };
    match opened {
        // Even where they cannot remove ours: they could be first.
        Ok(directory) if directory.is_shared() => Err(others(Refusal::DirectoryMode(0o1777))),
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::of(&error).map_or_else(|| failed(operation, path)(error), others)),
    }
}

/// What is not there yet will be where the innermost directory is that is there.
fn on_bpf_file_system(directory: &Path) -> Result<(), Error> {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let stat = absolute.ancestors().find_map(|path| rustix::fs::statfs(path).ok());
    let is_bpf = stat.is_some_and(|stat| stat.f_type as u32 == BPF_FS_MAGIC);
    if is_bpf { Ok(()) } else { Err(Error::NoBpfFileSystem { directory: directory.to_owned() }) }
}

impl Pins {
    /// Opens what [`prepare`] found, or makes it; the maps of the object are there by now.
    pub(super) fn open(
        directory: &Path,
        options: &Options,
        features: Features,
        found: bool,
    ) -> Result<(Self, Option<Legacy>), Error> {
        let map = |name: &'static str, value: usize, count: usize| -> Result<MapData, Error> {
            let path = directory.join(name);
            if found {
                return layout::open(&path).map_err(failed("opening", &path));
            }
            let map =
                sys::create_array(value as u32, count as u32, sys::BPF_F_MMAPABLE).map_err(|e| {
                    match e.raw_os_error() {
                        Some(libc::ENOMEM) => Error::out_of_memory(options, e),
                        _ => failed("making", &path)(e),
                    }
                })?;
            layout::pin(&map, &path).map_err(failed("pinning", &path))?;
            Ok(map)
        };
        let slots = options.max_flows as usize;
        let reported = map(REPORTED, size_of::<Reported>(), slots)?;
        let reported =
            Mapping::new(&reported, slots).map_err(failed("mapping", &directory.join(REPORTED)))?;
        let state = map(STATE, 8, state::WORDS)?;
        let state = State::new(&state).map_err(failed("mapping", &directory.join(STATE)))?;
        let mut this =
            Self { directory: directory.to_owned(), reported, state, filters: Vec::new(), fresh: !found };
        if !found {
            layout::finish(directory, options, features)?;
            return Ok((this, None));
        }
        let generation = this.state.generation();
        let content = this.state.read().map_err(failed("reading", &directory.join(STATE)))?;
        this.filters = content.filters;
        Ok((this, Some(Legacy { carried: content.carried, generation })))
    }

    /// From now on the pins stay.
    pub(super) const fn keep(&mut self) {
        self.fresh = false;
    }

    /// Whether the pins go with this process, which has not begun to count.
    pub(super) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// What was told of the flow in a slot.
    pub(super) fn reported(&self, slot: u32) -> Option<&Reported> {
        self.reported.get(slot as usize)
    }

    /// Number of the state that is written next.
    pub(super) fn next_generation(&self) -> u64 {
        self.state.generation() + 1
    }

    /// Writes what the engine has told by now; the state comes into force at once.
    pub(super) fn commit(&mut self, engine: &mut Engine) -> Result<(), Error> {
        for slot in engine.succession().take_moved() {
            if let Some(reported) = self.reported(slot) {
                engine.succession().report(slot, reported);
            }
        }
        let content = state::Content { carried: engine.succession().carry(), filters: self.filters.clone() };
        self.state.write(&content).map_err(failed("writing", &self.directory.join(STATE)))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if self.fresh {
            // There is nobody left to tell; what stays is cleared at the next start.
            drop(remove::clear(&self.directory));
        }
    }
}

/// The network namespace of this thread: interfaces are its own.
fn namespace() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").map_or(0, |m| m.ino())
}
