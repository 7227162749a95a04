//! An engine that goes on where another was, on the same slots.

use monitor_common::abi::{Direction, IpVersion, Reported, Transport};

use super::world::*;
use crate::{
    engine::{Carried, Engine, EngineConfig},
    host::{Interface, LocalNetwork},
    label::{AttemptResult, Role, TcpState},
    random::Random,
    totals::HookTotals,
};

/// What an engine left.
struct Left {
    carried: Carried,
    reported: Vec<Reported>,
}

impl Left {
    fn of(w: &mut World) -> Self {
        w.engine.succession().keep_watermarks();
        Self { carried: Carried::default(), reported: w.slots.iter().map(|_| Reported::default()).collect() }
    }

    /// After a drain.
    fn commit(&mut self, w: &mut World) {
        for slot in w.engine.succession().take_moved() {
            w.engine.succession().report(slot, &self.reported[slot as usize]);
        }
        self.carried = w.engine.succession().carry();
    }

    /// The engine dies, and another goes on.
    fn succeed(&self, w: &mut World) {
        self.succeed_on(w, &[interface(ETH, "eth0"), interface(BRIDGE, "br0")]);
    }

    /// The same, of these interfaces.
    fn succeed_on(&self, w: &mut World, interfaces: &[Interface]) {
        let mut engine = Engine::new(w.engine.config().clone(), w.now);
        engine.succession().keep_watermarks();
        engine.succession().take_over(self.carried.clone());
        engine.surroundings().set_interfaces(interfaces);
        engine.surroundings().set_local_networks(&[LocalNetwork { address: HOST.into(), prefix: 24 }]);
        w.engine = engine;
        let before = w.readings();
        w.engine.begin_drain(w.now, &before);
        for (slot, flow) in (0..).zip(&w.slots) {
            if flow.head.live.get() != 0 {
                w.engine.succession().adopt(slot, flow, &self.reported[slot as usize]);
            }
        }
        assert_eq!(w.drain().violations, []);
    }
}

/// Packets of both hooks of the card, and what of them is accounted for.
fn packets(w: &World) -> (u64, u64) {
    let hooks = &w.interface("eth0").hooks;
    (hooks.iter().map(|h| h.packets).sum(), hooks.iter().map(HookTotals::accounted_sum).sum())
}

#[test]
fn packets_go_on_and_connections_are_not_begun_again() {
    let mut w = World::with_slots(64);
    let mut left = Left::of(&mut w);
    let mut tcp = inbound(40_000, 1);
    tcp.handshake(&mut w);
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&udp((PEER, 5000), (HOST, 53)));
    w.wait(SECOND);
    left.commit(&mut w);
    assert_eq!(packets(&w), (5, 5));
    // Told of by nobody: the first engine is dead.
    w.eth(&tcp.data(SERVER, 1000));
    w.eth(&udp((PEER, 5001), (HOST, 53)));
    left.succeed(&mut w);
    assert_eq!(packets(&w), (7, 7));
    let flows = &w.totals().flows;
    assert_eq!(flows.started[Transport::Tcp.index()], 0);
    assert_eq!(flows.started[Transport::Udp.index()], 1, "the one that nobody had seen");
    assert_eq!(flows.active[Transport::Tcp.index()], 1);
    assert_eq!(w.connections(TcpState::Established), 1);
    assert_eq!(w.attempts(Role::Server), [0; AttemptResult::COUNT]);
    // What series count is the gain alone.
    let services = w.engine.ledger().families().services.total();
    assert_eq!(services[0] + services[1], 1054 + 142);
    tcp.close(&mut w);
    w.wait(300 * SECOND);
    assert_eq!(w.connections(TcpState::Established), 0);
    assert_eq!((packets(&w), w.totals().flows.slots), ((10, 10), 0));
}

#[test]
fn what_was_told_of_an_earlier_flow_of_the_slot_is_not_the_new_ones() {
    let mut w = World::with_slots(1);
    let mut left = Left::of(&mut w);
    for _ in 0..9 {
        w.eth(&udp((PEER, 5000), (HOST, 53)));
    }
    w.drain();
    left.commit(&mut w);
    w.wait(300 * SECOND);
    assert_eq!(w.totals().flows.slots, 0);
    left.commit(&mut w);
    // Another flow in the same slot, with more packets than the first had.
    for _ in 0..12 {
        w.eth(&udp((PEER, 6000), (HOST, 53)));
    }
    left.succeed(&mut w);
    assert_eq!(packets(&w), (21, 21));
    assert_eq!(w.totals().flows.started[Transport::Udp.index()], 1);
    assert_eq!(w.engine.ledger().families().services.total()[..2].iter().sum::<u64>(), 12 * 142);
}

#[test]
fn words_that_are_not_whole_or_ahead_of_the_slot_are_nobodys() {
    for bend in [
        |words: &Reported| words.0[0].set(0),
        |words: &Reported| {
            // More packets than the slot has, on both sides.
            for word in &words.0[1..60] {
                word.set(u64::MAX / 2);
            }
        },
    ] {
        let mut w = World::with_slots(8);
        let mut left = Left::of(&mut w);
        w.eth(&udp((PEER, 5000), (HOST, 53)));
        w.drain();
        left.commit(&mut w);
        for words in &left.reported {
            bend(words);
        }
        left.succeed(&mut w);
        // The flow counts anew under its name, and its packets once.
        assert_eq!(packets(&w), (1, 1));
        assert_eq!(w.totals().flows.started[Transport::Udp.index()], 1);
    }
}

#[test]
fn an_interface_that_was_renamed_or_went_keeps_its_numbers() {
    let mut w = World::with_slots(8);
    let mut left = Left::of(&mut w);
    let flow = udp((PEER, 5000), (HOST, 53));
    w.eth(&flow);
    w.see(BRIDGE, Direction::Receive, &udp((PEER, 5001), (HOST, 53)));
    w.drain();
    // One flow has packets under both names, and one is on what goes.
    let lan = [interface(ETH, "lan0")];
    w.engine.surroundings().set_interfaces(&lan);
    w.eth(&flow);
    w.eth(&flow);
    w.drain();
    left.commit(&mut w);
    let packets = |w: &World, name: &str| {
        w.interface(name).io(Direction::Receive, Transport::Udp, IpVersion::V4).packets
    };
    let all = |w: &World| ["eth0", "lan0", "br0"].map(|name| packets(w, name));
    assert_eq!(all(&w), [1, 2, 1]);
    for _ in 0..2 {
        left.succeed_on(&mut w, &lan);
        assert_eq!(all(&w), [1, 2, 1]);
        left.commit(&mut w);
    }
    // Back under its first name.
    w.engine.surroundings().set_interfaces(&[interface(ETH, "eth0")]);
    w.eth(&flow);
    w.drain();
    assert_eq!(all(&w), [2, 2, 1]);
}

/// Random traffic: the sums of all engines are those of one that never died.
#[test]
fn however_often_it_is_exchanged_the_sums_are_those_of_one() {
    // In the smaller table flows make room early, by what began lately, which a new engine does not know.
    for (seed, max_flows) in (1..=60).flat_map(|seed| [(seed, 16), (seed, 128)]) {
        let run = |exchanges: bool| {
            let mut random = Random(seed * 6007);
            let mut w = World::new(EngineConfig { max_flows, ..EngineConfig::default() });
            let mut left = Left::of(&mut w);
            let mut tcp: Vec<Tcp> = (0..4).map(|n| inbound(40_000 + n, u32::from(n))).collect();
            let (mut sent, mut attempts, mut begun, mut ended) = (0, [0; AttemptResult::COUNT], 0, 0);
            let mut tell = |w: &World| {
                for (sum, n) in attempts.iter_mut().zip(w.attempts(Role::Server)) {
                    *sum += n;
                }
                begun += w.totals().flows.started.iter().sum::<u64>() + w.totals().flows.resumed;
                ended += w.totals().flows.ended.iter().flatten().sum::<u64>();
            };
            for step in 0..400_u32 {
                let which = random.below(4) as usize;
                let side = random.below(2) as usize;
                w.now += MS;
                let packet = match random.below(10) {
                    0 => {
                        tcp[which] = inbound(40_000 + which as u16, step.wrapping_mul(100_003));
                        tcp[which].syn()
                    }
                    1 => tcp[which].syn_ack(),
                    2 => tcp[which].ack(side),
                    3 => tcp[which].data(side, 100),
                    4 => tcp[which].fin(side),
                    5 => tcp[which].rst(side),
                    6 | 7 => udp((PEER, 5000 + random.below(30) as u16), (HOST, 53)),
                    // As often in both runs.
                    which => {
                        w.now += random.below(20) * SECOND;
                        assert_eq!(w.drain().violations, [], "seed {seed}");
                        left.commit(&mut w);
                        if exchanges && which == 8 {
                            tell(&w);
                            left.succeed(&mut w);
                        } else {
                            w.drain();
                        }
                        continue;
                    }
                };
                w.eth(&packet);
                sent += 1;
            }
            w.wait(7440 * SECOND);
            w.wait(7440 * SECOND);
            tell(&w);
            assert_eq!(packets(&w), (sent, sent), "seed {seed}");
            assert_eq!(begun, ended, "seed {seed}");
            (attempts, begun, w.interface("eth0").clone())
        };
        let (one, many) = (run(false), run(true));
        assert_eq!(one.2.io, many.2.io, "seed {seed}");
        if max_flows > 100 {
            assert_eq!(one, many, "seed {seed}");
        }
    }
}
