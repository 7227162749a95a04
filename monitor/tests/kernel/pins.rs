//! Filters of clsact that outlive the process which attached them. Links, and whole instances, are looked at
//! in the tests of the agent; these say that kernels without links can be upgraded in place too.

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use monitor::{
    host::Watcher,
    source::ebpf::{Options, Source, TcAttach, remove_pins},
};
use monitor_common::abi::Direction;
use monitor_core::engine::{Engine, EngineConfig};

use crate::{
    bpffs::BpfFs,
    frames::{self, Raw},
    hooks::{filters, ours},
    netns::{Over, wait_for},
    rig::{Rig, clock, endless, interface},
};

/// Between a few frames.
const PAUSE: Duration = Duration::from_micros(100);

fn frame(n: u64) -> Vec<u8> {
    // Four flows that go on, and one of its own for each eighth frame.
    let port = if n.is_multiple_of(8) { 2000 + (n / 8 % 60_000) as u16 } else { 1000 + (n % 4) as u16 };
    frames::ethernet(0x0800, &frames::ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &frames::udp(port, 9, b"on")))
}

/// Filters with where they hang (priority, handle), without which program: that changes.
fn places(filters: &str) -> Vec<String> {
    let place = |line: &String| line.split(" weir_").next().unwrap_or_default().to_owned();
    ours(filters).iter().map(place).collect()
}

#[test]
fn filters_of_clsact_count_on_and_are_exchanged_in_place() {
    let bpf = BpfFs::new();
    let options =
        Options { tc_attach: TcAttach::Clsact, max_flows: 4096, pin: Some(bpf.pins()), ..Options::default() };
    let Rig { here, there, .. } =
        Rig::new(Options { max_flows: 64, ..Options::default() }, endless()).plain().silent();
    // Somebody else's filter, behind ours.
    here.sh("tc qdisc add dev eth0 clsact");
    here.sh("tc filter add dev eth0 ingress prio 7 bpf da bytecode '1,6 0 0 4294967295,'");
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let config = || EngineConfig {
        timeouts: monitor_core::engine::Timeouts { idle_udp: 50_000_000, ..endless().timeouts },
        ..endless()
    };
    // As the agent does it.
    let begin = || {
        let mut source = Source::open(options.clone()).unwrap_or_else(|e| panic!("{e}"));
        let mut engine = Engine::new(config(), clock());
        engine.succession().keep_watermarks();
        if let Some(carried) = source.take_carried() {
            engine.succession().take_over(carried);
        }
        let eth0 = interface(&here, "eth0");
        here.enter(|| source.attach(&eth0)).unwrap_or_else(|e| panic!("{e}"));
        engine.surroundings().set_interfaces(&[monitor_core::host::Interface {
            ifindex: eth0.ifindex,
            name: eth0.name,
            loopback: false,
            one_sided: false,
        }]);
        source.keep_pins();
        (source, Mutex::new(engine))
    };
    let drain = |source: &mut Source, engine: &Mutex<Engine>| {
        let report = source.drain(engine, clock()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.violations, []);
    };
    let raw = Raw::open(&there, "eth1");
    let mut first_places = None;
    let (mut source, engine) = std::thread::scope(|scope| {
        let _over = Over(&over);
        let mut next = Some(begin());
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for _ in 0..8 {
                    raw.send(&frame(sent.fetch_add(1, Ordering::Relaxed)));
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        let wait_for_more = |more| {
            let goal = sent.load(Ordering::Relaxed) + more;
            wait_for("frames", || (sent.load(Ordering::Relaxed) >= goal).then_some(()));
        };
        for round in 0..4 {
            let (mut source, engine) = next.take().unwrap_or_else(begin);
            for _ in 0..4 {
                wait_for_more(40);
                drain(&mut source, &engine);
            }
            if round % 2 == 0 {
                // Killed: nothing of it runs any more, not even what gives back.
                std::mem::forget(source);
            } else {
                source.suspend(&engine, clock()).unwrap_or_else(|e| panic!("{e}"));
                drop(source);
            }
            // Ours stay where they were, each once, and the other's beside them.
            let now = filters(&here, "eth0");
            let ours = places(&now);
            assert_eq!(&ours, first_places.get_or_insert_with(|| ours.clone()), "round {round}: {now}");
            assert!(ours.len() == 2 && now.contains("bytecode"), "round {round}: {now}");
            wait_for_more(50);
        }
        begin()
    });
    let sent = sent.into_inner();
    let received = || {
        let engine = engine.lock().expect("engine");
        let totals = engine.interfaces().totals().iter().find(|i| i.name == "eth0").expect("the interface");
        totals.hooks[Direction::Receive.index()]
    };
    wait_for("every frame", || {
        drain(&mut source, &engine);
        (received().packets >= sent).then_some(())
    });
    drain(&mut source, &engine);
    let all = received();
    assert_eq!((all.packets, all.accounted_sum()), (sent, sent), "frames sent, counted, accounted for");
    // Whoever is told to leave an interface takes its filters along, and nobody else's.
    here.enter(|| source.detach(here.ifindex("eth0")));
    let left = filters(&here, "eth0");
    assert!(ours(&left).is_empty() && left.contains("bytecode"), "{left}");
}

#[test]
fn pinned_filters_of_clsact_are_nobody_elses_to_replace_or_remove() {
    let bpf = BpfFs::new();
    let plain = Options { tc_attach: TcAttach::Clsact, max_flows: 64, ..Options::default() };
    let pinned = |name: &str| Options { pin: Some(bpf.pins().with_file_name(name)), ..plain.clone() };
    let Rig { here, there: _there, .. } = Rig::new(plain.clone(), endless());
    let attach = |options: Options| {
        let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
        here.enter(|| source.attach(&interface(&here, "eth0"))).map(|()| source)
    };
    let unpin = |name: &str| {
        let host = here.enter(|| Watcher::new().and_then(|mut watcher| watcher.read())).expect("the host");
        let eth0 = host.links.iter().find(|link| link.name == "eth0").expect("the interface");
        let directory = bpf.pins().with_file_name(name);
        here.enter(|| remove_pins(&directory, &[eth0])).map(|removed| removed.filters)
    };
    let mut source = attach(pinned("ours")).unwrap_or_else(|e| panic!("{e}"));
    source.keep_pins();
    drop(source);
    let left = filters(&here, "eth0");
    assert_eq!(ours(&left).len(), 2, "{left}");
    for other in [plain.clone(), pinned("others")] {
        let refused = attach(other).map(drop).expect_err("it counts on there").to_string();
        assert!(refused.contains("eth0: pinned programs") && refused.contains("weir unpin"), "{refused}");
    }
    let refused = unpin("others").expect_err("none of these are theirs").to_string();
    assert!(refused.contains("nothing is pinned"), "{refused}");
    assert_eq!(filters(&here, "eth0"), left);
    // Whoever has their directory may, also when the pins themselves are lost.
    for pin in std::fs::read_dir(bpf.pins().with_file_name("ours")).expect("the pins").flatten() {
        std::fs::remove_file(pin.path()).expect("removed");
    }
    let mut source = attach(pinned("ours")).unwrap_or_else(|e| panic!("{e}"));
    source.keep_pins();
    drop(source);
    assert_eq!(ours(&filters(&here, "eth0")).len(), 2);
    assert_eq!(unpin("ours").unwrap_or_else(|e| panic!("{e}")), 2);
    assert!(ours(&filters(&here, "eth0")).is_empty());
    drop(attach(plain.clone()).unwrap_or_else(|e| panic!("{e}")));
}

#[test]
fn what_pins_take_is_in_the_memory_that_is_told() {
    let bpf = BpfFs::new();
    let plain = Options { max_flows: 10_000, ..Options::default() };
    let options = Options { pin: Some(bpf.pins()), ..plain.clone() };
    let source = Source::open(options.clone()).unwrap_or_else(|e| panic!("{e}"));
    // What the kernel says that a map takes (`fdinfo` of bpf(2) descriptors), in pages.
    let takes = |name: &str| -> u64 {
        let map = aya::maps::MapData::from_pin(bpf.pins().join(name)).expect("the pin");
        let about = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
        let about = std::fs::read_to_string(about).expect("fdinfo");
        let line = about.lines().find_map(|l| l.strip_prefix("memlock:")).expect("its memory");
        line.trim().parse().expect("a number")
    };
    let told = options.table_bytes() - plain.table_bytes();
    assert_eq!(told, 640 * 10_000 + (8 << 20) + 16);
    let taken = takes("REPORTED") + takes("STATE");
    assert!(taken.abs_diff(told) < 64 << 10, "{taken} of {told} told");
    // The whole: what the kernel takes beside is less than a tenth.
    let table: u64 = ["FLOWS", "SLOTS", "FREE"].into_iter().map(takes).sum::<u64>() + taken;
    assert!(table.abs_diff(options.table_bytes()) < table / 10, "{table} of {}", options.table_bytes());
    drop(source);
}
