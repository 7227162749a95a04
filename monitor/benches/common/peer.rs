//! Two network namespaces joined by a cable: this thread's, and one that goes when the value is dropped or
//! this process ends.

use std::{
    fs::File,
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
};

use nix::sched::{CloneFlags, setns, unshare};

/// Addresses of the two ends.
pub(crate) const HERE: &str = "10.7.0.1";
pub(crate) const THERE: &str = "10.7.0.2";

/// Holds a namespace in which `eth1` has the address [`THERE`].
pub(crate) struct Peer {
    /// Reads a standard input that ends with this process.
    holder: Child,
}

fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments}");
}

impl Peer {
    /// Makes one, and a namespace for this thread and those that it starts, which gets `eth0`.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run as root");
        run("ip", "link set lo up");
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        // Its first line says that the namespace is there.
        let mut line = [0];
        let out = holder.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(out, &mut line).expect("a line");
        let this = Self { holder };
        let pid = this.holder.id();
        run("ip", &format!("link add eth0 type veth peer name eth1 netns {pid}"));
        for (prefix, device, address) in
            [(String::new(), "eth0", HERE), (format!("-t {pid} -n ip "), "eth1", THERE)]
        {
            let program = if prefix.is_empty() { "ip" } else { "nsenter" };
            for command in [
                format!("link set {device} addrgenmode none"),
                format!("addr add {address}/24 dev {device}"),
                format!("link set {device} up"),
            ] {
                run(program, &format!("{prefix}{command}"));
            }
        }
        this
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/proc/{}/ns/net", self.holder.id());
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let file = File::open(path).expect("the namespace");
                setns(file.as_fd(), CloneFlags::CLONE_NEWNET).expect("setns");
                work()
            });
            thread.join().expect("the work")
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
