//! The kernel side in a network namespace of its own.

use aya::programs::{ProgramFd, SchedClassifier};
use monitor::source::ebpf::{Interface, Options, Source};
pub(crate) use testing::test_run::test_run;

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
