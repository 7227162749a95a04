//! Flows that several interfaces see, on hosts of many kinds: each packet counts once, whichever it passed.
//!
//! A host in small: packets walk a path of hooks and are on their way for a while, and a drain reads the slots one
//! after the other meanwhile. What is counted must be the packets that there were, at the end of each topology and
//! never more than were sent at any drain.

use std::sync::LazyLock;

use monitor_common::{
    abi::{Address, Direction},
    wire::{Packet, Tunnel, network},
};

use super::world::*;
use crate::{
    engine::EngineConfig,
    host::{Device, DeviceKind},
    label::{Role, TcpState},
    random::Random,
};

/// What is around a packet at a hook.
#[derive(Clone, Copy, Debug)]
enum In {
    Plain,
    Tag(u16),
    Vxlan(u32),
}

/// A device by name, with what is around the packet there.
type Hop = (&'static str, Direction, In);

fn hops(direction: Direction, names: &[&'static str]) -> Vec<Hop> {
    names.iter().map(|name| (*name, direction, In::Plain)).collect()
}

fn rx(names: &[&'static str]) -> Vec<Hop> {
    hops(Direction::Receive, names)
}

fn tx(names: &[&'static str]) -> Vec<Hop> {
    hops(Direction::Transmit, names)
}

fn tagged(direction: Direction, name: &'static str, around: In) -> Vec<Hop> {
    vec![(name, direction, around)]
}

/// A host and the ways that packets take through it.
struct Case {
    name: &'static str,
    devices: Vec<Device>,
    names: Vec<&'static str>,
    watched: Option<Vec<&'static str>>,
    paths: Vec<Vec<Hop>>,
    way: Way,
}

/// Which packet takes which path.
#[derive(Clone, Copy)]
enum Way {
    Any,
    /// The first half the first, the others the second.
    Moves,
    /// One in ten gets no further than the first hook of the path.
    Lossy,
}

impl Case {
    fn new(name: &'static str, devices: &[(&'static str, DeviceKind)], paths: &[Vec<Hop>]) -> Self {
        let device = |(i, (_, kind)): (usize, &(&str, DeviceKind))| Device {
            ifindex: i as u32 + 10,
            kind: *kind,
            ..Device::default()
        };
        Self {
            name,
            devices: devices.iter().enumerate().map(device).collect(),
            names: devices.iter().map(|d| d.0).collect(),
            watched: None,
            paths: paths.to_vec(),
            way: Way::Any,
        }
    }

    fn index(&self, name: &str) -> u32 {
        self.names.iter().position(|n| *n == name).unwrap() as u32 + 10
    }

    fn device(&mut self, name: &str) -> &mut Device {
        let at = self.index(name) as usize - 10;
        &mut self.devices[at]
    }

    /// Ports of a bridge or bond.
    fn ports(mut self, master: &str, ports: &[&str]) -> Self {
        let master = self.index(master);
        for port in ports {
            self.device(port).master = Some(master);
        }
        self
    }

    fn on(mut self, device: &str, lower: &str) -> Self {
        self.device(device).lower = Some(self.index(lower));
        self
    }

    fn vlan(mut self, device: &str, lower: &str, id: u16) -> Self {
        self.device(device).vlan = Some(id);
        self.on(device, lower)
    }

    fn vni(mut self, device: &str, id: u32) -> Self {
        self.device(device).network = Some(network(Tunnel::Vxlan, id));
        self
    }

    fn addressed(mut self, device: &str) -> Self {
        self.device(device).addressed = true;
        self
    }

    fn watched(mut self, names: &[&'static str]) -> Self {
        self.watched = Some(names.to_vec());
        self
    }

    fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    fn world(&self) -> World {
        let config = EngineConfig { max_flows: 1024, live: Some(SECOND), ..EngineConfig::default() };
        let mut w = World::new(config);
        let interfaces: Vec<_> = self.names.iter().map(|name| interface(self.index(name), name)).collect();
        w.engine.surroundings().set_interfaces(&interfaces);
        w.engine.surroundings().set_devices(&self.devices);
        w
    }

    /// What was counted of as many packets, and the most that was counted beyond those that were sent.
    fn run(&self, packets: u64, seed: u64) -> (u64, u64) {
        let mut w = self.world();
        let mut random = Random(seed);
        let mut events: Vec<(u64, Hop)> = Vec::new();
        let mut at = w.now;
        let begins = at;
        let mut sent = Vec::new();
        for i in 0..packets {
            at += random.below(2000);
            sent.push(at);
            let mut path = match self.way {
                Way::Moves => self.paths[usize::from(i >= packets / 2)].clone(),
                _ => self.paths[random.below(self.paths.len() as u64) as usize].clone(),
            };
            if matches!(self.way, Way::Lossy) && random.below(10) == 0 {
                path.truncate(1);
            }
            let mut here = at;
            for hop in path {
                if self.watched.as_ref().is_none_or(|watched| watched.contains(&hop.0)) {
                    events.push((here, hop));
                }
                here += random.below(1000);
            }
        }
        events.sort_by_key(|e| e.0);
        let mut events = events.into_iter().peekable();
        let (mut most_over, mut next) = (0, begins);
        loop {
            next += 50_000 + random.below(50_000);
            let mut until = |w: &mut World, time: u64| {
                while let Some((time, hop)) = events.next_if(|e| e.0 <= time) {
                    w.now = time;
                    w.see(self.index(hop.0), hop.1, &packet(hop.2));
                }
            };
            until(&mut w, next);
            // A drain that takes a while.
            let before = w.readings();
            w.engine.begin_drain(next, &before);
            let mut slots: Vec<u32> = (0..w.slots.len() as u32 - w.free.len() as u32).collect();
            for i in (1..slots.len()).rev() {
                slots.swap(i, random.below(i as u64 + 1) as usize);
            }
            for slot in slots {
                next += random.below(3000);
                until(&mut w, next);
                w.engine.observe(slot, &w.slots[slot as usize]);
            }
            let others = w.readings();
            assert_eq!(w.engine.expired(&others), []);
            let after = w.readings();
            assert_eq!(w.engine.end_drain(next, &after).violations, [], "{}", self.name);
            let so_far = sent.partition_point(|at| *at <= next) as u64;
            most_over = most_over.max(counted(&w).saturating_sub(so_far));
            if events.peek().is_none() {
                break;
            }
        }
        w.now = next;
        w.wait(MS);
        w.wait(MS);
        (counted(&w), most_over)
    }
}

/// Packets that are counted once.
fn counted(w: &World) -> u64 {
    w.engine.ledger().families().services.total()[2..].iter().sum()
}

fn packet(around: In) -> Packet {
    let packet = udp((PEER, 5000), ([10, 0, 0, 1], 53));
    match around {
        In::Plain => packet,
        In::Tag(id) => Packet { vlans: [id, 0], vlan_tags: 1, tags: id.into(), ..packet },
        In::Vxlan(id) => {
            Packet { tunnel: Tunnel::Vxlan as u8, network: network(Tunnel::Vxlan, id), ..packet }
        }
    }
}

fn cases() -> Vec<Case> {
    use DeviceKind::{Bridge, Card, Inner, Loopback, Shared, Tunnel as End, Union, Vlan};
    use Direction::{Receive, Transmit};
    let cards = [("eth0", Card), ("eth1", Card), ("eth2", Card), ("eth3", Card)];
    let forward = [rx(&["eth0"]), tx(&["eth1"])].concat();
    let bond = [("eth0", Card), ("eth1", Card), ("bond0", Union), ("v10", Vlan)];
    let bridge = [("p0", Card), ("p1", Card), ("p2", Card), ("p3", Card), ("br0", Bridge), ("eth0", Card)];
    let containers = [("va", Inner), ("vb", Inner), ("br0", Bridge), ("eth0", Card), ("vx", End)];
    let walls = [
        ("eth0", Card),
        ("eth1", Card),
        ("eth2", Card),
        ("v1", Inner),
        ("v2", Inner),
        ("v3", Inner),
        ("v4", Inner),
    ];
    let wall =
        |into: &'static str, out: &'static str| [rx(&[into]), tx(&["v1"]), rx(&["v2"]), tx(&[out])].concat();
    let vxlan = [("eth0", Card), ("eth1", Card), ("eth2", Card), ("vx", End)];
    let vlans = [("eth0", Card), ("v10", Vlan), ("v20", Vlan)];
    let veths = [("a0", Inner), ("a1", Inner), ("lo", Loopback)];
    let tag = |direction, name, id| tagged(direction, name, In::Tag(id));
    let vni = |direction, name| tagged(direction, name, In::Vxlan(7));
    vec![
        Case::new("one uplink, received", &cards, &[rx(&["eth0"])]),
        Case::new("two uplinks, packets sprayed", &cards, &[rx(&["eth0"]), rx(&["eth1"])]),
        Case::new("the path moves", &cards, &[rx(&["eth0"]), rx(&["eth1"])]).way(Way::Moves),
        Case::new("router", &cards, std::slice::from_ref(&forward)),
        Case::new("router that drops one in ten", &cards, std::slice::from_ref(&forward)).way(Way::Lossy),
        Case::new(
            "router, two ways in, two out",
            &cards,
            &[
                forward.clone(),
                [rx(&["eth2"]), tx(&["eth3"])].concat(),
                [rx(&["eth0"]), tx(&["eth3"])].concat(),
            ],
        ),
        Case::new("router on one card", &cards, &[[rx(&["eth0"]), tx(&["eth0"])].concat()]),
        Case::new("loopback", &[("lo", Loopback), ("eth0", Card)], &[[tx(&["lo"]), rx(&["lo"])].concat()]),
        Case::new("bond of two", &bond, &[rx(&["eth0", "bond0"]), rx(&["eth1", "bond0"])])
            .ports("bond0", &["eth0", "eth1"]),
        Case::new("bond of two, ports watched", &bond, &[rx(&["eth0", "bond0"]), rx(&["eth1", "bond0"])])
            .ports("bond0", &["eth0", "eth1"])
            .watched(&["eth0", "eth1"]),
        Case::new(
            "VLAN on a bond, sent",
            &bond,
            &[
                [tx(&["v10"]), tag(Transmit, "bond0", 10), tag(Transmit, "eth0", 10)].concat(),
                [tx(&["v10"]), tag(Transmit, "bond0", 10), tag(Transmit, "eth1", 10)].concat(),
            ],
        )
        .ports("bond0", &["eth0", "eth1"])
        .vlan("v10", "bond0", 10),
        Case::new("bridge, port to port", &bridge, &[[rx(&["p0"]), tx(&["p1"])].concat()])
            .ports("br0", &["p0", "p1", "p2", "p3"]),
        Case::new("bridge, flooded to three", &bridge, &[[rx(&["p0"]), tx(&["p1", "p2", "p3"])].concat()])
            .ports("br0", &["p0", "p1", "p2", "p3"]),
        Case::new("bridge, flooded, the way in is not watched", &bridge, &[tx(&["p1", "p2", "p3"])])
            .ports("br0", &["p0", "p1", "p2", "p3"]),
        Case::new("bridge, sent by the host, flooded", &bridge, &[tx(&["br0", "p0", "p1"])])
            .ports("br0", &["p0", "p1", "p2", "p3"])
            .addressed("br0"),
        Case::new("container through a bridge", &containers, &[[rx(&["va", "br0"]), tx(&["eth0"])].concat()])
            .ports("br0", &["va", "vb"])
            .addressed("br0"),
        Case::new("container to container", &containers, &[[rx(&["va"]), tx(&["vb"])].concat()])
            .ports("br0", &["va", "vb"]),
        Case::new(
            "VXLAN that ends here, bridged",
            &containers,
            &[[vni(Receive, "eth0"), rx(&["vx"]), tx(&["va"])].concat()],
        )
        .ports("br0", &["va", "vb", "vx"])
        .vni("vx", 7),
        Case::new(
            "VXLAN over two uplinks, routed",
            &vxlan,
            &[
                [vni(Receive, "eth0"), rx(&["vx"]), tx(&["eth2"])].concat(),
                [vni(Receive, "eth1"), rx(&["vx"]), tx(&["eth2"])].concat(),
            ],
        )
        .vni("vx", 7),
        Case::new("VXLAN passing through", &vxlan, &[[vni(Receive, "eth0"), vni(Transmit, "eth1")].concat()])
            .vni("vx", 8),
        Case::new("macvlan", &[("eth0", Card), ("mv", Shared)], &[rx(&["eth0", "mv"])]).on("mv", "eth0"),
        Case::new(
            "macvlans that get copies, the card is not watched",
            &[("eth0", Card), ("mv", Shared), ("mw", Shared)],
            &[rx(&["eth0", "mv", "mw"])],
        )
        .on("mv", "eth0")
        .on("mw", "eth0")
        .watched(&["mv", "mw"]),
        Case::new("firewall in a container", &walls, &[wall("eth0", "eth1")]),
        Case::new(
            "two firewalls in containers",
            &walls,
            &[[rx(&["eth0"]), tx(&["v1"]), rx(&["v2"]), tx(&["v3"]), rx(&["v4"]), tx(&["eth1"])].concat()],
        ),
        Case::new("two uplinks, a firewall between", &walls, &[wall("eth0", "eth2"), wall("eth1", "eth2")]),
        Case::new("only the way out is watched", &cards, &[forward]).watched(&["eth1"]),
        Case::new("VLAN device and its parent", &vlans, &[[tag(Receive, "eth0", 10), rx(&["v10"])].concat()])
            .vlan("v10", "eth0", 10)
            .vlan("v20", "eth0", 20),
        Case::new(
            "router on a stick between two VLANs",
            &vlans,
            &[[tag(Receive, "eth0", 10), rx(&["v10"]), tx(&["v20"]), tag(Transmit, "eth0", 20)].concat()],
        )
        .vlan("v10", "eth0", 10)
        .vlan("v20", "eth0", 20),
        Case::new(
            "router on a stick, the card alone is watched",
            &vlans,
            &[[tag(Receive, "eth0", 10), tag(Transmit, "eth0", 20)].concat()],
        )
        .vlan("v10", "eth0", 10)
        .vlan("v20", "eth0", 20),
        Case::new("in a container, packets sprayed over two uplinks", &veths, &[rx(&["a0"]), rx(&["a1"])]),
        Case::new("in a container, sent over two uplinks", &veths, &[tx(&["a0"]), tx(&["a1"])]),
        Case::new("in a container, routed", &veths, &[[rx(&["a0"]), tx(&["a1"])].concat()]),
        Case::new(
            "bond below a bridge, flooded",
            &[("e0", Card), ("e1", Card), ("bond0", Union), ("p1", Card), ("br0", Bridge)],
            &[tx(&["e0", "p1"]), tx(&["e1", "p1"])],
        )
        .ports("bond0", &["e0", "e1"])
        .ports("br0", &["bond0", "p1"]),
    ]
}

#[test]
fn each_packet_counts_once_whichever_interfaces_it_passed() {
    for case in cases() {
        for seed in 1..=3 {
            let (counted, over) = case.run(1500, seed);
            assert_eq!(counted, 1500, "{}", case.name);
            assert_eq!(over, 0, "{}: more than were sent", case.name);
        }
    }
}

#[test]
fn a_bridge_of_three_hundred_ports_that_floods_sends_each_packet_once() {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..300).map(|i| format!("p{i}")).collect());
    let names: Vec<&'static str> = NAMES.iter().map(String::as_str).collect();
    let mut devices: Vec<_> = names.iter().map(|name| (*name, DeviceKind::Card)).collect();
    devices.push(("br0", DeviceKind::Bridge));
    let path = [rx(&names[..1]), tx(&names[1..])].concat();
    let case = Case::new("three hundred ports", &devices, &[path]).ports("br0", &names);
    assert_eq!(case.run(20, 1), (20, 0));
}

/// As many packets through each of these paths.
fn through(case: &Case, packets: u64) -> World {
    let mut w = case.world();
    for _ in 0..packets {
        for path in &case.paths {
            for (name, direction, around) in path {
                w.see(case.index(name), *direction, &packet(*around));
            }
        }
    }
    w.wait(MS);
    w
}

#[test]
fn tenants_with_equal_addresses_in_separate_bridges_are_two_flows() {
    use DeviceKind::{Bridge, Inner};
    let devices =
        [("a0", Inner), ("a1", Inner), ("bra", Bridge), ("b0", Inner), ("b1", Inner), ("brb", Bridge)];
    let paths = [[rx(&["a0"]), tx(&["a1"])].concat(), [rx(&["b0"]), tx(&["b1"])].concat()];
    let case = Case::new("tenants", &devices, &paths).ports("bra", &["a0", "a1"]).ports("brb", &["b0", "b1"]);
    let w = through(&case, 5);
    assert_eq!((counted(&w), w.totals().flows.started[1]), (10, 2));
    // Where the host has addresses in both it routes between them, and it is one.
    let routed = [rx(&["a0", "bra"]), tx(&["brb", "b0"])].concat();
    let case = Case::new("routed", &devices, &[routed]).ports("bra", &["a0"]).ports("brb", &["b0"]);
    let w = through(&case.addressed("bra").addressed("brb"), 5);
    assert_eq!((counted(&w), w.totals().flows.started[1]), (5, 1));
}

#[test]
fn tenants_with_equal_addresses_in_separate_vlans_and_networks_are_flows_of_their_own() {
    let devices = [("eth0", DeviceKind::Card), ("eth1", DeviceKind::Card)];
    let paths = [In::Tag(10), In::Tag(20), In::Vxlan(7), In::Vxlan(8), In::Plain]
        .map(|around| tagged(Direction::Receive, "eth0", around));
    let w = through(&Case::new("trunk", &devices, &paths), 5);
    assert_eq!((counted(&w), w.totals().flows.started[1], w.totals().flows.duplicates), (25, 5, 0));
    // A switch port mirrored twice: the same network on both.
    let paths = [["eth0"], ["eth1"]].map(|[name]| tagged(Direction::Receive, name, In::Tag(10)));
    let w = through(&Case::new("trunk", &devices, &paths), 5);
    assert_eq!(w.totals().flows.started[1], 1);
}

#[test]
fn a_graph_that_changes_begins_a_new_epoch_whose_totals_add_up() {
    use DeviceKind::{Card, Union};
    let devices = [("eth0", Card), ("eth1", Card), ("bond0", Union)];
    let paths = [rx(&["eth0", "bond0"]), rx(&["eth1", "bond0"])];
    let apart = Case::new("cards", &devices, &[rx(&["eth0"]), rx(&["eth1"])]);
    let mut w = through(&apart, 5);
    assert_eq!(counted(&w), 10);
    let bond = Case::new("bond", &devices, &paths).ports("bond0", &["eth0", "eth1"]);
    w.engine.surroundings().set_devices(&bond.devices);
    for _ in 0..5 {
        for (name, direction, around) in bond.paths.iter().flatten() {
            w.see(bond.index(name), *direction, &packet(*around));
        }
    }
    w.wait(MS);
    assert_eq!(counted(&w), 20);
}

#[test]
fn the_totals_of_a_slot_that_ended_are_part_of_its_flow_s() {
    let devices = [("eth0", DeviceKind::Card), ("eth1", DeviceKind::Card)];
    let case = Case::new("cards", &devices, &[rx(&["eth0"]), rx(&["eth1"])]);
    let mut w = through(&case, 5);
    for round in 0..8 {
        w.now += 10 * SECOND;
        w.see(case.index("eth1"), Direction::Receive, &packet(In::Plain));
        w.drain();
        assert_eq!(counted(&w), 11 + round);
    }
    assert_eq!((w.totals().flows.slots, w.totals().flows.active[1]), (1, 1), "the first slot is gone");
    // The path moves back, into a new slot.
    w.see(case.index("eth0"), Direction::Receive, &packet(In::Plain));
    w.wait(MS);
    assert_eq!(counted(&w), 19);
    let flow = w.engine.flows().find(|f| !f.duplicate).unwrap();
    assert_eq!(flow.sent.packets, 19);
    assert_eq!(w.engine.interfaces_of(flow.id), ["eth1", "eth0"]);
}

#[test]
fn a_connection_whose_directions_take_different_interfaces_is_one_with_its_handshake() {
    for (out, back) in [(Direction::Transmit, Direction::Receive), (Direction::Receive, Direction::Receive)] {
        let devices = [("eth0", DeviceKind::Card), ("eth1", DeviceKind::Card)];
        let case = Case::new("two uplinks", &devices, &[]);
        let mut w = case.world();
        let mut tcp = outbound(40_000, 1);
        let mut packets = vec![tcp.syn(), tcp.syn_ack(), tcp.ack(CLIENT), tcp.data(CLIENT, 10)];
        packets.extend([tcp.data(SERVER, 1000), tcp.data(SERVER, 1000), tcp.fin(CLIENT), tcp.fin(SERVER)]);
        packets.push(tcp.ack(CLIENT));
        for packet in packets {
            w.now += 5 * MS;
            let own = packet.source == Address::from_v4_octets(HOST);
            let (name, direction) = if own { ("eth0", out) } else { ("eth1", back) };
            w.see(case.index(name), direction, &packet);
            assert_eq!(w.drain().violations, []);
        }
        let t = w.totals();
        assert_eq!((t.flows.started[0], t.flows.active[0], t.flows.slots), (1, 1, 2));
        assert_eq!(w.attempts(Role::Client), [1, 0, 0, 0]);
        assert_eq!(w.connections(TcpState::Closed), 1);
        assert_eq!(t.tcp.connections.iter().sum::<u64>(), 1);
        let flow = w.engine.flows().find(|f| !f.duplicate).unwrap();
        assert_eq!(flow.handshake_seconds, Some(0.01));
        assert_eq!(flow.first_response_seconds, None, "nobody saw both");
        assert_eq!((flow.sent.packets, flow.received.packets), (5, 4));
        assert_eq!((flow.sent.payload_bytes, flow.received.payload_bytes), (10, 2000));
        assert_eq!(flow.further_interfaces, ["eth1"]);
        let id = flow.id;
        let copy = w.engine.flows().find(|f| f.duplicate).unwrap();
        assert_eq!((copy.interface, copy.record_id), ("eth1", flow.record_id));
        // The server's packets come in by eth1, wherever the client's go.
        let at = w.engine.flow_at(id, "eth1").unwrap();
        assert_eq!(at.sent_direction, Direction::Transmit, "what eth1 sees of the server is received");
        assert_eq!(w.engine.flow_at(id, "eth0").unwrap().sent_direction, out);
        w.wait(5 * SECOND);
        assert_eq!((w.totals().flows.active[0], w.totals().flows.slots), (0, 0), "both halves end");
        // It ended in the slot that was left last.
        let over = w.engine.ended_flows().next().expect("it is kept for a while");
        let mut interfaces = [&[over.interface][..], &over.further_interfaces].concat();
        interfaces.sort_unstable();
        assert_eq!(interfaces, ["eth0", "eth1"]);
        assert_eq!(over.end.map(|end| end.reason), Some(crate::label::EndReason::Fin));
        assert_eq!((over.state, over.received.payload_bytes), (Some(TcpState::Closed), 2000));
        assert_eq!(w.engine.ended_flows().count(), 1);
    }
}

#[test]
fn a_syn_and_an_ack_without_an_answer_anywhere_are_no_connection() {
    let devices = [("eth0", DeviceKind::Card), ("eth1", DeviceKind::Card)];
    let case = Case::new("two uplinks", &devices, &[]);
    let mut w = case.world();
    let mut tcp = inbound(40_000, 1);
    for packet in [tcp.syn(), tcp.ack(CLIENT)] {
        w.see(case.index("eth0"), Direction::Receive, &packet);
    }
    w.wait(MS);
    assert_eq!(w.attempts(Role::Server), [0, 0, 0, 0]);
    assert_eq!(w.connections(TcpState::SynSent), 1);
    w.wait(60 * SECOND);
    assert_eq!(w.attempts(Role::Server), [0, 0, 1, 0]);
}
