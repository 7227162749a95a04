//! Who uses a socket, kept with the socket: written where a process makes a call, read where a packet passes.
#![expect(unsafe_code, reason = "helpers of the kernel, and the value that it keeps with a socket")]

use core::{ffi::c_void, ptr};

use aya_ebpf::{
    bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type, bpf_sock},
    helpers::generated::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        bpf_sk_storage_get,
    },
    macros::btf_map,
    programs::{SockAddrContext, SockContext},
};
use monitor_common::abi::{COMM, SocketOwner, owner_flags};

/// What a hook of control groups returns so that the call goes on.
pub(crate) const ALLOW: i32 = 1;

/// The declaration of `BPF_MAP_TYPE_SK_STORAGE` with a flag that aya's has not: connections that a socket accepts
/// have what it has.
#[repr(C)]
pub(crate) struct Storage<T> {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize],
}

// SAFETY: its pointers are never followed: the loader reads their types, and the kernel puts the map in its place.
unsafe impl<T> Sync for Storage<T> {}

/// By socket: who uses it.
#[btf_map]
pub(crate) static SOCKETS: Storage<SocketOwner> = Storage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

#[inline(always)]
fn map() -> *mut c_void {
    (&raw const SOCKETS).cast_mut().cast()
}

/// What is kept with a socket, if anything is.
///
/// # Safety
/// `socket` is a full socket that the kernel lent the program that is running.
#[inline(always)]
pub(crate) unsafe fn owner<'a>(socket: *mut bpf_sock) -> Option<&'a SocketOwner> {
    // SAFETY: the caller's socket; no value and no flag: nothing is made.
    let value = unsafe { bpf_sk_storage_get(map(), socket.cast(), ptr::null_mut(), 0) };
    // SAFETY: null, or a value of this map, which stays while the program runs.
    unsafe { value.cast::<SocketOwner>().as_ref() }
}

/// Keeps the calling process with a socket.
///
/// # Safety
/// As [`owner`]'s.
#[inline(always)]
unsafe fn keep(socket: *mut bpf_sock, call: u32) {
    // SAFETY: the caller's socket; a new value is all zeros.
    let value = unsafe {
        bpf_sk_storage_get(map(), socket.cast(), ptr::null_mut(), BPF_SK_STORAGE_GET_F_CREATE.into())
    };
    // SAFETY: as in `owner`. Threads that use one socket at once write what is true of one of them.
    let Some(owner) = (unsafe { value.cast::<SocketOwner>().as_mut() }) else { return };
    // SAFETY: no arguments.
    let (task, cgroup) = unsafe { (bpf_get_current_pid_tgid(), bpf_get_current_cgroup_id()) };
    let (tgid, thread) = ((task >> 32) as u32, task as u32);
    owner.cgroup = cgroup;
    owner.tgid = tgid;
    // SAFETY: no arguments.
    owner.uid = unsafe { bpf_get_current_uid_gid() } as u32;
    // SAFETY: as many bytes as are given.
    unsafe { bpf_get_current_comm((&raw mut owner.comm).cast(), COMM as u32) };
    owner.flags = owner_flags::STORED | call | if tgid == thread { 0 } else { owner_flags::THREAD };
}

/// A socket is created.
#[inline(always)]
pub(crate) fn created(ctx: &SockContext) {
    // SAFETY: the context is the socket.
    unsafe { keep(ctx.sock, owner_flags::CREATED) };
}

/// A socket is connected, bound or sent by.
#[inline(always)]
pub(crate) fn used(ctx: &SockAddrContext, call: u32) {
    // SAFETY: the context is valid while the program runs; its socket is not null, which the verifier knows.
    unsafe { keep((*ctx.sock_addr).__bindgen_anon_1.sk, call) };
}
