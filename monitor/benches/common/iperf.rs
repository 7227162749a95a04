//! One endless connection of iperf3, each end on a core of its own.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use monitor::clock;

use crate::{
    peer::{Peer, THERE},
    process,
};

/// How long the first bytes may take.
const PATIENCE: u32 = 100;

pub(crate) struct Iperf {
    server: Child,
    client: Child,
}

/// What moved, and what it took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moved {
    /// When, or how long, ns.
    time: u64,
    /// Payload that the receiver has read.
    bytes: u64,
    /// CPU time of sender and receiver, ns.
    cpu: u64,
}

impl Moved {
    pub(crate) const fn since(&self, before: &Self) -> Self {
        Self { time: self.time - before.time, bytes: self.bytes - before.bytes, cpu: self.cpu - before.cpu }
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.time += other.time;
        self.bytes += other.bytes;
        self.cpu += other.cpu;
    }

    pub(crate) fn bytes_a_second(&self) -> f64 {
        self.bytes as f64 / (self.time as f64 / 1e9)
    }

    pub(crate) fn cpu_a_byte(&self) -> f64 {
        self.cpu as f64 / self.bytes as f64
    }
}

impl Iperf {
    /// From this namespace to the peer; returns once bytes move.
    pub(crate) fn start(peer: &Peer) -> Self {
        let spawn = |arguments: &[&str]| {
            let mut command = Command::new("taskset");
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("taskset and iperf3")
        };
        let server = peer.enter(|| spawn(&["-c", "1", "iperf3", "-s", "-1", "-i", "0"]));
        let mut this = Self { server, client: spawn(&["-c", "0", "true"]) };
        for _ in 0..PATIENCE {
            // Until the server listens.
            if this.client.try_wait().is_ok_and(|ended| ended.is_some()) {
                this.client = spawn(&["-c", "0", "iperf3", "-c", THERE, "-t", "86400", "-i", "0"]);
            }
            std::thread::sleep(Duration::from_millis(100));
            if read_bytes(this.server.id()) > 100 << 20 {
                return this;
            }
        }
        panic!("no byte moves");
    }

    pub(crate) fn moved(&self) -> Moved {
        Moved {
            time: clock::now(),
            bytes: read_bytes(self.server.id()),
            cpu: process::cpu_time(self.server.id()) + process::cpu_time(self.client.id()),
        }
    }
}

/// What a process has read by system calls, from the network too (proc(5), `io`).
fn read_bytes(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or_default()
}

impl Drop for Iperf {
    fn drop(&mut self) {
        for child in [&mut self.client, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
