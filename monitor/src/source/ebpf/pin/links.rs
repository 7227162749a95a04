//! Links that outlive the process, and the exchange of their programs.

use std::{
    fs, io,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
};

use aya::{
    pin::PinError,
    programs::{
        SchedClassifier, TcAttachType, Xdp,
        links::{FdLink, Link as _, LinkError, PinnedLink},
        tc::{SchedClassifierLink, SchedClassifierLinkId},
        xdp::{XdpLink, XdpLinkId},
    },
};
use serde::{Deserialize, Serialize};

use super::{Pins, failed};
use crate::source::ebpf::Error;

/// Begin of the names of links in the directory.
const PREFIX: &str = "link-";

/// Whether a name in the directory is that of a link of ours.
fn is_link(name: &str) -> bool {
    let place = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    place.is_some_and(|(ifindex, hook)| {
        ifindex.parse::<u32>().is_ok() && matches!(hook, "ingress" | "egress" | "xdp")
    })
}

/// What has the name of a link of ours in a directory, which may not be there.
pub(super) fn of(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("reading", directory)(e)),
    };
    let named = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(is_link);
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(named).collect())
}

/// A filter of a clsact qdisc, which stays by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    ifindex: u32,
    egress: bool,
    priority: u16,
    handle: u32,
}

/// How one of our programs hangs at TC.
pub(in crate::source::ebpf) enum TcLink {
    /// It leaves with the process.
    Owned(SchedClassifierLinkId),
    /// A link under this path.
    Pinned(PathBuf),
    /// A filter that stays: dropping the link would remove it.
    Filter(ManuallyDrop<SchedClassifierLink>),
}

impl Pins {
    fn link(&self, ifindex: u32, hook: &str) -> PathBuf {
        self.directory.join(format!("{PREFIX}{ifindex}-{hook}"))
    }

    fn filter(&self, ifindex: u32, egress: bool) -> Option<&Filter> {
        self.filters.iter().find(|f| f.ifindex == ifindex && f.egress == egress)
    }

    /// Puts a TC program into the link that a predecessor left at an interface. `None`: it left none that
    /// is still attached.
    pub(in crate::source::ebpf) fn exchange_tc(
        &self,
        program: &mut SchedClassifier,
        ifindex: u32,
        name: &str,
        hook: TcAttachType,
    ) -> Result<Option<TcLink>, Error> {
        if let Some(filter) = self.filter(ifindex, hook == TcAttachType::Egress) {
            let handle = filter.handle.into();
            let link = SchedClassifierLink::attached(name, hook, filter.priority, handle, None)
                .ok()
                .and_then(|link| program.attach_to_link(link).ok())
                .and_then(|id| program.take_link(id).ok());
            return Ok(link.map(|link| TcLink::Filter(ManuallyDrop::new(link))));
        }
        let path = self.link(ifindex, side(hook));
        let exchanged = open(&path)?
            .and_then(|link| SchedClassifierLink::try_from(link).ok())
            .and_then(|link| program.attach_to_link(link).ok())
            .and_then(|id| program.take_link(id).ok());
        if exchanged.is_none() {
            discard(&path)?;
        }
        Ok(exchanged.map(|_| TcLink::Pinned(path)))
    }

    /// Has the link that was just made outlive the process.
    pub(in crate::source::ebpf) fn keep_tc(
        &mut self,
        program: &mut SchedClassifier,
        id: SchedClassifierLinkId,
        ifindex: u32,
        hook: TcAttachType,
    ) -> Result<TcLink, Error> {
        let path = self.link(ifindex, side(hook));
        let link = program.take_link(id).map_err(|e| failed("pinning", &path)(io::Error::other(e)))?;
        if let (Ok(priority), Ok(handle)) = (link.priority(), link.handle()) {
            let egress = hook == TcAttachType::Egress;
            self.filters.retain(|f| f.ifindex != ifindex || f.egress != egress);
            self.filters.push(Filter { ifindex, egress, priority, handle: handle.into() });
            return Ok(TcLink::Filter(ManuallyDrop::new(link)));
        }
        pin(FdLink::try_from(link), &path)?;
        Ok(TcLink::Pinned(path))
    }

    /// As [`Self::exchange_tc`], of XDP.
    pub(in crate::source::ebpf) fn exchange_xdp(
        &self,
        program: &mut Xdp,
        ifindex: u32,
    ) -> Result<Option<PathBuf>, Error> {
        let path = self.link(ifindex, "xdp");
        let exchanged = open(&path)?
            .and_then(|link| XdpLink::try_from(link).ok())
            .and_then(|link| program.attach_to_link(link).ok())
            .and_then(|id| program.take_link(id).ok());
        if exchanged.is_none() {
            discard(&path)?;
        }
        Ok(exchanged.map(|_| path))
    }

    /// As [`Self::keep_tc`], of XDP.
    pub(in crate::source::ebpf) fn keep_xdp(
        &self,
        program: &mut Xdp,
        id: XdpLinkId,
        ifindex: u32,
    ) -> Result<PathBuf, Error> {
        let path = self.link(ifindex, "xdp");
        let link = program.take_link(id).map_err(|e| failed("pinning", &path)(io::Error::other(e)))?;
        pin(FdLink::try_from(link), &path)?;
        Ok(path)
    }

    /// Takes the links of an interface away that this process has not taken over: nobody counts there any
    /// more.
    pub(in crate::source::ebpf) fn abandon(&mut self, ifindex: u32, name: Option<&str>) -> Result<(), Error> {
        for hook in ["ingress", "egress", "xdp"] {
            discard(&self.link(ifindex, hook))?;
        }
        for filter in self.filters.extract_if(.., |f| f.ifindex == ifindex) {
            let hook = if filter.egress { TcAttachType::Egress } else { TcAttachType::Ingress };
            // Without the interface there is no filter.
            if let Some(name) = name
                && let Ok(link) =
                    SchedClassifierLink::attached(name, hook, filter.priority, filter.handle.into(), None)
            {
                drop(link.detach());
            }
        }
        Ok(())
    }
}

const fn side(hook: TcAttachType) -> &'static str {
    if matches!(hook, TcAttachType::Egress) { "egress" } else { "ingress" }
}

fn open(path: &Path) -> Result<Option<FdLink>, Error> {
    match PinnedLink::from_pin(path) {
        Ok(link) => Ok(Some(link.into())),
        Err(LinkError::SyscallError(e)) if e.io_error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("opening", path)(io::Error::other(e))),
    }
}

fn pin(link: Result<FdLink, LinkError>, path: &Path) -> Result<(), Error> {
    let link = link.map_err(|e| failed("pinning", path)(io::Error::other(e)))?;
    link.pin(path).map(drop).map_err(|e| match e {
        PinError::SyscallError(e) => failed("pinning", path)(e.io_error),
        e => failed("pinning", path)(io::Error::other(e)),
    })
}

/// Removes a pin, if it is there.
pub(super) fn discard(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("removing", path)(e)),
        _ => Ok(()),
    }
}

impl TcLink {
    /// Takes the program off its hook; an interface that is gone took it along.
    pub(in crate::source::ebpf) fn detach(self, program: &mut SchedClassifier) {
        match self {
            Self::Owned(id) => drop(program.detach(id)),
            Self::Pinned(path) => drop(discard(&path)),
            Self::Filter(link) => drop(ManuallyDrop::into_inner(link).detach()),
        }
    }
}
