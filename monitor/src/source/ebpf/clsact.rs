//! Filters of clsact qdiscs, where kernels before 6.6 have our programs: they stay when the process ends, however it
//! ends, so whoever comes must see whose they are.

use std::fs;
use std::path::Path;

use aya::programs::TcAttachType;
use aya::programs::links::Link as _;
use aya::programs::tc::{SchedClassifierLink, TcHandle};
use monitor_common::abi::Direction;
use monitor_core::record::Text;

use super::Error;
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

/// A hook of an interface, and the program of ours that hangs there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) ifindex: u32,
    pub(super) interface: &'a str,
    pub(super) hook: TcAttachType,
    pub(super) program: &'static str,
}

impl Place<'_> {
    /// The interface's name, harmless on a terminal.
    fn shown(&self) -> String {
        Text::escaped(self.interface.as_bytes()).into_owned()
    }

    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Attach { program: self.program, interface: self.shown(), source: Box::new(source) }
    }

    /// Filters under our program's name; without a qdisc there is none.
    fn filters(&self) -> Result<Vec<Filter>, Error> {
        let direction = match self.hook {
            TcAttachType::Egress => Direction::Transmit,
            TcAttachType::Ingress | TcAttachType::Custom(_) => Direction::Receive,
        };
        let mut all = host::filters(self.ifindex, direction).map_err(|e| self.failed(e))?;
        all.retain(|filter| filter.name == self.program);
        Ok(all)
    }

    fn remove(&self, filter: &Filter) -> Result<(), Error> {
        let handle = filter.handle.into();
        let link = SchedClassifierLink::attached(self.interface, self.hook, filter.priority, handle, None);
        link.map_err(|e| self.failed(e))?.detach().map_err(|e| self.failed(e))
    }

    /// Removes what an instance that died left here, so that nothing is counted twice. Filters that are to stay are
    /// refused, unless they are of the `own` pins.
    pub(super) fn make_room(&self, own: Option<TcHandle>) -> Result<(), Error> {
        let left = self.filters()?;
        if left.iter().any(|filter| is_pinned(filter.handle) && own.map(u32::from) != Some(filter.handle)) {
            return Err(Error::Pinned { interface: self.shown() });
        }
        for filter in left {
            self.remove(&filter)?;
            tracing::info!(
                interface = self.shown(),
                program = self.program,
                "removed the filter of an instance that died"
            );
        }
        Ok(())
    }

    /// Removes the filters of the pins in a directory; says how many there were.
    pub(super) fn unpin(&self, directory: &Path) -> Result<u32, Error> {
        let own = u32::from(pinned(directory));
        let left = self.filters()?.into_iter().filter(|filter| filter.handle == own);
        left.map(|filter| self.remove(&filter).map(|()| 1)).sum()
    }
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
