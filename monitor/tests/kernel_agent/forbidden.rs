//! What whoever took a thread over could ask of the kernel: calls are injected into each thread of a running
//! instance, and must be refused.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
};

use nix::{errno::Errno, libc, sys::signal::Signal};

use crate::{
    agent::{Agent, Running, THERE, binary, cable, file, weir},
    bpffs::BpfFs,
    hooks::programs,
    inject::{Argument, Held},
    netns::wait_for,
    pins, traffic,
};

/// A call that is to be refused.
struct Call {
    what: &'static str,
    number: i64,
    arguments: Vec<Argument>,
}

macro_rules! call {
    ($what:literal, $number:expr $(, $argument:expr)*) => {
        Call { what: $what, number: $number, arguments: vec![$(Argument::from($argument)),*] }
    };
}

/// `AF_INET`, port 9, 127.0.0.1.
const ADDRESS: &[u8] = &[2, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Files of root's.
fn files(path: &str) -> Vec<Call> {
    let here = i64::from(libc::AT_FDCWD);
    let other = format!("{path}.other");
    let other = other.as_str();
    let times: &[u8] = &[0; 32];
    vec![
        call!("chmod", libc::SYS_chmod, path, 0o4777),
        call!("fchmodat", libc::SYS_fchmodat, here, path, 0o4777),
        call!("fchmodat2", libc::SYS_fchmodat2, here, path, 0o4777, 0),
        call!("fchmod", libc::SYS_fchmod, 2, 0o4777),
        call!("chown", libc::SYS_chown, path, 1, 1),
        call!("fchownat", libc::SYS_fchownat, here, path, 1, 1, 0),
        call!("setxattr", libc::SYS_setxattr, path, "user.a", "b", 1, 0),
        call!("lsetxattr", libc::SYS_lsetxattr, path, "user.a", "b", 1, 0),
        call!("fsetxattr", libc::SYS_fsetxattr, 2, "user.a", "b", 1, 0),
        call!("utimensat", libc::SYS_utimensat, here, path, times, 0),
        call!("utime", libc::SYS_utime, path, times),
        call!("truncate", libc::SYS_truncate, path, 0),
        call!("link", libc::SYS_link, path, other),
        call!("symlink", libc::SYS_symlink, path, other),
        call!("mkdir", libc::SYS_mkdir, other, 0o777),
        call!("mknod", libc::SYS_mknod, other, i64::from(libc::S_IFIFO), 0),
        call!("chmod by its other number", 0x4000_0000 | libc::SYS_chmod, path, 0o4777),
    ]
}

/// Other processes, and other users.
fn processes(victim: u32) -> Vec<Call> {
    let victim = i64::from(victim);
    let limit: &[u8] = &[0; 16];
    let core = i64::from(libc::RLIMIT_CORE);
    vec![
        call!("prlimit of another", libc::SYS_prlimit64, victim, core, limit, 0),
        call!("prlimit of another, to read", libc::SYS_prlimit64, victim, core, 0, limit),
        call!("kill", libc::SYS_kill, victim, 0),
        call!("tgkill of another", libc::SYS_tgkill, victim, victim, 0),
        call!("pidfd_open", libc::SYS_pidfd_open, victim, 0),
        call!("ptrace", libc::SYS_ptrace, i64::from(libc::PTRACE_ATTACH), victim),
        call!("process_vm_readv", libc::SYS_process_vm_readv, victim, 0, 0, 0, 0, 0),
        call!("setpriority", libc::SYS_setpriority, 0, victim, 19),
        call!("sched_setaffinity", libc::SYS_sched_setaffinity, victim, 0, 0),
        call!("fork", libc::SYS_clone, i64::from(libc::SIGCHLD), 0, 0, 0, 0),
        call!("vfork", libc::SYS_vfork),
        call!("a namespace", libc::SYS_clone, 0x1000_0000 | 0x3d_0f00, 0, 0, 0, 0),
        call!("clone3", libc::SYS_clone3, limit, 16),
        call!("execve", libc::SYS_execve, "/bin/true", 0, 0),
        call!("setuid", libc::SYS_setuid, 0),
        call!("setresuid", libc::SYS_setresuid, 0, 0, 0),
        call!("setfsuid", libc::SYS_setfsuid, 0),
        call!("setgroups", libc::SYS_setgroups, 0, 0),
        call!("capset", libc::SYS_capset, 0, 0),
    ]
}

/// Ways out.
fn sockets() -> Vec<Call> {
    let (stream, datagram) = (i64::from(libc::SOCK_STREAM), i64::from(libc::SOCK_DGRAM));
    let (inet, inet6, unix) = (i64::from(libc::AF_INET), i64::from(libc::AF_INET6), i64::from(libc::AF_UNIX));
    let raw = i64::from(libc::SOCK_RAW);
    vec![
        call!("TCP", libc::SYS_socket, inet, stream, 0),
        call!("TCP of IPv6", libc::SYS_socket, inet6, stream, 0),
        call!("MPTCP", libc::SYS_socket, inet, stream, i64::from(libc::IPPROTO_MPTCP)),
        call!("MPTCP of IPv6", libc::SYS_socket, inet6, stream, i64::from(libc::IPPROTO_MPTCP)),
        call!("UDP", libc::SYS_socket, inet, datagram, 0),
        call!("UDP of IPv6", libc::SYS_socket, inet6, datagram, 0),
        call!("SCTP", libc::SYS_socket, inet, stream, 132),
        call!("ICMP", libc::SYS_socket, inet, datagram, 1),
        call!("raw", libc::SYS_socket, inet, raw, 255),
        call!("a unix socket", libc::SYS_socket, unix, stream, 0),
        call!("a packet socket", libc::SYS_socket, i64::from(libc::AF_PACKET), raw, 0),
        call!("netfilter", libc::SYS_socket, i64::from(libc::AF_NETLINK), raw, 12),
        call!("crypto", libc::SYS_socket, i64::from(libc::AF_ALG), 5, 0),
        call!("vsock", libc::SYS_socket, i64::from(libc::AF_VSOCK), stream, 0),
        call!("connect", libc::SYS_connect, 2, ADDRESS, 16),
        call!("listen", libc::SYS_listen, 2, 1),
        call!("sendto with an address", libc::SYS_sendto, 2, "x", 1, 0, ADDRESS, 16),
        call!("sendmsg", libc::SYS_sendmsg, 2, 0, 0),
    ]
}

/// The kernel's insides, and memory that runs.
fn kernel(path: &str) -> Vec<Call> {
    let zeros: &[u8] = &[0; 128];
    let here = i64::from(libc::AT_FDCWD);
    let create = i64::from(libc::O_WRONLY | libc::O_CREAT);
    vec![
        call!("io_uring_setup", libc::SYS_io_uring_setup, 1, zeros),
        call!("io_uring_enter", libc::SYS_io_uring_enter, 2, 0, 0, 0),
        call!("io_uring_register", libc::SYS_io_uring_register, 2, 0, 0, 0),
        call!("loading a program", libc::SYS_bpf, 5, zeros, 128),
        call!("making a map", libc::SYS_bpf, 0, zeros, 128),
        call!("perf_event_open", libc::SYS_perf_event_open, zeros, 0, -1, -1, 0),
        call!("mount", libc::SYS_mount, "x", "/mnt", "tmpfs", 0, 0),
        call!("unshare", libc::SYS_unshare, i64::from(libc::CLONE_NEWUSER)),
        call!("setns", libc::SYS_setns, 2, 0),
        call!("chroot", libc::SYS_chroot, "/"),
        call!("add_key", libc::SYS_add_key, "user", "a", "b", 1, -1),
        call!("userfaultfd", libc::SYS_userfaultfd, 0),
        call!("memfd_create", libc::SYS_memfd_create, "x", 0),
        call!("a dump of itself", libc::SYS_prctl, i64::from(libc::PR_SET_DUMPABLE), 1),
        call!("another filter", libc::SYS_seccomp, 1, 0, 0),
        call!("memory that runs", libc::SYS_mmap, 0, 4096, 7, 0x22, -1, 0),
        call!("a file elsewhere", libc::SYS_openat, here, path, create, 0o666),
        call!("a terminal's input", libc::SYS_ioctl, 2, 0x5412, "x"),
    ]
}

/// All of them.
fn all(path: &str, victim: &Victim) -> Vec<Call> {
    let lists = [files(path), processes(victim.0.id()), sockets(), kernel(&format!("{path}.new"))];
    lists.into_iter().flatten().collect()
}

/// Number and name of each.
fn threads(process: u32) -> Vec<(u32, String)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("threads").flatten();
    let named = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, name.trim().to_owned()))
    };
    tasks.filter_map(named).collect()
}

/// Whether threads of these names are there, and all have a filter of system calls.
fn confined(process: u32, names: &[&str]) -> bool {
    let threads = threads(process);
    let filtered = |thread: u32| {
        let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"));
        status.is_ok_and(|status| status.lines().any(|line| line == "Seccomp:\t2"))
    };
    let is_there = |name: &&str| threads.iter().any(|(_, other)| other == name);
    names.iter().all(is_there) && threads.iter().all(|(thread, _)| filtered(*thread))
}

/// A process of root's that waits.
struct Victim(std::process::Child);

impl Victim {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().expect("sleep"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes all of these calls in each thread; says which were not refused.
fn let_through(process: u32, calls: &[Call]) -> (Vec<String>, Vec<String>) {
    let mut through = Vec::new();
    let threads = threads(process);
    for (thread, name) in &threads {
        let held = Held::stop(process, *thread);
        for Call { what, number, arguments } in calls {
            let answer = held.call(*number, arguments);
            let refused = match answer {
                // To a number that Linux did not have when the list was written, and to clone3, there is no such call.
                Err(Errno::EPERM | Errno::ENOSYS) => true,
                // Those that write open files, by Landlock in their own directories.
                Err(Errno::EACCES) => *number == libc::SYS_openat,
                _ => false,
            };
            if !refused {
                through.push(format!("{name}: {what}: {answer:?}"));
            }
        }
    }
    let mut names: Vec<String> = threads.into_iter().map(|(_, name)| name).collect();
    names.sort();
    names.dedup();
    (through, names)
}

#[test]
fn what_a_thread_does_not_need_is_refused_to_it_and_the_rest_goes_on() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let csv = format!("--csv={}", directory.path().join("csv").display());
    let root = file(&directory, "root", "as it was");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o600)).expect("a mode");
    let victim = Victim::start();
    let path = root.to_str().expect("a path");
    let calls = all(path, &victim);
    let before = root.metadata().expect("a file");
    let agent = Agent::start(&here, &["--interface=eth*", &csv]);
    // One that asks has all threads at work.
    agent.page();
    let (through, names) = let_through(agent.process.id(), &calls);
    assert_eq!(through, Vec::<String>::new());
    for name in ["counter", "files", "out-csv", "outputs", "server", "weir"] {
        assert!(names.iter().any(|other| other == name), "{name} in {names:?}");
    }
    let after = root.metadata().expect("a file");
    assert_eq!((after.mode(), after.mtime(), after.len()), (before.mode(), before.mtime(), before.len()));
    assert_eq!(fs::read_dir(directory.path()).expect("files").count(), 2, "the file, and the records");
    // What is left to it is enough: packets, pages, interfaces that come, records, the end.
    here.join("eth7", &there, "eth8", 17);
    wait_for("the new interface", || (programs(&here, "eth7").len() == 2).then_some(()));
    traffic::udp(&here, &there, THERE, 3, 50);
    traffic::udp(&here, &there, "10.17.0.2", 3, 50);
    for interface in ["eth0", "eth7"] {
        let labels = [("interface", interface), ("transport", "udp"), ("direction", "transmit")];
        agent.wait_for_sum("weir_network_io_packets_total", &labels, 3.0);
    }
    agent.stop(Signal::SIGTERM);
    assert!(fs::read_dir(directory.path().join("csv")).expect("records").count() > 0);
}

/// What the tests of this file see where nothing refuses: those of the calls that harm nobody, in an instance that has
/// given up nothing, in each of its threads.
#[test]
fn the_same_calls_are_let_through_where_nothing_was_given_up() {
    const HARMLESS: [&str; 15] = [
        "chmod",
        "fchmodat",
        "chown",
        "setxattr",
        "utimensat",
        "truncate",
        "prlimit of another",
        "prlimit of another, to read",
        "kill",
        "tgkill of another",
        "TCP",
        "MPTCP",
        "UDP",
        "a packet socket",
        "memory that runs",
    ];
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let root = file(&directory, "root", "as it was");
    let victim = Victim::start();
    let mut calls = all(root.to_str().expect("a path"), &victim);
    calls.retain(|call| HARMLESS.contains(&call.what));
    assert_eq!(calls.len(), HARMLESS.len());
    let agent = Agent::start(&here, &["--interface=eth0", "--confine=false"]);
    let (through, _) = let_through(agent.process.id(), &calls);
    let threads = threads(agent.process.id()).len();
    for what in HARMLESS {
        let seen = through.iter().filter(|line| line.contains(&format!(": {what}: Ok("))).count();
        assert!(seen > 0 && seen <= threads, "{what}: {seen} of {threads}: {through:#?}");
    }
    // The kernel takes the bit of a set user away from a file that is written to.
    assert_eq!(root.metadata().expect("a file").mode() & 0o777, 0o777, "what is forbidden was done");
}

#[test]
fn the_thread_that_removes_sockets_removes_nothing_elsewhere() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let root = file(&directory, "root", "as it was");
    let socket = directory.path().join("run/weir.sock");
    let flag = format!("--web.listen-address=127.0.0.1:10058,unix:{}", socket.display());
    let agent = Agent::start(&here, &["--interface=eth0", &flag]);
    let path = root.to_str().expect("a path");
    let here = i64::from(libc::AT_FDCWD);
    for (thread, name) in threads(agent.process.id()) {
        let held = Held::stop(agent.process.id(), thread);
        for (number, arguments) in [
            (libc::SYS_unlinkat, vec![here.into(), path.into(), 0.into()]),
            (libc::SYS_unlink, vec![path.into()]),
        ] {
            // Landlock refuses what the filter of that thread lets through.
            let refused = if name == "files" { Errno::EACCES } else { Errno::EPERM };
            assert_eq!(held.call(number, &arguments), Err(refused), "{name}");
        }
    }
    agent.stop(Signal::SIGTERM);
    assert!(root.exists() && !socket.exists());
}

/// Threads of a recording with packets.
const RECORDING: [&str; 5] = ["counter", "files", "outputs", "packets", "weir"];

#[test]
fn threads_that_write_packets_and_pins_have_no_more_ways_out() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    let directory = tempfile::tempdir().expect("a directory");
    let root = file(&directory, "root", "as it was");
    let victim = Victim::start();
    let path = root.to_str().expect("a path");
    let mut calls = all(path, &victim);
    let pinned = Agent::start(&here, &["--interface=eth0", &pins::flag(&bpf)]);
    assert_eq!(let_through(pinned.process.id(), &calls).0, Vec::<String>::new());
    pinned.stop(Signal::SIGTERM);
    here.sh(&format!("{} unpin --pin {}", binary(), bpf.pins().display()));
    // The counter opens packet sockets for interfaces that come.
    calls.retain(|call| call.what != "a packet socket");
    let out = directory.path().join("out");
    let out = out.to_str().expect("a path");
    let recording = Running::start(weir(
        &here,
        &["record", "--interface=eth0", "--packets", "--drain-interval=100ms", "-o", out],
    ));
    wait_for("all threads to have given up their rights", || {
        confined(recording.id(), &RECORDING).then_some(())
    });
    let (through, names) = let_through(recording.id(), &calls);
    assert_eq!(through, Vec::<String>::new());
    assert!(RECORDING.iter().all(|name| names.iter().any(|other| other == name)), "{names:?}");
    recording.signal(Signal::SIGTERM);
    let mut recording = recording;
    assert!(recording.end().success(), "{}", recording.stderr());
}
