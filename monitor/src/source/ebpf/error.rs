//! What can go wrong between user space and the kernel, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::{Options, probe};
use crate::files::Refusal;

/// An operation on the kernel side that failed. The text names the operation, its subject and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The binary was built without the kernel side.
    #[error(
        "this build has no kernel side: build it with `cargo xtask build --release`, or read a capture with `weir pcap`"
    )]
    NoKernelSide,
    /// Missing rights.
    #[error("loading the kernel side: not permitted: {}", probe::refusal())]
    NotPermitted(#[source] io::Error),
    /// The kernel cannot.
    #[error("loading the kernel side: kernel {version} is too old: 5.10 or newer is needed ({missing})")]
    KernelTooOld {
        /// Release of the running kernel.
        version: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// How many values a map has for each key.
    #[error(
        "loading the kernel side: {file} cannot be read: {source}: mount /sys (`mount -t sysfs sysfs /sys`), or give it to the container"
    )]
    NoCpus {
        /// Where the CPUs are listed.
        file: &'static str,
        /// Why it cannot be read.
        #[source]
        source: io::Error,
    },
    /// Maps did not fit.
    #[error(
        "creating the flow table: out of memory for {flows} flows ({mebibytes} MiB): lower --max-flows, or raise the memory limit"
    )]
    OutOfMemory {
        /// Slots asked for.
        flows: u32,
        /// Size of the table.
        mebibytes: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Too few file descriptors.
    #[error("loading the kernel side: out of file descriptors: raise the limit (ulimit -n)")]
    NoDescriptors(#[source] io::Error),
    /// The object did not load.
    #[error("loading the kernel side: {source}")]
    Load {
        /// aya's error.
        #[source]
        source: Box<aya::EbpfError>,
    },
    /// A program was refused.
    #[error("loading program {program}: {source}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// aya's error.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// The object lacks a map or program that this build expects.
    #[error("the kernel side has no {0}: it is of another version; build it again with `cargo xtask build`")]
    Incomplete(&'static str),
    /// A map could not be used.
    #[error("map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// aya's error.
        #[source]
        source: aya::maps::MapError,
    },
    /// A system call on a map failed.
    #[error("{operation} {subject}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// On what.
        subject: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The hook is taken by another program.
    #[error(
        "attaching to {interface}: its XDP hook is taken by another program: use --ingress tc, or remove that program (`ip link show {interface}` names it)"
    )]
    HookTaken {
        /// Name of the interface.
        interface: String,
    },
    /// Programs that are pinned count on there.
    #[error(
        "attaching to {interface}: pinned programs count there while their instance is away: start that one, or name its directory with --pin, or end them with `weir unpin --pin DIR`"
    )]
    Pinned {
        /// Name of the interface.
        interface: String,
    },
    /// The driver cannot.
    #[error(
        "attaching to {interface}: its driver has no native XDP, or not for its present settings (MTU, offloads): use --ingress tc or --ingress xdp-generic"
    )]
    NoNativeXdp {
        /// Name of the interface.
        interface: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The interface went away.
    #[error("attaching to {interface}: no such interface: `ip link` lists them")]
    NoInterface {
        /// Name of the interface.
        interface: String,
    },
    /// What aya cannot name.
    #[error(
        "attaching to {interface}: its name is not UTF-8: give it another one (`ip link set dev … name …`)"
    )]
    UnusableName {
        /// Name of the interface, escaped.
        interface: String,
    },
    /// More interfaces than cells.
    #[error(
        "attaching to {interface}: {limit} interfaces are watched already or share its place: name fewer with --interface"
    )]
    TooManyInterfaces {
        /// Name of the interface.
        interface: String,
        /// The bound.
        limit: u32,
    },
    /// Pins need a file system of their own kind.
    #[error(
        "pinning: {} is on no BPF file system: mount one (`mount -t bpf bpf /sys/fs/bpf`) and name a directory on it with --pin",
        directory.display()
    )]
    NoBpfFileSystem {
        /// What was named.
        directory: PathBuf,
    },
    /// Pins of another version, or made with other settings.
    #[error(
        "pinning: the pins in {0} are of another {what} ({theirs}, here it is {ours}): start what made them, or give up what they count with `weir unpin --pin {0}`",
        directory.display()
    )]
    PinnedOtherwise {
        /// Where the pins are.
        directory: PathBuf,
        /// What differs.
        what: String,
        /// As the pins have it.
        theirs: String,
        /// As it should be.
        ours: String,
    },
    /// What is in the directory of pins is somebody else's.
    #[error(
        "pinning: {} is there, and no pin of Weir's: name another directory with --pin",
        path.display()
    )]
    NotOurs {
        /// What is there.
        path: PathBuf,
    },
    /// Nothing to remove.
    #[error("nothing is pinned in {}", directory.display())]
    NothingPinned {
        /// What was named.
        directory: PathBuf,
    },
    /// Others could exchange what is pinned.
    #[error("--pin {}: {refusal}; {}", directory.display(), refusal.remedy())]
    PinsOfOthers {
        /// The directory.
        directory: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// A pin could not be used.
    #[error("{operation} {}: {source}", path.display())]
    Pin {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Anything else while attaching.
    #[error("attaching {program} to {interface}: {source}")]
    Attach {
        /// Name of the program.
        program: &'static str,
        /// Name of the interface.
        interface: String,
        /// aya's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The first `io::Error` in a chain of causes.
pub(super) fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = e.source();
    }
    None
}

impl Error {
    /// Loading the maps failed: says why in the user's terms.
    pub(super) fn load(options: &Options, source: aya::EbpfError) -> Self {
        let code = io_cause(&source).and_then(io::Error::raw_os_error);
        let io = || io::Error::from_raw_os_error(code.unwrap_or(0));
        match code {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted(io()),
            Some(libc::ENOMEM) => Self::out_of_memory(options, io()),
            Some(libc::EMFILE | libc::ENFILE) => Self::NoDescriptors(io()),
            _ => Self::Load { source: Box::new(source) },
        }
    }

    /// The flow table is too large for what memory there is.
    pub(super) fn out_of_memory(options: &Options, source: io::Error) -> Self {
        Self::OutOfMemory { flows: options.max_flows, mebibytes: options.table_bytes() >> 20, source }
    }

    pub(super) fn map(map: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { map, source }
    }
}
