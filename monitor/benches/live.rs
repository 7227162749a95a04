//! What counting does to the throughput of TCP over a veth pair, and to the CPU time that a gigabyte takes;
//! and what a run of the programs takes there.
//!
//! One connection of iperf3 goes on all the time, sender and receiver on a core each, while the programs are
//! attached and detached around it: slices of a fraction of a second with and without them, in turns that
//! cancel whatever drifts, make one pair. The ratio of each pair is that of their sums. A comparison of nothing
//! with nothing shows what the method itself sees.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/engine.rs"]
mod engine;
#[path = "common/interval.rs"]
mod interval;
#[path = "common/iperf.rs"]
mod iperf;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/process.rs"]
mod process;
#[path = "common/results.rs"]
mod results;
#[path = "common/sysctl.rs"]
mod sysctl;

use std::{sync::Mutex, thread::sleep, time::Duration};

use interval::{ratio, unchanged};
use iperf::{Iperf, Moved};
use monitor::{
    clock,
    source::ebpf::{Ingress, Interface, Options, Source},
};
use monitor_common::abi::Sampling;
use monitor_core::engine::Engine;
use peer::Peer;
use results::{Found, rounds};
use sysctl::Sysctl;

const PAIRS: usize = 20;
/// One slice. Attaching is not part of it.
const SLICE: Duration = Duration::from_millis(300);
/// After attaching or detaching, before a slice begins.
const PAUSE: Duration = Duration::from_millis(40);
/// Between two drains, as `weir run` has it unless told otherwise.
const DRAIN_INTERVAL: Duration = Duration::from_secs(1);
/// With the programs or without, in the order of a pair's slices.
const ORDER: [bool; 16] =
    [false, true, true, false, true, false, false, true, true, false, false, true, false, true, true, false];

/// The kernel side as the agent has it, and who reads it.
struct Monitor {
    source: Source,
    engine: Mutex<Engine>,
    interface: Interface,
    /// How long it was attached since the last drain.
    attached: Duration,
}

impl Monitor {
    fn new(ingress: Ingress) -> Self {
        // As `weir run` sets it up.
        let sampling =
            Sampling { flow_bytes: 16 << 10, per_second: 5_000, sample_bytes: 4 << 10, udp_packets: 4 };
        let options = Options { ingress, sampling: Some(sampling), ..Options::default() };
        let max_flows = options.max_flows;
        let source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
        let ifindex = nix::net::if_::if_nametoindex("eth0").expect("eth0");
        let interface =
            Interface { ifindex, name: "eth0".to_owned(), layer_3: false, loopback: false, mirror: false };
        Self { source, engine: engine::engine(false, max_flows), interface, attached: Duration::ZERO }
    }

    fn attach(&mut self) {
        self.source.attach(&self.interface).unwrap_or_else(|e| panic!("{e}"));
    }

    fn detach(&mut self) {
        self.source.detach(self.interface.ifindex);
    }

    fn drain(&mut self) {
        self.source.drain(&self.engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Drains as often as the agent does in the time that it is attached.
    fn attached_for(&mut self, time: Duration) {
        self.attached += time;
        if self.attached >= DRAIN_INTERVAL {
            self.attached -= DRAIN_INTERVAL;
            self.drain();
        }
    }

    /// Runs and seconds of all programs since they were loaded, as far as the kernel counted them.
    fn runs(&self) -> Vec<(String, u64, f64)> {
        let stats = self.source.program_stats().into_iter();
        stats.map(|program| (program.name, program.runs, program.run_seconds)).collect()
    }
}

/// What was moved in one slice.
fn slice(iperf: &Iperf, monitor: Option<&mut Monitor>) -> Moved {
    sleep(PAUSE);
    let before = iperf.moved();
    sleep(SLICE);
    // Drains are part of what the agent does.
    if let Some(monitor) = monitor {
        monitor.attached_for(SLICE);
    }
    iperf.moved().since(&before)
}

/// One pair: throughput and CPU time a byte, with over without.
fn pair(iperf: &Iperf, monitor: &mut Option<Monitor>) -> [f64; 2] {
    let mut sums = [Moved::default(); 2];
    for with in ORDER {
        if let (true, Some(monitor)) = (with, monitor.as_mut()) {
            monitor.attach();
        }
        let moved = slice(iperf, monitor.as_mut().filter(|_| with));
        sums[usize::from(with)].add(&moved);
        if let (true, Some(monitor)) = (with, monitor.as_mut()) {
            monitor.detach();
        }
    }
    let [without, with] = sums;
    [with.bytes_a_second() / without.bytes_a_second(), with.cpu_a_byte() / without.cpu_a_byte()]
}

fn compare(iperf: &Iperf, name: &str, mut monitor: Option<Monitor>, pairs: usize) {
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..rounds(pairs, 3) {
        let [throughput, cpu] = pair(iperf, &mut monitor);
        ratios[0].push(throughput);
        ratios[1].push(cpu);
    }
    let what = format!("TCP over veth, {name}: throughput");
    let found = ratio("live", &what, &ratios[0]);
    // Of XDP on veth nobody expects it.
    if name == "TC" { unchanged(found, 0.03) } else { found }.tell();
    ratio("live", &format!("TCP over veth, {name}: CPU time a byte"), &ratios[1]).tell();
}

/// What a run takes while they pass that traffic.
fn in_situ(name: &str, mut monitor: Monitor) {
    let _counted = Sysctl::set("/proc/sys/kernel/bpf_stats_enabled", "1");
    monitor.attach();
    let mut values: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..rounds(10, 2) {
        let before = monitor.runs();
        sleep(Duration::from_millis(500));
        for ((program, runs, seconds), (_, runs_before, seconds_before)) in
            monitor.runs().into_iter().zip(before)
        {
            let runs = runs - runs_before;
            if runs < 100 {
                continue;
            }
            let nanoseconds = (seconds - seconds_before) * 1e9 / runs as f64;
            match values.iter_mut().find(|(name, _)| *name == program) {
                Some((_, values)) => values.push(nanoseconds),
                None => values.push((program, vec![nanoseconds])),
            }
        }
        monitor.drain();
    }
    monitor.detach();
    for (program, mut values) in values {
        let what = format!("TCP over veth, {name}: a run of {program} in situ");
        Found::median("live", &what, "ns", &mut values).tell();
    }
}

/// At both ends, for connections to come.
fn set_congestion_control(peer: &Peer, name: &str) {
    let set =
        || std::fs::write("/proc/sys/net/ipv4/tcp_congestion_control", name).expect("congestion control");
    set();
    peer.enter(set);
}

fn main() {
    let peer = Peer::new();
    // The kernel's default, which sends what the cores can.
    set_congestion_control(&peer, "cubic");
    let iperf = Iperf::start(&peer);
    let mut speed: Vec<f64> =
        (0..rounds(20, 3)).map(|_| slice(&iperf, None).bytes_a_second() * 8.0 / 1e9).collect();
    Found::median("live", "TCP over veth, no monitor", "Gbit/s", &mut speed).tell();
    compare(&iperf, "nothing against nothing", None, PAIRS);
    compare(&iperf, "TC", Some(Monitor::new(Ingress::Tc)), PAIRS);
    compare(&iperf, "XDP", Some(Monitor::new(Ingress::Xdp)), PAIRS / 2);
    in_situ("TC", Monitor::new(Ingress::Tc));
    in_situ("XDP", Monitor::new(Ingress::Xdp));
    drop(iperf);
    // BBR paces by what it measured, and slows down with each delay that it takes for the path's.
    let available = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    if available.is_ok_and(|all| all.split_whitespace().any(|one| one == "bbr")) {
        set_congestion_control(&peer, "bbr");
        let iperf = Iperf::start(&peer);
        compare(&iperf, "TC, BBR", Some(Monitor::new(Ingress::Tc)), PAIRS / 2);
    }
}
