//! Requests to the server: paths, questions and headers that a stranger chose.

use monitor::web::Exchange;
use monitor_common::{
    abi::{Address, Direction},
    account::{self, At},
    wire::Packet,
};
use monitor_core::engine::{Engine, EngineConfig};

thread_local! {
    static EXCHANGE: Exchange = Exchange::new(engine()).expect("a server without sockets");
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((status, body)) = EXCHANGE.with(|exchange| exchange.ask(bytes)) else { return };
    // 500 is what a thread that panicked looks like.
    assert!(matches!(status, 200..=499), "{status}: {}", String::from_utf8_lossy(&body));
    if status == 400 {
        let text = std::str::from_utf8(&body).expect("UTF-8");
        let error: serde_json::Value = serde_json::from_str(text).expect("an error is JSON");
        assert!(error["error"].as_str().is_some_and(|e| !e.is_empty()), "an error says what: {text}");
    }
}

/// An engine that has drained two flows, so that questions are about something.
fn engine() -> Engine {
    let mut engine = Engine::new(EngineConfig::default(), 1);
    engine.begin_drain(10, &[]);
    for (slot, (protocol, port)) in (0..).zip([(6, 443), (17, 53)]) {
        let packet = Packet {
            source: Address::from_v4_octets([192, 0, 2, 1]),
            destination: Address::from_v4_octets([198, 51, 100, 7]),
            source_port: 40_000,
            destination_port: port,
            protocol,
            ip_version: 4,
            tcp_flags: 0x02,
            ip_length: 1_000,
            payload_length: 960,
            wire_length: 1_014,
            segments: 1,
            ..Packet::default()
        };
        let (flow, side) = account::opened(&packet, 1, 0, Direction::Receive, 5);
        account::account(&flow, &packet, side, &At(5));
        engine.observe(slot, &flow);
    }
    engine.expired(&[]);
    engine.end_drain(10, &[]);
    engine
}
