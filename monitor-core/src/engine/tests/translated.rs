//! Flows whose addresses this host translates: before and behind that they are one.

use std::net::SocketAddr;
use std::sync::Arc;

use monitor_common::{
    abi::{Address, Direction, FlowKey, Side, Transport},
    wire::Packet,
};

use super::world::*;
use crate::{
    engine::{Claim, EngineConfig, OwnerConfig, Socket},
    flow::FlowView,
    host::{Device, DeviceKind, Translating, Translation},
    label::TcpState,
    record::{Owner, OwnerClass, OwnerSource, Text},
};

/// The host's end of a container's veth.
const VETH: u32 = BRIDGE;
const CONTAINER: [u8; 4] = [172, 17, 0, 2];

fn world() -> World {
    let owners = OwnerConfig { units: true, processes: true, ..OwnerConfig::default() };
    let mut w = World::new(EngineConfig { max_flows: 256, owners, ..EngineConfig::default() });
    w.engine.surroundings().set_interfaces(&[interface(ETH, "eth0"), interface(VETH, "veth0")]);
    let device = |ifindex, kind| Device { ifindex, kind, ..Device::default() };
    let devices = [device(ETH, DeviceKind::Card), device(VETH, DeviceKind::Inner)];
    w.engine.surroundings().set_devices(&devices);
    w
}

/// A connection, as it is on either side of a translation of its ends.
struct Both {
    tcp: Tcp,
    translation: Translation,
    /// By which interface the client's first packet comes in, and leaves.
    way: [u32; 2],
}

impl Both {
    fn new(before: [([u8; 4], u16); 2], behind: [([u8; 4], u16); 2], way: [u32; 2]) -> Self {
        let ends = |ends: [([u8; 4], u16); 2]| ends.map(SocketAddr::from);
        let translation = Translation { protocol: 6, before: ends(before), behind: ends(behind) };
        Self { tcp: Tcp::new(before[0], before[1], 1), translation, way }
    }

    fn masqueraded(port: u16) -> Self {
        let server = (PEER, 443);
        Self::new([(CONTAINER, port), server], [(HOST, 61_000 + port), server], [VETH, ETH])
    }

    fn published(port: u16) -> Self {
        let client = (PEER, port);
        Self::new([client, (HOST, 8080)], [client, (CONTAINER, 80)], [ETH, VETH])
    }

    /// The packet as it is behind the translation.
    fn behind(&self, packet: &Packet, from: usize) -> Packet {
        let [source, target] = self.translation.behind;
        let (source, target) = if from == CLIENT { (source, target) } else { (target, source) };
        let octets = |end: SocketAddr| match end {
            SocketAddr::V4(end) => end.ip().octets(),
            SocketAddr::V6(_) => [0; 4],
        };
        Packet {
            source: Address::from_v4_octets(octets(source)),
            destination: Address::from_v4_octets(octets(target)),
            source_port: source.port(),
            destination_port: target.port(),
            ..*packet
        }
    }

    fn pass(&self, w: &mut World, packet: &Packet, from: usize) {
        let far = self.behind(packet, from);
        let [near_if, far_if] = self.way;
        let hops = if from == CLIENT {
            [(near_if, Direction::Receive, packet), (far_if, Direction::Transmit, &far)]
        } else {
            [(far_if, Direction::Receive, &far), (near_if, Direction::Transmit, packet)]
        };
        for (ifindex, direction, packet) in hops {
            w.see(ifindex, direction, packet);
            w.now += 1000;
        }
    }

    fn talk(&mut self, w: &mut World, rounds: usize) {
        for _ in 0..rounds {
            let (request, answer) = (self.tcp.data(CLIENT, 100), self.tcp.data(SERVER, 1000));
            self.pass(w, &request, CLIENT);
            self.pass(w, &answer, SERVER);
        }
    }

    fn open(&mut self, w: &mut World) {
        for (packet, from) in
            [(self.tcp.syn(), CLIENT), (self.tcp.syn_ack(), SERVER), (self.tcp.ack(CLIENT), CLIENT)]
        {
            self.pass(w, &packet, from);
        }
    }
}

/// Of the container's veth its socket is known, of what is found by an address a process that has nothing to do with it.
fn claims(key: &FlowKey) -> [Claim; 2] {
    let owner = |name: &str| {
        Arc::new(Owner { process: Some(Text::from(name)), unit: Some(Text::from(name)), ..Owner::default() })
    };
    [Side::Lower, Side::Upper].map(|side| {
        let (address, _) = key.endpoint(side);
        if key.ifindex == VETH && address == Address::from_v4_octets(CONTAINER) {
            Claim { socket: Socket::User(OwnerSource::Veth, owner("contained")), looked_up: false }
        } else if address == Address::from_v4_octets(HOST) {
            Claim { socket: Socket::User(OwnerSource::Listener, owner("relay")), looked_up: true }
        } else {
            Claim { socket: Socket::Absent, looked_up: false }
        }
    })
}

/// A drain that hears of translations after slots were read.
fn drain(w: &mut World, news: &[Translating]) {
    let before = w.readings();
    w.engine.begin_drain(w.now, &before);
    for (slot, flow) in (0..).zip(&w.slots) {
        if flow.head.live.get() != 0 {
            w.engine.observe_owned(slot, flow, claims);
        }
    }
    for news in news {
        w.engine.surroundings().translate(news);
    }
    let others = w.readings();
    let closed = w.engine.expired(&others);
    for (slot, reason) in closed {
        let flow = &mut w.slots[slot as usize];
        w.map.remove(&flow.head.key.get());
        w.engine.close(slot, flow, reason);
        flow.clear();
        w.free.push(slot);
    }
    let after = w.readings();
    assert_eq!(w.engine.end_drain(w.now, &after).violations, []);
    w.now += SECOND;
}

/// Packets of all flows, by owner.
fn packets(w: &World) -> [u64; OwnerClass::COUNT] {
    w.totals().owners.map(|by_direction| by_direction.iter().map(|io| io.packets).sum())
}

fn counting(w: &World) -> FlowView<'_> {
    let mut counting = w.engine.flows().filter(|flow| !flow.duplicate);
    let flow = counting.next().unwrap();
    assert!(counting.next().is_none());
    flow
}

#[test]
fn a_container_s_flow_behind_translation_counts_once_with_its_owner() {
    for (mut both, service) in [(Both::masqueraded(4000), 443), (Both::published(5000), 8080)] {
        let mut w = world();
        both.open(&mut w);
        both.talk(&mut w, 3);
        drain(&mut w, &[Translating::Began(both.translation)]);
        assert_eq!(packets(&w), [9, 0, 0, 0], "{service}");
        let flow = counting(&w);
        assert_eq!((flow.server.port, flow.state), (service, Some(TcpState::Established)));
        assert_eq!((flow.sent.packets, flow.received.packets), (5, 4));
        let owned = flow.owned.unwrap();
        let owner = owned.users().next().unwrap();
        assert_eq!(owner.process.as_ref().unwrap().as_str(), "contained");
        let shown = owned.translated.as_ref().unwrap().as_str();
        assert_eq!(shown, if service == 443 { "203.0.113.5:65000" } else { "172.17.0.2:80" });
        both.talk(&mut w, 5);
        drain(&mut w, &[]);
        assert_eq!(packets(&w), [19, 0, 0, 0]);
        assert_eq!(w.totals().flows.duplicates, 1);
        assert_eq!(w.totals().tcp.attempts.iter().flatten().sum::<u64>(), 1);
        // The connection ended in the table before its flow was read the last time.
        both.talk(&mut w, 1);
        drain(&mut w, &[Translating::Ended(both.translation)]);
        assert_eq!(packets(&w), [21, 0, 0, 0]);
    }
}

#[test]
fn one_that_began_and_ended_between_two_drains_is_one_flow_too() {
    let mut w = world();
    let mut both = Both::masqueraded(4000);
    both.open(&mut w);
    let news = [Translating::Began(both.translation), Translating::Ended(both.translation)];
    drain(&mut w, &news);
    assert_eq!(packets(&w), [3, 0, 0, 0]);
    assert_eq!(w.engine.translations().known, 0);
}

#[test]
fn what_was_not_told_of_counts_twice_and_nobody_is_invented() {
    let mut w = world();
    let mut both = Both::masqueraded(4000);
    both.open(&mut w);
    drain(&mut w, &[]);
    assert_eq!(packets(&w).iter().sum::<u64>(), 6);
    // Where the uplink alone is seen, a socket of the same address is not the flow's.
    let mut w = world();
    let mut both = Both { way: [99, ETH], ..Both::masqueraded(4000) };
    let (packet, ack) = (both.tcp.syn(), both.tcp.syn_ack());
    for (packet, from) in [(packet, CLIENT), (ack, SERVER)] {
        let far = both.behind(&packet, from);
        w.see(ETH, if from == CLIENT { Direction::Transmit } else { Direction::Receive }, &far);
    }
    drain(&mut w, &[Translating::Began(both.translation)]);
    assert_eq!(packets(&w)[OwnerClass::Forwarded.index()], 2);
    assert_eq!(packets(&w)[OwnerClass::User.index()], 0);
}

#[test]
fn when_the_container_s_device_goes_the_flow_goes_on_behind_with_all_that_was_counted() {
    for mut both in [Both::masqueraded(4000), Both::published(5000)] {
        let mut w = world();
        both.open(&mut w);
        both.talk(&mut w, 4);
        drain(&mut w, &[Translating::Began(both.translation)]);
        let before = counting(&w);
        let (sent, received) = (before.sent.bytes, before.received.bytes);
        w.engine.surroundings().set_interfaces(&[interface(ETH, "eth0")]);
        drain(&mut w, &[]);
        let after = counting(&w);
        assert_eq!(after.interface, "eth0");
        assert_eq!((after.sent.bytes, after.received.bytes), (sent, received));
        assert_eq!(packets(&w), [11, 0, 0, 0]);
        // What the card still sees of it is the flow's, each side's its own.
        let packet = both.tcp.data(CLIENT, 700);
        if both.way[1] == ETH {
            let far = both.behind(&packet, CLIENT);
            w.see(ETH, Direction::Transmit, &far);
        } else {
            w.see(ETH, Direction::Receive, &packet);
        }
        drain(&mut w, &[]);
        let after = counting(&w);
        assert_eq!((after.sent.bytes, after.received.bytes), (sent + 754, received));
        assert_eq!(w.totals().flows.active[Transport::Tcp.index()], 1);
    }
}

#[test]
fn many_at_once_add_up_at_every_drain() {
    let mut w = world();
    let mut all: Vec<Both> = (0..20).map(|n| Both::masqueraded(4000 + n)).collect();
    all.extend((0..20).map(|n| Both::published(5000 + n)));
    let mut sent = 0;
    for both in &mut all {
        both.open(&mut w);
        sent += 3;
    }
    let news: Vec<_> = all.iter().map(|both| Translating::Began(both.translation)).collect();
    drain(&mut w, &news);
    assert_eq!(packets(&w), [sent, 0, 0, 0]);
    for round in 0..5 {
        for both in all.iter_mut().skip(round % 3).step_by(2) {
            both.talk(&mut w, 2);
            sent += 4;
        }
        drain(&mut w, &[]);
        assert_eq!(packets(&w), [sent, 0, 0, 0]);
    }
}
