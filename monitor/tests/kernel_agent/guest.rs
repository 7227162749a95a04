//! What only a machine of one's own can go through: its clock is set. `cargo xtask
//! test-kernels` runs this in virtual machines; elsewhere it would set the clock of whoever runs it.

use std::{fs, path::Path};

use nix::{
    sys::{signal::Signal, time::TimeSpec},
    time::{ClockId, clock_gettime, clock_settime},
};

use crate::{
    agent::{Agent, THERE, cable},
    outputs::{lines, text},
    traffic::{self, Ending},
};

/// Seconds by which the clock is set.
const DAY: i64 = 86_400;

fn wall() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).expect("a clock").tv_sec()
}

fn step(seconds: i64) {
    let to = TimeSpec::new(wall() + seconds, 0);
    clock_settime(ClockId::CLOCK_REALTIME, to).expect("the clock is set");
}

/// The clock goes forward by a day and back by two: nothing ends early, nothing is miscounted, and what
/// comes after a step has the new time.
#[test]
#[ignore = "sets the clock: `cargo xtask test-kernels`"]
fn the_wall_clock_may_be_set() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let records = directory.path().join("records.json");
    let json = format!("--json={}", text(&records));
    let agent = Agent::start(
        &here,
        &["--interface=eth0", "--timeout.udp=1h", "--timeout.fin=1s", "--drain-interval=200ms", &json],
    );
    let udp = [("interface", "eth0"), ("transport", "udp")];
    traffic::udp(&here, &there, THERE, 5, 50);
    agent.wait_for_sum("weir_network_io_packets_total", &udp, 10.0);
    for (n, seconds) in [(2.0, DAY), (3.0, -2 * DAY)] {
        step(seconds);
        // The offset is looked at every few drains.
        let page = agent.wait_for("the new time", |page| {
            (page.sum("weir_last_drain_timestamp_seconds", &[]) - wall() as f64).abs() < 60.0
        });
        assert_eq!(page.sum("weir_flows_ended_total", &[("transport", "udp")]), 0.0);
        traffic::udp(&here, &there, THERE, 5, 50);
        agent.wait_for_sum("weir_network_io_packets_total", &udp, n * 10.0);
    }
    traffic::tcp(&here, &there, THERE, 10, 10, Ending::Client);
    agent.wait_for_sum("weir_flows_ended_total", &[("transport", "tcp"), ("reason", "fin")], 1.0);
    let page = agent.wait_for_drains();
    assert_eq!((page.unaccounted(), page.sum("weir_conservation_violations_total", &[])), (0.0, 0.0));
    assert_eq!(page.sum("weir_flows_active", &[("transport", "udp")]), 3.0);
    let today = now(&directory.path().join("now"));
    agent.stop(Signal::SIGTERM);
    let ended = lines(&records).into_iter().find(|r| r["transport"] == "tcp").expect("a record");
    for time in ["start", "end"] {
        assert!(ended[time].as_str().is_some_and(|t| t.starts_with(&today)), "{today}: {ended}");
    }
    println!("feature clock_steps works");
}

/// The date as the system says it.
fn now(scratch: &Path) -> String {
    let script = format!("date -u +%Y-%m-%d > {}", scratch.display());
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().expect("sh").success());
    fs::read_to_string(scratch).expect("a date").trim().to_owned()
}
