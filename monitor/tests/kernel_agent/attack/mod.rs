//! Clients that mean harm, one kind after another, against an agent with a table full of flows: what a scrape, a
//! drain and a stop take meanwhile, and what the agent holds.
//!
//! `cargo xtask attack --minutes N` runs it with a release build and prints the table of docs/faults.md.

mod clients;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use monitor::clock::Stopwatch;
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, cable, file, pause},
    exposition::Page,
    netns::{Namespace, Over, wait_for},
    soak::{Sender, number},
};
use clients::{MODES, scrape};

/// Between two scrapes.
const EVERY: Duration = Duration::from_millis(50);

/// What was measured under one kind of client.
struct Row {
    mode: &'static str,
    /// Seconds, sorted.
    scrapes: Vec<f64>,
    failed: usize,
    /// The bound below which all drains waited for readers, seconds.
    drain_wait: f64,
    resident: f64,
}

impl Row {
    const HEAD: &'static str = "| clients | scrapes | failed | p50 | p99 | drains waited at most | resident |\n\
                                |---|---|---|---|---|---|---|";

    fn quantile(&self, of: f64) -> f64 {
        let at = (self.scrapes.len() as f64 * of) as usize;
        self.scrapes.get(at.min(self.scrapes.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {:.0} ms | {:.0} ms | {:.1} ms | {:.0} MiB |",
            self.mode,
            self.scrapes.len(),
            self.failed,
            self.quantile(0.5) * 1e3,
            self.quantile(0.99) * 1e3,
            self.drain_wait * 1e3,
            self.resident / 1_048_576.0
        )
    }
}

/// The least bound of a histogram's buckets that holds all that came between two pages.
fn bound(before: &Page, after: &Page, name: &str, bounds: &[&str]) -> f64 {
    let bucket = |page: &Page, le: &str| page.sum(&format!("{name}_bucket"), &[("le", le)]);
    let all = bucket(after, "+Inf") - bucket(before, "+Inf");
    let holds = |le: &&&str| bucket(after, le) - bucket(before, le) >= all;
    bounds.iter().find(holds).map_or(f64::INFINITY, |le| le.parse().expect("a number"))
}

const WAITS: [&str; 11] =
    ["0.0001", "0.0005", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.5", "1"];

/// One kind of client for a while.
fn row(agent: &Agent<'_>, mode: &'static str, time: Duration, harm: impl Fn(&AtomicBool) + Sync) -> Row {
    let over = AtomicBool::new(false);
    let before = agent.page();
    let (mut scrapes, mut failed) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| agent.ns.enter(|| harm(&over)));
        let clock = Stopwatch::start();
        while clock.elapsed() < time {
            let asked = Stopwatch::start();
            if !agent.ns.enter(scrape) {
                failed += 1;
            }
            scrapes.push(asked.elapsed().as_secs_f64());
            pause(EVERY);
        }
    });
    scrapes.sort_by(f64::total_cmp);
    let after = agent.page();
    Row {
        mode,
        scrapes,
        failed,
        drain_wait: bound(&before, &after, "weir_drain_wait_seconds", &WAITS),
        resident: after.sum("process_resident_memory_bytes", &[]),
    }
}

/// Fills the agent's table.
fn fill(agent: &Agent<'_>, there: &Namespace, flows: u64) {
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| Sender::open(there, "eth1").send(50_000, &over, &sent));
        wait_for("the table to fill", || {
            let active = agent.page().sum("weir_flows_active", &[]);
            (active >= flows as f64).then_some(())
        });
    });
}

#[test]
#[ignore = "takes minutes: `cargo xtask attack`"]
fn scrapes_and_drains_go_on_whatever_clients_do() {
    let run = Duration::from_secs(number("WEIR_ATTACK_SECONDS", 300));
    let flows = number("WEIR_ATTACK_FLOWS", 118_000);
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let settings = format!("max-flows = {}\n[timeout]\nudp = \"1h\"\n", flows + flows / 4);
    let flag = format!("--config.file={}", file(&directory, "weir.toml", &settings).display());
    let agent = Agent::start_with_file(&here, &["--interface=eth0", &flag]);
    fill(&agent, &there, flows);
    let time = run / (MODES.len() as u32 + 2);
    println!("{flows} flows\n{}", Row::HEAD);
    let mut rows = vec![row(&agent, "none", time, |_| {})];
    println!("{}", rows[0].line());
    for (mode, harm) in MODES {
        let row = row(&agent, mode, time, harm);
        println!("{}", row.line());
        rows.push(row);
    }
    let sent = AtomicU64::new(0);
    let flood = row(&agent, "50,000 new flows a second", time, |over| {
        Sender::open(&there, "eth1").send(50_000, over, &sent);
    });
    println!("{}", flood.line());
    rows.push(flood);
    let page = agent.wait_for_drains();
    // A stop while the first kind goes on.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| here.enter(|| MODES[0].1(&over)));
        pause(Duration::from_secs(2));
        let clock = Stopwatch::start();
        agent.stop(Signal::SIGTERM);
        println!("\nSIGTERM under {}: {:.1} s", MODES[0].0, clock.elapsed().as_secs_f64());
    });
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    let failed: Vec<String> = rows.iter().filter(|row| row.failed > 0).map(Row::line).collect();
    assert!(failed.is_empty(), "scrapes were not answered: {failed:#?}");
    let _ = Ordering::Relaxed;
}
