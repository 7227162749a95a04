//! A flow of a capture.

use monitor_common::abi::Transport;
use monitor_core::{
    flow::FlowId,
    record::{ApplicationSource, FlowRecord, NameSource, Protocol, Text, Traffic},
};

use crate::view::flows::{Distribution, Flow, RoundTrips, Side};

/// A record as a row; what only a live run knows is left empty.
pub(super) fn shown(flow: &FlowRecord, at: usize) -> Flow<'static> {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.to_string().into());
    let identity = &flow.identity;
    let side = |sent: &Traffic| {
        let tcp = sent.tcp.clone().unwrap_or_default();
        Side {
            direction: "".into(),
            packets: sent.packets,
            bytes: sent.bytes,
            payload_bytes: sent.payload_bytes,
            retransmissions: tcp.retransmissions as u32,
            out_of_order: tcp.out_of_order as u32,
            duplicate_acks: tcp.duplicate_acks as u32,
            zero_windows: tcp.zero_windows as u32,
            bytes_per_second: 0.0,
            bytes_per_second_10s: 0.0,
            bytes_per_second_40s: 0.0,
            packets_per_second: 0.0,
        }
    };
    let Protocol(protocol) = identity.transport;
    let transport = match Transport::from_protocol(protocol) {
        Transport::Other => protocol.to_string().into(),
        known => known.as_str().into(),
    };
    Flow {
        id: FlowId { slot: at as u32, first: flow.start.0 },
        interface: "".into(),
        interfaces: Vec::new(),
        end_reason: None,
        end: None,
        transport,
        client_ip: identity.client_ip,
        client_port: identity.client_port,
        server_ip: identity.server_ip,
        server_port: identity.server_port,
        client_rule: flow.client_rule.as_str().into(),
        service: None,
        name: text(&flow.name),
        name_source: flow.name_source.map(NameSource::as_str).map(Into::into),
        domain: text(&flow.domain),
        application: text(&flow.application),
        application_source: flow.application_source.map(ApplicationSource::as_str).map(Into::into),
        role: "".into(),
        scope: "".into(),
        state: flow.state.map(|state| state.as_str().into()),
        duplicate: false,
        start: flow.start,
        last: flow.end,
        sent: side(&flow.sent),
        received: side(&flow.received),
        handshake_seconds: flow.handshake_seconds,
        first_response_seconds: flow.first_response_seconds,
        owned: serde_json::Map::new(),
        rtt_seconds: RoundTrips {
            client: flow.rtt_seconds.client.map(Distribution::from),
            server: flow.rtt_seconds.server.map(Distribution::from),
        },
    }
}
