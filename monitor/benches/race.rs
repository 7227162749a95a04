//! Thirty million packets on one core while flows end on the other: not one is lost.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/engine.rs"]
mod engine;
#[path = "common/frames.rs"]
mod frames;
#[path = "common/kernel_side.rs"]
mod kernel_side;
#[path = "common/results.rs"]
mod results;

use std::sync::atomic::{AtomicBool, Ordering};

use frames::acknowledgment;
use kernel_side::test_run;
use monitor::{clock, source::ebpf::Options};
use monitor_core::label::Outcome;
use results::{Found, rounds};

fn main() {
    kernel_side::alone();
    // The last: a program holds its slot for a while before it counts, which makes every race wider.
    for (packets, call, flows, mask, bench_hold) in [
        (30_000_000_u64, 500_000_u32, 64_u32, 63_u32, 0),
        (30_000_000, 500_000, 1024, 1023, 0),
        (500_000, 200, 64, 63, 1000),
    ] {
        let packets = packets / rounds(1, 10) as u64;
        let mut source = kernel_side::source(Options {
            max_flows: flows * 4,
            bench_mask: mask,
            bench_hold,
            ..Options::default()
        });
        let engine = engine::engine(true, flows * 4);
        let program = kernel_side::program(&mut source, "weir_ingress");
        let frame = acknowledgment();
        let done = AtomicBool::new(false);
        let (mut ended, mut drains) = (0_u64, 0_u64);
        let watch = clock::Stopwatch::start();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..packets / u64::from(call) {
                    test_run(&program, &frame, call);
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let report = source.drain(&engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(report.violations, [], "a drain did not add up");
                ended += u64::from(report.closed);
                drains += 1;
            }
        });
        let seconds = watch.elapsed().as_secs_f64();
        source.drain(&engine, clock::now()).unwrap_or_else(|e| panic!("{e}"));
        let engine = engine.lock().expect("the engine");
        let sum = |outcome: Outcome| -> u64 {
            engine
                .interfaces()
                .totals()
                .iter()
                .flat_map(|i| &i.hooks)
                .map(|h| h.accounted[outcome as usize])
                .sum()
        };
        let seen: u64 = source.hook_readings().expect("hooks").iter().map(|r| r.counters.packets).sum();
        let (flow, overflow) = (sum(Outcome::Flow), sum(Outcome::Overflow));
        let lost = seen as i64 - (flow + overflow) as i64;
        println!(
            "{flows:>5} flows, hold {bench_hold:>2}: {seen} packets, {flow} on flows, {overflow} overflow, lost {lost}; \
             {ended} flows ended in {drains} drains, {seconds:.1} s"
        );
        assert_eq!(seen, packets);
        assert_eq!(lost, 0);
        let hold = if bench_hold == 0 { "" } else { ", each program held" };
        let what = format!("{seen} packets, {flows} flows, {ended} ends{hold}: lost");
        Found::median("race", &what, "packets", &mut [lost as f64]).tell();
    }
}
