//! Network namespaces of a test's own, with processes and packets in them; everything goes when the
//! value is dropped, also when the test fails.

use std::{
    fs::File,
    io::Read as _,
    os::fd::AsFd as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sched::{CloneFlags, setns};

pub use crate::wait::{DEADLINE, Over, poll, uninterrupted, wait_at_most, wait_for};

use crate::wait::wait_readable;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Runs a command to its end; it must succeed.
pub fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// `ip` with arguments as one string.
pub fn ip(args: &str) {
    run("ip", &args.split_whitespace().collect::<Vec<_>>());
}

/// A network namespace.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one, loopback up.
    pub fn new() -> Self {
        let this = Self { name: added() };
        this.ip("link set lo up");
        // Router solicitations and duplicate address detection are packets that no test sent.
        this.sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0");
        this
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` inside.
    pub fn ip(&self, args: &str) {
        ip(&format!("-n {} {args}", self.name));
    }

    /// A shell command inside, to its end; it must succeed.
    pub fn sh(&self, script: &str) -> String {
        let output = run("ip", &["netns", "exec", &self.name, "sh", "-c", script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command that would run inside.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(args);
        command
    }

    /// Starts a process inside.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Process {
        Process::start(self.command(program, args))
    }

    /// Runs `work` on a thread inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = PathBuf::from("/run/netns").join(&self.name);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let file = File::open(&path).expect("the namespace's file");
                setns(file.as_fd(), CloneFlags::CLONE_NEWNET).expect("setns");
                work()
            });
            match thread.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Joins two namespaces by a veth pair with one address of each family on each end.
    pub fn join(&self, device: &str, other: &Self, other_device: &str, net: u8) {
        self.ip(&format!("link add {device} type veth peer name {other_device} netns {}", other.name));
        for (ns, dev, host) in [(self, device, 1), (other, other_device, 2)] {
            // No link-local address, and no second report of the groups of the others (the first goes out as the
            // device comes up, a random second later it is told again): they are packets that no test sent.
            ns.ip(&format!("link set {dev} addrgenmode none"));
            ns.sh(&format!("sysctl -qw net.ipv6.conf.{dev}.mldv2_unsolicited_report_interval=3600000"));
            ns.ip(&format!("addr add 10.{net}.0.{host}/24 dev {dev}"));
            ns.ip(&format!("addr add fd00:{net}::{host}/64 dev {dev} nodad"));
            ns.ip(&format!("link set {dev} up"));
        }
    }

    /// Index of a device.
    pub fn ifindex(&self, device: &str) -> u32 {
        self.sh(&format!("cat /sys/class/net/{device}/ifindex || ip -o link show {device} | cut -d: -f1"))
            .lines()
            .next()
            .and_then(|l| l.trim().parse().ok())
            .unwrap_or_else(|| {
                let line = self.sh(&format!("ip -o link show {device}"));
                line.split(':').next().and_then(|n| n.trim().parse().ok()).expect("an index")
            })
    }

    /// Moves segmentation between stack and device.
    pub fn ethtool(&self, device: &str, features: &str) {
        self.sh(&format!("ethtool -K {device} {features}"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Adds a namespace and returns its name. One that a killed run left may have the process number of this one.
fn added() -> String {
    loop {
        let name = format!("weir-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let output = Command::new("ip").args(["netns", "add", &name]).output().expect("ip");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return name;
        }
        assert!(said.contains("File exists"), "ip netns add {name}: {said}");
    }
}

/// A child process that ends with the value.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a command whose output is read here.
    pub fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, signal);
    }

    /// Reads standard error until a line holds `text`.
    pub fn wait_for_stderr(&mut self, text: &str) -> String {
        let stderr = self.child.stderr.as_mut().expect("piped");
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(text) {
            wait_readable(text, stderr);
            match uninterrupted(|| stderr.read(&mut byte)) {
                Ok(1) => seen.push(byte[0]),
                _ => panic!("ended before saying {text:?}: {}", String::from_utf8_lossy(&seen)),
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Ends it politely and returns what it still had to say.
    pub fn finish(mut self) -> (std::process::ExitStatus, String, String) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let (mut out, mut err) = (String::new(), String::new());
        if let Some(mut s) = self.child.stdout.take() {
            let _ = s.read_to_string(&mut out);
        }
        if let Some(mut s) = self.child.stderr.take() {
            let _ = s.read_to_string(&mut err);
        }
        (self.child.wait().expect("wait"), out, err)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
