//! `weir unpin`: ends the counting that pins keep alive.

use super::CommandError;
use crate::app::RunError;
use crate::config::Overrides;
use crate::host::Watcher;
use crate::lock::{Locks, PinLock};
use crate::source::ebpf;

/// Removes the pins that the configuration names, unless an instance uses them.
pub fn run(overrides: &Overrides) -> Result<(), CommandError> {
    let directory = overrides.load()?.config.pin.ok_or(CommandError::NoPins)?;
    let _lock = PinLock::take(&directory).map_err(RunError::from)?;
    let host = Watcher::new().and_then(|mut watcher| watcher.read()).map_err(RunError::from)?;
    // Filters of clsact qdiscs have no pins: they are looked for where no instance counts.
    let locks = Locks::open();
    let (free, _held): (Vec<_>, Vec<_>) =
        host.links.iter().filter_map(|link| Some((link, locks.take(link.ifindex, &link.name).ok()?))).unzip();
    let removed = ebpf::remove_pins(&directory, &free).map_err(RunError::from)?;
    super::print(&format_args!(
        "Removed from {}: {} links, {} maps; and {} filters\n",
        directory.display(),
        removed.links,
        removed.maps,
        removed.filters
    ))
}
