//! System calls that aya does not offer: mapping a map, its batch operations, a map in a map, running a program,
//! memory barriers. All of the agent's unsafe code towards the kernel is here.
#![expect(unsafe_code, reason = "system calls on raw memory")]

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr::NonNull,
};

use aya::{
    maps::{MapData, MapError},
    pin::PinError,
    programs::ProgramFd,
};
pub(super) use aya_obj::generated::BPF_F_MMAPABLE;
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_map_type};

use super::error::io_cause;

/// `MEMBARRIER_CMD_GLOBAL` (include/uapi/linux/membarrier.h).
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;

/// The system's error behind one of aya's.
pub(super) fn cause(error: MapError) -> io::Error {
    cause_of(error)
}

/// The same of a pin.
pub(super) fn pin_cause(error: PinError) -> io::Error {
    match error {
        PinError::SyscallError(e) => e.io_error,
        other => cause_of(other),
    }
}

fn cause_of(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    match io_cause(&error).and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error),
    }
}

/// A type whose every bit pattern is a value and whose fields are cells or integers: it may be
/// shared with the kernel.
///
/// # Safety
/// Shared references to memory that another writer changes must be sound: only cells, or integers
/// that are not written while they can be seen.
pub(super) unsafe trait Shared {}

// SAFETY: cells.
unsafe impl Shared for monitor_common::abi::Flow {}
// SAFETY: cells.
unsafe impl Shared for monitor_common::abi::FlowOwners {}
// SAFETY: cells.
unsafe impl Shared for monitor_common::abi::Reported {}
// SAFETY: a cell.
unsafe impl Shared for monitor_common::cell::Cell64 {}

// SAFETY: cells.
unsafe impl Shared for monitor_common::abi::Supply {}

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
    /// Maps the first `count` values of an array whose values are of this size, and which can be mapped.
    pub(super) fn new(map: &MapData, count: usize) -> io::Result<Self> {
        // The kernel rounds values up to eight bytes (kernel/bpf/arraymap.c).
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let info = map.info().map_err(cause)?;
        let fits = info.value_size() as usize == size_of::<T>()
            && info.max_entries() as usize >= count
            && info.map_flags() & BPF_F_MMAPABLE != 0;
        if !fits {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: sysconf takes no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = (count * size_of::<T>()).next_multiple_of(page.max(1));
        // SAFETY: a new shared mapping of a map whose sizes were just checked; the address is the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.fd().as_fd().as_raw_fd(),
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

/// Makes a call of bpf(2).
///
/// # Safety
/// The pointers in `attr` are valid for what the command reads and writes through them.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_int> {
    let size = size_of::<bpf_attr>();
    // SAFETY: `attr` is the whole union; what it points to is the caller's to vouch for.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as libc::c_int) }
}

const fn attr() -> bpf_attr {
    // SAFETY: integers alone, for which zeros are values: what the kernel takes for "not given".
    unsafe { std::mem::zeroed() }
}

/// Creates an array that no object declares; with [`BPF_F_MMAPABLE`] it can be mapped.
pub(super) fn create_array(value_size: u32, max_entries: u32, flags: u32) -> io::Result<MapData> {
    let kind = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
    let map = aya_obj::Map::new_from_params(kind, 4, value_size, max_entries, flags);
    MapData::create(map, "weir", None).map_err(cause)
}

/// Creates an array of one map like `inner`, which is an array.
pub(super) fn create_array_of_maps(inner: &MapData) -> io::Result<OwnedFd> {
    let mut attr = attr();
    // SAFETY: all bytes are zeros.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS as u32;
    create.key_size = 4;
    create.value_size = 4;
    create.max_entries = 1;
    create.inner_map_fd = inner.fd().as_fd().as_raw_fd() as u32;
    // SAFETY: no pointers.
    let fd = unsafe { bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr) }?;
    // SAFETY: a descriptor that the kernel just gave us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts `inner` into the only place of `outer`, which [`create_array_of_maps`] made.
pub(super) fn set_map(outer: &OwnedFd, inner: &MapData) -> io::Result<()> {
    let (key, value) = (0_u32, inner.fd().as_fd().as_raw_fd() as u32);
    let mut attr = attr();
    // SAFETY: all bytes are zeros.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = outer.as_raw_fd() as u32;
    element.key = (&raw const key) as u64;
    element.__bindgen_anon_1.value = (&raw const value) as u64;
    // SAFETY: key and value are four bytes each in an array of maps.
    unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Deletes keys in one call; stops at the first that fails. Returns how many were deleted.
///
/// # Safety
/// `K` has the size of the map's keys.
pub(super) unsafe fn delete_batch<K: aya::Pod>(map: &MapData, keys: &[K]) -> (usize, io::Result<()>) {
    let mut attr = attr();
    attr.batch.keys = keys.as_ptr() as u64;
    attr.batch.count = keys.len() as u32;
    attr.batch.map_fd = map.fd().as_fd().as_raw_fd() as u32;
    // SAFETY: the kernel reads `count` keys.
    let done = unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) };
    // The kernel writes the count back, on success and on failure alike, unless it refused the call.
    // SAFETY: the field was written above.
    let count = if done.is_ok() { keys.len() } else { unsafe { attr.batch.count as usize } };
    (count.min(keys.len()), done.map(drop))
}

/// Runs a program of the TC kind `repeat` times on a made-up frame (`BPF_PROG_TEST_RUN`).
pub(super) fn run(program: &ProgramFd, repeat: u32) -> io::Result<()> {
    let frame = [0_u8; 64];
    let mut attr = attr();
    attr.test.prog_fd = program.as_fd().as_raw_fd() as u32;
    attr.test.data_size_in = frame.len() as u32;
    attr.test.data_in = frame.as_ptr() as u64;
    attr.test.repeat = repeat;
    // SAFETY: the kernel reads the frame.
    unsafe { bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr) }.map(drop)
}

/// The value at the beginning of `bytes`, wherever they lie; `None`: they are too few.
pub(super) fn read_pod<T: aya::Pod>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: enough bytes, every bit pattern is a value, the read needs no alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Waits until every program that runs now has ended (kernel/sched/membarrier.c: `synchronize_rcu`).
pub(super) fn membarrier_global() -> io::Result<()> {
    // SAFETY: takes no pointers.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
