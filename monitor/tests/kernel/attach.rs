//! Attaching beside others, and leaving nothing behind.

use monitor::source::ebpf::{Error, Ingress, Options, Source, TcAttach};

use crate::{
    hooks::{filters, ours, programs},
    netns::{Namespace, wait_for},
    rig::{Rig, THERE, endless, interface},
    traffic,
};

fn small(ingress: Ingress) -> Options {
    Options { max_flows: 64, ingress, ..Options::default() }
}

/// A foreign filter of two instructions: classic BPF that drops every packet.
const DROP: &str = "tc filter add dev eth0 ingress bpf da bytecode '1,6 0 0 2,'";
/// The same, with no opinion (`TC_ACT_UNSPEC`).
const PASS: &str = "tc filter add dev eth0 ingress bpf da bytecode '1,6 0 0 4294967295,'";

#[test]
fn nothing_stays_when_the_source_is_dropped() {
    for options in [
        small(Ingress::Tc),
        small(Ingress::Xdp),
        small(Ingress::XdpGeneric),
        Options { tc_attach: TcAttach::Clsact, ..small(Ingress::Tc) },
    ] {
        let shown = format!("{options:?}");
        let mut rig = Rig::new(options, endless());
        rig.attach("eth0");
        assert_eq!(programs(&rig.here, "eth0").len(), 2, "{:?}", programs(&rig.here, "eth0"));
        let Rig { here, source, .. } = rig;
        here.enter(move || drop(source));
        // A process that another test forks holds the links until it has exec'd.
        wait_for(&format!("nothing to stay of {shown}"), || programs(&here, "eth0").is_empty().then_some(()));
    }
}

#[test]
fn a_taken_xdp_hook_is_said_and_left_alone() {
    let mut rig = Rig::new(small(Ingress::Xdp), endless());
    rig.attach("eth0");
    let mut second = Source::open(small(Ingress::Xdp)).unwrap_or_else(|e| panic!("{e}"));
    let error =
        rig.here.enter(|| second.attach(&interface(&rig.here, "eth0"))).expect_err("the hook is taken");
    assert!(matches!(error, Error::HookTaken { .. }), "{error:?}");
    assert!(!error.to_string().contains('\n'));
    traffic::udp(&rig.there, &rig.here, crate::rig::HERE, 3, 50);
    assert_eq!(rig.drain().violations, []);
    assert!(rig.interface_totals("eth0").hooks[0].packets >= 3);
    // Nothing of the second hangs at egress either.
    assert_eq!(programs(&rig.here, "eth0").len(), 2);
}

#[test]
fn an_interface_that_is_not_there_is_said() {
    let ns = Namespace::new();
    let mut source = Source::open(small(Ingress::Tc)).unwrap_or_else(|e| panic!("{e}"));
    let mut gone = interface(&ns, "lo");
    gone.name = "nowhere0".into();
    gone.ifindex = 4242;
    let error = ns.enter(|| source.attach(&gone)).expect_err("no such interface");
    assert!(matches!(error, Error::NoInterface { .. }), "{error:?}");
}

#[test]
fn what_an_instance_that_died_left_at_clsact_is_replaced_and_nobody_elses() {
    let clsact = Options { tc_attach: TcAttach::Clsact, ..small(Ingress::Tc) };
    let mut first = Rig::new(clsact.clone(), endless());
    first.here.sh("tc qdisc add dev eth0 clsact");
    first.here.sh(PASS);
    first.attach("eth0");
    let Rig { here, there, source, .. } = first;
    // A process that is killed detaches nothing.
    std::mem::forget(source);
    assert_eq!(ours(&filters(&here, "eth0")).len(), 2);
    let mut source = Source::open(clsact).unwrap_or_else(|e| panic!("{e}"));
    here.enter(|| source.attach(&interface(&here, "eth0"))).unwrap_or_else(|e| panic!("{e}"));
    let both = filters(&here, "eth0");
    assert_eq!(ours(&both).len(), 2, "replaced, not doubled: {both}");
    assert!(both.contains("bytecode"), "{both}");
    traffic::udp(&here, &there, THERE, 3, 50);
    let counted: u64 = source.hook_readings().expect("hooks").iter().map(|r| r.counters.packets).sum();
    assert!(counted >= 6, "{counted}");
    here.enter(move || drop(source));
    let left = filters(&here, "eth0");
    assert!(!left.contains("weir_") && left.contains("bytecode"), "{left}");
}

#[test]
fn another_programs_verdict_hides_nothing() {
    // A filter that takes every packet away: on TCX ours runs before it, whenever it came.
    let mut rig = Rig::new(small(Ingress::Tc), endless()).plain();
    rig.here.sh(&format!("tc qdisc add dev eth0 clsact && {DROP}"));
    rig.attach("eth0");
    let raw = crate::frames::Raw::open(&rig.there, "eth1");
    for n in 0..5 {
        let datagram = crate::frames::udp(1000 + n, 2000, b"dropped after us");
        raw.send(&crate::frames::ethernet(
            0x0800,
            &crate::frames::ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &datagram),
        ));
    }
    wait_for("five packets", || {
        (rig.hook(monitor_common::abi::Direction::Receive).packets >= 5).then_some(())
    });
    rig.drain();
}
