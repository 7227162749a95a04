//! No packet is lost: what the hooks saw is what flows, overflow and the rest hold together.

use std::sync::atomic::{AtomicBool, Ordering};

use aya::programs::SchedClassifier;
use monitor::source::ebpf::{Options, Source};
use monitor_common::abi::{Direction, Flow};
use monitor_core::{
    engine::{Engine, EngineConfig, Timeouts},
    label::Outcome,
};

use crate::{
    frames::{self, Raw},
    netns::{DEADLINE, Namespace, run, wait_for},
    rig::{Rig, clock, endless, interface},
    test_run::test_run,
};

/// Every flow ends at the first drain after its last packet.
fn hasty() -> EngineConfig {
    EngineConfig {
        timeouts: Timeouts {
            idle_tcp: 1,
            idle_udp: 1,
            idle_other: 1,
            active: 1,
            fin: 1,
            rst: 1,
            pressure: 1,
        },
        ..EngineConfig::default()
    }
}

fn outcome(rig: &Rig, direction: Direction, outcome: Outcome) -> u64 {
    rig.interface_totals("eth0").hooks[direction.index()].accounted[outcome as usize]
}

/// A frame of a flow of its own.
fn spoofed(n: u32) -> Vec<u8> {
    let [_, a, b, c] = n.to_be_bytes();
    let datagram = frames::udp(1024 + (n % 60_000) as u16, 80, b"spoofed");
    frames::ethernet(0x0800, &frames::ipv4([11, a, b, c], [10, 7, 0, 1], 17, &datagram))
}

#[test]
fn a_table_of_64_slots_under_100_000_flows_keeps_every_sum() {
    const FLOWS: u32 = 100_000;
    let options = Options { max_flows: 64, ..Options::default() };
    let mut rig = Rig::new(options, EngineConfig { max_flows: 64, ..hasty() }).plain().silent();
    rig.attach("eth0");
    let sent = AtomicBool::new(false);
    let raw = Raw::open(&rig.there, "eth1");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..FLOWS {
                raw.send(&spoofed(n));
            }
            sent.store(true, Ordering::Release);
        });
        // Flows end on this core while packets come on the other.
        while !sent.load(Ordering::Acquire) {
            rig.drain();
        }
    });
    wait_for("the last packet", || (rig.hook(Direction::Receive).packets >= u64::from(FLOWS)).then_some(()));
    let report = rig.drain();
    assert_eq!(report.quiet_hooks, report.checked_hooks, "traffic has paused: the sums are equal");
    let seen = rig.interface_totals("eth0").hooks[Direction::Receive.index()];
    assert_eq!(seen.packets, u64::from(FLOWS));
    assert_eq!(seen.accounted_sum(), u64::from(FLOWS));
    assert!(outcome(&rig, Direction::Receive, Outcome::Overflow) > 0, "64 slots were enough?");
    assert!(outcome(&rig, Direction::Receive, Outcome::Flow) > 64, "no slot was used again");
    // The victim is in sight although no flow of it had a slot.
    let victims = rig.source.coarse().expect("coarse");
    assert!(
        victims.iter().any(|(k, _)| k.port == 80 && k.server.octets()[12..] == [10, 7, 0, 1]),
        "{victims:?}"
    );
    let coarse: u64 = victims.iter().map(|(_, c)| c.packets).sum();
    assert_eq!(coarse, outcome(&rig, Direction::Receive, Outcome::Overflow));
}

/// Free slots with packets in them. A slot is live before it counts, so the counter is read first.
fn strayed(source: &Source) -> usize {
    let slots = source.slots().expect("slots");
    let counted = |f: &Flow| f.hot[0].packets.get() + f.hot[1].packets.get();
    slots.iter().filter(|f| counted(f) != 0 && f.head.live.get() == 0).count()
}

#[test]
fn deletions_on_another_core_lose_no_packet() {
    /// Packets in one call; a grace period may have to wait for all of them.
    const CALL: u32 = 200;
    /// Flows that must have ended for the race to have been one.
    const ENOUGH: u32 = 2_000;
    let ns = Namespace::new();
    let options = Options { max_flows: 256, bench_mask: 63, bench_hold: 1000, ..Options::default() };
    let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    let engine = std::sync::Mutex::new(Engine::new(EngineConfig { max_flows: 256, ..hasty() }, clock()));
    ns.enter(|| source.attach(&interface(&ns, "lo"))).unwrap_or_else(|e| panic!("{e}"));
    let program: &mut SchedClassifier =
        source.ebpf().program_mut("weir_ingress").expect("a program").try_into().expect("a classifier");
    let runner = program.fd().expect("loaded").try_clone().expect("a descriptor");
    let frame = frames::ethernet(
        0x0800,
        &frames::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &frames::tcp(40_000, 443, 1, 1, 0x10, b"")),
    );
    let before = source.hook_readings().expect("hooks").iter().map(|r| r.counters.packets).sum::<u64>();
    let enough = AtomicBool::new(false);
    let mut closed = 0;
    let mut sent = 0;
    let mut violations = Vec::new();
    let mut strays = 0;
    std::thread::scope(|scope| {
        let (frame, enough, ns, sent) = (&frame, &enough, &ns, &mut sent);
        let runner = scope.spawn(move || {
            ns.enter(|| {
                while !enough.load(Ordering::Acquire) {
                    test_run(&runner, frame, CALL);
                    *sent += u64::from(CALL);
                }
            });
        });
        let deadline = clock() + DEADLINE.as_nanos() as u64;
        while closed < ENOUGH && clock() < deadline && !runner.is_finished() {
            let report = source.drain(&engine, clock()).unwrap_or_else(|e| panic!("{e}"));
            closed += report.closed;
            violations.extend(report.violations);
            strays += strayed(&source);
        }
        enough.store(true, Ordering::Release);
    });
    assert_eq!(violations, []);
    assert_eq!(strays, 0, "packets counted in slots that were given back: the next flow would have got them");
    let report = source.drain(&engine, clock()).unwrap_or_else(|e| panic!("{e}"));
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    let engine = engine.lock().expect("engine");
    let accounted: u64 = engine
        .interfaces()
        .totals()
        .iter()
        .flat_map(|i| i.hooks.iter())
        .map(|h| h.accounted[Outcome::Flow as usize])
        .sum();
    let hook: u64 = source.hook_readings().expect("hooks").iter().map(|r| r.counters.packets).sum();
    assert_eq!(hook - before, sent);
    assert_eq!(accounted, hook, "{closed} flows ended meanwhile");
    assert!(closed >= ENOUGH, "too few deletions to prove anything: {closed}");
}

#[test]
fn flows_that_end_hand_over_all_their_packets() {
    let mut rig = Rig::new(Options { max_flows: 4096, ..Options::default() }, hasty()).plain();
    rig.attach("eth0");
    for _ in 0..10 {
        crate::traffic::mixture(&rig.here, &rig.there, crate::rig::THERE, crate::rig::THERE6);
        rig.drain();
    }
    let report = wait_for("a pause", || {
        let report = rig.drain();
        (report.quiet_hooks == report.checked_hooks).then_some(report)
    });
    assert!(report.checked_hooks >= 2);
    for hook in rig.interface_totals("eth0").hooks {
        assert_eq!(hook.packets, hook.accounted_sum());
        assert!(hook.packets > 1000);
    }
}

#[test]
fn what_is_no_ip_or_broken_counts_too() {
    let mut rig = Rig::new(Options { max_flows: 64, ..Options::default() }, endless()).plain();
    rig.attach("eth0");
    let raw = Raw::open(&rig.there, "eth1");
    let before = rig.hook(Direction::Receive);
    for _ in 0..10 {
        raw.send(&frames::ethernet(0x88cc, b"a neighbour's advertisement"));
        // An IP header that says to be shorter than itself.
        raw.send(&frames::ethernet(0x0800, &[0x41; 20]));
    }
    wait_for("twenty frames", || (rig.hook(Direction::Receive).packets >= before.packets + 20).then_some(()));
    let after = rig.hook(Direction::Receive);
    assert_eq!(after.not_ip - before.not_ip, 10);
    assert_eq!(after.undecodable - before.undecodable, 10);
    rig.drain();
}

#[test]
fn removing_the_interface_under_traffic_keeps_its_numbers() {
    let mut rig = Rig::new(Options { max_flows: 4096, ..Options::default() }, endless()).plain();
    rig.attach("eth0");
    crate::traffic::udp(&rig.here, &rig.there, crate::rig::THERE, 10, 100);
    let ifindex = rig.here.ifindex("eth0");
    rig.here.ip("link del eth0");
    rig.drain();
    let seen = rig.interface_totals("eth0");
    assert_eq!(seen.hooks[1].packets, seen.hooks[1].accounted_sum());
    assert!(seen.hooks[1].packets >= 10);
    rig.source.detach(ifindex);
    rig.source.release(ifindex).expect("release");
    run("ip", &["-n", rig.here.name(), "link", "show", "lo"]);
}

#[test]
fn an_error_of_the_kernel_side_is_told_and_costs_no_count() {
    let mut rig = Rig::new(Options { max_flows: 64, ..Options::default() }, endless()).plain().silent();
    rig.attach("eth0");
    {
        let free = rig.source.ebpf().map_mut("FREE").expect("the free list");
        let mut free: aya::maps::Stack<_, u32> = free.try_into().expect("a stack");
        // The next new flow gets a number that is no slot's.
        free.pop(0).expect("a free slot");
        free.push(4_000_000_000, 0).expect("push");
    }
    let raw = Raw::open(&rig.there, "eth1");
    raw.send(&spoofed(1));
    raw.send(&spoofed(2));
    wait_for("two packets", || (rig.hook(Direction::Receive).packets >= 2).then_some(()));
    rig.drain();
    let said = rig.source.take_log();
    assert_eq!(said, ["the list of free slots holds 4000000000, which is no slot"]);
    assert_eq!(outcome(&rig, Direction::Receive, Outcome::Overflow), 1);
    assert_eq!(outcome(&rig, Direction::Receive, Outcome::Flow), 1);
}
