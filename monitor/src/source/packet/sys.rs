//! The ring that the kernel writes packets to (`packet_mmap`, version 3), and the options of its socket.
#![expect(
    unsafe_code,
    reason = "memory that is shared with the kernel, and socket options without a wrapper"
)]

use std::{
    io,
    mem::size_of_val,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Bytes of a block: a packet must fit into one, super-packets of 64 KiB do.
const BLOCK: usize = 1 << 19;
/// Blocks of a ring.
const BLOCKS: usize = 32;
/// What the kernel rounds by; packets take what they need.
const FRAME: usize = 2048;
/// Where a block's state stands (`struct tpacket_block_desc`).
const STATUS_AT: usize = 8;
/// A block that is ours (`TP_STATUS_USER`); 0: it is the kernel's.
const OURS: u32 = 1;
/// A block that is not full is handed over after this.
pub(super) const RETIRE: Duration = Duration::from_millis(50);

/// `TPACKET_V3` of `enum tpacket_versions`.
const VERSION_3: libc::c_int = 2;
/// Options of `SOL_PACKET` (`include/uapi/linux/if_packet.h`).
const PACKET_RX_RING: libc::c_int = 5;
const PACKET_STATISTICS: libc::c_int = 6;
const PACKET_VERSION: libc::c_int = 10;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// `struct tpacket_req3`.
#[repr(C)]
struct Request {
    block_size: u32,
    blocks: u32,
    frame_size: u32,
    frames: u32,
    retire_ms: u32,
    private: u32,
    features: u32,
}

/// `struct tpacket_stats_v3`.
#[repr(C)]
#[derive(Default)]
struct Counts {
    packets: u32,
    drops: u32,
    freezes: u32,
}

fn set<T>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: pointer and length are those of `value`, which lives until the call returns.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of_val(value) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Packets that are cut by the kernel after so many bytes.
pub(super) fn cut(fd: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    // BPF_RET | BPF_K: take so much of every packet.
    let mut code = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: bytes }];
    let program = libc::sock_fprog { len: 1, filter: code.as_mut_ptr() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Packets are stamped when they come, not when somebody looks at them.
pub(super) fn stamp(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32)
}

/// Packets that leave are not shown.
pub(super) fn ignore_outgoing(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1_i32)
}

/// All packets of an interface come from now on.
pub(super) fn bind(fd: BorrowedFd<'_>, ifindex: i32) -> io::Result<()> {
    // SAFETY: a structure of integers, of which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = ifindex;
    // SAFETY: pointer and length are those of the address, which lives until the call returns.
    let done = unsafe {
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Packets that came and that found no room since this was last asked.
pub(super) fn statistics(fd: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let mut counts = Counts::default();
    let mut length = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: pointer and length are those of `counts`, which lives until the call returns.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_STATISTICS,
            (&raw mut counts).cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok((counts.packets.into(), counts.drops.into())) } else { Err(io::Error::last_os_error()) }
}

/// Waits until one of them has something, or the time is over.
pub(super) fn wait<'a>(sockets: impl Iterator<Item = BorrowedFd<'a>>, at_most: Duration) -> io::Result<()> {
    let event = libc::POLLIN | libc::POLLERR;
    let mut polled: Vec<libc::pollfd> =
        sockets.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: event, revents: 0 }).collect();
    // SAFETY: pointer and number are those of the vector, and its descriptors are borrowed until here.
    let done =
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, at_most.as_millis() as i32) };
    let error = io::Error::last_os_error();
    if done >= 0 || error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// A ring of blocks that the kernel fills, one after the other.
#[derive(Debug)]
pub(super) struct Ring {
    base: NonNull<u8>,
    next: usize,
    socket: OwnedFd,
}

// SAFETY: the mapping is this value's own; whoever has the value has the mapping.
unsafe impl Send for Ring {}

impl Ring {
    /// Makes the ring of a packet socket that is not bound yet.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let fd = socket.as_fd();
        set(fd, libc::SOL_PACKET, PACKET_VERSION, &VERSION_3)?;
        let request = Request {
            block_size: BLOCK as u32,
            blocks: BLOCKS as u32,
            frame_size: FRAME as u32,
            frames: (BLOCK / FRAME * BLOCKS) as u32,
            retire_ms: RETIRE.as_millis() as u32,
            private: 0,
            features: 0,
        };
        set(fd, libc::SOL_PACKET, PACKET_RX_RING, &request)?;
        // SAFETY: a new shared mapping of a descriptor that we hold; the address is the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BLOCK * BLOCKS,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { base, next: 0, socket })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Shows the next block, if it is full or its time has come; then the kernel has it again.
    pub(super) fn take(&mut self, read: impl FnOnce(&[u8])) -> bool {
        // SAFETY: `next` is below `BLOCKS`: the block lies within the mapping.
        let block = unsafe { self.base.add(self.next * BLOCK) };
        // SAFETY: within the block, and aligned, since blocks are pages; only this and the kernel touch it.
        let status = unsafe { AtomicU32::from_ptr(block.add(STATUS_AT).cast().as_ptr()) };
        if status.load(Ordering::Acquire) & OURS == 0 {
            return false;
        }
        // SAFETY: the block is ours: the kernel does not write to it until its state says so below.
        read(unsafe { std::slice::from_raw_parts(block.as_ptr(), BLOCK) });
        status.store(0, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; no reference outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), BLOCK * BLOCKS) };
    }
}
