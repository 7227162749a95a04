//! Whose traffic it is: from what the kernel keeps of a socket to names that people know.
//!
//! [`cgroup`] has units and containers by control group, `process` what `/proc` says, `users` names of users, `diag`
//! sockets that are older than the hooks. Everything is bounded, and what was learnt outlives whom it is of.

mod cache;
pub mod cgroup;
mod diag;
mod mount;
mod pods;
mod process;
mod runtime;
mod secrets;
mod users;

use std::path::Path;
use std::sync::Arc;

use monitor_common::abi::{FlowKey, FlowOwners, OwnerCells, Side, SocketOwner, owner_flags};
use monitor_core::engine::{Claim, Socket};
use monitor_core::record::{Owner, OwnerSource, Text};

use cache::Cache;
use cgroup::Cgroups;
use diag::{Diag, Listed};
pub use mount::{Cgroup2, NoCgroup2};
use pods::Pods;
use process::Processes;
pub use runtime::Runtime;
use users::Users;

use crate::source::ebpf::Resolver;

/// Reads bytes as each file and message from which owners are learnt: for tests that write anything there. The command
/// line that it makes of them.
#[doc(hidden)]
pub fn read_all(bytes: &[u8]) -> Vec<u8> {
    drop(process::stat_of(bytes));
    drop(Users::of(bytes));
    diag::read_any(bytes);
    runtime::read_any(bytes);
    let text = String::from_utf8_lossy(bytes);
    drop(mount::find(&text));
    drop(cgroup::group(&text));
    secrets::first_words(bytes)
}

/// Owners that are remembered at most, twice over: about a kilobyte each with its texts.
const OWNERS: usize = 8192;

/// Turns what the kernel keeps of sockets into owners.
#[derive(Debug)]
pub struct Lookup {
    cgroups: Cgroups,
    processes: Processes,
    users: Users,
    diag: Diag,
    pods: Pods,
    runtimes: Vec<Runtime>,
    owners: Cache<SocketOwner, Arc<Owner>>,
}

impl Lookup {
    /// Reads what there is: control groups below this mount, users; `logs`: where the kubelet's are; `runtimes`: who is asked for
    /// names of containers.
    pub fn open(cgroup2: &Path, logs: Option<&Path>, runtimes: Vec<Runtime>) -> Self {
        Self {
            cgroups: Cgroups::new(cgroup2),
            processes: Processes::new(),
            users: Users::read(),
            diag: Diag::open(),
            pods: Pods::below(logs),
            runtimes,
            owners: Cache::new(OWNERS),
        }
    }

    /// What is known of the sockets of a flow.
    pub fn claims(&mut self, key: &FlowKey, words: &FlowOwners) -> [Claim; 2] {
        [Side::Lower, Side::Upper].map(|side| self.claim(key, side, words.side(side)))
    }

    /// Learns what there is to learn of the sockets of a flow, so that [`Self::claims`] has it at hand.
    pub fn learn(&mut self, words: &FlowOwners) {
        for cells in &words.sides {
            let owner = cells.owner();
            if cells.seen.get() == 0 && owner.flags & owner_flags::ASKED != 0 {
                if owner.flags & owner_flags::STORED != 0 {
                    self.owner(&owner);
                }
                cells.seen.set(1);
            }
        }
    }

    fn claim(&mut self, key: &FlowKey, side: Side, cells: &OwnerCells) -> Claim {
        let kept = cells.owner();
        let has = |flag: u32| kept.flags & flag != 0;
        let socket = if !has(owner_flags::ASKED) {
            Socket::Unasked
        } else if !has(owner_flags::SOCKET) {
            if has(owner_flags::FORWARDED) { Socket::Forwarded } else { Socket::Absent }
        } else if has(owner_flags::STORED) {
            Socket::User(source(&kept), self.owner(&kept))
        } else if has(owner_flags::PACKET) {
            Socket::User(OwnerSource::PacketDiag, self.owner(&kept))
        } else if has(owner_flags::FOREIGN) {
            // Older than the hooks, in another network namespace: its control group is known.
            Socket::User(OwnerSource::Veth, self.owner(&kept))
        } else if let Some(listed) = self.diag.find(key, side) {
            Socket::User(OwnerSource::SockDiag, self.older(listed, kept.cgroup))
        } else {
            // No process made it, or a hook would have seen it.
            Socket::Kernel
        };
        Claim { socket, looked_up: has(owner_flags::LOOKED_UP) }
    }

    /// Who uses a socket.
    fn owner(&mut self, kept: &SocketOwner) -> Arc<Owner> {
        // By which call, and whether it listens, does not matter for who it is.
        let key = SocketOwner { flags: kept.flags & (owner_flags::STORED | owner_flags::THREAD), ..*kept };
        if let Some(owner) = self.owners.get(&key) {
            return Arc::clone(owner);
        }
        let owner = Arc::new(self.make(&key));
        // Names of a pod and of a container may come after its first packet.
        let group = self.cgroups.get(kept.cgroup);
        let is_named = |group: &cgroup::Group| {
            (owner.pod.is_some() || group.pod_uid.is_none())
                && (owner.container.is_some() || group.container_id.is_none() || self.runtimes.is_empty())
        };
        if group.is_none_or(|group| is_named(&group)) {
            self.owners.insert(key, Arc::clone(&owner));
        }
        owner
    }

    /// Who uses a socket that no hook saw; `cgroup`: what a packet of it said.
    fn older(&mut self, listed: Listed, cgroup: u64) -> Arc<Owner> {
        let key = SocketOwner {
            cgroup: if cgroup == 0 { listed.cgroup } else { cgroup },
            tgid: listed.pid,
            uid: listed.uid,
            flags: owner_flags::SOCKET,
            ..SocketOwner::default()
        };
        if let Some(owner) = self.owners.get(&key) {
            return Arc::clone(owner);
        }
        let mut owner = self.make(&SocketOwner { flags: 0, ..key });
        owner.uid = Some(listed.uid);
        owner.user = Some(self.users.name(listed.uid));
        if let Some(process) = self.processes.read(listed.pid, None).filter(|_| listed.pid != 0) {
            owner.pid = Some(listed.pid);
            owner.process = Some(process.name);
            owner.command = process.command;
            owner.exe = process.exe;
            owner.process_start = process.start;
        }
        let owner = Arc::new(owner);
        self.owners.insert(key, Arc::clone(&owner));
        owner
    }

    fn make(&mut self, kept: &SocketOwner) -> Owner {
        let mut owner = Owner::default();
        if kept.flags & owner_flags::STORED != 0 {
            let is_thread = kept.flags & owner_flags::THREAD != 0;
            let name = comm(kept);
            owner.pid = Some(kept.tgid);
            owner.uid = Some(kept.uid);
            owner.user = Some(self.users.name(kept.uid));
            if let Some(process) = self.processes.read(kept.tgid, (!is_thread).then_some(&name)) {
                owner.process = Some(if is_thread { process.name } else { name });
                owner.command = process.command;
                owner.exe = process.exe;
                owner.process_start = process.start;
            } else {
                owner.process = Some(name);
                owner.process_is_thread = is_thread.then_some(true);
            }
        }
        if let Some(group) = self.cgroups.get(kept.cgroup) {
            owner.unit.clone_from(&group.unit);
            owner.container_id.clone_from(&group.container_id);
            owner.runtime.clone_from(&group.runtime);
            let container = group.container_id.as_ref().map(Text::as_str);
            if let Some(named) = self.pods.find(group.pod_uid.as_deref(), container) {
                owner.namespace = Some(named.namespace);
                owner.pod = Some(named.pod);
                owner.pod_container = named.container;
            }
            let mut runtimes = self.runtimes.iter_mut();
            if let Some(called) = container.and_then(|id| runtimes.find_map(|runtime| runtime.find(id))) {
                called.tell(&mut owner);
            }
        }
        owner
    }
}

impl Resolver for Lookup {
    fn learn(&mut self, owners: &FlowOwners) {
        Self::learn(self, owners);
    }

    fn claims(&mut self, key: &FlowKey, owners: &FlowOwners) -> [Claim; 2] {
        Self::claims(self, key, owners)
    }
}

/// How an owner is known that a hook saw.
const fn source(kept: &SocketOwner) -> OwnerSource {
    if kept.flags & owner_flags::FOREIGN != 0 {
        OwnerSource::Veth
    } else if kept.flags & owner_flags::LISTENER != 0 {
        OwnerSource::Listener
    } else {
        OwnerSource::Socket
    }
}

/// The name of a task.
fn comm(kept: &SocketOwner) -> Text {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&kept.comm[0].to_ne_bytes());
    bytes[8..].copy_from_slice(&kept.comm[1].to_ne_bytes());
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Text::new(bytes.get(..length).unwrap_or_default())
}
