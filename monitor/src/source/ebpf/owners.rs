//! Whose the flows are: hooks of control groups that keep with each socket who uses it, and beside each slot what its
//! packets said of the sockets at both ends.

use std::fs::File;
use std::sync::Arc;

use aya::{
    Ebpf,
    maps::Map,
    programs::{CgroupAttachMode, Program, ProgramError},
};
use monitor_common::abi::{FlowKey, FlowOwners};
use monitor_core::engine::Claim;

use super::{Error, attach, slots, sys::Mapping};

/// Programs that run when a process makes a call with a socket.
pub(super) const HOOKS: [&str; 7] = [
    "weir_create",
    "weir_connect4",
    "weir_connect6",
    "weir_bind4",
    "weir_bind6",
    "weir_sendmsg4",
    "weir_sendmsg6",
];

/// Who knows the names of owners.
pub trait Resolver: Send {
    /// Learns of the sockets of a flow what takes time, before [`Self::claims`] is asked.
    fn learn(&mut self, owners: &FlowOwners);
    /// Who is at both ends of a flow.
    fn claims(&mut self, key: &FlowKey, owners: &FlowOwners) -> [Claim; 2];
}

/// The root of the control groups, open: sockets below it are followed.
pub type Root = Arc<File>;

/// See the module.
pub(super) struct Owners {
    mapping: Mapping<FlowOwners>,
    resolver: Option<Box<dyn Resolver>>,
}

impl Owners {
    /// Maps what stands beside the slots.
    pub(super) fn new(ebpf: &Ebpf, count: u32) -> Result<Self, Error> {
        let Map::Array(map) = slots::also(ebpf, "OWNERS")? else { return Err(Error::Incomplete("OWNERS")) };
        let mapping = Mapping::new(&map, count as usize).map_err(|source| Error::System {
            operation: "mapping",
            subject: "the owners of flows",
            source,
        })?;
        Ok(Self { mapping, resolver: None })
    }

    pub(super) fn set_resolver(&mut self, resolver: Box<dyn Resolver>) {
        self.resolver = Some(resolver);
    }

    /// Has the resolver learn what is new of these slots.
    pub(super) fn learn(&mut self, count: u32) {
        let Self { mapping, resolver } = self;
        let Some(resolver) = resolver else { return };
        for owners in mapping.first(count as usize) {
            // New words are marked by the kernel side, so that the others cost one look.
            if owners.sides.iter().any(|side| side.flags.get() != 0 && side.seen.get() == 0) {
                resolver.learn(owners);
            }
        }
    }

    /// Who is at both ends of the flow in a slot.
    pub(super) fn claims(&mut self, slot: u32, key: &FlowKey) -> [Claim; 2] {
        let Self { mapping, resolver } = self;
        match (resolver, mapping.get(slot as usize)) {
            (Some(resolver), Some(owners)) => resolver.claims(key, owners),
            _ => <[Claim; 2]>::default(),
        }
    }

    /// Empties the words of a slot that no program can hold.
    pub(super) fn clear(&self, slot: u32) {
        if let Some(owners) = self.mapping.get(slot as usize) {
            owners.clear();
        }
    }
}

/// Loads the hooks and attaches them to all control groups. They leave with the process.
pub(super) fn attach(ebpf: &mut Ebpf, root: &Root) -> Result<(), Error> {
    attach::load_all(ebpf, &HOOKS)?;
    for name in HOOKS {
        let program = ebpf.program_mut(name).ok_or(Error::Incomplete(name))?;
        // A link is one of several in any case: others may hang theirs beside, above and below.
        let mode = CgroupAttachMode::Single;
        let attached: Result<(), ProgramError> = match program {
            Program::CgroupSock(program) => program.attach(root, mode).map(drop),
            Program::CgroupSockAddr(program) => program.attach(root, mode).map(drop),
            _ => return Err(Error::Incomplete(name)),
        };
        attached.map_err(|source| Error::Program { program: name, source: Box::new(source) })?;
    }
    Ok(())
}
