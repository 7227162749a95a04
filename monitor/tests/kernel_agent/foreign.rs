//! A program of somebody else at a hook: it counts what it sees and returns one verdict.
#![expect(unsafe_code, reason = "programs of ten instructions, loaded and attached by bpf(2)")]

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya::maps::{Array, Map, MapData};

use crate::netns::Namespace;

/// Where it hangs (include/uapi/linux/bpf.h, enum `bpf_attach_type`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    TcxIngress,
    TcxEgress,
    /// In the stack: any device has it.
    Xdp,
}

/// Where among the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    First,
    Last,
}

/// Verdicts (enums `tcx_action_base` and `xdp_action`).
pub(crate) const TCX_NEXT: i32 = -1;
pub(crate) const TCX_DROP: i32 = 2;
pub(crate) const XDP_DROP: i32 = 1;
pub(crate) const XDP_PASS: i32 = 2;

/// The program on its hook; it leaves with the value.
pub(crate) struct Foreign {
    map: OwnedFd,
    _program: OwnedFd,
    _link: OwnedFd,
}

fn bpf(command: i32, words: &[u32]) -> OwnedFd {
    // SAFETY: `words` is a prefix of `union bpf_attr`; the pointers in it are to values of the callers.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_ptr(), size_of_val(words)) };
    assert!(fd >= 0, "bpf command {command}: {}", io::Error::last_os_error());
    // SAFETY: a descriptor that the kernel just gave us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// A pointer as two words of an attribute.
fn pointer<T: ?Sized>(value: &T) -> [u32; 2] {
    let address = std::ptr::from_ref(value).cast::<u8>() as u64;
    [address as u32, (address >> 32) as u32]
}

/// `struct bpf_insn`.
const fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> u64 {
    (code as u64)
        | ((destination | source << 4) as u64) << 8
        | (offset as u16 as u64) << 16
        | (immediate as u32 as u64) << 32
}

impl Foreign {
    /// Named `foreign`.
    pub(crate) fn attach(ns: &Namespace, device: &str, hook: Hook, place: Place, verdict: i32) -> Self {
        // BPF_MAP_CREATE: an array of one 64-bit number.
        let map = bpf(0, &[2, 4, 8, 1, 0]);
        let code = [
            // *(u32 *)(r10 - 4) = 0; r2 = r10 - 4; r1 = map
            instruction(0x62, 10, 0, -4, 0),
            instruction(0xbf, 2, 10, 0, 0),
            instruction(0x07, 2, 0, 0, -4),
            instruction(0x18, 1, 1, 0, map.as_raw_fd()),
            0,
            // r0 = bpf_map_lookup_elem(r1, r2); if r0 == 0 goto the end
            instruction(0x85, 0, 0, 0, 1),
            instruction(0x15, 0, 0, 2, 0),
            // r1 = 1; lock *(u64 *)(r0 + 0) += r1
            instruction(0xb7, 1, 0, 0, 1),
            instruction(0xdb, 0, 1, 0, 0),
            // return verdict
            instruction(0xb7, 0, 0, 0, verdict),
            instruction(0x95, 0, 0, 0, 0),
        ];
        let license = c"GPL";
        // BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP; then the attach type.
        let (kind, attach) = match hook {
            Hook::TcxIngress => (3, 46),
            Hook::TcxEgress => (3, 47),
            Hook::Xdp => (6, 37),
        };
        let [insns, insns_high] = pointer(&code);
        let [text, text_high] = pointer(license);
        let mut attributes = [0_u32; 20];
        attributes[..6].copy_from_slice(&[kind, code.len() as u32, insns, insns_high, text, text_high]);
        // prog_name, 16 bytes at 48; expected_attach_type at 68.
        attributes[12] = u32::from_ne_bytes(*b"fore");
        attributes[13] = u32::from_ne_bytes(*b"ign\0");
        attributes[17] = if matches!(hook, Hook::Xdp) { attach } else { 0 };
        let program = bpf(5, &attributes);
        let flags = match (hook, place) {
            // XDP_FLAGS_SKB_MODE; BPF_F_BEFORE; BPF_F_AFTER
            (Hook::Xdp, _) => 1 << 1,
            (_, Place::First) => 1 << 3,
            (_, Place::Last) => 1 << 4,
        };
        let ifindex = ns.ifindex(device);
        // BPF_LINK_CREATE
        let link = ns.enter(|| bpf(28, &[program.as_raw_fd() as u32, ifindex, attach, flags, 0, 0, 0, 0]));
        Self { map, _program: program, _link: link }
    }

    /// Packets that it has seen.
    pub(crate) fn count(&self) -> u64 {
        let map = MapData::from_fd(self.map.try_clone().expect("a descriptor")).expect("a map");
        Array::<_, u64>::try_from(Map::Array(map)).expect("an array").get(&0, 0).expect("a number")
    }
}
