//! `weir unpin`: ends the counting that pins keep alive.

use super::CommandError;
use crate::app::RunError;
use crate::config::Overrides;
use crate::host::Watcher;
use crate::lock::{InterfaceLock, PinLock};
use crate::source::ebpf;

/// Removes the pins that the configuration names, unless an instance uses them.
pub fn run(overrides: &Overrides) -> Result<(), CommandError> {
    let directory = overrides.load()?.config.pin.ok_or(CommandError::NoPins)?;
    let _lock = PinLock::take(&directory).map_err(RunError::from)?;
    let host = Watcher::new().and_then(|watcher| watcher.read()).map_err(RunError::from)?;
    // Filters of clsact qdiscs have no pins: where no instance counts, those of our names are left behind.
    let free: Vec<_> = host
        .links
        .iter()
        .filter_map(|link| Some((link.name.clone(), InterfaceLock::take(link.ifindex, &link.name).ok()?)))
        .collect();
    let names: Vec<String> = free.iter().map(|(name, _)| name.clone()).collect();
    let removed = ebpf::remove_pins(&directory, &names).map_err(RunError::from)?;
    super::print(&format_args!(
        "Removed from {}: {} links, {} maps; and {} filters\n",
        directory.display(),
        removed.links,
        removed.maps,
        removed.filters
    ))
}
