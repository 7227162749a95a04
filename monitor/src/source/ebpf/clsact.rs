//! Filters of clsact qdiscs, where kernels before 6.6 have our programs: they stay when the process ends, however it
//! ends, so whoever comes must see whose they are.

use std::fs;
use std::path::Path;

use aya::programs::TcAttachType;
use aya::programs::tc::{SchedClassifierLink, TcHandle};
use monitor_common::abi::Direction;

use super::Error;
use super::attach::Interface;
use crate::host::{self, Filter};

/// Begin of the handles of filters that are to stay: a number that no kernel gives by itself, and that `tc` shows.
const PINNED: u16 = 0x7765;

/// The handle of filters that belong to the pins in a directory: it tells them from those that an instance without
/// pins left when it was killed, and from those of other pins.
pub(super) fn pinned(directory: &Path) -> TcHandle {
    let path = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    // FNV-1a, folded: the same in every release.
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    TcHandle::new(PINNED, ((hash >> 16) ^ hash) as u16)
}

/// Whether a filter with this handle is to stay without its instance.
const fn is_pinned(handle: u32) -> bool {
    handle >> 16 == PINNED as u32
}

fn filters(ifindex: u32, hook: TcAttachType, program: &str) -> Vec<Filter> {
    let direction = match hook {
        TcAttachType::Egress => Direction::Transmit,
        TcAttachType::Ingress | TcAttachType::Custom(_) => Direction::Receive,
    };
    // Without a qdisc there is none.
    let mut all = host::filters(ifindex, direction).unwrap_or_default();
    all.retain(|filter| filter.name == program);
    all
}

fn remove(interface: &str, hook: TcAttachType, filter: &Filter) -> bool {
    let handle = filter.handle.into();
    let link = SchedClassifierLink::attached(interface, hook, filter.priority, handle, None);
    link.is_ok_and(|link| aya::programs::links::Link::detach(link).is_ok())
}

/// Removes what an instance that died left at a hook, so that nothing is counted twice. Filters that are to stay are
/// refused, unless they are of the `own` pins.
pub(super) fn make_room(
    interface: &Interface,
    hook: TcAttachType,
    program: &'static str,
    own: Option<TcHandle>,
) -> Result<(), Error> {
    let left = filters(interface.ifindex, hook, program);
    if left.iter().any(|filter| is_pinned(filter.handle) && own.map(u32::from) != Some(filter.handle)) {
        return Err(Error::Pinned { interface: interface.name.clone() });
    }
    for filter in left {
        if remove(&interface.name, hook, &filter) {
            tracing::info!(interface = %interface.name, program, "removed the filter of an instance that died");
        }
    }
    Ok(())
}

/// Removes the filters of the pins in a directory from an interface; says how many there were.
pub(super) fn unpin(
    directory: &Path,
    ifindex: u32,
    interface: &str,
    hook: TcAttachType,
    program: &str,
) -> u32 {
    let own = u32::from(pinned(directory));
    let left = filters(ifindex, hook, program).into_iter().filter(|filter| filter.handle == own);
    left.map(|filter| u32::from(remove(interface, hook, &filter))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_pins_are_known_as_such_and_differ_by_directory() {
        let [a, b] = ["/sys/fs/bpf/weir", "/sys/fs/bpf/other"].map(|path| u32::from(pinned(Path::new(path))));
        assert!(is_pinned(a) && is_pinned(b) && a != b);
        assert!(!is_pinned(1) && !is_pinned(0));
    }
}
