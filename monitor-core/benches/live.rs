//! What those who watch cost: CPU time of the engine a drain in which each of 10,000 named flows gained a
//! packet, with and without the memory of [`monitor_core::live`], and the sums of a window.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and stops where it cannot go on"
)]

use std::time::Instant;

use monitor_common::abi::{Address, Flow, FlowKey, Side};
use monitor_common::account::{self, At};
use monitor_common::wire::Packet;
use monitor_core::dpi::inspector::{Payload, TcpHeader};
use monitor_core::engine::{Engine, EngineConfig};
use monitor_core::live::Window;

const FLOWS: u32 = 10_000;
const DRAINS: u64 = 60;
const SECOND: u64 = 1_000_000_000;

fn packet(n: u32) -> Packet {
    Packet {
        source: Address::from_v4_octets([10, 0, (n >> 8) as u8, n as u8]),
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

/// Milliseconds of a drain: the median of all after the first few.
fn run(live: Option<u64>) -> (f64, Engine) {
    let mut engine = Engine::new(EngineConfig { live, ..EngineConfig::default() }, 1);
    let slots: Vec<(Flow, Side, Packet)> = (0..FLOWS)
        .map(|n| {
            let packet = packet(n);
            let mut key = FlowKey::default();
            let side = account::key(&packet, 2, 0, monitor_common::abi::Direction::Receive, &mut key);
            let mut flow = Flow::default();
            flow.head.key = key;
            flow.head.live.set(1);
            account::open(&flow, &packet, side, 1);
            (flow, side, packet)
        })
        .collect();
    let mut times = Vec::new();
    for drain in 1..=DRAINS {
        let now = drain * SECOND;
        for (flow, side, packet) in &slots {
            account::account(flow, packet, *side, &At(now - 1));
        }
        let start = Instant::now();
        engine.begin_drain(now, &[]);
        for (slot, (flow, ..)) in (0..).zip(&slots) {
            engine.observe(slot, flow);
        }
        engine.expired(&[]);
        engine.end_drain(now, &[]);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if drain == 1 {
            for (slot, (flow, side, _)) in (0..).zip(&slots) {
                let text = format!("GET / HTTP/1.1\r\nHost: www.n{}.example\r\n\r\n", slot % 300);
                let tcp = Some(TcpHeader { seq: 1, ack: None, syn: false });
                let length = text.len() as u32;
                let payload = Payload { time: now, sender: *side, bytes: text.as_bytes(), length, tcp };
                engine.sample(slot, flow, 0, &payload);
            }
        }
    }
    let times = times.get_mut(5..).unwrap();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], engine)
}

fn main() {
    let (without, _) = run(None);
    let (with, engine) = run(Some(SECOND));
    println!(
        "a drain of {FLOWS} changed flows: {without:.2} ms, with what is kept for watchers {with:.2} ms: {:.2} times, \
         {:.2} % of a core at a drain a second",
        with / without,
        (with - without) / 10.0
    );
    for window in Window::ALL {
        let start = Instant::now();
        let sums = engine.live().windows().sums(window);
        let took = start.elapsed().as_secs_f64() * 1e3;
        println!("sums of {} s, {} domains: {took:.2} ms", window.seconds(), sums.by_name.domains.len());
    }
}
