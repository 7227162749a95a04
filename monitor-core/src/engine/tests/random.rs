//! Sums that hold whatever happens: random traffic, drained at random times or after each packet.

use monitor_common::{
    abi::{Address, Direction, FlowKey, Transport},
    account,
    wire::{Packet, tcp_flags},
};

use super::world::*;
use crate::{
    histogram::Histogram,
    label::{AttemptResult, Role},
    random::Random,
    totals::HookTotals,
};

/// Whether a packet begins an attempt: a SYN that does not repeat the last one.
fn begins_attempt(w: &World, packet: &Packet) -> bool {
    if packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) != tcp_flags::SYN {
        return false;
    }
    let mut key = FlowKey::default();
    let side = account::key(packet, ETH, 0, Direction::Receive, &mut key);
    let Some(slot) = w.map.get(&key) else { return true };
    let flow = &w.slots[*slot as usize];
    account::starts_anew(flow, packet, side) || (flow.head.reused.get() == 0 && flow.head.syn_time.get() == 0)
}

fn from_host(packet: &Packet) -> bool {
    packet.source == Address::from_v4_octets(HOST)
}

/// Random steps on a few 5-tuples, seen on the bridge `above` the card as well. Returns packets sent and attempts begun.
fn run(w: &mut World, seed: u64, steps: u32, drain_each: bool, above: bool) -> (u64, u64) {
    let mut random = Random(seed);
    let mut connections: Vec<Tcp> = (0..6).map(|n| inbound(40_000 + n, u32::from(n))).collect();
    let (mut packets, mut attempts) = (0, 0);
    for step in 0..steps {
        let which = random.below(6) as usize;
        let tcp = &mut connections[which];
        let side = random.below(2) as usize;
        let packet = match random.below(12) {
            0..=2 => {
                *tcp = inbound(40_000 + which as u16, step.wrapping_mul(100_003));
                tcp.syn()
            }
            3 => {
                let again = tcp.seq[CLIENT].wrapping_sub(1);
                Packet { seq: again, ..tcp.segment(CLIENT, tcp_flags::SYN, 0) }
            }
            4 | 5 => tcp.syn_ack(),
            6 => tcp.ack(side),
            7 => tcp.data(side, 100),
            8 => tcp.fin(side),
            9 => tcp.rst(side),
            _ => {
                w.now += random.below(20) * random.below(10) * SECOND / 2;
                if random.below(3) == 0 || drain_each {
                    assert_eq!(w.drain().violations, []);
                }
                continue;
            }
        };
        w.now += MS;
        attempts += u64::from(begins_attempt(w, &packet));
        packets += 1;
        w.eth(&packet);
        if above {
            let direction = if from_host(&packet) { Direction::Transmit } else { Direction::Receive };
            w.see(BRIDGE, direction, &packet);
        }
        if drain_each {
            assert_eq!(w.drain().violations, []);
        }
    }
    (packets, attempts)
}

#[test]
fn every_attempt_has_exactly_one_result_however_traffic_and_drains_fall() {
    for seed in 1..=100 {
        for drain_each in [false, true] {
            let mut w = World::with_slots(64);
            let (packets, attempts) = run(&mut w, seed * 7919, 300, drain_each, false);
            w.drain();
            let pending = w.totals().tcp.attempts.iter().flatten().sum::<u64>();
            assert!(pending <= attempts, "seed {seed}");
            w.wait(60 * SECOND);
            let t = w.totals();
            let results = t.tcp.attempts[Role::Server.index()];
            assert_eq!(results.iter().sum::<u64>(), attempts, "seed {seed}, {drain_each}: {results:?}");
            let hooks = &w.interface("eth0").hooks;
            assert_eq!(hooks.iter().map(|h| h.packets).sum::<u64>(), packets, "seed {seed}");
            assert_eq!(hooks.iter().map(HookTotals::accounted_sum).sum::<u64>(), packets, "seed {seed}");
            let tcp = Transport::Tcp.index();
            let ended = t.flows.ended[tcp].iter().sum::<u64>();
            assert_eq!(t.flows.started[tcp] + t.flows.resumed, ended + t.flows.active[tcp], "seed {seed}");
            assert_eq!(t.tcp.connections.iter().sum::<u64>(), t.flows.active[tcp], "seed {seed}");
            w.wait(7440 * SECOND);
            assert_eq!(w.totals().flows.slots, 0);
        }
    }
}

#[test]
fn a_second_interface_changes_nothing_but_its_own_counters() {
    for seed in 1..=100 {
        for drain_each in [false, true] {
            let [one, two] = [false, true].map(|above| {
                let mut w = World::with_slots(64);
                run(&mut w, seed * 6151, 300, drain_each, above);
                w.wait(60 * SECOND);
                w
            });
            assert_eq!(one.totals().tcp, two.totals().tcp, "seed {seed}");
            assert_eq!(one.totals().latency, two.totals().latency, "seed {seed}");
            assert_eq!(one.interface("eth0"), two.interface("eth0"), "seed {seed}");
            assert_eq!(one.interface("eth0").io, two.interface("br0").io, "seed {seed}");
            let (a, b) = (&one.totals().flows, &two.totals().flows);
            assert_eq!((a.started, a.active, a.ended), (b.started, b.active, b.ended), "seed {seed}");
            assert_eq!(b.duplicates, a.started.iter().sum::<u64>(), "seed {seed}");
            let total = |w: &World| *w.engine.ledger().families().services.total();
            assert_eq!(total(&one), total(&two), "seed {seed}");
        }
    }
}

#[test]
fn how_often_is_drained_changes_no_counter() {
    for seed in 1..=100 {
        // Short enough that no flow expires in between, which only drains can make happen.
        let run = |drain_each| {
            let mut w = World::with_slots(64);
            let mut random = Random(seed * 104_729);
            let mut connections: Vec<Tcp> = (0..4).map(|n| inbound(40_000 + n, 7)).collect();
            for tcp in &mut connections {
                tcp.handshake(&mut w);
            }
            for _ in 0..200 {
                let tcp = &mut connections[random.below(4) as usize];
                let side = random.below(2) as usize;
                let packet = match random.below(4) {
                    0 => tcp.ack(side),
                    1 => Packet { window: 0, ..tcp.ack(side) },
                    2 => {
                        let lost = tcp.data(side, 50);
                        tcp.data(side, 50);
                        lost
                    }
                    _ => tcp.data(side, 100),
                };
                w.now += MS;
                w.eth(&packet);
                if drain_each {
                    w.drain();
                }
            }
            w.drain();
            w
        };
        let (often, once) = (run(true), run(false));
        let (a, b) = (often.totals(), once.totals());
        assert_eq!(often.engine.interfaces().totals(), once.engine.interfaces().totals(), "seed {seed}");
        assert_eq!(a.flows, b.flows, "seed {seed}");
        assert_eq!(a.tcp, b.tcp, "seed {seed}");
        let observed = |w: &World| {
            let l = &w.totals().latency;
            let buckets = |h: &Histogram<17>| h.buckets().map(|(_, n)| n).collect::<Vec<_>>();
            l.handshake.iter().chain(&l.first_response).flatten().map(buckets).collect::<Vec<_>>()
        };
        assert_eq!(observed(&often), observed(&once), "seed {seed}");
        let services = |w: &World| *w.engine.ledger().families().services.total();
        assert_eq!(services(&often), services(&once), "seed {seed}");
        assert_eq!(a.tcp.attempts[Role::Server.index()][AttemptResult::Established.index()], 4);
    }
}
