//! What the running agent costs: CPU time and memory while connections with names are active, each with a
//! packet a second, and it is scraped every second.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/flows.rs"]
mod flows;
#[path = "common/goals.rs"]
mod goals;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/process.rs"]
mod process;
#[path = "common/random.rs"]
mod random;
#[path = "common/results.rs"]
mod results;
#[path = "common/tls.rs"]
mod tls;

use std::{thread::sleep, time::Duration};

use agent::Agent;
use flows::{Flows, Wire};
use goals::at_most;
use monitor::clock::Stopwatch;
use peer::Peer;
use results::{Found, quick, rounds};

/// Seconds that are measured.
const SECONDS: usize = 15;
/// Parts of a second in which packets are sent.
const PARTS: usize = 20;

/// Connections that begin between two drains while they are set up: their samples fit the ring.
const OPENED: usize = 1_000;

fn main() {
    let peer = Peer::new();
    // The last two: what is to be reached, per cent of a core and MiB.
    for (name, count, cpu, memory) in [
        ("1k flows", 1_000, None, None),
        ("10k flows", 10_000, Some(5.0), Some(60.0)),
        ("100k flows", 100_000, Some(25.0), None),
    ] {
        with_names(&peer, name, if quick() { count / 10 } else { count }, [cpu, memory]);
    }
    a_million(&peer, if quick() { 100_000 } else { 1_000_000 });
}

fn flows(peer: &Peer) -> Flows {
    Flows::new([Wire::open("eth0"), peer.enter(|| Wire::open("eth1"))])
}

/// Drains so far.
fn drains() -> f64 {
    Agent::sum("weir_drain_seconds_count", "")
}

/// Sleeps for what is left of a second's part.
fn until(watch: Stopwatch, time: Duration) {
    if let Some(left) = time.checked_sub(watch.elapsed()) {
        sleep(left);
    }
}

/// `active` of `all` connections say something in each of some seconds; CPU time by second, per cent of a core.
fn seconds(agent: &Agent, flows: &mut Flows, active: usize, seconds: usize) -> Vec<f64> {
    let mut values = Vec::new();
    for round in 0..seconds {
        let (watch, before) = (Stopwatch::start(), process::cpu_time(agent.id()));
        for part in 0..PARTS {
            let range = part * active / PARTS..(part + 1) * active / PARTS;
            flows.go_on(range, round);
            until(watch, Duration::from_secs(1) * (part as u32 + 1) / PARTS as u32);
            if part == PARTS / 2 {
                assert!(Agent::scrape() > 1000, "a scrape");
            }
        }
        let used = process::cpu_time(agent.id()) - before;
        if watch.elapsed() > Duration::from_millis(1_050) {
            println!(
                "  a second took {:.2} s: this machine is too busy for these packets",
                watch.elapsed().as_secs_f64()
            );
        }
        values.push(used as f64 / 1e7 / watch.elapsed().as_secs_f64());
    }
    values
}

fn with_names(peer: &Peer, name: &str, count: usize, limits: [Option<f64>; 2]) {
    let agent = Agent::start(131_072);
    let mut flows = flows(peer);
    for number in 0..count {
        flows.open();
        if number % OPENED == OPENED - 1 {
            // Their samples leave the ring with a drain.
            let before = drains();
            Agent::wait_for("a drain", || drains() > before);
        }
    }
    Agent::wait_for("all flows to be active", || Agent::sum("weir_flows_active", "") >= count as f64);
    agent.slow_down();
    // Names are told when samples are read; and the first full second belongs to the change of pace.
    seconds(&agent, &mut flows, count, 3);
    let mut cpu = seconds(&agent, &mut flows, count, rounds(SECONDS, 2));
    let unnamed = Agent::sum("weir_domain_connections_total", "source=\"none\"");
    let all = Agent::sum("weir_domain_connections_total", "");
    healthy();
    let tell = |what: &str, unit, values: &mut [f64], limit: Option<f64>| {
        let what = format!("{name}, {what}");
        let found = Found::median("agent", &what, unit, values);
        match limit {
            Some(limit) => at_most(found, limit).tell(),
            None => found.tell(),
        };
    };
    tell("CPU", "% of a core", &mut cpu, limits[0]);
    tell("memory beyond the maps", "MiB", &mut [agent.memory()], limits[1]);
    tell("of them with a name", "%", &mut [100.0 - 100.0 * unnamed / all], None);
}

/// Every packet is accounted for, and none found the table full.
fn healthy() {
    for name in ["weir_conservation_violations_total", "weir_overflow_packets_total"] {
        assert!(Agent::sum(name, "") < 0.5, "{name}");
    }
}

/// A table of that size: a tenth of the flows goes on in each second.
fn a_million(peer: &Peer, count: usize) {
    let agent = Agent::start(count as u32 + 200_000);
    let mut flows = flows(peer);
    for _ in 0..count {
        flows.join();
    }
    flows.flush();
    Agent::wait_for("all flows to be active", || Agent::sum("weir_flows_active", "") >= count as f64);
    agent.slow_down();
    seconds(&agent, &mut flows, count / 10, 3);
    let drained = || [Agent::sum("weir_drain_seconds_sum", ""), drains()];
    let before = drained();
    let mut cpu = seconds(&agent, &mut flows, count / 10, rounds(SECONDS, 2));
    let after = drained();
    healthy();
    let drain = (after[0] - before[0]) / (after[1] - before[1]) * 1e3;
    let name = "1M flows, a tenth of them active";
    Found::median("agent", &format!("{name}, CPU"), "% of a core", &mut cpu).tell();
    Found::median("agent", &format!("{name}, a drain"), "ms", &mut [drain]).tell();
    Found::median("agent", &format!("{name}, memory beyond the maps"), "MiB", &mut [agent.memory()]).tell();
}
