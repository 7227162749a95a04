//! System calls that a thread may make (`seccomp(2)`): what its role needs, and nothing else.
//!
//! What is not listed returns `EPERM`. Calls with numbers that Linux gave away after this list was written return
//! `ENOSYS`, as on a kernel that has none of them: a C library that is newer than the list then does without, as it
//! must on older kernels. Files are opened for reading by all but those that write, whatever Landlock says.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::{Confinement, Role};

/// The highest number of a system call when this list was written (Linux 6.18, `file_setattr`).
const NEWEST: u32 = 469;

/// Without a look at their arguments, by every thread: memory, waiting, time, descriptors that are open already,
/// looking at files, what it is itself. Signals of the process are handled on any thread, which wakes the main one.
const EVERY: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_recvfrom,
    libc::SYS_ppoll,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_capget,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
];

/// The same under the numbers that x86 alone has.
#[cfg(target_arch = "x86_64")]
const EVERY_HERE: &[libc::c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_poll,
    libc::SYS_time,
    libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const EVERY_HERE: &[libc::c_long] = &[];

/// Waiting for many descriptors, as tokio and the terminal's library do.
const EVENTS: &[libc::c_long] =
    &[libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_eventfd2];
#[cfg(target_arch = "x86_64")]
const EVENTS_HERE: &[libc::c_long] = &[libc::SYS_epoll_wait];
#[cfg(not(target_arch = "x86_64"))]
const EVENTS_HERE: &[libc::c_long] = &[];

/// Connections of a socket that listens already.
const CONNECTIONS: &[libc::c_long] = &[
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
];

/// Connections to others, of sockets that are made for it; and asking name servers, as C libraries do.
const CONNECTING: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_sendto,
    libc::SYS_sendmmsg,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
];

/// Files that are written, rotated and removed. No owners, modes, attributes or times.
const WRITING: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_copy_file_range,
    libc::SYS_fstatfs,
    libc::SYS_flock,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    // Of the sockets that packets come from.
    libc::SYS_getsockopt,
];
/// The same by which the C library renames where there is no `rename`, and where there are both.
#[cfg(target_arch = "x86_64")]
const WRITING_HERE: &[libc::c_long] = &[libc::SYS_renameat];
/// `__NR_renameat` of include/uapi/asm-generic/unistd.h.
#[cfg(target_arch = "aarch64")]
const WRITING_HERE: &[libc::c_long] = &[38];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const WRITING_HERE: &[libc::c_long] = &[];
/// The same under numbers that x86 alone has.
#[cfg(target_arch = "x86_64")]
const NAMES_HERE: &[libc::c_long] = &[libc::SYS_unlink, libc::SYS_rename];
#[cfg(not(target_arch = "x86_64"))]
const NAMES_HERE: &[libc::c_long] = &[];

/// What draining takes beside bpf(2): a barrier, the host's interfaces by netlink, and who holds their locks.
const COUNTING: &[libc::c_long] =
    &[libc::SYS_membarrier, libc::SYS_bind, libc::SYS_getsockname, libc::SYS_getsockopt, libc::SYS_pwrite64];

/// Pins come and go with interfaces.
const PINNING: &[libc::c_long] = &[libc::SYS_unlinkat, libc::SYS_renameat2];

/// Sockets that go with the process.
#[cfg(target_arch = "x86_64")]
const REMOVING: &[libc::c_long] = &[libc::SYS_unlinkat, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const REMOVING: &[libc::c_long] = &[libc::SYS_unlinkat];

/// Signals that are waited for.
const WAITING: &[libc::c_long] = &[libc::SYS_rt_sigtimedwait, libc::SYS_pipe2];

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

/// Options of prctl(2): the names of threads and of memory.
const NAMING: [u64; 3] = [libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, libc::PR_SET_VMA as u64];

/// Requests of ioctl(2): whether a descriptor waits, and whether it is a terminal, how large.
const DESCRIPTOR_REQUESTS: [u64; 5] =
    [libc::FIONBIO, libc::FIONREAD, libc::FIOCLEX, libc::TCGETS, TIOCGWINSZ];
const TIOCGWINSZ: u64 = libc::TIOCGWINSZ;
/// Settings of the terminal.
const TERMINAL_REQUESTS: [u64; 7] = [
    libc::TCSETS,
    libc::TCSETSW,
    libc::TCSETSF,
    libc::TCGETS2,
    libc::TCSETS2,
    libc::TCSETSW2,
    libc::TCSETSF2,
];
/// The index of an interface by its name, and the other way round (`SIOCGIFINDEX`, `SIOCGIFNAME`,
/// include/uapi/linux/sockios.h).
const INTERFACE_REQUESTS: [u64; 2] = [0x8933, 0x8910];

/// Levels of setsockopt(2): of sockets, and of TCP.
const CONNECTION_LEVELS: [u64; 2] = [libc::SOL_SOCKET as u64, libc::IPPROTO_TCP as u64];
/// Levels of setsockopt(2): of sockets, of netlink and of packet sockets.
const COUNTING_LEVELS: [u64; 3] =
    [libc::SOL_SOCKET as u64, libc::SOL_NETLINK as u64, libc::SOL_PACKET as u64];

/// Flags of open(2) that change files.
const CHANGES: u64 =
    (libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
/// A thread of this process, in the namespaces that it has. A namespace of its own has all capabilities within it.
const THREAD: u64 = libc::CLONE_THREAD as u64;
const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWCGROUP) as u64;

/// By number: whatever the arguments are, if there are no rules.
type Allowed = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters this thread's system calls, and those of the threads that it starts.
pub(super) fn filter(role: Role, plan: &Confinement) -> Result<(), seccompiler::Error> {
    apply_filter(&program(role, plan)?)
}

fn program(role: Role, plan: &Confinement) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(allowed(role, plan)?, refused, SeccompAction::Allow, architecture)?;
    let mut program = unknown();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Answers that there is no such call: to all that are newer than this list, among them the other numbers of 64-bit
/// x86 (`__X32_SYSCALL_BIT`), and to clone3, whose flags no filter can see. The C library then asks for threads by
/// clone. For all others the rest of the program goes on.
fn unknown() -> BpfProgram {
    // include/uapi/linux/bpf_common.h and seccomp.h: load a word of struct seccomp_data, compare, return.
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(0x20, 0, 0, 0),
        step(0x25, 1, 0, NEWEST),
        step(0x15, 0, 1, libc::SYS_clone3 as u32),
        step(0x06, 0, 0, 0x0005_0000 | libc::ENOSYS as u32),
    ]
}

/// An argument that has one of these values, in its lower half: most are of C's `int`.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| SeccompRule::new(vec![is(argument, *value)?])).collect()
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// A pointer or number of 64 bits that is zero.
fn none(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

/// An argument that has these of the bits of a mask.
fn bits(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

fn when(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![SeccompRule::new(conditions)?])
}

/// What a thread of a role may call.
fn allowed(role: Role, plan: &Confinement) -> Result<Allowed, BackendError> {
    let mut allowed = Allowed::new();
    let mut requests = DESCRIPTOR_REQUESTS.to_vec();
    // Weaker conditions come later and take the place of stronger ones.
    conditional(&mut allowed)?;
    let mut numbers = vec![EVERY, EVERY_HERE];
    match role {
        Role::Main => numbers.extend([EVENTS, EVENTS_HERE]),
        Role::Files if plan.sockets.is_empty() => {}
        Role::Files => numbers.push(REMOVING),
        Role::Counter => {
            numbers.push(COUNTING);
            requests.extend(INTERFACE_REQUESTS);
            if plan.pins.is_some() {
                numbers.extend([PINNING, WRITING_HERE, NAMES_HERE]);
            }
            counter(&mut allowed, plan)?;
        }
        Role::Server => {
            numbers.extend([EVENTS, EVENTS_HERE, CONNECTIONS]);
            allowed.insert(libc::SYS_setsockopt, one_of(1, &CONNECTION_LEVELS)?);
        }
        Role::Outputs => numbers.extend([WRITING, WRITING_HERE, NAMES_HERE]),
        Role::Connector => {
            numbers.extend([EVENTS, EVENTS_HERE, CONNECTING]);
            connector(&mut allowed)?;
        }
        Role::Screen => {
            numbers.extend([EVENTS, EVENTS_HERE, WAITING]);
            requests.extend(TERMINAL_REQUESTS);
            allowed.insert(libc::SYS_socketpair, one_of(0, &[libc::AF_UNIX as u64])?);
            allowed.insert(libc::SYS_openat, when(vec![bits(2, CHANGES, 0)?])?);
        }
    }
    allowed.insert(libc::SYS_ioctl, one_of(1, &requests)?);
    allowed.extend(numbers.into_iter().flatten().map(|number| (*number, Vec::new())));
    Ok(allowed)
}

/// What every thread may call with certain arguments alone.
fn conditional(allowed: &mut Allowed) -> Result<(), BackendError> {
    let us = u64::from(std::process::id());
    let not_executable = |argument| when(vec![bits(argument, libc::PROT_EXEC as u64, 0)?]);
    allowed.insert(libc::SYS_mmap, not_executable(2)?);
    allowed.insert(libc::SYS_mprotect, not_executable(2)?);
    allowed.insert(libc::SYS_clone, when(vec![bits(0, THREAD | NAMESPACES, THREAD)?])?);
    // Of the limits of this process, not of others, and none is set.
    allowed.insert(libc::SYS_prlimit64, when(vec![is(0, 0)?, none(2)?])?);
    // abort(3) and raise(3): no other process.
    allowed.insert(libc::SYS_tgkill, when(vec![is(0, us)?])?);
    allowed.insert(libc::SYS_prctl, one_of(0, &NAMING)?);
    // On what is connected: no address.
    allowed.insert(libc::SYS_sendto, when(vec![none(4)?])?);
    let reading = bits(2, CHANGES | libc::O_ACCMODE as u64, libc::O_RDONLY as u64)?;
    allowed.insert(libc::SYS_openat, when(vec![reading])?);
    Ok(())
}

/// What the counter may call with certain arguments alone.
fn counter(allowed: &mut Allowed, plan: &Confinement) -> Result<(), BackendError> {
    let pins: &[u64] = if plan.pins.is_some() { &BPF_PIN_COMMANDS } else { &[] };
    allowed.insert(libc::SYS_bpf, one_of(0, &[&BPF_COMMANDS, pins].concat())?);
    let family = |family: libc::c_int| is(0, family as u64);
    let mut sockets = vec![
        SeccompRule::new(vec![family(libc::AF_NETLINK)?, is(2, libc::NETLINK_ROUTE as u64)?])?,
        // The C library asks for the index of an interface by one; it is connected to nobody.
        SeccompRule::new(vec![family(libc::AF_UNIX)?, bits(1, 0xf, libc::SOCK_DGRAM as u64)?])?,
    ];
    if plan.packets {
        sockets.push(SeccompRule::new(vec![family(libc::AF_PACKET)?])?);
    }
    allowed.insert(libc::SYS_socket, sockets);
    allowed.insert(libc::SYS_setsockopt, one_of(1, &COUNTING_LEVELS)?);
    Ok(())
}

/// What a connector may call with certain arguments alone: sockets of TCP and UDP, not of their relatives (MPTCP).
fn connector(allowed: &mut Allowed) -> Result<(), BackendError> {
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in
            [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)]
        {
            for protocol in [0, protocol] {
                let kind = bits(1, 0xf, kind as u64)?;
                sockets.push(SeccompRule::new(vec![is(0, family as u64)?, kind, is(2, protocol as u64)?])?);
            }
        }
    }
    allowed.insert(libc::SYS_socket, sockets);
    allowed.insert(libc::SYS_setsockopt, one_of(1, &CONNECTION_LEVELS)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_has_a_call_that_changes_rights_or_reaches_out() {
        let never = [
            libc::SYS_fchmodat,
            libc::SYS_fchmod,
            libc::SYS_fchownat,
            libc::SYS_setxattr,
            libc::SYS_utimensat,
            libc::SYS_kill,
            libc::SYS_connect,
            libc::SYS_listen,
            libc::SYS_sendmsg,
            libc::SYS_io_uring_setup,
            libc::SYS_ptrace,
            libc::SYS_execve,
            libc::SYS_setresuid,
            libc::SYS_setfsuid,
        ];
        let plan = Confinement { packets: true, pins: Some("/".into()), ..Confinement::default() };
        for role in Role::ALL {
            let allowed = allowed(role, &plan).unwrap();
            let mut never = never.iter().filter(|number| {
                // That is what it is for.
                role != Role::Connector || **number != libc::SYS_connect
            });
            assert_eq!(never.find(|number| allowed.contains_key(number)), None, "{role:?}");
            // What programs may have at most (include/uapi/linux/bpf_common.h, BPF_MAXINSNS).
            assert!(program(role, &plan).unwrap().len() <= 4096);
        }
    }
}
