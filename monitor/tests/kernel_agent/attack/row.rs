//! What is measured while somebody means harm.

use std::{
    io::{Read as _, Write as _},
    sync::atomic::AtomicBool,
    time::Duration,
};

use flate2::read::GzDecoder;
use monitor::clock::Stopwatch;

use crate::{
    agent::{Agent, pause},
    exposition::Page,
    netns::Over,
    scarcity::Group,
};

use super::clients;

/// Between two scrapes.
const EVERY: Duration = Duration::from_millis(50);
/// Between two drains, as the agent is told.
pub(super) const DRAINS: f64 = 1.0;

/// What was measured under one kind of harm.
pub(super) struct Row {
    what: &'static str,
    /// Seconds, sorted.
    scrapes: Vec<f64>,
    pub(super) failed: usize,
    /// The bound below which all drains waited for readers, seconds.
    waited: f64,
    /// How much later than it should have been a drain was at most, seconds.
    late: f64,
    /// Cores that the agent took.
    cores: f64,
    /// Packets a second at its hooks.
    packets: f64,
    /// Resident memory at most.
    pub(super) resident: f64,
    /// Memory of its control group at most, the kernel's tables included.
    peak: Option<u64>,
    threads: u32,
}

impl Row {
    pub(super) const HEAD: &'static str = "| under | scrapes | failed | p50 | p99 | drains waited | drains late | cores | packets/s | resident | with tables | threads |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

    fn quantile(&self, of: f64) -> f64 {
        let at = (self.scrapes.len() as f64 * of) as usize;
        self.scrapes.get(at.min(self.scrapes.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn line(&self) -> String {
        let peak = self.peak.map_or_else(|| "-".to_owned(), |peak| format!("{} MiB", peak >> 20));
        format!(
            "| {} | {} | {} | {:.0} ms | {:.0} ms | ≤ {:.0} ms | {:.0} ms | {:.2} | {:.0} | {:.0} MiB | {peak} | {} |",
            self.what,
            self.scrapes.len(),
            self.failed,
            self.quantile(0.5) * 1e3,
            self.quantile(0.99) * 1e3,
            self.waited * 1e3,
            self.late * 1e3,
            self.cores,
            self.packets,
            self.resident / 1_048_576.0,
            self.threads,
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

/// A number of a page that stands there without labels.
fn sample(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.split(' ').next()?.parse().ok()
}

/// How late drains are: by when the last one was and how many there were, as scrapes tell.
#[derive(Default)]
struct Drains {
    last: Option<(f64, f64)>,
    late: f64,
}

impl Drains {
    fn read(&mut self, body: &[u8]) {
        let mut page = String::new();
        if GzDecoder::new(body).read_to_string(&mut page).is_err() {
            return;
        }
        let (Some(at), Some(count)) =
            (sample(&page, "weir_last_drain_timestamp_seconds"), sample(&page, "weir_drain_seconds_count"))
        else {
            return;
        };
        match self.last {
            Some((_, before)) if count <= before => {}
            Some((then, before)) => {
                self.late = self.late.max((at - then) / (count - before) - DRAINS);
                self.last = Some((at, count));
            }
            None => self.last = Some((at, count)),
        }
    }
}

fn threads(process: u32) -> u32 {
    std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, |tasks| tasks.count() as u32)
}

/// One kind of harm for a while.
pub(super) fn row(
    agent: &Agent<'_>,
    group: Option<&Group>,
    what: &'static str,
    time: Duration,
    harm: impl Fn(&AtomicBool) + Sync,
) -> Row {
    let over = AtomicBool::new(false);
    let before = agent.page();
    let _ = group.and_then(Group::peak);
    let (mut scrapes, mut failed, mut drains, mut most) = (Vec::new(), 0, Drains::default(), 0);
    let clock = Stopwatch::start();
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            // Whoever means harm has a machine of its own: what it takes of this one is not the agent's, nor the scraper's.
            let _ = rustix::process::nice(19);
            agent.ns.enter(|| harm(&over));
        });
        while clock.elapsed() < time {
            let asked = Stopwatch::start();
            let answer = agent.ns.enter(clients::scrape);
            scrapes.push(asked.elapsed().as_secs_f64());
            match answer {
                Some(body) => drains.read(&body),
                None => failed += 1,
            }
            most = most.max(threads(agent.process.id()));
            pause(EVERY);
        }
    });
    scrapes.sort_by(f64::total_cmp);
    let peak = group.and_then(Group::peak);
    let after = agent.page();
    let gained = |name: &str| (after.sum(name, &[]) - before.sum(name, &[])) / clock.elapsed().as_secs_f64();
    let row = Row {
        what,
        scrapes,
        failed,
        waited: bound(&before, &after, "weir_drain_wait_seconds", &WAITS),
        late: drains.late,
        cores: gained("process_cpu_seconds_total"),
        packets: gained("weir_hook_packets_total"),
        resident: after.sum("process_resident_memory_bytes", &[]),
        peak,
        threads: most,
    };
    println!("{}", row.line());
    let _ = std::io::stdout().flush();
    row
}
