//! A drain of flows that go on allocates nothing.

mod counting;

use monitor_common::{
    abi::{Address, Direction, Flow, Side},
    account::{self, At},
    wire::{Packet, tcp_flags},
};
use monitor_core::{
    engine::{Engine, EngineConfig},
    host::LocalNetwork,
};

const FLOWS: u32 = 1000;
const SECOND: u64 = 1_000_000_000;

fn packet(flow: u32, from_client: bool, seq: u32, flags: u8) -> Packet {
    let client = (Address::from_v4_octets([10, 0, (flow >> 8) as u8, flow as u8]), 40_000);
    let server = (Address::from_v4_octets([192, 0, 2, 1]), 443);
    let (source, destination) = if from_client { (client, server) } else { (server, client) };
    Packet {
        source: source.0,
        destination: destination.0,
        source_port: source.1,
        destination_port: destination.1,
        protocol: 6,
        ip_version: 4,
        tcp_flags: flags,
        seq,
        ack: seq,
        window: 100,
        ip_length: 140,
        payload_length: 100,
        wire_length: 154,
        segments: 1,
        ..Packet::default()
    }
}

fn drain(engine: &mut Engine, slots: &[Flow], now: u64) -> u32 {
    engine.begin_drain(now, &[]);
    for (slot, flow) in (0..).zip(slots) {
        engine.observe(slot, flow);
    }
    assert_eq!(engine.expired(&[]), []);
    engine.end_drain(now, &[]).changed
}

#[test]
fn a_drain_of_flows_that_go_on_allocates_nothing() {
    let mut now = SECOND;
    let mut engine = Engine::new(EngineConfig { peers: true, ..EngineConfig::default() }, now);
    engine.surroundings().set_local_networks(&[LocalNetwork { address: [192, 0, 2, 1].into(), prefix: 24 }]);
    let open = |n| account::opened(&packet(n, true, 0, tcp_flags::ACK), 1, 0, Direction::Receive, now);
    let (slots, sides): (Vec<Flow>, Vec<Side>) = (0..FLOWS).map(open).unzip();
    for round in 0..20 {
        now += SECOND;
        for (n, (slot, side)) in (0..).zip(slots.iter().zip(&sides)) {
            let seq = round * 100;
            account::account(slot, &packet(n, true, seq, tcp_flags::ACK | tcp_flags::PSH), *side, &At(now));
            account::account(
                slot,
                &packet(n, false, seq, tcp_flags::ACK),
                side.other(),
                &At(now + SECOND / 10),
            );
        }
        now += SECOND;
        let before = counting::allocations();
        assert_eq!(drain(&mut engine, &slots, now), FLOWS);
        let after = counting::allocations();
        // The first rounds fill the table and give the keys of services and peers their series.
        if round >= 2 {
            assert_eq!(after - before, 0, "round {round}");
        }
    }
    let families = engine.ledger().families();
    assert_eq!((families.services.len(), families.peers.len()), (1, FLOWS as usize));
    assert_eq!(families.services.total()[2..].iter().sum::<u64>(), u64::from(FLOWS) * 40);
}
