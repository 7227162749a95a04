//! Hours of flows that come and go, with everything at once that happens to an agent in hours: reloads,
//! slow drains, interfaces that flap, scrapes by many, and a process that stands still. What it holds
//! stays what it was, and every packet is accounted for at every second.
//!
//! `cargo xtask soak --minutes N` runs it with a release build.

mod judge;
mod sender;

use std::{
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use aya::maps::{HashMap, Map, MapData, MapInfo};
use monitor::clock::Stopwatch;
use monitor_common::abi::FlowKey;
use nix::sys::signal::Signal;

use crate::{
    agent::{ADDRESS, Agent, THERE, cable, file, get, pause},
    exposition::Page,
    netns::{Namespace, Over, wait_for},
    traffic::{self, Ending},
};
use judge::{Reading, Story};
pub(crate) use sender::{Sender, source};

/// Between two readings of the page.
const SECOND: Duration = Duration::from_secs(1);
/// The process stands still for so long, and how often.
const STILL: Duration = Duration::from_secs(30);
const STILL_EVERY: Duration = Duration::from_secs(150);
/// Seconds between the other events; none divides another.
const RELOAD_EVERY: u64 = 7;
const FLAP_EVERY: u64 = 11;
const CROWD_EVERY: u64 = 5;

/// A number that the task sets.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

/// What happens beside the flood, in turn.
struct Trouble<'a> {
    here: &'a Namespace,
    directory: &'a tempfile::TempDir,
    reloads: u64,
    flaps: u64,
    crowds: u64,
    stops: u64,
    next_stop: Duration,
}

impl Trouble<'_> {
    /// Causes what is due in this second.
    fn cause(&mut self, second: u64, elapsed: Duration, agent: &Agent<'_>) {
        if second.is_multiple_of(RELOAD_EVERY) {
            self.reloads += 1;
            // Every other time drains are slow.
            file(self.directory, "weir.toml", settings(self.reloads.is_multiple_of(2)));
            agent.process.signal(Signal::SIGHUP);
        }
        if second.is_multiple_of(FLAP_EVERY) {
            self.flaps += 1;
            match self.flaps % 3 {
                1 => self.here.ip("link add flap0 type veth peer name flap1"),
                2 => self.here.ip("link set flap0 up"),
                _ => self.here.ip("link del flap0"),
            }
        }
        if second.is_multiple_of(CROWD_EVERY) {
            self.crowds += 1;
            crowd(self.here);
        }
        if elapsed >= self.next_stop {
            self.stops += 1;
            self.next_stop = elapsed + STILL_EVERY;
            agent.process.signal(Signal::SIGSTOP);
            pause(STILL);
            agent.process.signal(Signal::SIGCONT);
        }
    }
}

/// Many who want something at once, and one who does not take what it asked for.
fn crowd(here: &Namespace) {
    here.enter(|| {
        let stalled = TcpStream::connect(ADDRESS);
        std::thread::scope(|scope| {
            for path in ["/metrics", "/api/v1/flows?limit=1000", "/api/v1/overflow", "/nothing"].repeat(3) {
                scope.spawn(move || get(ADDRESS, path, ""));
            }
        });
        drop(stalled);
    });
}

const fn settings(slow: bool) -> &'static str {
    if slow {
        "drain-interval = \"3s\"\n[timeout]\nudp = \"1s\"\n"
    } else {
        "drain-interval = \"250ms\"\n[timeout]\nudp = \"1s\"\n"
    }
}

#[test]
#[ignore = "takes minutes: `cargo xtask soak`"]
fn what_an_agent_holds_stays_flat_and_every_packet_is_accounted_for() {
    let run = Duration::from_secs(number("WEIR_SOAK_SECONDS", 300));
    let rate = number("WEIR_SOAK_RATE", 50_000);
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let flag = format!("--config.file={}", file(&directory, "weir.toml", settings(false)).display());
    // The interval is the file's.
    let agent = Agent::start_with_file(&here, &["--interface=eth0,flap*", "--max-flows=262144", &flag]);
    let over = AtomicBool::new(false);
    let (sent, connections) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut story = Story::default();
    let mut trouble = Trouble {
        here: &here,
        directory: &directory,
        reloads: 0,
        flaps: 0,
        crowds: 0,
        stops: 0,
        next_stop: run.min(STILL_EVERY) / 3,
    };
    println!("{}", Story::HEAD);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| Sender::open(&there, "eth1").send(rate, &over, &sent));
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                traffic::tcp(&here, &there, THERE, 1_000, 20_000, Ending::Client);
                connections.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clock = Stopwatch::start();
        let mut second = 0;
        while clock.elapsed() < run {
            second += 1;
            // Alone: the descriptors of no other client are among the agent's.
            let (at, asked) = (clock.elapsed(), Stopwatch::start());
            let page = agent.page();
            story.add(Reading::of(at, sent.load(Ordering::Relaxed), asked.elapsed(), &page));
            trouble.cause(second, clock.elapsed(), &agent);
            pause(SECOND);
        }
    });
    // The flood is over: the sums are equal, also to what was sent.
    let page = agent.wait_for_drains();
    let udp = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    let dropped: f64 =
        there.sh("cat /sys/class/net/eth1/statistics/tx_dropped").trim().parse().expect("a number");
    let sent = sent.load(Ordering::Relaxed) as f64;
    let received = |page: &Page| page.sum("weir_network_io_packets_total", &udp);
    println!("{}", story.table(&page));
    println!(
        "reloads {}, flaps {}, crowds of 12 requests {}, stops of {STILL:?} {}, connections beside the flood {}",
        trouble.reloads,
        trouble.flaps,
        trouble.crowds,
        trouble.stops,
        connections.load(Ordering::Relaxed)
    );
    println!("sent {sent}, of which the device dropped {dropped}, received {}", received(&page));
    assert_eq!(received(&page), sent - dropped, "sent, less what the device dropped");
    assert_eq!(page.unaccounted(), 0.0);
    let findings = story.findings();
    assert!(findings.is_empty(), "{findings:#?}");
    // What the kernel holds is what the agent says that it holds, and next to nothing: the flows have ended.
    let kernels = wait_for("the flows to end", || {
        let held = entries(agent.process.id());
        let said = agent.page().sum("weir_bpf_map_entries", &[("map", "flows")]);
        (held as f64 == said && held < 100).then_some(held)
    });
    println!("entries of the flow table in the kernel afterwards: {kernels}");
    // Nothing of what happened was an error of the agent's own.
    wait_for("the log", || (!agent.process.stderr().is_empty()).then_some(()));
    let log = agent.stop(Signal::SIGTERM);
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).take(5).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// Keys in the kernel's flow table of a process.
fn entries(pid: u32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("its descriptors");
    let ids = descriptors.flatten().filter_map(|descriptor| {
        let about = std::fs::read_to_string(descriptor.path()).ok()?;
        about.lines().find_map(|line| line.strip_prefix("map_id:")?.trim().parse::<u32>().ok())
    });
    let name = |id: u32| MapInfo::from_id(id).ok().and_then(|info| info.name_as_str().map(str::to_owned));
    let id = ids.into_iter().find(|id| name(*id).as_deref() == Some("FLOWS")).expect("its flow table");
    let map = Map::HashMap(MapData::from_id(id).expect("the map"));
    let keys: HashMap<MapData, [u8; size_of::<FlowKey>()], u32> = map.try_into().expect("a hash map");
    keys.keys().flatten().count()
}
