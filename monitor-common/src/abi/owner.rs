//! Whose traffic a flow is: what hooks of control groups keep of a socket, and what a flow's packets said of the
//! sockets at its two ends.

use super::Side;
use crate::cell::{Cell32, Cell64};

/// Bytes of a task's name (`TASK_COMM_LEN`, include/linux/sched.h).
pub const COMM: usize = 16;

/// What is kept with a socket: the value of `SOCKETS`. 40 bytes.
///
/// Whoever created, bound, connected or sent by it last. A connection that is accepted has its listener's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SocketOwner {
    /// Identifier of the control group: the inode of its directory in a cgroup2 file system.
    pub cgroup: u64,
    /// Name of the thread that made the call.
    pub comm: [u64; COMM / 8],
    /// Process (thread group) identifier in the initial namespace of processes.
    pub tgid: u32,
    /// User identifier in the initial namespace of users.
    pub uid: u32,
    /// [`owner_flags`] of the hook.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

const _: () = assert!(size_of::<SocketOwner>() == 40);

/// Bits of [`SocketOwner::flags`] and [`OwnerCells::flags`].
pub mod owner_flags {
    /// The words of a side are set: its socket was asked for.
    pub const ASKED: u32 = 1;
    /// There is a socket.
    pub const SOCKET: u32 = 2;
    /// A hook saw who uses it.
    pub const STORED: u32 = 4;
    /// The socket listens: who accepts is not known yet.
    pub const LISTENER: u32 = 8;
    /// The name is that of a thread which is not its process's leader.
    pub const THREAD: u32 = 16;
    /// Found by the addresses of a packet that came in, in the network namespace of the interface. A socket that
    /// is bound to no address is found for any: whoever reads has to know that the address is this host's.
    pub const LOOKED_UP: u32 = 32;
    /// The packet came in with its sender's socket: from another network namespace of this host.
    pub const FOREIGN: u32 = 64;
    /// The socket is raw: for every packet of a protocol, or the kernel's own.
    pub const RAW: u32 = 128;
    /// The socket is one of packets (`packet(7)`), which writes whole frames.
    pub const PACKET: u32 = 0x1000;
    /// The packet has no socket and came in by some interface before it went out: this host forwards it, also where
    /// the source address is its own (masquerading).
    pub const FORWARDED: u32 = 0x2000;
    /// `socket(2)` was seen.
    pub const CREATED: u32 = 0x100;
    /// `connect(2)` was seen last.
    pub const CONNECTED: u32 = 0x200;
    /// `bind(2)` was seen last.
    pub const BOUND: u32 = 0x400;
    /// `sendmsg(2)` or `sendto(2)` was seen last.
    pub const SENT: u32 = 0x800;
}

/// What is known of the socket at one end of a flow. 48 bytes.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct OwnerCells {
    /// [`SocketOwner::cgroup`]; of a socket that no hook saw that of the packet's socket, 0 where it cannot be had.
    pub cgroup: Cell64,
    /// The kernel's number of the socket (`SO_COOKIE`, `INET_DIAG`'s `idiag_cookie`); 0: not known.
    pub cookie: Cell64,
    /// [`SocketOwner::comm`].
    pub comm: [Cell64; COMM / 8],
    /// [`SocketOwner::tgid`].
    pub tgid: Cell32,
    /// [`SocketOwner::uid`].
    pub uid: Cell32,
    /// [`owner_flags`], written last; 0: nobody asked yet.
    pub flags: Cell32,
    /// 0 when the words are new; written by user space then.
    pub seen: Cell32,
}

const _: () = assert!(size_of::<OwnerCells>() == 48);

impl OwnerCells {
    /// Takes what is known; who reads meanwhile may see words of both.
    #[inline(always)]
    pub fn set(&self, owner: &SocketOwner, cookie: u64, flags: u32) {
        self.cgroup.set(owner.cgroup);
        self.cookie.set(cookie);
        self.comm[0].set(owner.comm[0]);
        self.comm[1].set(owner.comm[1]);
        self.tgid.set(owner.tgid);
        self.uid.set(owner.uid);
        self.seen.set(0);
        self.flags.set(flags);
    }

    /// What a hook kept of the socket.
    pub fn owner(&self) -> SocketOwner {
        SocketOwner {
            cgroup: self.cgroup.get(),
            comm: [self.comm[0].get(), self.comm[1].get()],
            tgid: self.tgid.get(),
            uid: self.uid.get(),
            flags: self.flags.get(),
            reserved: 0,
        }
    }

    fn clear(&self) {
        self.set(&SocketOwner::default(), 0, 0);
    }
}

/// The owners of a flow in a slot, in a map of their own beside the slots: only the first packets of a connection
/// touch it. 104 bytes.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct FlowOwners {
    /// By [`Side`].
    pub sides: [OwnerCells; 2],
    /// By sender: of which connection of the slot the sockets were asked for, [`super::Head::reused`] plus 1.
    pub asked: [Cell32; 2],
}

const _: () = assert!(size_of::<FlowOwners>() == 104);

impl FlowOwners {
    /// What is known of one end.
    pub const fn side(&self, side: Side) -> &OwnerCells {
        &self.sides[side.index()]
    }

    /// Empties the words of a slot that no program can hold.
    pub fn clear(&self) {
        for (side, asked) in self.sides.iter().zip(&self.asked) {
            side.clear();
            asked.set(0);
        }
    }
}
