//! Whose bytes are: in whatever order packets, drains and what is known of sockets come, each byte is one owner's.

use std::sync::Arc;

use monitor_common::abi::{Address, Direction, FlowKey};

use super::world::*;
use crate::{
    engine::{Claim, EngineConfig, OwnerConfig, Socket},
    random::Random,
    record::{Owner, OwnerSource, Text},
    series::SeriesConfig,
    totals::Budgets,
};

fn claim(random: &mut Random) -> Claim {
    let owner = Owner {
        unit: (random.below(3) == 0).then(|| Text::from(format!("u{}.service", random.below(40)).as_str())),
        process: Some(Text::from(format!("p{}", random.below(40)).as_str())),
        user: Some(Text::from("root")),
        container_id: (random.below(4) == 0).then(|| Text::from("c")),
        ..Owner::default()
    };
    let socket = match random.below(6) {
        0 => Socket::Unasked,
        5 => Socket::Forwarded,
        1 => Socket::Absent,
        2 => Socket::Kernel,
        3 => Socket::Unknown,
        _ => Socket::User(OwnerSource::Socket, Arc::new(owner)),
    };
    Claim { socket, looked_up: random.below(2) == 0 }
}

#[test]
fn owners_families_and_flows_add_up_at_every_drain_whatever_comes_when() {
    for seed in 1..=40 {
        let mut random = Random(seed);
        let all = OwnerConfig {
            units: true,
            processes: true,
            users: true,
            containers: true,
            unit_domains: true,
            container_domains: true,
        };
        // So few series that most owners share one.
        let series = Budgets::by_name(|_| SeriesConfig { max_series: 24, ..SeriesConfig::default() });
        let config = EngineConfig {
            max_flows: 128,
            owners: all,
            series,
            live: Some(SECOND),
            ..EngineConfig::default()
        };
        let mut w = World::new(config);
        let mut seen = 0;
        for _ in 0..30 {
            for _ in 0..random.below(60) {
                let port = 1000 + random.below(30) as u16;
                let (near, far) = ((HOST, port), (PEER, 53 + random.below(3) as u16));
                let packet = match random.below(3) {
                    0 => udp(near, far),
                    1 => udp(far, near),
                    // Nobody of this host.
                    _ => udp(([192, 0, 2, 1], port), far),
                };
                let is_near = packet.source == Address::from_v4_octets(HOST);
                w.see(ETH, if is_near { Direction::Transmit } else { Direction::Receive }, &packet);
                seen += u64::from(packet.wire_length);
                w.now += 1000;
            }
            let before = w.readings();
            w.engine.begin_drain(w.now, &before);
            let mut claims = |_: &FlowKey| [claim(&mut random), claim(&mut random)];
            for (slot, flow) in (0..).zip(&w.slots) {
                if flow.head.live.get() != 0 {
                    w.engine.observe_owned(slot, flow, &mut claims);
                }
            }
            let others = w.readings();
            for (slot, reason) in w.engine.expired(&others) {
                let flow = &mut w.slots[slot as usize];
                w.map.remove(&flow.head.key.get());
                w.engine.close(slot, flow, reason);
                flow.clear();
                w.free.push(slot);
            }
            let after = w.readings();
            w.engine.end_drain(w.now, &after);
            let bytes: u64 = w.totals().owners.iter().flatten().map(|io| io.bytes).sum();
            assert_eq!(bytes, seen, "seed {seed}");
            let families = w.engine.ledger().families();
            for (name, total) in [
                ("unit", families.units.total()),
                ("process", families.processes.total()),
                ("user", families.users.total()),
                ("container", families.containers.total()),
            ] {
                assert_eq!(total[0] + total[1], seen, "{name}, seed {seed}");
            }
            let owners = &w.engine.ledger().live().windows().sums(crate::live::Window::Hour).by_name.owners;
            let shown: u64 = owners.iter().map(|(_, taken)| taken.bytes()).sum();
            assert_eq!(shown + owners.rest().bytes(), seen, "seed {seed}");
            w.now += random.below(20) * SECOND;
        }
    }
}
