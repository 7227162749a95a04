//! What a drain costs for each live slot: CPU time of the thread that drains, the engine's work
//! included, the wait for the grace period not.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/kernel_side.rs"]
mod kernel_side;
#[path = "common/numbers.rs"]
mod numbers;

use cpu::cpu_time;
use kernel_side::{acknowledgment, test_run};
use monitor::{clock, source::ebpf::Options};
use numbers::{quartiles, verdict};

const ROUNDS: usize = 30;

fn main() {
    kernel_side::alone();
    let frame = acknowledgment();
    for (live, mask) in [(1_000, 0x3ff_u32), (100_000, 0xffff_ffff), (1_000_000, 0xffff_ffff)] {
        let max_flows = if live == 1_000_000 { 1_200_000 } else { 131_072 };
        let options = Options { max_flows, bench_mask: mask, ..Options::default() };
        let table = options.table_bytes() >> 20;
        let mut source = kernel_side::source(options);
        let engine = engine::engine(false, max_flows);
        let program = kernel_side::program(&mut source, "weir_ingress");
        test_run(&program, &frame, if mask == 0x3ff { 50_000 } else { live });
        let drain = |source: &mut monitor::source::ebpf::Source| {
            let start = cpu_time();
            let report = source.drain(&engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(report.violations, []);
            ((cpu_time() - start) as f64, report)
        };
        let (first, report) = drain(&mut source);
        let slots = f64::from(report.live);
        let mut quiet: Vec<f64> = (0..ROUNDS).map(|_| drain(&mut source).0 / slots).collect();
        let [_, quiet, _] = quartiles(&mut quiet);
        print!(
            "{slots:>9} live slots ({table} MiB): all new {:>6.1} ns, unchanged {quiet:>6.1} ns",
            first / slots
        );
        if mask == 0x3ff {
            let mut changed: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    test_run(&program, &frame, 20_000);
                    drain(&mut source).0 / slots
                })
                .collect();
            print!(", changed {:>6.1} ns", quartiles(&mut changed)[1]);
        }
        println!(" a slot");
        if live == 100_000 {
            verdict("a live slot of 100,000", quiet, 60.0, "ns");
        }
    }
}
