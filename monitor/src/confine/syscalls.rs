//! System calls that a thread may not make (`seccomp(2)`).
//!
//! What is forbidden is listed, not what is allowed: a C library that is newer than this list must not end the
//! counting. A forbidden call returns `EPERM`. The list is what changes the machine, what reaches other processes,
//! what loads programs, and what could get rights back.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::Role;

/// Forbidden to all threads. Of bpf(2) the counter keeps some commands.
const FORBIDDEN: &[libc::c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The kernel's insides.
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Files by number instead of by name.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_quotactl,
    // Keys, users and personalities.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_personality,
];

/// Of x86 alone.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[libc::c_long] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[libc::c_long] = &[];

/// Forbidden to the threads that serve, that write and that show: whoever takes one over opens no way out.
const SOCKETS: &[libc::c_long] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen];

/// Commands of bpf(2) that the counter goes on using (include/uapi/linux/bpf.h, enum `bpf_cmd`): elements of its
/// maps, singly and in batches; links of its programs to interfaces, and what is known of them. It can neither load a
/// program nor make a map, nor open those of others.
const BPF_COMMANDS: [u64; 16] = [
    1,  // MAP_LOOKUP_ELEM
    2,  // MAP_UPDATE_ELEM
    3,  // MAP_DELETE_ELEM
    4,  // MAP_GET_NEXT_KEY
    8,  // PROG_ATTACH
    9,  // PROG_DETACH
    13, // PROG_GET_FD_BY_ID
    15, // OBJ_GET_INFO_BY_FD
    16, // PROG_QUERY
    24, // MAP_LOOKUP_BATCH
    25, // MAP_LOOKUP_AND_DELETE_BATCH
    26, // MAP_UPDATE_BATCH
    27, // MAP_DELETE_BATCH
    28, // LINK_CREATE
    29, // LINK_UPDATE
    34, // LINK_DETACH
];

/// The same where links are pinned. Whatever this user may open by a path can be had by them.
const BPF_PIN_COMMANDS: [u64; 2] = [
    6, // OBJ_PIN
    7, // OBJ_GET
];

/// `CLONE_NEWUSER`: a namespace of its own has all capabilities within it.
const CLONE_NEWUSER: u64 = 0x1000_0000;

/// The second way into the kernel of 64-bit x86 (`__X32_SYSCALL_BIT`): the same calls by other numbers.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters this thread's system calls, and those of the threads that it starts.
pub(super) fn filter(role: Role, pins: bool) -> Result<(), seccompiler::Error> {
    // The C library asks for threads by clone3, whose flags no filter can see; told that there is none, it uses clone.
    let no_clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    apply_filter(&program(no_clone3, libc::ENOSYS)?)?;
    apply_filter(&program(rules(role, pins)?, libc::EPERM)?)
}

fn program(rules: Rules, answer: libc::c_int) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(answer as u32), architecture)?
        .try_into()
}

/// What is forbidden: calls, and of some only those with certain arguments.
fn rules(role: Role, pins: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules =
        FORBIDDEN.iter().chain(FORBIDDEN_HERE).map(|number| (*number, Vec::new())).collect();
    let none = |command: &u64| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *command);
    let bpf = match role {
        Role::Counter => {
            let pins: &[u64] = if pins { &BPF_PIN_COMMANDS } else { &[] };
            vec![SeccompRule::new(BPF_COMMANDS.iter().chain(pins).map(none).collect::<Result<_, _>>()?)?]
        }
        Role::Main | Role::Server | Role::Outputs | Role::Screen => Vec::new(),
    };
    rules.insert(libc::SYS_bpf, bpf);
    if matches!(role, Role::Server | Role::Outputs | Role::Screen) {
        rules.extend(SOCKETS.iter().map(|number| (*number, Vec::new())));
    }
    #[cfg(target_arch = "x86_64")]
    {
        let other = rules.keys().map(|number| (number | X32, Vec::new())).collect::<Vec<_>>();
        rules.extend(other);
        // Calls that have numbers of their own there (arch/x86/entry/syscalls/syscall_64.tbl).
        rules.extend((512..548).map(|number| (number | X32, Vec::new())));
    }
    let user = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(CLONE_NEWUSER),
        CLONE_NEWUSER,
    )?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![user])?]);
    Ok(rules)
}
