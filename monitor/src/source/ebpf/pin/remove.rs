//! Ending what pins keep alive.

use std::{fs, io, path::Path};

use aya::programs::TcAttachType;

use super::{
    CONFIG, MAPS, REPORTED, STATE, failed,
    layout::{self, Found},
    links, on_bpf_file_system,
};
use crate::host::Link;
use crate::source::ebpf::{Error, attach, clsact};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Links: programs that were attached.
    pub links: u32,
    /// Filters of clsact qdiscs.
    pub filters: u32,
    /// Maps.
    pub maps: u32,
}

/// Ends the counting that pins keep alive, whatever version made them, and removes them; their filters on
/// `interfaces` as well, which must be locked. What was counted and not told is given up. Refuses a directory in which
/// nothing of ours is, and leaves in it what is not.
pub fn remove(directory: &Path, interfaces: &[&Link]) -> Result<Removed, Error> {
    let is_there = directory.exists();
    let removed = end(directory, interfaces)?;
    if removed == Removed::default() {
        return Err(Error::NothingPinned { directory: directory.to_owned() });
    }
    if is_there
        && let Err(e) = fs::remove_dir(directory)
        // Somebody else's pins are in it, or it is a mount point.
        && e.kind() != io::ErrorKind::DirectoryNotEmpty
        && e.raw_os_error() != Some(libc::EBUSY)
    {
        return Err(failed("removing", directory)(e));
    }
    Ok(removed)
}

/// The same, and the directory stays, for pins that come in their place.
pub fn end(directory: &Path, interfaces: &[&Link]) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    if directory.exists() {
        on_bpf_file_system(directory)?;
        if layout::find(directory)? != Found::Nothing {
            removed = clear(directory)?;
        }
    }
    for interface in interfaces {
        for (hook, program) in
            [(TcAttachType::Ingress, attach::INGRESS), (TcAttachType::Egress, attach::EGRESS)]
        {
            let place =
                clsact::Place { ifindex: interface.ifindex, interface: &interface.name, hook, program };
            removed.filters += place.unpin(directory)?;
        }
    }
    Ok(removed)
}

/// Removes all pins of ours: links first, so that nothing counts into maps that are gone.
pub(super) fn clear(directory: &Path) -> Result<Removed, Error> {
    layout::give_up(directory)?;
    let mut removed = Removed::default();
    for path in links::of(directory)? {
        fs::remove_file(&path).map_err(failed("removing", &path))?;
        removed.links += 1;
    }
    for name in MAPS.into_iter().chain([STATE, REPORTED, CONFIG]) {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Ok(()) => removed.maps += 1,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("removing", &path)(e)),
        }
    }
    Ok(removed)
}
