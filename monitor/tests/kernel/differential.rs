//! The same frames through the kernel's programs and through user space give equal flow tables, byte
//! for byte: time stands still between the frames and moves alike on both sides.

use std::{collections::BTreeMap, time::Duration};

use aya::{
    maps::Array,
    programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use monitor::clock::Stopwatch;
use monitor::source::ebpf::{Ingress, Options, Source, probe::kernel_features};
use monitor_common::{
    abi::{Direction, Flow, FlowKey, HookCounters, hook_flags},
    wire::{Link, TunnelPorts},
};
use monitor_core::offline::{Frame, Table, TableConfig};

use crate::{generator::Frames, netns::Namespace, rig::interface};

/// A slot's bytes, key and all, without the padding that only one side has.
fn bytes(flow: &Flow) -> Vec<u8> {
    // SAFETY: a slot is cells and integers without padding; nobody writes it now.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(flow).cast::<u8>(), size_of::<Flow>()) }.to_vec()
}

fn sorted<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeMap<String, (FlowKey, Vec<u8>)> {
    flows
        .filter(|f| f.head.live.get() != 0)
        .map(|f| (format!("{:?}", f.head.key.get()), (f.head.key.get(), bytes(f))))
        .collect()
}

/// `BPF_PROG_TEST_RUN` makes no skb of a frame that ends before its IP header does (`net/bpf/test_run.c`).
const SHORTEST: usize = 14 + 40;

/// Runs generated frames through both sides.
fn compare(ingress: Ingress, seed: u64, count: usize) -> Seen {
    let mut frames = Frames::new(seed, Vec::new());
    let program = match ingress {
        Ingress::Tc => "weir_ingress",
        _ if kernel_features().expect("a known kernel").xdp_frags => "weir_xdp_frags",
        _ => "weir_xdp",
    };
    let seen = both_sides(ingress, program, (0..count).map(|_| frames.frame()));
    assert!(seen.flows > 100, "{} flows", seen.flows);
    assert!(seen.skipped < count / 5, "{} frames were too short to run", seen.skipped);
    let counters = seen.counters;
    assert!(counters.not_ip > 0 && counters.undecodable > 0 && counters.fragments > 0, "{counters:?}");
    seen
}

/// What came of a comparison that found no difference.
pub(crate) struct Seen {
    pub(crate) flows: usize,
    pub(crate) skipped: usize,
    pub(crate) counters: HookCounters,
}

/// The same frames through the program and through user space: slots and counters are equal.
pub(crate) fn both_sides(ingress: Ingress, program: &str, frames: impl Iterator<Item = Vec<u8>>) -> Seen {
    let ns = Namespace::new();
    let options = Options { max_flows: 65_536, ingress, test_clock: true, ..Options::default() };
    let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    ns.enter(|| source.attach(&interface(&ns, "lo"))).unwrap_or_else(|e| panic!("{e}"));
    let mut table = Table::new(TableConfig::kernel(65_536));
    let mut skipped = 0;
    let ifindex = ns.ifindex("lo");
    for (n, frame) in (1_u64..).zip(frames) {
        if frame.len() < SHORTEST && ingress == Ingress::Tc {
            skipped += 1;
            continue;
        }
        let now = 1_000_000_000 + n * 700_000;
        set_clock(&mut source, now);
        ns.enter(|| run(&mut source, program, &frame));
        table.packet(&Frame {
            bytes: &frame,
            link: Link::Ethernet,
            length: frame.len() as u32,
            before: 0,
            ifindex,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: now,
            number: n,
            file: 0,
        });
    }
    let kernel = sorted(source.slots().expect("slots").iter());
    let user = sorted(table.live().map(|(_, flow)| {
        // A capture has no hash in which a key could be published.
        flow.head.key.publish();
        flow
    }));
    assert_eq!(kernel.len(), user.len());
    for (name, (key, slot)) in &kernel {
        let other = user.get(name).unwrap_or_else(|| panic!("only the kernel has {key:?}"));
        for (word, (k, u)) in slot.chunks(4).zip(other.1.chunks(4)).enumerate() {
            assert_eq!(k, u, "{key:?}: bytes {} of the slot", word * 4);
        }
    }
    let hook = source.hook_readings().expect("hooks");
    let hook = hook.iter().find(|r| r.direction == Direction::Receive).expect("ingress").counters;
    let ours = *table.counters();
    assert_eq!(
        HookCounters { ifindex: 0, flags: 0, ..hook },
        HookCounters { ifindex: 0, flags: 0, ..ours },
        "packets, not IP, undecodable, fragments"
    );
    Seen { flows: kernel.len(), skipped, counters: ours }
}

fn set_clock(source: &mut Source, now: u64) {
    let mut clock: Array<_, u64> =
        Array::try_from(source.ebpf().map_mut("TEST_CLOCK").expect("the map")).expect("an array");
    clock.set(0, now, 0).expect("set");
}

fn run(source: &mut Source, program: &str, frame: &[u8]) {
    let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
    let program = source.ebpf().program_mut(program).expect("the program");
    match program {
        aya::programs::Program::SchedClassifier(p) => {
            let p: &mut SchedClassifier = p;
            p.test_run(options)
        }
        aya::programs::Program::Xdp(p) => {
            let p: &mut Xdp = p;
            p.test_run(options)
        }
        _ => panic!("no such program"),
    }
    .expect("a run");
}

#[test]
fn tc_and_user_space_agree_on_ten_thousand_frames() {
    assert_eq!(TunnelPorts::KERNEL, Options::default().tunnels);
    compare(Ingress::Tc, 0x5eed, 10_000);
}

#[test]
fn xdp_and_user_space_agree_on_ten_thousand_frames() {
    compare(Ingress::XdpGeneric, 0xfeed, 10_000);
}

/// Ends the differential fuzzing, in seconds; `cargo xtask fuzz --differential` sets it.
const SECONDS_VARIABLE: &str = "WEIR_FUZZ_SECONDS";
/// The seed to begin with: the one that is printed before a failure gives the same frames again.
const SEED_VARIABLE: &str = "WEIR_FUZZ_SEED";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

/// New frames in every run.
#[test]
#[ignore = "runs as long as it is told: `cargo xtask fuzz --differential`"]
fn both_sides_agree_for_as_long_as_it_is_told() {
    const ROUND: usize = 20_000;
    let seconds = number(SECONDS_VARIABLE).unwrap_or(60);
    let run = Stopwatch::start();
    let mut seed = number(SEED_VARIABLE).unwrap_or(monitor::clock::wall() as u64);
    let (mut frames, mut flows) = (0, 0);
    while run.elapsed() < Duration::from_secs(seconds) {
        for ingress in [Ingress::Tc, Ingress::XdpGeneric] {
            println!("{ingress:?} with {SEED_VARIABLE}={seed}");
            let seen = compare(ingress, seed, ROUND);
            frames += ROUND - seen.skipped;
            flows += seen.flows;
        }
        seed = seed.wrapping_add(2);
    }
    println!("agreed on {frames} frames of {flows} flows");
}
