//! What a drain costs for each live slot: CPU time of the thread that drains, the engine's work
//! included, the wait for the grace period not.
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

use std::{thread::sleep, time::Duration};

use cpu::cpu_time;
use frames::acknowledgment;
use goals::at_most;
use kernel_side::test_run;
use monitor::{clock, source::ebpf::Options};
use results::{Found, rounds};

const ROUNDS: usize = 30;
/// After that time a flow counts without a name.
const NAMED: Duration = Duration::from_millis(2_100);

fn main() {
    kernel_side::alone();
    let frame = acknowledgment();
    // As many flows as the mask has bits, or each run a new one.
    for (name, live, mask) in
        [("1k flows", 1_000, 0x3ff_u32), ("100k flows", 100_000, u32::MAX), ("1M flows", 1_000_000, u32::MAX)]
    {
        let max_flows = if live == 1_000_000 { 1_200_000 } else { 131_072 };
        let options = Options { max_flows, bench_mask: mask, ..Options::default() };
        let mut source = kernel_side::source(options);
        let engine = engine::engine(false, max_flows);
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
        if live == 100_000 { at_most(found, 60.0) } else { found }.tell();
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
