//! What those who watch are told of what was counted.

use super::world::*;
use crate::{
    engine::EngineConfig,
    flow::FlowId,
    label::{FindingKind, TcpState},
    live::{Client, Taken, Window},
    payload::{Payload, TcpHeader},
    top::Top,
};

fn watched(max_flows: u32) -> World {
    World::new(EngineConfig { max_flows, live: Some(SECOND), ..EngineConfig::default() })
}

fn all<K: Eq + std::hash::Hash + Ord + Clone>(top: &Top<K, Taken>) -> [u64; 3] {
    let sum = Taken::sum(top.iter().map(|(_, taken)| *taken).chain([*top.rest()]));
    [sum.received, sum.transmitted, sum.connections]
}

/// The sums of all windows equal what the families of names have: bytes by direction, connections.
fn is_whole(w: &World) {
    let families = w.engine.ledger().families();
    let both: [u64; 6] = std::array::from_fn(|i| families.domains.total()[i] + families.unresolved[i]);
    let expected = [both[0], both[1], both[4] + both[5]];
    for window in Window::ALL {
        let sums = w.engine.ledger().live().windows().sums(window).by_name;
        let unresolved = [sums.unresolved.received, sums.unresolved.transmitted, sums.unresolved.connections];
        let named = all(&sums.domains);
        assert_eq!(std::array::from_fn(|i| named[i] + unresolved[i]), expected, "{window:?}");
        assert_eq!(all(&sums.services), expected, "{window:?}");
        let edges = sums.edges.iter().map(|(_, bytes)| bytes).sum::<u64>() + sums.edges.rest();
        assert_eq!(edges, expected[0] + expected[1], "{window:?}");
    }
}

/// A client of its own asks for a host of its own.
fn request(w: &mut World, n: u32) {
    let client = [10, (n >> 16) as u8, (n >> 8) as u8, n as u8];
    let mut tcp = Tcp::new((client, 40_000), (HOST, 80), n);
    tcp.handshake(w);
    w.eth(&tcp.data(CLIENT, 60 + n % 50));
    let key = *w
        .map
        .keys()
        .find(|key| {
            key.endpoint(monitor_common::abi::Side::Lower).0
                == monitor_common::abi::Address::from_v4_octets(client)
                || key.endpoint(monitor_common::abi::Side::Upper).0
                    == monitor_common::abi::Address::from_v4_octets(client)
        })
        .unwrap();
    let slot = w.map[&key];
    let text = format!("GET / HTTP/1.1\r\nHost: www.n{n}.example\r\n\r\n");
    let tcp = Some(TcpHeader { seq: 100, ack: None, syn: false, urgent: 0 });
    let sender = w.slots[slot as usize].head.client().0;
    let payload = Payload { time: w.now, sender, bytes: text.as_bytes(), length: text.len() as u32, tcp };
    w.engine.sample(slot, &w.slots[slot as usize], 0, &payload, |_| Default::default());
}

#[test]
fn sums_equal_the_families_under_a_flood_of_names_and_clients() {
    let mut w = watched(4096);
    for n in 0..1500 {
        request(&mut w, n);
        if n % 100 == 0 {
            w.wait(SECOND);
            is_whole(&w);
        }
    }
    for _ in 0..10 {
        w.wait(SECOND);
        is_whole(&w);
    }
    let sums = w.engine.ledger().live().windows().sums(Window::Minute).by_name;
    assert!(sums.domains.len() > 100 && sums.domains.folded() > 0);
}

#[test]
fn nothing_is_kept_where_nobody_watches() {
    let mut w = World::with_slots(64);
    outbound(40_000, 1).handshake(&mut w);
    w.wait(3 * SECOND);
    let live = w.engine.ledger().live();
    assert!(live.timelines().is_empty() && live.history().since(0).1.count() == 0);
    assert_eq!(live.windows().sums(Window::Hour).by_name.unresolved, Taken::default());
}

#[test]
fn this_host_is_one_client_whatever_its_address() {
    let mut w = watched(64);
    outbound(40_000, 1).handshake(&mut w);
    inbound(40_001, 1).handshake(&mut w);
    w.wait(SECOND);
    w.wait(3 * SECOND);
    let sums = w.engine.ledger().live().windows().sums(Window::Minute).by_name;
    let mut clients: Vec<Client> = sums.edges.iter().map(|(edge, _)| edge.client).collect();
    clients.sort_unstable();
    assert_eq!(clients, [Client::Host, Client::Address(PEER.into())]);
    is_whole(&w);
}

/// Basic credentials in clear text, sent in a slot's flow.
fn credentials(w: &mut World, slot: u32) {
    let bytes = b"GET / HTTP/1.1\r\nHost: www.example.org\r\nAuthorization: Basic YTpi\r\n\r\n";
    let flow = &w.slots[slot as usize];
    let sender = flow.head.client().0;
    let tcp = Some(TcpHeader { seq: 2, ack: None, syn: false, urgent: 0 });
    let payload = Payload { time: w.now, sender, bytes, length: bytes.len() as u32, tcp };
    w.engine.sample(slot, flow, flow.head.reused.get(), &payload, |_| Default::default());
}

#[test]
fn a_risk_is_told_of_the_flow_that_shows_it_and_of_no_other() {
    let mut w = watched(64);
    outbound(40_000, 1).handshake(&mut w);
    outbound(40_001, 1).handshake(&mut w);
    w.drain();
    let slot = w.engine.flows().find(|flow| flow.client.port == 40_000).unwrap().id.slot;
    credentials(&mut w, slot);
    w.drain();
    let ids: Vec<_> = w.engine.flows().map(|flow| (flow.client.port, flow.id)).collect();
    for (port, id) in ids {
        let (flow, _, risks) = w.engine.look_at(id).unwrap();
        let kinds: Vec<_> = risks.of(&flow).map(|risk| risk.kind).collect();
        let expected: &[FindingKind] =
            if port == 40_000 { &[FindingKind::CleartextCredentials] } else { &[] };
        assert_eq!(kinds, expected, "{port}");
    }
    assert_eq!(w.engine.outbox_mut().take_risks().len(), 1);
}

#[test]
fn a_flow_has_a_life_and_an_id_that_no_other_has() {
    let mut w = watched(4);
    w.wait(SECOND);
    let mut tcp = outbound(40_000, 1);
    tcp.handshake(&mut w);
    w.drain();
    let id = w.engine.flows().next().unwrap().id;
    assert_eq!(id.to_string().parse(), Ok(id));
    for bytes in [1000, 0, 500] {
        w.now += SECOND;
        if bytes > 0 {
            w.eth(&tcp.data(SERVER, bytes));
        }
        w.drain();
    }
    let (flow, line, _) = w.engine.look_at(id).unwrap();
    assert_eq!(flow.received.payload_bytes, 1500);
    let bytes: Vec<u64> = line.unwrap().samples().iter().map(|sample| sample.bytes[1]).collect();
    assert_eq!(bytes, [54, 1054, 0, 554]);
    tcp.close(&mut w);
    w.wait(SECOND);
    let (_, line, _) = w.engine.look_at(id).unwrap();
    let states: Vec<TcpState> = line.unwrap().passages().iter().map(|passage| passage.state).collect();
    assert_eq!(states, [TcpState::Closed]);
    w.wait(10 * SECOND);
    let (flow, line, _) = w.engine.look_at(id).expect("it is kept for a while");
    assert!(flow.end.is_some() && line.is_none(), "it has ended");
    assert!(w.engine.ledger().live().timelines().is_empty());
    outbound(40_001, 1).handshake(&mut w);
    w.wait(SECOND);
    let next = w.engine.flows().next().unwrap().id;
    assert_eq!(next.slot, id.slot);
    assert!(w.engine.look_at(id).unwrap().0.end.is_some(), "the slot's next flow is another");
    assert!(w.engine.look_at(next).unwrap().0.end.is_none());
    assert!(w.engine.look_at(FlowId { slot: u32::MAX, first: 0 }).is_none());
}
