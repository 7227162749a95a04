//! System calls that aya does not offer: mapping a map, its batch operations, pushing to a stack, pins,
//! memory barriers. All of the agent's unsafe code towards the kernel is here.
#![expect(unsafe_code, reason = "system calls on raw memory")]

use std::{
    ffi::CString,
    io,
    marker::PhantomData,
    mem::size_of_val,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    ptr::NonNull,
};

/// Commands of bpf(2) (include/uapi/linux/bpf.h, enum `bpf_cmd`).
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_DELETE_ELEM: libc::c_int = 3;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_MAP_DELETE_BATCH: libc::c_int = 27;

/// Map types (enum `bpf_map_type`).
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// Flag of `BPF_MAP_CREATE`: the values can be mapped.
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// `MEMBARRIER_CMD_GLOBAL` (include/uapi/linux/membarrier.h).
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;

/// A type whose every bit pattern is a value and whose fields are cells or integers: it may be
/// shared with the kernel.
///
/// # Safety
/// Shared references to memory that another writer changes must be sound: only cells, or integers
/// that are not written while they can be seen.
pub(super) unsafe trait Shared {}

// SAFETY: cells; the key is written before the slot can be seen to have packets.
unsafe impl Shared for monitor_common::abi::Flow {}
// SAFETY: cells.
unsafe impl Shared for monitor_common::abi::Reported {}
// SAFETY: a cell.
unsafe impl Shared for monitor_common::cell::Cell64 {}

/// The values of a `BPF_F_MMAPABLE` array, mapped.
pub(super) struct Mapping<T> {
    base: NonNull<T>,
    count: usize,
    bytes: usize,
    values: PhantomData<T>,
}

// SAFETY: the values are cells shared with the kernel already.
unsafe impl<T: Shared> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapping<T> {}

impl<T: Shared> Mapping<T> {
    /// Maps `count` values.
    pub(super) fn new(map: &OwnedFd, count: usize) -> io::Result<Self> {
        // SAFETY: sysconf takes no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = (count * size_of::<T>()).next_multiple_of(page.max(1));
        // SAFETY: a new shared mapping of a descriptor that we hold; the address is the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { base, count, bytes, values: PhantomData })
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn first(&self, count: usize) -> &[T] {
        // SAFETY: `count` values are mapped as long as `self` lives; T is Shared.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), count.min(self.count)) }
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.first(self.count).get(index)
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; no reference outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// `union bpf_attr` for operations on one element.
#[repr(C)]
#[derive(Default)]
struct ElementAttr {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` for batch operations.
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// `union bpf_attr` for `BPF_MAP_CREATE`, up to `inner_map_fd`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Default)]
struct InfoAttr {
    fd: u32,
    length: u32,
    info: u64,
}

fn bpf<A>(command: libc::c_int, attr: &mut A) -> io::Result<libc::c_int> {
    // SAFETY: `attr` is a prefix of `union bpf_attr` of the given size; the pointers in it are valid
    // for what the command reads and writes, by the callers below.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as libc::c_int) }
}

/// Creates an array of one `u32`.
pub(super) fn create_array() -> io::Result<OwnedFd> {
    create(CreateAttr { map_type: BPF_MAP_TYPE_ARRAY, ..Default::default() })
}

/// Creates an array of one map like `inner`.
pub(super) fn create_array_of_maps(inner: &OwnedFd) -> io::Result<OwnedFd> {
    create(CreateAttr {
        map_type: BPF_MAP_TYPE_ARRAY_OF_MAPS,
        inner_map_fd: inner.as_raw_fd() as u32,
        ..Default::default()
    })
}

fn create(attr: CreateAttr) -> io::Result<OwnedFd> {
    create_as(CreateAttr { key_size: 4, value_size: 4, max_entries: 1, ..attr })
}

/// Creates an array that [`Mapping`] can map.
pub(super) fn create_mappable(value_size: u32, max_entries: u32) -> io::Result<OwnedFd> {
    create_as(CreateAttr {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size,
        max_entries,
        map_flags: BPF_F_MMAPABLE,
        ..Default::default()
    })
}

fn create_as(mut attr: CreateAttr) -> io::Result<OwnedFd> {
    let fd = bpf(BPF_MAP_CREATE, &mut attr)?;
    // SAFETY: a descriptor that the kernel just gave us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `union bpf_attr` for `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[repr(C)]
#[derive(Default)]
struct ObjectAttr {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Gives a map a name in a BPF file system.
pub(super) fn pin(map: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = ObjectAttr { path: path.as_ptr() as u64, fd: map.as_raw_fd() as u32, flags: 0 };
    bpf(BPF_OBJ_PIN, &mut attr).map(drop)
}

/// Opens what has a name in a BPF file system.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let fd = bpf(BPF_OBJ_GET, &mut ObjectAttr { path: path.as_ptr() as u64, ..Default::default() })?;
    // SAFETY: a descriptor that the kernel just gave us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sizes of a map (`struct bpf_map_info`): key and value in bytes, entries.
pub(super) fn map_sizes(map: &OwnedFd) -> io::Result<[u32; 3]> {
    // Type, id, key size, value size, entries.
    let mut info = [0_u32; 5];
    let mut attr = InfoAttr {
        fd: map.as_raw_fd() as u32,
        length: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    let [_, _, key, value, entries] = info;
    Ok([key, value, entries])
}

/// The number that a key has; `None`: it has none.
pub(super) fn lookup<K: aya::Pod>(map: &OwnedFd, key: &K) -> io::Result<Option<u32>> {
    let mut value = 0_u32;
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        key: std::ptr::from_ref(key) as u64,
        value: (&raw mut value) as u64,
        ..Default::default()
    };
    match bpf(BPF_MAP_LOOKUP_ELEM, &mut attr) {
        Ok(_) => Ok(Some(value)),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Puts `inner` into the only place of `outer`.
pub(super) fn set_map(outer: &OwnedFd, inner: &OwnedFd) -> io::Result<()> {
    let key = 0_u32;
    let value = inner.as_raw_fd() as u32;
    let mut attr = ElementAttr {
        map_fd: outer.as_raw_fd() as u32,
        key: (&raw const key) as u64,
        value: (&raw const value) as u64,
        ..Default::default()
    };
    bpf(BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// What the kernel measures of a program (`struct bpf_prog_info`), zero where it does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunStats {
    /// Nanoseconds, while `kernel.bpf_stats_enabled` is on.
    pub(super) run_time_ns: u64,
    /// Runs in that time.
    pub(super) runs: u64,
    /// Instructions that the verifier walked (kernel 5.16).
    pub(super) verified_instructions: u32,
}

/// Reads a program's statistics.
pub(super) fn run_stats(program: BorrowedFd<'_>) -> io::Result<RunStats> {
    const RUN_TIME: usize = 192;
    const RUNS: usize = 200;
    const VERIFIED: usize = 216;
    let mut info = [0_u8; 256];
    let mut attr = InfoAttr {
        fd: program.as_raw_fd() as u32,
        length: info.len() as u32,
        info: info.as_mut_ptr() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    let word =
        |at: usize| info.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_ne_bytes(*b));
    Ok(RunStats {
        run_time_ns: word(RUN_TIME),
        runs: word(RUNS),
        verified_instructions: word(VERIFIED) as u32,
    })
}

/// The value at the beginning of `bytes`, wherever they lie; `None`: they are too few.
pub(super) fn read_pod<T: aya::Pod>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: enough bytes, every bit pattern is a value, the read needs no alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Pushes to a stack or queue.
pub(super) fn push<T: aya::Pod>(map: &OwnedFd, value: &T) -> io::Result<()> {
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        value: std::ptr::from_ref(value) as u64,
        ..Default::default()
    };
    bpf(BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Deletes one key.
pub(super) fn delete<K: aya::Pod>(map: &OwnedFd, key: &K) -> io::Result<()> {
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        key: std::ptr::from_ref(key) as u64,
        ..Default::default()
    };
    bpf(BPF_MAP_DELETE_ELEM, &mut attr).map(drop)
}

/// Deletes keys in one call; stops at the first that fails. Returns how many were deleted.
pub(super) fn delete_batch<K: aya::Pod>(map: &OwnedFd, keys: &[K]) -> (usize, io::Result<()>) {
    debug_assert!(size_of_val(keys) > 0);
    let mut attr = BatchAttr {
        keys: keys.as_ptr() as u64,
        count: keys.len() as u32,
        map_fd: map.as_raw_fd() as u32,
        ..Default::default()
    };
    let done = bpf(BPF_MAP_DELETE_BATCH, &mut attr);
    // The kernel writes the count back, on success and on failure alike, unless it refused the call.
    let count = if done.is_ok() { keys.len() } else { attr.count as usize };
    (count.min(keys.len()), done.map(drop))
}

/// Waits until every program that runs now has ended (kernel/sched/membarrier.c: `synchronize_rcu`).
pub(super) fn membarrier_global() -> io::Result<()> {
    // SAFETY: takes no pointers.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// SAFETY: integers without padding.
unsafe impl aya::Pod for super::samples::SampleState {}
