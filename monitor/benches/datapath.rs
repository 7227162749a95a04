//! What a packet costs in the kernel: nanoseconds over an empty program, by what is done with it, and
//! the ratio to the least that can be counted (IPv4 5-tuple, two counters, a per-CPU hash), in turns.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/frames.rs"]
mod frames;
#[path = "common/goals.rs"]
mod goals;
#[path = "common/kernel_side.rs"]
mod kernel_side;
#[path = "common/results.rs"]
mod results;

use frames::{acknowledgment, segment};
use goals::at_most;
use kernel_side::test_run;
use monitor::source::ebpf::{Options, Source};
use monitor_common::abi::{Sampling, bench_flags};
use results::{Found, quartiles, rounds};

/// Runs in a burst: short enough that a timer tick spoils few.
const BURST: u32 = 5_000;
/// Bursts of each program, in turns.
const ROUNDS: usize = 200;
/// Runs that all make a flow: fewer than slots.
const NEW: u32 = 100_000;
/// Bursts that fit the ring of samples.
const SAMPLED: u32 = 1_000;

/// A kernel side loaded for one row of the table, and a program of it.
struct Subject {
    source: Source,
    program: aya::programs::ProgramFd,
}

impl Subject {
    fn new(options: Options, program: &str) -> Self {
        let mut source = kernel_side::source(options);
        let program = kernel_side::program(&mut source, program);
        Self { source, program }
    }
}

fn options(mask: u32) -> Options {
    Options { bench_mask: mask, ..Options::default() }
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

/// Nanoseconds a run of each subject on its frame, by round.
fn in_turns(subjects: &mut [(Subject, &[u8])], burst_of: u32, warm: u32) -> Vec<Vec<f64>> {
    for (subject, frame) in &mut *subjects {
        test_run(&subject.program, frame, warm);
    }
    let mut values = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds(ROUNDS, 3) {
        for (values, (subject, frame)) in values.iter_mut().zip(&mut *subjects) {
            // The first burst after another program warms the caches that it left cold.
            test_run(&subject.program, frame, burst_of);
            subject.source.read_samples(|_| ());
            values.push(f64::from(burst(|| test_run(&subject.program, frame, burst_of))));
            subject.source.read_samples(|_| ());
        }
    }
    values
}

fn minus(values: &[f64], base: f64) -> Vec<f64> {
    values.iter().map(|value| value - base).collect()
}

/// Nets over the empty program, told by name; returns their medians.
fn tell(names: &[&str], values: &mut [Vec<f64>]) -> Vec<f64> {
    let Some((empty, others)) = values.split_first_mut() else { return Vec::new() };
    let base = quartiles(empty)[1];
    let net = |(name, values): (&&str, &mut Vec<f64>)| {
        Found::median("datapath", name, "ns", &mut minus(values, base)).tell()[1]
    };
    names.iter().zip(others).map(net).collect()
}

/// Established flows: the whole of it against the minimal counter.
fn established(flows: &str, mask: u32, limit: f64) {
    let frame = acknowledgment();
    let warm = mask.saturating_mul(20).max(BURST);
    let mut subjects = ["bench_empty", "bench_minimal", "weir_ingress"]
        .map(|name| (Subject::new(options(mask), name), frame.as_slice()));
    let mut values = in_turns(&mut subjects, BURST, warm);
    let [_, _, ours] = &values[..] else { return };
    let ours = ours.clone();
    let [name, minimal] = [format!("{flows}: weir, ACK"), format!("{flows}: minimal counter")];
    let nets = tell(&[&minimal, &name], &mut values);
    // Round by round what weir took, over the medians of the others, which vary less.
    let least = nets.first().copied().unwrap_or(f64::NAN);
    let empty = values.first_mut().map_or(f64::NAN, |empty| quartiles(empty)[1]);
    let mut ratios: Vec<f64> = minus(&ours, empty).iter().map(|net| net / least).collect();
    let what = format!("{flows}: weir to minimal");
    at_most(Found::median("datapath", &what, "times", &mut ratios), limit).tell();
}

fn features() {
    let sampling =
        |flow_bytes| Sampling { flow_bytes, per_second: u32::MAX, sample_bytes: 4096, udp_packets: u32::MAX };
    let with =
        |flags: u32, sampling: Option<Sampling>| Options { bench_flags: flags, sampling, ..options(0) };
    let advance = bench_flags::ADVANCE;
    let (ack, data) = (acknowledgment(), segment(1_448));
    let mut subjects = vec![(Subject::new(options(0), "bench_empty"), ack.as_slice())];
    let mut names = Vec::new();
    let without = bench_flags::WITHOUT_TCP;
    for (name, frame, options) in [
        ("ACK: counters only", &ack, with(without, None)),
        ("ACK: + TCP analysis", &ack, with(0, None)),
        ("data: counters only", &data, with(without | advance, None)),
        ("data: + TCP analysis", &data, with(advance, None)),
        ("data: + samples, flow understood", &data, with(advance, Some(sampling(0)))),
        ("data: + samples, 1,448 bytes copied each time", &data, with(advance, Some(sampling(u32::MAX)))),
    ] {
        names.push(name);
        subjects.push((Subject::new(options, "weir_ingress"), frame));
    }
    // A sample that finds the ring full would cost less than one that is taken.
    let mut values = in_turns(&mut subjects, SAMPLED, SAMPLED);
    tell(&names, &mut values);
}

/// Every run makes a flow. Each round needs empty tables, so each loads the kernel side anew.
fn new_flow() {
    let frame = acknowledgment();
    let mut values = vec![Vec::new(); 3];
    for _ in 0..rounds(9, 1) {
        for (values, name) in values.iter_mut().zip(["bench_empty", "bench_minimal", "weir_ingress"]) {
            let subject = Subject::new(options(u32::MAX), name);
            values.push(f64::from(burst(|| test_run(&subject.program, &frame, NEW))));
        }
    }
    let [empty, minimal, ours] = &mut values[..] else { return };
    let base = quartiles(empty)[1];
    Found::median("datapath", "new flow: minimal counter", "ns", &mut minus(minimal, base)).tell();
    let mut net = minus(ours, base);
    at_most(Found::median("datapath", "new flow: weir", "ns", &mut net), 400.0).tell();
}

/// The acknowledgment in VXLAN.
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

fn in_vxlan() {
    let frame = tunnelled();
    let mut subjects =
        ["bench_empty", "weir_ingress"].map(|name| (Subject::new(options(0), name), frame.as_slice()));
    let mut values = in_turns(&mut subjects, BURST, BURST);
    tell(&["ACK in VXLAN: weir"], &mut values);
}

fn main() {
    kernel_side::alone();
    established("1 flow", 0, 4.0);
    established("1k flows", 0x3ff, 3.0);
    established("32k flows", 0x7fff, 4.0);
    features();
    new_flow();
    in_vxlan();
}
