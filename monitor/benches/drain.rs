//! What a drain costs for each live slot: CPU time of the thread that drains, the engine's work
//! included, the wait for the grace period not; and what it costs more with pins, which are written at its end.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/frames.rs"]
mod frames;
#[path = "common/goals.rs"]
mod goals;
#[path = "common/kernel_side.rs"]
mod kernel_side;
#[path = "common/results.rs"]
mod results;

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::sleep,
    time::Duration,
};

use cpu::cpu_time;
use frames::acknowledgment;
use goals::at_most;
use kernel_side::test_run;
use monitor::{clock, source::ebpf::Options};
use results::{Found, rounds};

const ROUNDS: usize = 30;
/// After that time a flow counts without a name.
const NAMED: Duration = Duration::from_millis(2_100);

/// A BPF file system for pins, which goes with it.
struct Pins(PathBuf);

impl Pins {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let directory = std::env::temp_dir().join(format!("weir-bench-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(&directory).status();
        assert!(mounted.expect("mount").success(), "a BPF file system at {}", directory.display());
        Self(directory)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn main() {
    kernel_side::alone();
    let frame = acknowledgment();
    // As many flows as the mask has bits, or each run a new one.
    for (name, live, mask, pins) in [
        ("1k flows", 1_000, 0x3ff_u32, None),
        ("1k flows, pinned", 1_000, 0x3ff, Some(Pins::new())),
        ("100k flows", 100_000, u32::MAX, None),
        ("100k flows, pinned", 100_000, u32::MAX, Some(Pins::new())),
        ("1M flows", 1_000_000, u32::MAX, None),
    ] {
        let max_flows = if live == 1_000_000 { 1_200_000 } else { 131_072 };
        let pin = pins.as_ref().map(|pins| pins.0.join("weir"));
        let options = Options { max_flows, bench_mask: mask, pin, ..Options::default() };
        let mut source = kernel_side::source(options);
        let engine = engine::engine(false, max_flows);
        if pins.is_some() {
            engine.lock().unwrap_or_else(PoisonError::into_inner).succession().keep_watermarks();
        }
        let program = kernel_side::program(&mut source, "weir_ingress");
        test_run(&program, &frame, if mask == 0x3ff { 50_000 } else { live });
        let mut drain = || {
            let start = cpu_time();
            let report = source.drain(&engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(report.violations, []);
            let slots = f64::from(report.live);
            assert!(slots > f64::from(live) * 0.98, "{slots} flows");
            (cpu_time() - start) as f64 / slots
        };
        let first = drain();
        // Until then flows wait for their names; and only a second reading of the same packets says that a slot
        // does not change.
        sleep(NAMED);
        drain();
        drain();
        let mut quiet: Vec<f64> = (0..rounds(ROUNDS, 2)).map(|_| drain()).collect();
        Found::median("drain", &format!("{name}, all new"), "ns a slot", &mut [first]).tell();
        let unchanged = format!("{name}, unchanged");
        let found = Found::median("drain", &unchanged, "ns a slot", &mut quiet);
        if live == 100_000 && pins.is_none() { at_most(found, 60.0) } else { found }.tell();
        if mask == 0x3ff {
            let changed = |_| {
                test_run(&program, &frame, 20_000);
                drain()
            };
            let mut changed: Vec<f64> = (0..rounds(ROUNDS, 2)).map(changed).collect();
            Found::median("drain", &format!("{name}, changed"), "ns a slot", &mut changed).tell();
        }
    }
}
