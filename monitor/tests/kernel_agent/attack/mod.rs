//! Clients, hosts, guesses and captures that mean harm, one kind after another, against an agent with a table full of
//! flows: what a scrape, a drain and a stop take meanwhile, and what the agent holds.
//!
//! `cargo xtask attack --minutes N` runs it with a release build and prints the tables of docs/faults.md.

mod bent;
mod bombs;
mod clients;
mod floods;
mod guesses;
mod row;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use monitor::clock::Stopwatch;
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, cable, file, pause},
    netns::{Namespace, Over, wait_for},
    scarcity::Group,
    soak::{Sender, number},
};
use clients::MODES;
use floods::FLOODS;
use row::{Row, row};

/// More than any of it takes: the group is there to be read.
const ROOM: u64 = 8 << 30;

/// Fills the agent's table, no faster than it reads: of what comes faster it lets go what said least.
fn fill(agent: &Agent<'_>, there: &Namespace, flows: u64) {
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| Sender::open(there, "eth1").send(10_000, &over, &sent));
        wait_for("as many flows to be sent", || (sent.load(Ordering::Relaxed) >= flows).then_some(()));
    });
    wait_for("the table to be full", || {
        let active = agent.page().sum("weir_flows_active", &[]);
        (active >= flows as f64 * 0.9).then_some(())
    });
}

#[test]
#[ignore = "takes minutes: `cargo xtask attack`"]
fn scrapes_and_drains_go_on_whatever_clients_and_hosts_do() {
    let run = Duration::from_secs(number("WEIR_ATTACK_SECONDS", 300));
    let flows = number("WEIR_ATTACK_FLOWS", 118_000);
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let settings = format!("max-flows = {}\n[timeout]\nudp = \"1h\"\n", flows + flows / 4);
    let config = file(&directory, "weir.toml", &settings);
    let group = Group::with_memory("attack", ROOM);
    let words =
        format!("run --interface=eth0 --drain-interval={}s --config.file={}", row::DRAINS, config.display());
    let process = match &group {
        Some(group) => group.run(&here, &words),
        None => Running::start(crate::agent::weir(&here, &words.split(' ').collect::<Vec<_>>())),
    };
    let agent = Agent::of(&here, process);
    fill(&agent, &there, flows);
    let time = run / (MODES.len() + FLOODS.len() + 1) as u32;
    println!("{flows} flows\n{}", Row::HEAD);
    let mut rows = vec![row(&agent, group.as_ref(), "nobody", time, |_| {})];
    for (mode, harm) in MODES {
        rows.push(row(&agent, group.as_ref(), mode, time, harm));
    }
    for flood in FLOODS {
        rows.push(row(&agent, group.as_ref(), flood.0, time, |over| floods::send(&there, flood, over)));
    }
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
}
