//! Ending what pins keep alive.

use std::{fs, io, path::Path};

use aya::programs::TcAttachType;

use super::{CONFIG, MAPS, REPORTED, STATE, failed, links};
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
/// `interfaces` as well, which must be locked. What was counted and not told is given up.
pub fn remove(directory: &Path, interfaces: &[&Link]) -> Result<Removed, Error> {
    let mut removed = clear(directory)?;
    for interface in interfaces {
        for (hook, program) in
            [(TcAttachType::Ingress, attach::INGRESS), (TcAttachType::Egress, attach::EGRESS)]
        {
            removed.filters += clsact::unpin(directory, interface.ifindex, &interface.name, hook, program);
        }
    }
    match fs::remove_dir(directory) {
        // Somebody else's pins are in it, or it is a mount point.
        Err(e)
            if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty)
                && e.raw_os_error() != Some(libc::EBUSY) =>
        {
            Err(failed("removing", directory)(e))
        }
        _ => Ok(removed),
    }
}

/// Removes all pins of ours: links first, so that nothing counts into maps that are gone.
pub(super) fn clear(directory: &Path) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(removed),
        Err(e) => return Err(failed("reading", directory)(e)),
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(links::is_link) {
            fs::remove_file(&path).map_err(failed("removing", &path))?;
            removed.links += 1;
        }
    }
    for name in [CONFIG, STATE, REPORTED].into_iter().chain(MAPS) {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Ok(()) => removed.maps += 1,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("removing", &path)(e)),
        }
    }
    Ok(removed)
}
