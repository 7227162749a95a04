//! What a run needs and does not get: memory, a disk that can be written, files of the kernel's.

use std::{fs, path::PathBuf, process::Command};

use nix::sys::signal::Signal;
use testing::skip::skip;

use crate::{
    agent::{Agent, Running, THERE, cable, weir, without_settings},
    frames::{Raw, ethernet, ipv4, udp},
    hooks::programs,
    netns::{DEADLINE, Namespace, poll, run},
    outputs::text,
    traffic,
};

/// A control group with a bound on memory, which goes with the value.
pub(crate) struct Group(PathBuf);

impl Group {
    /// `None`: this machine has no such controller, which the test says.
    pub(crate) fn with_memory(name: &str, bytes: u64) -> Option<Self> {
        let name = format!("weir-{}-{name}", std::process::id());
        let old = PathBuf::from("/sys/fs/cgroup/memory");
        let (parent, limit) = if old.is_dir() {
            (old, "memory.limit_in_bytes")
        } else {
            (PathBuf::from("/sys/fs/cgroup"), "memory.max")
        };
        let path = parent.join(name);
        let made = fs::create_dir(&path).and_then(|()| fs::write(path.join(limit), bytes.to_string()));
        if made.is_err() {
            let _ = fs::remove_dir(&path);
            skip("memory controller", &format!("no controller of memory below {}", parent.display()));
            return None;
        }
        Some(Self(path))
    }

    /// The most memory that was in use at once, the kernel's for it included, since the last time that this was asked
    /// (control groups of version 2 before 6.12: since the beginning). `None`: the kernel does not say.
    pub(crate) fn peak(&self) -> Option<u64> {
        ["memory.max_usage_in_bytes", "memory.peak"].iter().find_map(|name| {
            let file = self.0.join(name);
            let peak = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            let _ = fs::write(&file, "0");
            Some(peak)
        })
    }

    /// Starts `weir run` on eth0 inside. A namespace's processes see no control groups, so it goes in before.
    fn start(&self, ns: &Namespace, arguments: &str) -> Running {
        self.run(ns, &format!("{RUN} {arguments}"))
    }

    /// The same with these words alone.
    pub(crate) fn run(&self, ns: &Namespace, words: &str) -> Running {
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec ip netns exec {} \"$0\" {words}",
            self.0.display(),
            ns.name()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, &crate::agent::binary()]);
        Running::start(without_settings(command))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes leave it in the kernel's own time.
        let _ = poll(DEADLINE, || fs::remove_dir(&self.0).ok());
    }
}

const RUN: &str = "run --interface=eth0 --drain-interval=100ms";

/// Starts `weir run` on eth0 behind a line of shell.
fn start(ns: &Namespace, before: &str, arguments: &str) -> Running {
    let script = format!("{before} && exec \"$0\" {RUN} {arguments}");
    Running::start(without_settings(ns.command("sh", &["-c", &script, env!("CARGO_BIN_EXE_weir")])))
}

/// It ends by itself, in one line that has these parts, and leaves nothing.
fn refuses(ns: &Namespace, mut process: Running, parts: &[&str]) {
    let status = process.end();
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("weir: ")).collect();
    let [error] = &errors[..] else { panic!("{said}") };
    assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
    assert_eq!(programs(ns, "eth0"), Vec::<String>::new());
}

#[test]
fn a_table_beyond_the_memory_of_its_control_group_is_refused_in_a_line() {
    let (here, _there) = cable();
    let Some(group) = Group::with_memory("small", 96 << 20) else { return };
    let process = group.start(&here, "--max-flows=1000000");
    refuses(&here, process, &["out of memory for 1000000 flows", "--max-flows", "memory limit"]);
}

#[test]
fn a_flood_stays_within_the_memory_of_the_control_group() {
    let (here, there) = cable();
    let Some(group) = Group::with_memory("enough", 256 << 20) else { return };
    let agent = Agent::of(&here, group.start(&here, "--max-flows=8192"));
    let raw = Raw::open(&there, "eth1");
    for n in 0..200_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        raw.send(&ethernet(0x0800, &ipv4([11, a, b, c], [10, 7, 0, 1], 17, &udp(1000, 80, b"flood"))));
    }
    let udp = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    agent.wait_for_sum("weir_network_io_packets_total", &udp, 200_000.0);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn outputs_on_a_read_only_file_system_are_refused_in_a_line() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("disk");
    fs::create_dir(&at).expect("a directory");
    run("mount", &["-t", "tmpfs", "-o", "ro", "tmpfs", text(&at)]);
    let outputs = ["--json=disk/records.json", "--csv=disk/csv", "--parquet=disk/parquet"];
    let processes = outputs.map(|output| {
        let enter = format!("cd {}", directory.path().display());
        start(&here, &enter, output)
    });
    let recording =
        Running::start(weir(&here, &["record", "--interface=eth0", "-o", text(&at.join("taken"))]));
    let all: Vec<_> = processes.into_iter().chain([recording]).collect();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for process in all {
            refuses(&here, process, &["disk/", "Read-only file system"]);
        }
    }));
    run("umount", &["--lazy", text(&at)]);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Mounts of the process alone: nothing can be written anywhere, and what some tools need is not there.
const BARE: &str = "for d in /sys/kernel/btf /sys/kernel/tracing /sys/kernel/debug /sys/fs/bpf; do \
     if [ -d $d ]; then mount -t tmpfs -o ro none $d; fi; done && mount -o remount,bind,ro /";

#[test]
fn a_run_needs_no_btf_no_tracefs_no_bpffs_and_no_disk() {
    let (here, there) = cable();
    // `ip netns exec` gives it mounts of its own.
    let agent = Agent::of(&here, start(&here, BARE, ""));
    traffic::udp(&here, &there, THERE, 5, 50);
    let udp = [("interface", "eth0"), ("transport", "udp")];
    agent.wait_for_sum("weir_network_io_packets_total", &udp, 10.0);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
}
