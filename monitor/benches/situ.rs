//! What a packet costs on its real way: veth, softirq, socket, with caches as the network stack leaves them between
//! two packets. By the kernel's own run time statistics, net of an empty program: Weir, the least that can be counted,
//! and the stand-in of a plain agent, in turns.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/engine.rs"]
mod engine;
#[path = "common/goals.rs"]
mod goals;
#[path = "common/pace.rs"]
mod pace;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/random.rs"]
mod random;
#[path = "common/results.rs"]
mod results;
#[path = "common/sysctl.rs"]
mod sysctl;

use std::{
    net::{Ipv4Addr, UdpSocket},
    process::Command,
    time::Duration,
};

use aya::programs::{SchedClassifier, TcAttachType};
use goals::at_most;
use monitor::{
    clock,
    source::ebpf::{Interface, Options, Source},
};
use monitor_common::abi::{Sampling, bench_flags};
use peer::{HERE, Peer};
use results::{Found, quick, rounds};
use sysctl::Sysctl;

/// Packets a second.
const RATES: [f64; 2] = [20_000.0, 100_000.0];
/// Flows, and which part of the stand-in's cost Weir's is to be.
const FLOWS: [(u32, f64); 3] = [(1, 0.7), (1_000, 0.5), (30_000, 0.7)];
/// Times that each is measured.
const ROUNDS: usize = 5;
/// The first of the addresses to which packets go: they all are this host's.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 0);

/// A program that looks at packets that come in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Empty,
    Minimal,
    Plain,
    Weir,
}

impl Subject {
    const ALL: [Self; 4] = [Self::Empty, Self::Minimal, Self::Plain, Self::Weir];

    const fn program(self) -> &'static str {
        match self {
            Self::Empty => "bench_empty",
            Self::Minimal => "bench_minimal",
            Self::Plain => "bench_plain",
            Self::Weir => "weir_ingress",
        }
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {arguments}");
}

/// Runs and seconds of a program so far.
fn runs(source: &Source, program: &str) -> (u64, f64) {
    let all = source.program_stats().into_iter().find(|p| p.name == program);
    all.map_or((0, 0.0), |p| (p.runs, p.run_seconds))
}

fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(if quick() { time / 10.0 } else { time })
}

/// Nanoseconds a packet.
fn measure(peer: &Peer, subject: Subject, flows: u32, rate: f64) -> f64 {
    // As `weir run` sets it up.
    let sampling =
        Sampling { flow_bytes: 16 << 10, per_second: 5_000, sample_bytes: 4 << 10, udp_packets: 4 };
    let weir = subject == Subject::Weir;
    let options = Options {
        sampling: weir.then_some(sampling),
        bench_flags: if subject == Subject::Plain { bench_flags::PLAIN } else { 0 },
        ..Options::default()
    };
    let max_flows = options.max_flows;
    let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    let engine = engine::engine(false, max_flows);
    if weir {
        let ifindex = nix::net::if_::if_nametoindex("eth0").expect("eth0");
        let eth0 =
            Interface { ifindex, name: "eth0".to_owned(), layer_3: false, loopback: false, mirror: false };
        source.attach(&eth0).unwrap_or_else(|e| panic!("{e}"));
    } else {
        let program: &mut SchedClassifier =
            source.ebpf().program_mut(subject.program()).expect("it").try_into().expect("a classifier");
        program.load().expect("load");
        program.attach("eth0", TcAttachType::Ingress).expect("attach");
    }
    let drain = |source: &mut Source| {
        if weir {
            source.drain(&engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
        }
    };
    // Twice, as agents do: the index follows the flows.
    for _ in 0..2 {
        peer.enter(|| pace::send(FIRST, flows, rate, seconds(1.0)));
        drain(&mut source);
    }
    let before = runs(&source, subject.program());
    peer.enter(|| pace::send(FIRST, flows, rate, seconds(1.5)));
    let after = runs(&source, subject.program());
    (after.1 - before.1) * 1e9 / (after.0 - before.0) as f64
}

fn main() {
    let peer = Peer::new();
    ip("route add local 10.88.0.0/15 dev lo");
    peer.enter(|| ip(&format!("route add 10.88.0.0/15 via {HERE}")));
    let _sink = UdpSocket::bind("0.0.0.0:9").expect("port 9");
    let _statistics = Sysctl::set("/proc/sys/kernel/bpf_stats_enabled", "1");
    for rate in RATES {
        for (flows, goal) in FLOWS {
            let mut net: [Vec<f64>; 4] = Default::default();
            let mut ratios = Vec::new();
            for _ in 0..rounds(ROUNDS, 1) {
                let [empty, minimal, plain, weir] =
                    Subject::ALL.map(|subject| measure(&peer, subject, flows, rate));
                for (values, value) in
                    net.iter_mut().zip([empty, minimal - empty, plain - empty, weir - empty])
                {
                    values.push(value);
                }
                ratios.push((weir - empty) / (plain - empty));
            }
            let name = |what: &str| format!("{}k packets a second, {flows} flows: {what}", rate / 1e3);
            let [empty, minimal, plain, weir] = &mut net;
            for (what, values) in [
                ("empty program", empty),
                ("minimal counter", minimal),
                ("plain stand-in", plain),
                ("weir", weir),
            ] {
                Found::median("situ", &name(what), "ns", values).tell();
            }
            at_most(Found::median("situ", &name("weir to the stand-in"), "times", &mut ratios), goal).tell();
        }
    }
}
