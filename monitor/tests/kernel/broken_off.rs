//! A drain that the kernel breaks off: the next one goes on, and nothing is counted twice.

use std::collections::BTreeMap;

use monitor::source::ebpf::Options;
use monitor_common::abi::Direction;
use monitor_core::engine::{EngineConfig, Timeouts};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use crate::{
    frames::{self, Raw},
    netns::wait_for,
    rig::{Rig, clock},
};

const FLOWS: u16 = 50;

/// `BPF_MAP_UPDATE_ELEM` of bpf(2): by it slots are given back.
const MAP_UPDATE_ELEM: u64 = 2;

/// Has the kernel refuse a system call of this thread, or only those with this first argument.
fn refuse(number: libc::c_long, argument: Option<u64>) {
    let equals = |value| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).expect("a condition")
    };
    let rules = argument.map(|value| vec![SeccompRule::new(vec![equals(value)]).expect("a rule")]);
    let rules = BTreeMap::from([(number, rules.unwrap_or_default())]);
    let here = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture");
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, here).expect("a filter");
    let program = BpfProgram::try_from(filter).expect("a program");
    apply_filter(&program).expect("seccomp");
}

/// Drains on a thread of which the kernel refuses a call, and must fail.
fn fail(rig: &mut Rig, number: libc::c_long, argument: Option<u64>) {
    let Rig { source, engine, .. } = rig;
    let outcome = std::thread::scope(|scope| {
        let broken = scope.spawn(|| {
            refuse(number, argument);
            source.drain(engine, clock()).map(drop)
        });
        broken.join().expect("no panic")
    });
    assert!(outcome.is_err(), "the call is not made any more");
}

fn datagram(port: u16) -> Vec<u8> {
    let datagram = frames::udp(port, 80, b"once");
    frames::ethernet(0x0800, &frames::ipv4([11, 0, 0, 1], [10, 7, 0, 1], 17, &datagram))
}

#[test]
fn what_a_drain_that_breaks_off_has_ended_is_counted_once_and_its_slots_come_back() {
    for (number, argument) in [(libc::SYS_membarrier, None), (libc::SYS_bpf, Some(MAP_UPDATE_ELEM))] {
        // Every flow ends at the first drain after its last packet, and there is a slot for each of one round.
        let at_once =
            Timeouts { idle_tcp: 1, idle_udp: 1, idle_other: 1, active: 1, fin: 1, rst: 1, pressure: 1 };
        let config = EngineConfig { timeouts: at_once, max_flows: 64, ..EngineConfig::default() };
        let mut rig = Rig::new(Options { max_flows: 64, ..Options::default() }, config).plain().silent();
        rig.attach("eth0");
        let raw = Raw::open(&rig.there, "eth1");
        let mut sent = 0;
        for round in 0..4 {
            for port in 0..FLOWS {
                raw.send(&datagram(1024 + round * FLOWS + port));
            }
            sent += u64::from(FLOWS);
            wait_for("the packets", || (rig.hook(Direction::Receive).packets >= sent).then_some(()));
            fail(&mut rig, number, argument);
            fail(&mut rig, number, argument);
            // The first goes on where the other broke off, the second finds nothing left.
            rig.drain();
            let report = rig.drain();
            assert_eq!(report.quiet_hooks, report.checked_hooks);
            let seen = rig.interface_totals("eth0").hooks[Direction::Receive.index()];
            assert_eq!(
                (seen.packets, seen.accounted_sum(), seen.accounted[0]),
                (sent, sent, sent),
                "{number}"
            );
        }
        let live = rig.source.slots().expect("slots").iter().filter(|flow| flow.head.live.get() != 0).count();
        assert_eq!(live, 0, "slots were lost on the way");
    }
}
