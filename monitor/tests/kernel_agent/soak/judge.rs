//! What was read of the page each second, and whether it stays flat.

use std::time::Duration;

use crate::exposition::Page;

/// A second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Duration,
    sent: u64,
    started: f64,
    resident: f64,
    descriptors: f64,
    entries: f64,
    /// Flows that live, as the engine says.
    active: f64,
    room: f64,
    overflow: f64,
    violations: f64,
    /// Packets that the hooks saw beyond what is accounted for: at most those of the drain itself.
    unaccounted: f64,
    hook: f64,
    /// How long the page took to come.
    answered: Duration,
}

impl Reading {
    pub(super) fn of(at: Duration, sent: u64, answered: Duration, page: &Page) -> Self {
        let map = [("map", "flows")];
        let sum = |name| page.sum(name, &[]);
        Self {
            at,
            sent,
            started: sum("weir_flows_started_total"),
            resident: sum("process_resident_memory_bytes"),
            descriptors: sum("process_open_fds"),
            entries: page.sum("weir_bpf_map_entries", &map),
            active: sum("weir_flows_active"),
            room: page.sum("weir_bpf_map_max_entries", &map),
            overflow: sum("weir_overflow_packets_total"),
            violations: sum("weir_conservation_violations_total"),
            unaccounted: page.unaccounted(),
            hook: sum("weir_hook_packets_total"),
            answered,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Story {
    readings: Vec<Reading>,
}

/// Seconds between two lines that are printed.
const LINE_EVERY: usize = 30;

/// How far resident memory may rise between the second quarter and the last: a twentieth, and what
/// allocators keep for themselves.
const MEMORY_RISE: (f64, f64) = (1.05, 4e6);
/// The same for descriptors: those of clients that are just leaving.
const DESCRIPTOR_RISE: (f64, f64) = (1.0, 4.0);

impl Story {
    pub(super) const HEAD: &str =
        "   second        sent     started   MB resident   files   entries    overflow   violations";

    /// Adds a reading; prints one every half minute.
    pub(super) fn add(&mut self, reading: Reading) {
        if self.readings.len().is_multiple_of(LINE_EVERY) {
            println!("{}", line(&reading));
        }
        self.readings.push(reading);
    }

    /// The values of one number in the n-th quarter, sorted.
    fn quarter(&self, n: usize, of: fn(&Reading) -> f64) -> Vec<f64> {
        let length = self.readings.len() / 4;
        let part = self.readings.iter().skip(n * length).take(length.max(1));
        let mut values: Vec<f64> = part.map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, n: usize, of: fn(&Reading) -> f64) -> f64 {
        let values = self.quarter(n, of);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// What is not as it should be. The first quarter is for getting warm.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let mut flat = |name: &str, of: fn(&Reading) -> f64, (factor, more): (f64, f64)| {
            let (early, late) = (self.median(1, of), self.median(3, of));
            if late > early * factor + more {
                findings.push(format!("{name} rose from {early} to {late}"));
            }
        };
        flat("resident memory", |r| r.resident, MEMORY_RISE);
        flat("descriptors", |r| r.descriptors, DESCRIPTOR_RISE);
        for reading in &self.readings {
            let second = reading.at.as_secs();
            if reading.violations != 0.0 {
                findings.push(format!("second {second}: {} drains broke conservation", reading.violations));
                break;
            }
            if reading.unaccounted < 0.0 || reading.unaccounted > reading.hook {
                findings.push(format!("second {second}: {} packets unaccounted for", reading.unaccounted));
            }
            if reading.entries > reading.room {
                findings.push(format!("second {second}: {} of {} entries", reading.entries, reading.room));
            }
        }
        findings
    }

    /// The end: what was, and how flat it is.
    pub(super) fn table(&self, last: &Page) -> String {
        let (Some(first), Some(end)) = (self.readings.first(), self.readings.last()) else {
            return String::new();
        };
        let seconds = end.at.saturating_sub(first.at).as_secs_f64().max(1.0);
        let most = |of: fn(&Reading) -> f64| self.readings.iter().map(of).fold(0.0, f64::max);
        let best = self.readings.windows(2).map(|pair| {
            let time = pair[1].at.saturating_sub(pair[0].at).as_secs_f64();
            // A pause is followed by a catch-up: no second of its own.
            if time > 3.0 { 0.0 } else { (pair[1].started - pair[0].started) / time.max(0.1) }
        });
        let drains = last.sum("weir_drain_seconds_count", &[]);
        let rows = [
            ("flows sent a second", format!("{:.0}", (end.sent - first.sent) as f64 / seconds)),
            (
                "flows begun a second, mean and best",
                format!("{:.0}, {:.0}", (end.started - first.started) / seconds, best.fold(0.0, f64::max)),
            ),
            (
                "resident memory, MB: 2nd quarter, last quarter, most",
                format!(
                    "{:.1}, {:.1}, {:.1}",
                    self.median(1, |r| r.resident) / 1e6,
                    self.median(3, |r| r.resident) / 1e6,
                    most(|r| r.resident) / 1e6
                ),
            ),
            (
                "descriptors: 2nd quarter, last quarter, most",
                format!(
                    "{}, {}, {}",
                    self.median(1, |r| r.descriptors),
                    self.median(3, |r| r.descriptors),
                    most(|r| r.descriptors)
                ),
            ),
            (
                "entries of the flow table: 2nd quarter, last quarter, most, room",
                format!(
                    "{}, {}, {}, {}",
                    self.median(1, |r| r.entries),
                    self.median(3, |r| r.entries),
                    most(|r| r.entries),
                    end.room
                ),
            ),
            (
                "the same, less flows that live: 2nd quarter, last quarter",
                format!(
                    "{}, {}",
                    self.median(1, |r| r.entries - r.active),
                    self.median(3, |r| r.entries - r.active)
                ),
            ),
            (
                "packets counted, of them overflow",
                format!(
                    "{}, {}",
                    last.sum("weir_hook_packets_total", &[]),
                    last.sum("weir_overflow_packets_total", &[])
                ),
            ),
            ("samples lost", last.sum("weir_lost_samples_total", &[]).to_string()),
            (
                "drains, mean ms",
                format!("{drains}, {:.1}", last.sum("weir_drain_seconds_sum", &[]) / drains.max(1.0) * 1e3),
            ),
            ("CPU seconds of the agent", last.sum("process_cpu_seconds_total", &[]).to_string()),
            (
                "readings of the page in seconds, conservation violations",
                format!("{} in {seconds:.0}, {}", self.readings.len(), end.violations),
            ),
            (
                "answers, ms: median of the last quarter, longest",
                format!(
                    "{:.0}, {:.0}",
                    self.median(3, |r| r.answered.as_secs_f64()) * 1e3,
                    most(|r| r.answered.as_secs_f64()) * 1e3
                ),
            ),
        ];
        rows.map(|(name, value)| format!("| {name} | {value} |")).join("\n")
    }
}

fn line(r: &Reading) -> String {
    format!(
        "{:9}  {:10}  {:10}  {:12.1}  {:6}  {:8}  {:10}  {:11}",
        r.at.as_secs(),
        r.sent,
        r.started,
        r.resident / 1e6,
        r.descriptors,
        r.entries,
        r.overflow,
        r.violations
    )
}
