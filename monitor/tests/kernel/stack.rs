//! How much stack a program takes. The kernel tells it in the verifier's log alone, and nobody logs what
//! loads: the program is loaded once more, with the maps that it has, and with a log.

use std::{
    collections::HashSet,
    ffi::CStr,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya::{maps::MapInfo, programs::Program};
use aya_obj::{Object, ProgramSection};
use monitor::source::ebpf::Source;

/// `union bpf_attr` for `BPF_PROG_LOAD` (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Attr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
/// `BPF_LOG_STATS` (`include/linux/bpf_verifier.h`).
const STATS: u32 = 4;

/// What the verifier says of a program.
pub(crate) struct Load {
    /// Instructions that it walked.
    pub(crate) instructions: u32,
    /// Bytes of stack, those of all functions together; a program may have 512 in one chain of calls.
    pub(crate) stack: u32,
}

/// The verifier's word on a program of the source, which has loaded it.
pub(crate) fn of(source: &mut Source, name: &str) -> Load {
    let mut object = Object::parse(monitor::source::ebpf::object_bytes()).expect("the kernel side");
    let maps = std::mem::take(&mut object.maps);
    let handles: Vec<_> = maps_of(source, name);
    // The kernel keeps fifteen bytes of a name.
    let named = |name: &str, kept: &str| name.get(..15).unwrap_or(name) == kept;
    let known = maps.iter().filter_map(|(name, map)| {
        let (_, fd) = handles.iter().find(|(kept, _)| named(name, kept))?;
        Some((name.as_str(), fd.as_fd().as_raw_fd(), map))
    });
    // A map that this program does not use has no descriptor here, and needs none.
    let unknown = maps.iter().filter(|(name, _)| !handles.iter().any(|(kept, _)| named(name, kept)));
    let known = known.chain(unknown.map(|(name, map)| (name.as_str(), 0, map)));
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    object.relocate_maps(known, &sections).expect("maps");
    object.relocate_calls(&sections).expect("calls");
    let program = &object.programs[name];
    let function = &object.functions[&program.function_key()];
    let (prog_type, prog_flags) = match program.section {
        ProgramSection::Xdp { frags, .. } => (BPF_PROG_TYPE_XDP, u32::from(frags) * BPF_F_XDP_HAS_FRAGS),
        _ => (BPF_PROG_TYPE_SCHED_CLS, 0),
    };
    let mut log = vec![0_u8; 1 << 16];
    let mut attr = Attr {
        prog_type,
        insn_cnt: function.instructions.len() as u32,
        insns: function.instructions.as_ptr() as u64,
        license: program.license.as_ptr() as u64,
        log_level: STATS,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr() as u64,
        prog_flags,
        ..Attr::default()
    };
    // SAFETY: instructions, licence and log outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw mut attr, size_of::<Attr>()) };
    let failure = std::io::Error::last_os_error();
    let log = CStr::from_bytes_until_nul(&log).expect("a log that ends").to_string_lossy().into_owned();
    assert!(fd >= 0, "{name}: {failure}: {log}");
    // SAFETY: just made.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    read(&log)
}

/// Names and descriptors of the maps that a loaded program uses.
fn maps_of(source: &mut Source, name: &str) -> Vec<(String, aya::maps::MapFd)> {
    let info = match source.ebpf().program_mut(name).expect("a program") {
        Program::SchedClassifier(program) => program.info(),
        Program::Xdp(program) => program.info(),
        _ => panic!("{name} is of another kind"),
    };
    let ids = info.expect("loaded").map_ids().expect("maps").unwrap_or_default();
    let map = |id| {
        let info = MapInfo::from_id(id).expect("a map");
        (info.name_as_str().unwrap_or_default().to_owned(), info.fd().expect("a descriptor"))
    };
    ids.into_iter().map(map).collect()
}

fn read(log: &str) -> Load {
    let behind = |words: &str| log.lines().find_map(|line| line.strip_prefix(words));
    let number = |text: &str| text.split(' ').next().and_then(|word| word.parse().ok());
    let instructions = behind("processed ").and_then(number);
    // One number a function, `a+b+c`. Newer kernels tell the deepest chain there, and give each function a line.
    let stack = behind("stack depth ").and_then(|text| {
        if text.starts_with("max ") {
            let own = |line: &str| line.strip_prefix("subprog ")?.rsplit(' ').next()?.parse::<u32>().ok();
            return Some(log.lines().filter_map(own).sum());
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '+').unwrap_or(text.len());
        text.get(..end)?.split('+').map(|part| part.parse::<u32>().ok()).sum()
    });
    Load {
        instructions: instructions.unwrap_or_else(|| panic!("no instructions in {log}")),
        stack: stack.unwrap_or_else(|| panic!("no stack in {log}")),
    }
}
