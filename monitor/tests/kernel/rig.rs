//! Two namespaces, a cable, and the kernel side on one end.

use std::{net::IpAddr, sync::Mutex};

use monitor::source::ebpf::{Interface, Options, Source};
use monitor_common::abi::{Direction, Flow, HookCounters, IpVersion, Side};
use monitor_core::{
    engine::{DrainReport, Engine, EngineConfig, Timeouts},
    totals::InterfaceTotals,
};

use crate::{
    capture::{MARK, Sent, Table, is_the_stacks_own},
    netns::Namespace,
};

/// `here` is watched on device `eth0`, `there` is the peer on `eth1`.
pub(crate) struct Rig {
    pub(crate) here: Namespace,
    pub(crate) there: Namespace,
    pub(crate) source: Source,
    pub(crate) engine: Mutex<Engine>,
}

pub(crate) const HERE: &str = "10.7.0.1";
pub(crate) const THERE: &str = "10.7.0.2";
pub(crate) const HERE6: &str = "fd00:7::1";
pub(crate) const THERE6: &str = "fd00:7::2";

/// Flows never end on their own.
pub(crate) fn endless() -> EngineConfig {
    let never = u64::MAX / 4;
    EngineConfig {
        timeouts: Timeouts {
            idle_tcp: never,
            idle_udp: never,
            idle_other: never,
            active: never,
            fin: never,
            rst: never,
            pressure: never,
        },
        ..EngineConfig::default()
    }
}

impl Rig {
    pub(crate) fn new(options: Options, config: EngineConfig) -> Self {
        let here = Namespace::new();
        let there = Namespace::new();
        here.join("eth0", &there, "eth1", 7);
        let source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
        Self { here, there, source, engine: Mutex::new(Engine::new(config, clock())) }
    }

    /// Both ends without offloads: what passes is what is on the wire.
    pub(crate) fn plain(self) -> Self {
        for (ns, device) in [(&self.here, "eth0"), (&self.there, "eth1")] {
            ns.ethtool(device, "tso off gso off gro off tx off");
        }
        self
    }

    /// Both ends say nothing of their own accord: only raw frames pass.
    pub(crate) fn silent(self) -> Self {
        for (ns, device) in [(&self.here, "eth0"), (&self.there, "eth1")] {
            ns.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
            ns.ip(&format!("link set {device} arp off"));
        }
        self
    }

    pub(crate) fn attach(&mut self, device: &str) {
        let interface = interface(&self.here, device);
        self.attach_as(&interface);
    }

    pub(crate) fn attach_as(&mut self, interface: &Interface) {
        let Self { here, source, engine, .. } = self;
        here.enter(|| source.attach(interface)).unwrap_or_else(|e| panic!("{e}"));
        engine.get_mut().expect("engine").surroundings().set_interfaces(
            vec![monitor_core::host::Interface {
                ifindex: interface.ifindex,
                name: interface.name.clone(),
                loopback: interface.loopback,
                one_sided: interface.loopback || interface.mirror,
            }]
            .as_slice(),
        );
    }

    pub(crate) fn drain(&mut self) -> DrainReport {
        let report = self.source.drain(&self.engine, clock()).unwrap_or_else(|e| panic!("{e}"));
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        report
    }

    /// What the slots hold, in the capture's terms.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        for flow in self.source.slots().expect("slots") {
            for side in [Side::Lower, Side::Upper] {
                add(&mut table, flow, side);
            }
        }
        table
    }

    /// Counters of a hook now.
    pub(crate) fn hook(&self, direction: Direction) -> HookCounters {
        let readings = self.source.hook_readings().expect("hooks");
        readings.iter().find(|r| r.direction == direction).expect("a hook").counters
    }

    pub(crate) fn interface_totals(&self, name: &str) -> InterfaceTotals {
        let engine = self.engine.lock().expect("engine");
        engine.interfaces().totals().iter().find(|i| i.name == name).expect("the interface").clone()
    }
}

/// `CLOCK_MONOTONIC`, as the programs read it.
pub(crate) fn clock() -> u64 {
    monitor::clock::now()
}

pub(crate) fn interface(ns: &Namespace, device: &str) -> Interface {
    Interface {
        ifindex: ns.ifindex(device),
        name: device.to_owned(),
        layer_3: device.starts_with("tun"),
        loopback: device == "lo",
        mirror: false,
    }
}

fn add(table: &mut Table, flow: &Flow, side: Side) {
    let key = flow.head.key.get();
    let hot = &flow.hot[side.index()];
    let counters = &flow.counters[side.index()];
    if flow.head.live.get() == 0 || hot.packets.get() == 0 {
        return;
    }
    let address = |side| -> (IpAddr, u16) {
        let (address, port) = key.endpoint(side);
        (address.to_ip(if key.ip_version == 4 { IpVersion::V4 } else { IpVersion::V6 }), port)
    };
    let ((source, from), (destination, to)) = (address(side), address(side.other()));
    if (key.protocol == 17 && (from == MARK || to == MARK)) || is_the_stacks_own(destination) {
        return;
    }
    let sent = table.entry((key.protocol, source, from, destination, to)).or_default();
    *sent = Sent {
        packets: sent.packets + hot.packets.get(),
        bytes: sent.bytes + hot.bytes.get(),
        payload_bytes: sent.payload_bytes + hot.payload_bytes.get(),
        syn: sent.syn + u64::from(counters.syn.get()),
        syn_ack: sent.syn_ack + u64::from(counters.syn_ack.get()),
        fin: sent.fin + u64::from(counters.fin.get()),
        rst: sent.rst + u64::from(counters.rst.get()),
        psh: sent.psh + u64::from(counters.psh.get()),
    };
}

/// Says which flows differ, instead of two tables of hundreds.
pub(crate) fn assert_same(ours: &Table, theirs: &Table) {
    assert!(!theirs.is_empty(), "the capture is empty");
    let mut wrong = Vec::new();
    for (key, sent) in theirs {
        match ours.get(key) {
            Some(mine) if mine == sent => {}
            other => wrong.push(format!("{key:?}\n   capture {sent:?}\n   weir    {other:?}")),
        }
    }
    for key in ours.keys().filter(|k| !theirs.contains_key(*k)) {
        wrong.push(format!("{key:?}\n   only weir has it: {:?}", ours[key]));
    }
    assert!(wrong.is_empty(), "{} flows differ:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}
