//! Programs to interfaces.
//!
//! TC by default. On TCX (kernel 6.6) we attach first in the chain, so that nobody's verdict hides
//! a packet from us, and the link dies with us. Before that a filter of the clsact qdisc: what an
//! instance that died left under our program's name is removed first, nobody else's filter is touched,
//! pinned ones of ours included, and the qdisc stays when we go.

use std::{collections::BTreeMap, io, path::PathBuf, thread};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions, TcError, TcHandle},
        xdp::{XdpError, XdpLinkId},
    },
};
use monitor_common::abi::hook_flags;
use monitor_core::record::Text;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, netdevice::index_to_name, socket_with},
};

use super::{
    Error, Ingress, Options, Source, TcAttach, clsact,
    error::io_cause,
    expedite::Hurry,
    pin::TcLink,
    probe::{self, Features},
};

pub(super) const INGRESS: &str = "weir_ingress";
pub(super) const EGRESS: &str = "weir_egress";
const XDP: &str = "weir_xdp";
const XDP_FRAGS: &str = "weir_xdp_frags";

/// Priority of our clsact filters: first, as on TCX.
const PRIORITY: u16 = 1;

/// Interfaces from which on attaching them one after another takes a noticeable time.
const MANY: usize = 16;

/// How often a load that a signal interrupted is tried again.
const LOAD_ATTEMPTS: u32 = 16;

/// An interface to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index.
    pub ifindex: u32,
    /// Its name now.
    pub name: String,
    /// Frames have no link header.
    pub layer_3: bool,
    /// Every packet passes both hooks: one is enough.
    pub loopback: bool,
    /// Both directions of the flows come in here: a mirror port.
    pub mirror: bool,
}

/// What hangs on an interface.
pub(super) struct Attachment {
    name: String,
    ingress: IngressLink,
    egress: Option<TcLink>,
}

enum IngressLink {
    Tc(TcLink),
    Xdp(&'static str, XdpLink),
}

/// How the XDP program hangs.
enum XdpLink {
    /// It leaves with the process.
    Owned(XdpLinkId),
    /// A link under this path.
    Pinned(PathBuf),
}

/// The programs that these options need.
pub(super) fn programs(options: &Options, features: Features) -> Vec<&'static str> {
    let ingress = match options.ingress {
        Ingress::Tc => INGRESS,
        Ingress::Xdp | Ingress::XdpGeneric => xdp_program(features),
    };
    vec![ingress, EGRESS]
}

fn xdp_program(features: Features) -> &'static str {
    if features.xdp_frags { XDP_FRAGS } else { XDP }
}

/// Loads programs into the kernel, each on a thread of its own: the verifier takes most of the time that a start takes.
pub(super) fn load_all(ebpf: &mut Ebpf, names: &[&'static str]) -> Result<(), Error> {
    let mut programs: BTreeMap<&str, &mut Program> = ebpf.programs_mut().collect();
    let mut taken = Vec::with_capacity(names.len());
    for name in names {
        taken.push((*name, programs.remove(name).ok_or(Error::Incomplete(name))?));
    }
    thread::scope(|scope| {
        let started: Vec<_> = taken
            .into_iter()
            .map(|(name, program)| {
                thread::Builder::new()
                    .name(name.to_owned())
                    .spawn_scoped(scope, move || load_one(program, name))
            })
            .collect();
        for thread in started {
            let failed =
                |source| Error::System { operation: "starting", subject: "a thread that loads", source };
            let ended = thread.map_err(failed)?.join();
            ended.unwrap_or_else(|_| Err(failed(io::Error::other("it ended early"))))?;
        }
        Ok(())
    })
}

/// Loads one program into the kernel.
pub(super) fn load(ebpf: &mut Ebpf, name: &'static str) -> Result<(), Error> {
    load_one(ebpf.program_mut(name).ok_or(Error::Incomplete(name))?, name)
}

fn load_one(program: &mut Program, name: &'static str) -> Result<(), Error> {
    let refused = |source: ProgramError| match errno(&source) {
        Some(libc::EPERM) => Error::NotPermitted(io::Error::from_raw_os_error(libc::EPERM)),
        // The verifier's refusal; with all rights the same number is a defect of the program.
        Some(libc::EACCES) if probe::lacks_capabilities() => {
            Error::NotPermitted(io::Error::from_raw_os_error(libc::EACCES))
        }
        Some(libc::EMFILE | libc::ENFILE) => Error::NoDescriptors(out_of_descriptors()),
        _ => Error::Program { program: name, source: Box::new(source) },
    };
    let mut attempts = 0;
    loop {
        let loaded = match &mut *program {
            Program::SchedClassifier(p) => p.load(),
            Program::Xdp(p) => p.load(),
            Program::CgroupSock(p) => p.load(),
            Program::CgroupSockAddr(p) => p.load(),
            _ => return Err(Error::Incomplete(name)),
        };
        match loaded {
            // A signal interrupted the verifier (kernel/bpf/verifier.c): nothing is wrong with the program.
            Err(e) if attempts < LOAD_ATTEMPTS && errno(&e) == Some(libc::EAGAIN) => attempts += 1,
            other => return other.map_err(refused),
        }
    }
}

/// The system's error number in a program error. aya's transparent errors are no links of the chain
/// of causes, so they are opened here.
fn errno(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::TcError(TcError::NetlinkError(e))
        | ProgramError::XdpError(XdpError::NetlinkError(e)) => e.raw_os_error(),
        ProgramError::TcError(TcError::IoError(e)) | ProgramError::LoadError { io_error: e, .. } => {
            e.raw_os_error()
        }
        ProgramError::SyscallError(e) => e.io_error.raw_os_error(),
        _ => io_cause(error).and_then(io::Error::raw_os_error),
    }
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut SchedClassifier, Error> {
    ebpf.program_mut(name).and_then(|p| p.try_into().ok()).ok_or(Error::Incomplete(name))
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, Error> {
    ebpf.program_mut(name).and_then(|p| p.try_into().ok()).ok_or(Error::Incomplete(name))
}

impl Interface {
    /// Its name, harmless on a terminal.
    fn shown(&self) -> String {
        Text::escaped(self.name.as_bytes()).into_owned()
    }

    /// The same interface under the name that the kernel has for it now.
    fn as_it_is(&self) -> Result<Self, Error> {
        // Any socket will do; of this family one is all that a confined thread may make.
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        match socket.and_then(|socket| index_to_name(&socket, self.ifindex)) {
            Ok(name) => Ok(Self { name, ..self.clone() }),
            Err(Errno::NODEV | Errno::NXIO) => Err(Error::NoInterface { interface: self.shown() }),
            Err(Errno::ILSEQ) => Err(Error::UnusableName { interface: self.shown() }),
            Err(e) if e == Errno::MFILE || e == Errno::NFILE => Err(Error::NoDescriptors(e.into())),
            Err(e) => Err(Error::System {
                operation: "asking for",
                subject: "the name of an interface",
                source: e.into(),
            }),
        }
    }
}

impl Source {
    /// Attaches to an interface. An interface that is attached already is left as it is.
    pub fn attach(&mut self, interface: &Interface) -> Result<(), Error> {
        if self.attachments.contains_key(&interface.ifindex) {
            return Ok(());
        }
        let mut flags = 0;
        if interface.layer_3 {
            flags |= hook_flags::LAYER_3;
        }
        if interface.loopback || interface.mirror {
            flags |= hook_flags::ONE_SIDED;
        }
        if !self.hooks.claim(interface.ifindex, flags)? {
            return Err(Error::TooManyInterfaces { interface: interface.shown(), limit: self.hooks.room() });
        }
        let attached = interface.as_it_is().and_then(|device| self.attach_programs(&device));
        match attached {
            Ok(attachment) => {
                self.attachments.insert(interface.ifindex, attachment);
                Ok(())
            }
            Err(error) => {
                self.hooks.release(interface.ifindex)?;
                Err(error)
            }
        }
    }

    fn attach_programs(&mut self, interface: &Interface) -> Result<Attachment, Error> {
        let ingress = match self.options.ingress {
            Ingress::Tc => IngressLink::Tc(self.attach_tc(INGRESS, TcAttachType::Ingress, interface)?),
            Ingress::Xdp => self.attach_xdp(XdpMode::Driver, interface)?,
            Ingress::XdpGeneric => self.attach_xdp(XdpMode::Skb, interface)?,
        };
        let egress = if interface.loopback {
            None
        } else {
            match self.attach_tc(EGRESS, TcAttachType::Egress, interface) {
                Ok(link) => Some(link),
                Err(error) => {
                    self.detach_ingress(ingress);
                    return Err(error);
                }
            }
        };
        Ok(Attachment { name: interface.shown(), ingress, egress })
    }

    fn attach_tc(
        &mut self,
        name: &'static str,
        hook: TcAttachType,
        interface: &Interface,
    ) -> Result<TcLink, Error> {
        let Self { ebpf, pins, options, features, .. } = self;
        let program = classifier(ebpf, name)?;
        if let Some(pins) = pins
            && let Some(link) = pins.exchange_tc(program, interface.ifindex, &interface.name, hook)?
        {
            return Ok(link);
        }
        let id = Self::hang_tc(program, options, *features, name, hook, interface)?;
        match pins {
            Some(pins) => pins.keep_tc(program, id, interface.ifindex, hook),
            None => Ok(TcLink::Owned(id)),
        }
    }

    fn hang_tc(
        program: &mut SchedClassifier,
        options: &Options,
        features: Features,
        name: &'static str,
        hook: TcAttachType,
        interface: &Interface,
    ) -> Result<SchedClassifierLinkId, Error> {
        let tcx = match options.tc_attach {
            TcAttach::Tcx => true,
            TcAttach::Clsact => false,
            TcAttach::Auto => features.tcx,
        };
        let failed = |source: ProgramError| refused(name, interface, source);
        if tcx {
            let first = TcAttachOptions::TcxOrder(LinkOrder::first());
            return program.attach_with_options(&interface.name, hook, first).map_err(failed);
        }
        let handle = options.pin.as_deref().map(clsact::pinned);
        let place =
            clsact::Place { ifindex: interface.ifindex, interface: &interface.name, hook, program: name };
        place.make_room(handle)?;
        // A clsact qdisc may be there already; that the filter goes in is what counts.
        let qdisc = tc::qdisc_add_clsact(&interface.name);
        let handle = handle.unwrap_or(TcHandle::AUTO_ASSIGN);
        let mut attach = |priority| {
            let options = NlOptions { priority, handle, ..NlOptions::default() };
            program.attach_with_options(&interface.name, hook, TcAttachOptions::Netlink(options))
        };
        // Where somebody else's kind of filter holds the first priority the kernel picks one.
        attach(PRIORITY)
            .or_else(|_| attach(0))
            .map_err(|error| failed(qdisc.err().map_or(error, ProgramError::from)))
    }

    fn attach_xdp(&mut self, mode: XdpMode, interface: &Interface) -> Result<IngressLink, Error> {
        let name = xdp_program(self.features);
        let Self { ebpf, pins, .. } = self;
        let program = xdp(ebpf, name)?;
        if let Some(pins) = pins
            && let Some(path) = pins.exchange_xdp(program, interface.ifindex)?
        {
            return Ok(IngressLink::Xdp(name, XdpLink::Pinned(path)));
        }
        let link =
            program.attach_to_if_index(interface.ifindex, mode).map_err(|source| match errno(&source) {
                Some(libc::EBUSY | libc::EEXIST) => Error::HookTaken { interface: interface.shown() },
                Some(code @ (libc::EOPNOTSUPP | libc::ERANGE | libc::EINVAL)) => Error::NoNativeXdp {
                    interface: interface.shown(),
                    source: io::Error::from_raw_os_error(code),
                },
                _ => refused(name, interface, source),
            })?;
        let link = match pins {
            Some(pins) => XdpLink::Pinned(pins.keep_xdp(program, link, interface.ifindex)?),
            None => XdpLink::Owned(link),
        };
        Ok(IngressLink::Xdp(name, link))
    }

    fn detach_ingress(&mut self, ingress: IngressLink) {
        // An interface that is gone took its programs along; there is nothing to do about other errors.
        match ingress {
            IngressLink::Tc(link) => {
                if let Ok(program) = classifier(&mut self.ebpf, INGRESS) {
                    link.detach(program);
                }
            }
            IngressLink::Xdp(_, XdpLink::Pinned(path)) => drop(std::fs::remove_file(path)),
            IngressLink::Xdp(name, XdpLink::Owned(link)) => {
                if let Ok(program) = xdp(&mut self.ebpf, name) {
                    let _ = program.detach(link);
                }
            }
        }
    }

    /// Makes attaching to so many interfaces, or detaching from them, quicker until the guard is dropped, if there
    /// is a way; of few it is not worth while.
    pub fn hurry(&self, interfaces: usize) -> Option<Hurry> {
        (interfaces >= MANY).then(|| self.expedite.begin()).flatten()
    }

    /// Detaches from an interface. Its last packets are in the next drain; then [`Source::release`].
    pub fn detach(&mut self, ifindex: u32) {
        let Some(attachment) = self.attachments.remove(&ifindex) else { return };
        self.detach_ingress(attachment.ingress);
        if let (Some(link), Ok(program)) = (attachment.egress, classifier(&mut self.ebpf, EGRESS)) {
            link.detach(program);
        }
        if let Some(pins) = &mut self.pins {
            // All that was detached already is gone; what is forgotten here is only where it was.
            let _ = pins.abandon(ifindex, None);
        }
    }

    /// Interfaces that a predecessor counted and this one has not attached to.
    pub fn unclaimed(&self) -> Vec<u32> {
        self.hooks.interfaces().filter(|ifindex| !self.attachments.contains_key(ifindex)).collect()
    }

    /// Ends what a predecessor left on an interface that is not to be counted any more, under this name if
    /// it is still there. Its last packets are in the next drain; then [`Source::release`].
    pub fn abandon(&mut self, ifindex: u32, name: Option<&str>) -> Result<(), Error> {
        self.pins.as_mut().map_or(Ok(()), |pins| pins.abandon(ifindex, name))
    }

    /// Frees the counters of an interface after its last drain.
    pub fn release(&mut self, ifindex: u32) -> Result<(), Error> {
        self.hooks.release(ifindex)
    }

    /// Interfaces that are attached: index, name when attached, hooks.
    pub fn attached(&self) -> impl Iterator<Item = (u32, &str, &'static [&'static str])> {
        self.attachments.iter().map(|(&ifindex, a)| {
            let hooks: &'static [&'static str] = match (&a.ingress, &a.egress) {
                (IngressLink::Tc(_), Some(_)) => &["tc_ingress", "tc_egress"],
                (IngressLink::Tc(_), None) => &["tc_ingress"],
                (IngressLink::Xdp(..), Some(_)) => &["xdp", "tc_egress"],
                (IngressLink::Xdp(..), None) => &["xdp"],
            };
            (ifindex, a.name.as_str(), hooks)
        })
    }
}

fn refused(program: &'static str, interface: &Interface, source: ProgramError) -> Error {
    let name = interface.shown();
    match errno(&source) {
        // The C library looks up an interface by a socket, and has another word for it when there can be none.
        Some(libc::ENOENT) if matches!(source, ProgramError::TcError(TcError::IoError(_))) => {
            Error::NoDescriptors(out_of_descriptors())
        }
        Some(libc::ENODEV | libc::ENXIO) => Error::NoInterface { interface: name },
        Some(libc::EPERM) => Error::NotPermitted(io::Error::from_raw_os_error(libc::EPERM)),
        Some(libc::EMFILE | libc::ENFILE) => Error::NoDescriptors(out_of_descriptors()),
        _ => Error::Attach { program, interface: name, source: source.into() },
    }
}

fn out_of_descriptors() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}
