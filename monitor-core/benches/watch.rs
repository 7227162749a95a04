//! What those who watch cost: CPU time of the engine a drain in which each of many named flows gained a packet, with
//! and without the memory of [`monitor_core::live`], and the sums of a window. Both engines read the same flows, in
//! turns.
#[path = "../../monitor/benches/common/cpu.rs"]
#[expect(unsafe_code, reason = "the CPU time of a thread has no safe form")]
mod cpu;
#[path = "../../monitor/benches/common/goals.rs"]
mod goals;
#[path = "../../monitor/benches/common/results.rs"]
mod results;

use monitor_common::abi::{Address, Direction, Flow, Side};
use monitor_common::account::{self, At};
use monitor_common::wire::Packet;
use monitor_core::engine::{Engine, EngineConfig};
use monitor_core::live::Window;
use monitor_core::payload::{Payload, TcpHeader};

use cpu::cpu_time;
use goals::at_most;
use results::{Found, rounds};

/// Drains that are measured, after those of the warm-up.
const DRAINS: usize = 60;
const WARM_UP: usize = 5;
const SECOND: u64 = 1_000_000_000;

fn packet(n: u32) -> Packet {
    Packet {
        source: Address::from_v4_octets([10, (n >> 16) as u8, (n >> 8) as u8, n as u8]),
        destination: Address::from_v4_octets([198, 51, 100, (n % 50) as u8]),
        source_port: 40_000,
        destination_port: 80,
        protocol: 6,
        ip_version: 4,
        tcp_flags: 0x10,
        seq: 1,
        ip_length: 1_000,
        payload_length: 960,
        wire_length: 1_014,
        segments: 1,
        ..Packet::default()
    }
}

/// Flows in their slots.
fn slots(flows: u32) -> Vec<(Flow, Side, Packet)> {
    let slot = |n| {
        let packet = packet(n);
        let (flow, side) = account::opened(&packet, 2, 0, Direction::Receive, 1);
        (flow, side, packet)
    };
    (0..flows).map(slot).collect()
}

fn engine(live: Option<u64>, flows: u32) -> Engine {
    Engine::new(EngineConfig { live, max_flows: flows, ..EngineConfig::default() }, 1)
}

/// Milliseconds of CPU time of a drain.
fn drain(engine: &mut Engine, slots: &[(Flow, Side, Packet)], now: u64) -> f64 {
    let start = cpu_time();
    engine.begin_drain(now, &[]);
    for (slot, (flow, ..)) in (0..).zip(slots) {
        engine.observe(slot, flow);
    }
    engine.expired(&[]);
    engine.end_drain(now, &[]);
    (cpu_time() - start) as f64 / 1e6
}

/// Each flow asks for a page of one of 300 domains.
fn name(engine: &mut Engine, slots: &[(Flow, Side, Packet)], now: u64) {
    for (slot, (flow, side, _)) in (0..).zip(slots) {
        let text = format!("GET / HTTP/1.1\r\nHost: www.n{}.example\r\n\r\n", slot % 300);
        let tcp = Some(TcpHeader { seq: 1, ack: None, syn: false, urgent: 0 });
        let length = text.len() as u32;
        let payload = Payload { time: now, sender: *side, bytes: text.as_bytes(), length, tcp };
        engine.sample(slot, flow, 0, &payload, |_| Default::default());
    }
}

/// Measures so many flows; returns the engine that has kept what watchers want.
fn run(flows: u32, called: &str, drains: usize) -> Engine {
    let slots = slots(flows);
    let (mut without, mut with) = (engine(None, flows), engine(Some(SECOND), flows));
    let [mut plain, mut kept, mut ratios] = [const { Vec::new() }; 3];
    for n in 1..=WARM_UP + drains {
        let now = n as u64 * SECOND;
        for (flow, side, packet) in &slots {
            account::account(flow, packet, *side, &At(now - 1));
        }
        // Whoever comes first finds less in the caches: both do, each other time.
        let [a, b] = if n % 2 == 0 {
            let a = drain(&mut without, &slots, now);
            [a, drain(&mut with, &slots, now)]
        } else {
            let b = drain(&mut with, &slots, now);
            [drain(&mut without, &slots, now), b]
        };
        if n == 1 {
            name(&mut without, &slots, now);
            name(&mut with, &slots, now);
        }
        if n > WARM_UP {
            plain.push(a);
            kept.push(b);
            ratios.push(b / a);
        }
    }
    let what = |what: &str| format!("{called} that all changed, {what}");
    Found::median("watch", &what("nothing kept"), "ms a drain", &mut plain).tell();
    Found::median("watch", &what("kept for watchers"), "ms a drain", &mut kept).tell();
    let ratio = what("kept to nothing kept");
    let found = Found::median("watch", &ratio, "times", &mut ratios);
    if flows == 100_000 { at_most(found, 1.05) } else { found }.tell();
    with
}

fn main() {
    run(10_000, "10k flows", rounds(DRAINS, 2));
    let engine = run(100_000, "100k flows", rounds(DRAINS, 2));
    for window in Window::ALL {
        let mut times: Vec<f64> = (0..rounds(DRAINS, 2))
            .map(|_| {
                let start = cpu_time();
                let sums = engine.ledger().live().windows().sums(window);
                assert!(sums.by_name.domains.len() >= 128);
                (cpu_time() - start) as f64 / 1e6
            })
            .collect();
        let what = format!("sums of {} s", window.seconds());
        Found::median("watch", &what, "ms", &mut times).tell();
    }
}
