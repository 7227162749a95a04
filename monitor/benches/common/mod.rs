//! What the benches share: a network namespace of their own, programs run on made-up packets, and
//! numbers that survive a noisy machine.
#![expect(clippy::expect_used, reason = "a bench that cannot go on says why")]
#![allow(dead_code, clippy::allow_attributes, reason = "each bench takes what it needs")]

use std::sync::Mutex;

#[path = "../../tests/kernel/test_run.rs"]
pub(crate) mod test_run;

use aya::programs::{ProgramFd, SchedClassifier};
use monitor::source::ebpf::{Interface, Options, Source};
use monitor_core::engine::{Engine, EngineConfig, Timeouts};

/// Moves this thread, and those that it starts, into a network namespace of their own: nothing else
/// passes the hooks there.
pub(crate) fn alone() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace: run as root");
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|s| s.success()), "lo up");
}

/// Loads the kernel side, attached to the namespace's loopback, which is what test runs come in on.
pub(crate) fn source(options: Options) -> Source {
    let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    let lo = Interface { ifindex: 1, name: "lo".into(), layer_3: false, loopback: true, mirror: false };
    source.attach(&lo).unwrap_or_else(|e| panic!("{e}"));
    source
}

/// An engine whose flows end at the first drain after their last packet (`hasty`), or never.
pub(crate) fn engine(hasty: bool, max_flows: u32) -> Mutex<Engine> {
    let t = if hasty { 1 } else { u64::MAX / 4 };
    let timeouts = Timeouts { idle_tcp: t, idle_udp: t, idle_other: t, active: t, fin: t, rst: t };
    Mutex::new(Engine::new(
        EngineConfig { timeouts, max_flows, ..EngineConfig::default() },
        monitor::clock::now(),
    ))
}

/// A program of the kernel side, loaded if it is not yet.
pub(crate) fn program(source: &mut Source, name: &str) -> ProgramFd {
    let program: &mut SchedClassifier =
        source.ebpf().program_mut(name).expect("the program").try_into().expect("a classifier");
    if program.fd().is_err() {
        program.load().expect("load");
    }
    program
        .fd()
        .and_then(|fd| fd.try_clone().map_err(aya::programs::ProgramError::IOError))
        .expect("a descriptor")
}

/// An established acknowledgment, 66 bytes: Ethernet, IPv4, TCP with timestamps.
pub(crate) fn acknowledgment() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 52, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    frame
}

/// The same in VXLAN.
pub(crate) fn tunnelled() -> Vec<u8> {
    let inner = acknowledgment();
    let udp = (inner.len() + 16) as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((udp + 20).to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
    frame.extend([0xc0, 1, 0x12, 0xb5]);
    frame.extend(udp.to_be_bytes());
    frame.extend([0, 0, 8, 0, 0, 0, 0, 0, 7, 0]);
    frame.extend(inner);
    frame
}

/// Runs `work` at real-time priority, so that nothing is scheduled in between; back to normal after.
pub(crate) fn burst<T>(work: impl FnOnce() -> T) -> T {
    let set = |policy: libc::c_int, priority: libc::c_int| {
        let param = libc::sched_param { sched_priority: priority };
        // SAFETY: the parameter is a local; 0 is this thread.
        unsafe { libc::sched_setscheduler(0, policy, &raw const param) };
    };
    set(libc::SCHED_FIFO, 50);
    let value = work();
    set(libc::SCHED_OTHER, 0);
    value
}

/// CPU time of this thread, ns.
pub(crate) fn cpu_time() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Lower quartile, median and upper quartile.
pub(crate) fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |q: usize| values[(values.len() - 1) * q / 4];
    [at(1), at(2), at(3)]
}

/// Prints whether a target was met; the numbers decide, the reader judges.
pub(crate) fn verdict(what: &str, value: f64, limit: f64, unit: &str) {
    let word = if value <= limit { "ok  " } else { "MISS" };
    println!("{word} {what}: {value:.2} {unit}, to reach: at most {limit} {unit}");
}
