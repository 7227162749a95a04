//! What a packet costs in the kernel: nanoseconds over an empty program, and the ratio to the least
//! that can be counted (IPv4 5-tuple, two counters, a per-CPU hash), in the same run.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/kernel_side.rs"]
mod kernel_side;
#[path = "common/numbers.rs"]
mod numbers;

use kernel_side::{acknowledgment, test_run};
use monitor::source::ebpf::{Options, Source};
use monitor_common::abi::Sampling;
use numbers::{quartiles, verdict};

/// Runs in a burst: short enough that a timer tick spoils few.
const BURST: u32 = 5_000;
/// Bursts of each program, in turns.
const ROUNDS: usize = 200;
/// Runs that all make a flow: fewer than slots.
const NEW: u32 = 100_000;

struct Row {
    what: &'static str,
    empty: f64,
    minimal: f64,
    ours: f64,
    ratio: f64,
}

fn options(mask: u32) -> Options {
    Options { bench_mask: mask, ..Options::default() }
}

fn medians(source: &mut Source, frame: &[u8], warm: u32) -> [f64; 3] {
    let programs =
        ["bench_empty", "bench_minimal", "weir_ingress"].map(|name| kernel_side::program(source, name));
    for program in &programs {
        test_run(program, frame, warm);
    }
    let mut values = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (values, program) in values.iter_mut().zip(&programs) {
            // The first burst after another program warms the caches that it left cold.
            test_run(program, frame, BURST);
            values.push(f64::from(burst(|| test_run(program, frame, BURST))));
        }
    }
    values.map(|mut v| quartiles(&mut v)[1])
}

fn hit(what: &'static str, mask: u32, frame: &[u8]) -> Row {
    let mut source = kernel_side::source(options(mask));
    let [empty, minimal, ours] = medians(&mut source, frame, mask.saturating_mul(20).max(BURST));
    Row { what, empty, minimal, ours, ratio: (ours - empty) / (minimal - empty) }
}

/// Every run makes a flow. Each round needs empty tables, so each loads the kernel side anew.
fn new_flow() -> Row {
    let frame = acknowledgment();
    let mut values = [const { Vec::new() }; 3];
    for _ in 0..7 {
        let mut source = kernel_side::source(options(u32::MAX));
        for (values, name) in values.iter_mut().zip(["bench_empty", "bench_minimal", "weir_ingress"]) {
            let program = kernel_side::program(&mut source, name);
            values.push(f64::from(burst(|| test_run(&program, &frame, NEW))));
        }
    }
    let [empty, minimal, ours] = values.map(|mut v| quartiles(&mut v)[1]);
    Row { what: "new flow", empty, minimal, ours, ratio: (ours - empty) / (minimal - empty) }
}

/// The same in VXLAN.
fn tunnelled() -> Vec<u8> {
    let inner = acknowledgment();
    let udp = (inner.len() + 16) as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((udp + 20).to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
    frame.extend([0xc0, 1, 0x12, 0xb5]);
    frame.extend(udp.to_be_bytes());
    frame.extend([0, 0, 8, 0, 0, 0, 0, 0, 7, 0]);
    frame.extend(inner);
    frame
}

/// Runs `work` at real-time priority, so that nothing is scheduled in between; back to normal after.
fn burst<T>(work: impl FnOnce() -> T) -> T {
    let set = |policy: libc::c_int, priority: libc::c_int| {
        let param = libc::sched_param { sched_priority: priority };
        // SAFETY: the parameter is a local; 0 is this thread.
        unsafe { libc::sched_setscheduler(0, policy, &raw const param) };
    };
    set(libc::SCHED_FIFO, 50);
    let value = work();
    set(libc::SCHED_OTHER, 0);
    value
}

fn main() {
    kernel_side::alone();
    let ack = acknowledgment();
    let rows =
        [hit("1 flow", 0, &ack), hit("1k flows", 0x3ff, &ack), hit("32k flows", 0x7fff, &ack), new_flow()];
    println!(
        "{:<12} {:>8} {:>10} {:>8} {:>8} {:>8}",
        "ns a packet", "empty", "minimal", "weir", "net", "ratio"
    );
    for r in &rows {
        let net = r.ours - r.empty;
        println!(
            "{:<12} {:>8.0} {:>10.0} {:>8.0} {:>8.0} {:>8.2}",
            r.what, r.empty, r.minimal, r.ours, net, r.ratio
        );
    }
    let mut source = kernel_side::source(options(0));
    let [empty, _, ours] = medians(&mut source, &tunnelled(), BURST);
    println!("{:<12} {empty:>8.0} {:>10} {ours:>8.0} {:>8.0}", "in VXLAN", "-", ours - empty);
    let sampling = Sampling { flow_bytes: 0, per_second: 0, sample_bytes: 0, udp_packets: 0 };
    let mut source = kernel_side::source(Options { sampling: Some(sampling), ..options(0) });
    let [empty, _, ours] = medians(&mut source, &ack, BURST);
    println!("{:<12} {empty:>8.0} {:>10} {ours:>8.0} {:>8.0}", "sampling", "-", ours - empty);
    verdict("established, 1 flow", rows[0].ratio, 4.0, "times the minimal counter");
    verdict("established, 1k flows", rows[1].ratio, 3.0, "times the minimal counter");
    verdict("established, 32k flows", rows[2].ratio, 4.0, "times the minimal counter");
    verdict("new flow", rows[3].ours - rows[3].empty, 400.0, "ns net");
}
