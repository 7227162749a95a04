//! The order of flows of an engine.

use clap::ValueEnum as _;
use monitor_common::abi::{Address, Direction};
use monitor_common::account::{self, At};
use monitor_common::wire::Packet;
use monitor_core::engine::{Engine, EngineConfig};

use super::*;

/// An engine with flows that differ in all that is sorted by; every third has no ports.
pub(crate) fn engine(flows: u32) -> Engine {
    let mut engine = Engine::new(EngineConfig::default(), 1);
    engine.begin_drain(1_000_000_000, &[]);
    for n in 0..flows {
        // In no order of their own.
        let mixed = n.wrapping_mul(0x9E37_79B1) >> 8;
        let protocol = [6, 17, 1][n as usize % 3];
        let packet = Packet {
            source: Address::from_v4_octets([10, 0, (mixed >> 8) as u8, mixed as u8]),
            destination: Address::from_v4_octets([198, 51, 100, (mixed % 50) as u8]),
            source_port: if protocol == 1 { 0 } else { 1024 + n as u16 },
            destination_port: if protocol == 1 { 0 } else { [443, 80, 53, 7000][n as usize % 4] },
            protocol,
            ip_version: 4,
            tcp_flags: 0x10,
            ip_length: 100 + mixed % 900,
            payload_length: 60 + mixed % 900,
            wire_length: 114 + mixed % 900,
            segments: 1,
            ..Packet::default()
        };
        let (flow, side) = account::opened(&packet, 2, 0, Direction::Receive, 1);
        for _ in 0..=n % 5 {
            account::account(&flow, &packet, side, &At(u64::from(1 + mixed % 1000)));
        }
        engine.observe(n, &flow);
    }
    engine.end_drain(1_000_000_000, &[]);
    engine
}

/// The first of an order.
pub(in crate::view) fn first(engine: &Engine, sort: Sort, limit: usize) -> (Vec<FlowId>, usize) {
    let mut ranking = Ranking::new(sort, limit);
    engine.flows().for_each(|flow| ranking.offer(&flow));
    ranking.finish()
}

#[test]
fn the_first_of_every_order_are_the_first_of_all_flows() {
    let engine = engine(5_000);
    for by in Order::value_variants() {
        for reverse in [false, true] {
            let sort = Sort { by: *by, reverse };
            let mut all: Vec<_> = engine.flows().collect();
            all.sort_by(|a, b| sort.compare((&by.key(a), a.id), (&by.key(b), b.id)));
            for limit in [0, 1, 7, 200, 2_500, 9_000] {
                let (first, matched) = first(&engine, sort, limit);
                assert_eq!((first.len(), matched), (limit.min(5_000), 5_000));
                assert!(first.iter().zip(&all).all(|(a, b)| *a == b.id), "{sort:?} {limit}");
            }
        }
    }
}

#[test]
fn an_order_is_asked_for_as_it_is_written() {
    for by in Order::value_variants() {
        let name = by.to_possible_value().expect("a name");
        assert_eq!(name.get_name(), by.as_str());
        let read: Order = serde_json::from_value(by.as_str().into()).unwrap();
        assert_eq!(read, *by);
    }
}

#[test]
fn what_is_not_known_comes_last_either_way() {
    let engine = engine(60);
    for reverse in [false, true] {
        let (flows, _) = first(&engine, Sort { by: Order::Retransmissions, reverse }, 60);
        let is_tcp = |id: &FlowId| engine.flow(*id).unwrap().transport == Transport::Tcp;
        let known: Vec<bool> = flows.iter().map(is_tcp).collect();
        assert!(known.is_sorted_by(|a, b| a >= b) && known.contains(&true) && known.contains(&false));
    }
}
