//! Clocks: the wall clock is set, and the machine sleeps, while traffic passes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::{
    sys::{signal::Signal, time::TimeSpec},
    time::{ClockId, clock_gettime, clock_settime},
};
use serde_json::Value;

use super::{
    steady::{self, RATE, Sent, wall},
    works,
};
use crate::{
    agent::{Agent, THERE, cable},
    netns::Namespace,
    outputs::{lines, text},
    traffic::{self, Ending},
};

const HOUR: i64 = 3600;

/// Seconds of sleep.
const SLEEP: i64 = 10;

/// Seconds by which a time may be off: ticks of the kernel's coarse clock, and whole seconds.
const NEAR: i64 = 2;

/// Two ends of a cable, an instance at one of them, and its records.
struct Site {
    here: Namespace,
    there: Namespace,
    _directory: tempfile::TempDir,
    records: PathBuf,
}

impl Site {
    fn new() -> Self {
        let (here, there) = cable();
        let directory = tempfile::tempdir().expect("a directory");
        let records = directory.path().join("records.json");
        Self { here, there, _directory: directory, records }
    }

    fn start(&self) -> Agent<'_> {
        let json = format!("--json={}", text(&self.records));
        let small = ["--interface=eth0", "--max-flows=256", "--drain-interval=200ms"];
        Agent::start(
            &self.here,
            &[&small[..], &["--timeout.udp=30m", "--timeout.active=30m", "--timeout.fin=1s", &json]].concat(),
        )
    }

    /// Datagrams on one flow while `work` runs.
    fn while_sending(&self, work: impl FnOnce()) -> Sent {
        steady::while_sending(&self.here, &self.there, work)
    }

    fn connection(&self) {
        traffic::tcp(&self.here, &self.there, THERE, 10, 10, Ending::Client);
    }
}

fn set_clock(seconds: i64) {
    let to = TimeSpec::new(wall() + seconds, 0);
    clock_settime(ClockId::CLOCK_REALTIME, to).expect("the clock is set");
}

/// The agent goes by the new time, and what it tells is what happened.
fn is_sound(agent: &Agent<'_>) {
    let page = agent.wait_for("the new time", |page| {
        (page.sum("weir_last_drain_timestamp_seconds", &[]) - wall() as f64).abs() < 60.0
    });
    for transport in ["udp", "tcp"] {
        for reason in ["idle", "active"] {
            let labels = [("transport", transport), ("reason", reason)];
            assert_eq!(page.sum("weir_flows_ended_total", &labels), 0.0, "nothing ends early");
        }
    }
    let answer = agent.get("/api/v1/live?window=60", "");
    let live: Value = serde_json::from_str(&answer.body).expect("JSON");
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_f64).expect(pointer);
    let interval = number("/snapshot/interval_seconds");
    assert!(interval > 0.0 && interval < HOUR as f64 / 2.0, "{interval}");
    let rate = number("/snapshot/transmitted/packets_per_second");
    assert!(rate < 10.0 * RATE, "{rate} packets a second");
    // An hour of history; by the wall clock it would be full at once.
    let points = live.pointer("/history/transmitted_packets_per_second").and_then(Value::as_array);
    let points = points.expect("a history");
    assert!(points.len() < 1800, "{} points", points.len());
    assert!(points.iter().filter_map(Value::as_f64).all(|rate| rate < 10.0 * RATE), "{points:?}");
}

/// All that was sent is counted and on one flow.
fn is_whole(agent: &Agent<'_>, sent: &Sent) {
    let udp = [("interface", "eth0"), ("transport", "udp"), ("direction", "transmit")];
    agent.wait_for_sum("weir_network_io_packets_total", &udp, sent.datagrams as f64);
    let page = agent.wait_for_drains();
    assert_eq!((page.unaccounted(), page.sum("weir_conservation_violations_total", &[])), (0.0, 0.0));
    assert_eq!(page.sum("weir_flows_active", &[("transport", "udp")]), 1.0);
    assert_eq!(page.sum("weir_flows_ended_total", &[("transport", "udp")]), 0.0);
}

/// The one record of the datagrams: it ends when the last was sent, by the clock of that moment.
fn record(records: &Path, sent: &Sent) -> Value {
    let is_it = |r: &Value| r["transport"] == "udp" && r["server_port"] == sent.port;
    let mut found: Vec<Value> = lines(records).into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let record = found.remove(0);
    assert_eq!(record["sent"]["packets"], sent.datagrams);
    let (before, after) = sent.last;
    is_between(&record["end"], before - NEAR, after + NEAR);
    record
}

fn is_between(time: &Value, from: i64, to: i64) {
    let time = time.as_str().expect("a time");
    let (from, to) = (moment(from), moment(to));
    assert!((&*from..=&*to).contains(&time), "{time} is not between {from} and {to}");
}

/// Seconds since the epoch as records have them, up to the second.
fn moment(seconds: i64) -> String {
    let date = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%S"])
        .output()
        .expect("date");
    String::from_utf8_lossy(&date.stdout).trim().to_owned()
}

/// Hours forward and twice as many back: nothing ends early, nothing is miscounted, rates stay what they were,
/// and what is told afterwards has the new time.
#[test]
#[ignore = "sets the clock: `cargo xtask test-kernels`"]
fn the_wall_clock_may_be_set_while_traffic_passes() {
    let site = Site::new();
    let agent = site.start();
    let sent = site.while_sending(|| {
        agent.wait_for("traffic", |page| page.sum("weir_network_io_packets_total", &[]) > 0.0);
        for hours in [10, -20] {
            set_clock(hours * HOUR);
            is_sound(&agent);
        }
    });
    let now = wall();
    site.connection();
    let fin = [("transport", "tcp"), ("reason", "fin")];
    agent.wait_for_sum("weir_flows_ended_total", &fin, 1.0);
    is_whole(&agent, &sent);
    agent.stop(Signal::SIGTERM);
    let steady = record(&site.records, &sent);
    // It began before the clock was set, and is told by the clock as it is now: its length is true.
    assert!(steady["start"].as_str() < steady["end"].as_str(), "{steady}");
    is_between(&steady["start"], sent.last.0 - HOUR, sent.last.1);
    let tcp = lines(&site.records).into_iter().find(|r| r["transport"] == "tcp").expect("a record");
    for time in ["start", "end"] {
        is_between(&tcp[time], now - NEAR, wall());
    }
    works("clock_steps");
}

/// Seconds that the machine has slept since it was started.
fn slept() -> i64 {
    let now = |clock| clock_gettime(clock).expect("a clock").tv_sec();
    now(ClockId::CLOCK_BOOTTIME) - now(ClockId::CLOCK_MONOTONIC)
}

/// Suspends to memory; the machine's clock wakes it.
fn sleep() {
    let alarm = "/sys/class/rtc/rtc0/wakealarm";
    // An alarm that is set has to be cleared first.
    fs::write(alarm, "0").expect("a clock that wakes");
    fs::write(alarm, format!("+{SLEEP}")).expect("a clock that wakes");
    let before = slept();
    fs::write("/sys/power/state", "mem").expect("it sleeps");
    let slept = slept() - before;
    assert!((SLEEP - NEAR..SLEEP + 60).contains(&slept), "slept {slept} s");
}

/// The flow clock stands still while the machine sleeps, and so does every timeout; the times of what comes
/// afterwards are right.
#[test]
#[ignore = "suspends the machine: `cargo xtask test-kernels`"]
fn the_machine_may_sleep_while_traffic_passes() {
    let site = Site::new();
    let agent = site.start();
    let sent = site.while_sending(|| {
        agent.wait_for("traffic", |page| page.sum("weir_network_io_packets_total", &[]) > 0.0);
        sleep();
        is_sound(&agent);
    });
    is_whole(&agent, &sent);
    agent.stop(Signal::SIGTERM);
    record(&site.records, &sent);
    works("suspend");
}
