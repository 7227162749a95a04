//! Packets and bytes: conservation, interfaces, services, peers, rates.

use monitor_common::abi::{
    Address, CoarseCounters, CoarseKey, Direction, HookCounters, IpVersion, Transport,
};

use super::world::*;
use crate::{
    engine::{Engine, EngineConfig, HookReading},
    label::{Outcome, Role},
    totals::{Io, ServiceKey},
};

#[test]
fn what_hooks_saw_is_accounted_for_to_the_packet() {
    let mut w = World::with_slots(8);
    for port in 0..20 {
        for _ in 0..3 {
            w.eth(&udp((PEER, 5000 + port), (HOST, 53)));
        }
    }
    let hook = w.hooks.get_mut(&(ETH, Direction::Receive)).unwrap();
    hook.not_ip += 4;
    hook.undecodable += 2;
    hook.packets += 6;
    hook.skbs += 6;
    hook.fragments += 1;
    let report = w.drain();
    assert_eq!(report.violations, []);
    assert_eq!((report.checked_hooks, report.quiet_hooks), (4, 4));
    let hook = &w.interface("eth0").hooks[Direction::Receive.index()];
    assert_eq!((hook.packets, hook.skbs, hook.fragments), (66, 66, 1));
    assert_eq!(hook.accounted, [24, 36, 4, 2]);
    assert_eq!(hook.accounted_sum(), hook.packets);
    let io = w.interface("eth0").io(Direction::Receive, Transport::Udp, IpVersion::V4);
    assert_eq!(io, Io { packets: 60, bytes: 60 * 142 }, "overflow included");
    assert_eq!(w.interface("eth0").io(Direction::Transmit, Transport::Udp, IpVersion::V4), Io::default());
    assert_eq!(w.engine.interfaces().conservation_violations(), 0);
}

#[test]
fn packets_during_a_drain_lie_between_the_two_readings() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    let report = w.drain_while(|w| {
        w.eth(&udp((PEER, 5000), (HOST, 53)));
        w.eth(&udp((PEER, 5001), (HOST, 53)));
    });
    assert_eq!((report.violations.len(), report.quiet_hooks), (0, 3));
    let report = w.wait(SECOND);
    assert_eq!((report.violations.len(), report.quiet_hooks), (0, 4));
    let hook = &w.interface("eth0").hooks[0];
    assert_eq!((hook.packets, hook.accounted_sum()), (3, 3));
}

#[test]
fn a_packet_that_no_flow_shows_is_a_violation() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.hooks.get_mut(&(ETH, Direction::Receive)).unwrap().packets += 1;
    let report = w.drain();
    assert_eq!(report.violations.len(), 1);
    let v = &report.violations[0];
    assert_eq!((v.interface.as_str(), v.direction), ("eth0", Direction::Receive));
    assert_eq!((v.before, v.accounted, v.after), (2, 1, 2));
    assert_eq!(w.engine.interfaces().conservation_violations(), 1);
}

#[test]
fn a_packet_counted_twice_is_a_violation() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.hooks.get_mut(&(ETH, Direction::Receive)).unwrap().packets -= 1;
    let report = w.drain();
    assert_eq!((report.violations[0].accounted, report.violations[0].after), (1, 0));
}

#[test]
fn in_the_middle_of_a_drain_no_more_is_accounted_for_than_was_seen() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.drain_while(|w| {
        let hook = &w.interface("eth0").hooks[0];
        assert_eq!((hook.packets, hook.accounted_sum()), (0, 0));
    });
    let hook = &w.interface("eth0").hooks[0];
    assert_eq!((hook.packets, hook.accounted_sum()), (1, 1));
}

#[test]
fn numbers_outlive_their_interface_and_a_new_one_under_its_index_begins_at_zero() {
    let mut w = World::with_slots(64);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.drain();
    // Removed: one more drain sees its last packet and ends its flows.
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0")]);
    w.now += SECOND;
    assert_eq!(w.drain().closed, 1);
    assert_eq!(w.interface("eth0").ifindex, None);
    let counted = w.interface("eth0").clone();
    assert_eq!((counted.hooks[0].packets, counted.hooks[0].accounted_sum()), (2, 2));

    w.engine.surroundings().forget_interface(ETH);
    for direction in Direction::ALL {
        w.hooks.insert((ETH, direction), HookCounters::default());
    }
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0"), interface(ETH, "wan0")]);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    let report = w.wait(SECOND);
    assert_eq!(report.violations, []);
    assert_eq!(report.checked_hooks, 4);
    assert_eq!(w.interface("eth0"), &counted);
    assert_eq!(w.interface("wan0").hooks[0].packets, 1);

    // And one that comes back under its old name goes on.
    w.engine.surroundings().set_interfaces(&[interface(BRIDGE, "br0"), interface(ETH, "eth0")]);
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.wait(SECOND);
    assert_eq!(w.interface("eth0").hooks[0].packets, 3);
    assert_eq!(w.interface("eth0").ifindex, Some(ETH));
    assert_eq!(w.interface("wan0").ifindex, None);
    let names: Vec<_> = w.engine.interfaces().totals().iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["br0", "eth0", "wan0"]);
}

#[test]
fn names_without_end_are_kept_in_bounds_and_their_numbers_in_other() {
    let mut w = World::with_slots(64);
    for n in 0..400u32 {
        let ifindex = 100 + n;
        w.engine
            .surroundings()
            .set_interfaces(&[interface(ETH, "eth0"), interface(ifindex, &format!("veth{n}"))]);
        w.see(ifindex, Direction::Receive, &udp((PEER, 5000), (HOST, 53)));
        w.wait(SECOND);
        w.engine.surroundings().set_interfaces(&[interface(ETH, "eth0")]);
        w.wait(SECOND);
        w.engine.surroundings().forget_interface(ifindex);
        w.hooks.retain(|(i, _), _| *i != ifindex);
    }
    let interfaces = w.engine.interfaces();
    assert!(interfaces.totals().len() < 300, "{}", interfaces.totals().len());
    let seen: u64 = interfaces.totals().iter().map(|i| i.hooks[0].packets).sum();
    assert_eq!(seen, 400);
    assert!(w.interface("other").hooks[0].packets > 100);
    assert_eq!(interfaces.conservation_violations(), 0);
}

#[test]
fn a_service_has_a_series_once_its_server_has_answered() {
    let mut w = World::with_slots(64);
    let key = ServiceKey { transport: Transport::Udp, port: 53, role: Role::Client };
    w.eth(&udp((HOST, 40_000), (PEER, 53)));
    w.drain();
    assert!(w.engine.ledger().families().services.is_empty());
    assert_eq!(w.engine.ledger().families().services.other(), &[0, 142, 0, 1]);
    w.eth(&udp((PEER, 53), (HOST, 40_000)));
    w.eth(&udp((HOST, 40_000), (PEER, 53)));
    w.wait(SECOND);
    let services = &mut w.engine.ledger_mut().families_mut().services;
    assert_eq!(services.get(&key).unwrap().values, [142, 142, 1, 1]);
    assert_eq!(services.total(), &[142, 284, 1, 2]);
}

#[test]
fn a_syn_ack_is_an_answer_and_a_rst_is_none() {
    let mut w = World::with_slots(64);
    let mut refused = outbound(40_000, 1);
    w.eth(&refused.syn());
    w.eth(&refused.rst(SERVER));
    w.drain();
    assert!(w.engine.ledger().families().services.is_empty());
    let mut open = inbound(40_001, 1);
    w.eth(&open.syn());
    w.eth(&open.syn_ack());
    w.wait(SECOND);
    let key = ServiceKey { transport: Transport::Tcp, port: 80, role: Role::Server };
    assert!(w.engine.ledger().families().services.get(&key).is_some());
}

#[test]
fn peers_are_counted_only_where_that_is_wanted() {
    for peers in [false, true] {
        let mut w = World::new(EngineConfig { peers, max_flows: 64, ..EngineConfig::default() });
        w.eth(&udp((PEER, 5000), (HOST, 53)));
        w.drain();
        assert_eq!(w.engine.ledger().families().peers.total(), &if peers { [142, 0, 1, 0] } else { [0; 4] });
        assert_eq!(w.engine.ledger().families().peers.get(&PEER.into()).is_some(), peers);
    }
}

#[test]
fn rates_are_those_of_the_last_drain() {
    let mut w = World::with_slots(64);
    w.drain();
    for _ in 0..10 {
        w.eth(&udp((PEER, 5000), (HOST, 53)));
    }
    w.wait(2 * SECOND);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!((flow.sent_rate.packets, flow.sent_rate.bytes), (5.0, 710.0));
    assert_eq!(flow.received_rate.bytes, 0.0);
    assert_eq!(w.engine.ledger().rate(Direction::Receive).bytes, 710.0);
    assert_eq!(w.engine.ledger().rate(Direction::Transmit).bytes, 0.0);
    w.wait(2 * SECOND);
    let flow = w.engine.flows().next().unwrap();
    assert_eq!(flow.sent_rate.bytes, 0.0);
    assert_eq!(flow.bytes_per_second(), 0.0);
    assert!(flow.sent_rate.bytes_10s > 0.0);
    assert_eq!(w.engine.ledger().rate(Direction::Receive).bytes, 0.0);
}

#[test]
fn the_victims_of_an_overflow_come_largest_first() {
    let mut engine = Engine::new(EngineConfig::default(), 0);
    let victim = |port, packets| {
        let key = CoarseKey {
            server: Address::from_v4_octets(HOST),
            port,
            protocol: 17,
            ip_version: 4,
            ifindex: ETH,
        };
        (key, CoarseCounters { packets, bytes: packets * 100 })
    };
    engine.ledger_mut().set_coarse(vec![victim(1, 5), victim(2, 50), victim(3, 20)]);
    let top: Vec<_> = engine.ledger().top_overflow(2).into_iter().map(|(k, _)| k.port).collect();
    assert_eq!(top, [2, 3]);
}

#[test]
fn a_reading_of_an_unknown_interface_makes_one_up() {
    let mut engine = Engine::new(EngineConfig::default(), 0);
    let counters = HookCounters { packets: 3, not_ip: 3, ..HookCounters::default() };
    let readings = [HookReading { ifindex: 77, direction: Direction::Receive, counters }];
    engine.begin_drain(1, &readings);
    engine.expired(&readings);
    assert_eq!(engine.end_drain(1, &readings).violations, []);
    let i = &engine.interfaces().totals()[0];
    assert_eq!((i.name.as_str(), i.hooks[0].accounted[Outcome::NotIp.index()]), ("if77", 3));
}
