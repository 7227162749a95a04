//! What is kept for those who watch, under a flood of clients, names, ports, queries and risks that are all different.

use std::collections::BTreeMap;

use monitor::state::State;
use monitor::telemetry::Own;
use monitor::telemetry::{Event, Events};
use monitor::view::live::{DomainKind, History, Life, Snapshot};
use monitor_common::abi::{Address, Direction, Flow, Side};
use monitor_common::account::{self, At};
use monitor_common::wire::Packet;
use monitor_core::engine::{Engine, EngineConfig};
use monitor_core::live::Window;
use monitor_core::payload::{Payload, TcpHeader};

use super::dns;

const SECOND: u64 = 1_000_000_000;
const FLOWS: u32 = 4_000;

/// A flow in its slot: a client, a server and a port that no other has.
struct Slot {
    flow: Flow,
    packet: Packet,
    side: Side,
}

impl Slot {
    fn new(n: u32, protocol: u8, port: u16) -> Self {
        let [_, high, middle, low] = n.to_be_bytes();
        let packet = Packet {
            source: Address::from_v4_octets([10, high, middle, low]),
            destination: Address::from_v4_octets([198, 51, middle, low]),
            source_port: 40_000,
            destination_port: port,
            protocol,
            ip_version: 4,
            tcp_flags: 0x10,
            seq: 1,
            ip_length: 1_000,
            payload_length: 960,
            wire_length: 1_014,
            segments: 1,
            ..Packet::default()
        };
        let (flow, side) = account::opened(&packet, 1, 0, Direction::Receive, 5);
        Self { flow, packet, side }
    }

    /// A packet each way.
    fn gain(&self, now: u64) {
        account::account(&self.flow, &self.packet, self.side, &At(now));
        account::account(&self.flow, &self.packet, self.side.other(), &At(now));
    }
}

fn engine() -> Engine {
    Engine::new(EngineConfig { live: Some(SECOND), max_flows: 2 * FLOWS, ..EngineConfig::default() }, 1)
}

fn drain(engine: &mut Engine, slots: &[Slot], now: u64) {
    engine.begin_drain(now, &[]);
    for (n, slot) in (0..).zip(slots) {
        engine.observe(n, &slot.flow);
    }
    engine.expired(&[]);
    engine.end_drain(now, &[]);
}

/// A password in clear text, for a name of its own.
fn request(engine: &mut Engine, n: u32, slot: &Slot, now: u64) {
    let text = format!("GET / HTTP/1.1\r\nHost: www.d{n}.example\r\nAuthorization: Basic YTpi\r\n\r\n");
    let tcp = Some(TcpHeader { seq: 1, ack: None, syn: false, urgent: 0 });
    let (bytes, length) = (text.as_bytes(), text.len() as u32);
    engine.sample(n, &slot.flow, 0, &Payload { time: now, sender: slot.side, bytes, length, tcp }, |_| {
        Default::default()
    });
}

/// An engine after all of it.
fn flooded() -> Engine {
    let mut engine = engine();
    let mut slots: Vec<Slot> = (0..FLOWS).map(|n| Slot::new(n, 6, 1_000 + n as u16)).collect();
    slots.push(Slot::new(FLOWS, 17, 53));
    for round in 1..=6 {
        let now = round * SECOND;
        for slot in &slots {
            slot.gain(now - 1);
        }
        drain(&mut engine, &slots, now);
        if round == 1 {
            for (n, slot) in (0..FLOWS).zip(&slots) {
                request(&mut engine, n, slot, now);
            }
            let asking = &slots[FLOWS as usize];
            for n in 0..FLOWS {
                let bytes = dns(n as u16, n, false);
                let length = bytes.len() as u32;
                let payload = Payload { time: now, sender: asking.side, bytes: &bytes, length, tcp: None };
                engine.sample(FLOWS, &asking.flow, 0, &payload, |_| Default::default());
            }
        }
    }
    engine
}

#[test]
fn a_flood_of_names_makes_a_snapshot_no_longer() {
    let mut engine = flooded();
    assert_eq!(engine.outbox_mut().take_risks().len(), 64, "risks of a drain that wait to be told");
    assert_eq!(engine.ledger().live().risks().len(), 1_024, "risks that are kept for the lives of flows");
    let sums = engine.ledger().live().windows().sums(Window::Minute);
    assert!(sums.by_name.domains.len() <= 2 * monitor_core::live::DOMAINS, "{}", sums.by_name.domains.len());
    let state = State::new(engine, Own::new().unwrap());
    for window in Window::ALL {
        let snapshot = Snapshot::of(&state, window);
        let rows = |kind| snapshot.domains.iter().filter(|row| row.kind == kind).count();
        assert_eq!((rows(DomainKind::Domain), rows(DomainKind::Other)), (50, 1));
        assert!(rows(DomainKind::Unresolved) <= 1 && snapshot.domains.iter().all(|row| row.names.len() <= 5));
        assert_eq!(snapshot.services.len(), 51, "services and the others");
        assert_eq!(snapshot.dns.names.len(), 20, "names that were asked for");
        assert!((71..=100).contains(&snapshot.map.len()), "{} rows of the map", snapshot.map.len());
        // Nothing is lost by it.
        let bytes: u64 = snapshot.domains.iter().map(|row| row.received_bytes + row.transmitted_bytes).sum();
        assert_eq!(snapshot.map.iter().map(|row| row.bytes).sum::<u64>(), bytes);
        assert!((snapshot.domains.iter().map(|row| row.share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(snapshot.services.iter().map(|row| row.connections).sum::<u64>() > u64::from(FLOWS) / 2);
        let length = serde_json::to_string(&snapshot).unwrap().len();
        assert!(length < 64 << 10, "{length} bytes");
    }
}

#[test]
fn timelines_are_kept_of_256_flows_and_of_64_that_somebody_asked_for() {
    let mut engine = flooded();
    assert_eq!(engine.ledger().live().timelines().len(), 256);
    let ids: Vec<_> = engine.flows().map(|flow| flow.id).collect();
    let followed =
        ids.iter().filter(|id| Life::of(&mut engine, **id).is_some_and(|life| life.timeline.is_some()));
    let followed = followed.count();
    assert!((256..=256 + 64).contains(&followed), "{followed}");
    assert_eq!(engine.ledger().live().timelines().len(), 256);
}

#[test]
fn a_timeline_has_300_steps_and_the_history_an_hour() {
    let mut engine = engine();
    let slots = [Slot::new(1, 6, 443)];
    for second in 1..=4_000 {
        slots[0].gain(second * SECOND - 1);
        drain(&mut engine, &slots, second * SECOND);
    }
    let id = engine.flows().next().unwrap().id;
    let timeline = Life::of(&mut engine, id).unwrap().timeline.unwrap();
    let steps = timeline.sent_bytes_per_second.len();
    assert!((150..=300).contains(&steps) && (timeline.step_seconds - 16.0).abs() < 1e-9, "{steps}");
    let (history, _) = History::since(&engine, 0);
    assert_eq!(history.received_bytes_per_second.len(), 3_600);
}

#[test]
fn of_events_the_last_are_told_and_many_of_a_kind_push_out_no_others() {
    let state = State::new(engine(), Own::new().unwrap());
    state.events.emit(&Event::Attached { interface: "eth0" });
    for _ in 0..1_000 {
        state.events.emit(&Event::TakenOver { interfaces: 1 });
    }
    let events = Snapshot::of(&state, Window::Minute).events;
    let mut kinds = BTreeMap::new();
    for event in &events {
        *kinds.entry(event.kind.as_str()).or_insert(0) += 1;
    }
    assert_eq!(kinds, BTreeMap::from([("attached", 1), ("taken_over", 64)]));
    // A watcher is told at most 100, of whatever kinds.
    let all = Events::default();
    for _ in 0..300 {
        all.emit(&Event::TakenOver { interfaces: 1 });
        all.emit(&Event::Attached { interface: "eth0" });
        all.emit(&Event::Detached { interface: "eth0" });
    }
    assert_eq!(all.feed().latest(usize::MAX).len(), 192);
    for _ in 0..100 {
        state.events.emit(&Event::TakenOver { interfaces: 1 });
        state.events.emit(&Event::Attached { interface: "eth0" });
        state.events.emit(&Event::Detached { interface: "eth0" });
    }
    assert_eq!(Snapshot::of(&state, Window::Minute).events.len(), 100);
}
