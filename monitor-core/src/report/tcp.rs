//! Health of TCP: do connections come about, is data lost, how long does it take, who ends it.

use super::Latency;
use crate::{
    label::TcpState,
    record::{FlowRecord, Peer, TcpTraffic},
};

/// Totals of all TCP flows.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Flows.
    pub flows: u64,
    /// Packets both ways.
    pub packets: u64,
    /// Flows whose first packet was a SYN or SYN-ACK: those that one can say were opened.
    pub attempts: u64,
    /// Flows by state, as [`TcpState::ALL`].
    pub states: [u64; TcpState::COUNT],
    /// Attempts that came to a handshake.
    pub established: u64,
    /// What both sides sent.
    pub segments: TcpTraffic,
    /// How often clients said that they have no room, reading slower than they are sent.
    pub client_zero_windows: u64,
    /// Handshakes.
    pub handshake: Latency,
    /// Mean round trip of each flow between the place of capture and the client.
    pub client_rtt: Latency,
    /// The same to the server.
    pub server_rtt: Latency,
    /// Times from request to first response byte.
    pub response: Latency,
    /// Connections ended first by the client: by FIN, by RST.
    pub client_ended: (u64, u64),
    /// The same by the server.
    pub server_ended: (u64, u64),
}

impl Tcp {
    pub(super) fn flow(&mut self, flow: &FlowRecord) {
        let Some(state) = flow.state.map(|state| seen(flow, state)) else { return };
        self.flows += 1;
        self.packets += flow.sent.packets + flow.received.packets;
        if let Some(count) =
            TcpState::ALL.iter().position(|s| *s == state).and_then(|i| self.states.get_mut(i))
        {
            *count += 1;
        }
        if state != TcpState::Midstream {
            let answered = flow.received.tcp.as_ref().is_some_and(|tcp| tcp.syn_ack > 0);
            self.attempts += 1;
            self.established += u64::from(
                flow.handshake_seconds.is_some()
                    || matches!(state, TcpState::Established | TcpState::HalfClosed | TcpState::Closed)
                    || (state == TcpState::Reset && answered),
            );
        }
        for tcp in [&flow.sent.tcp, &flow.received.tcp].into_iter().flatten() {
            self.segments.add(tcp);
        }
        self.client_zero_windows += flow.sent.tcp.as_ref().map_or(0, |tcp| tcp.zero_windows);
        flow.handshake_seconds.into_iter().for_each(|s| self.handshake.observe(s));
        flow.rtt_seconds.client.iter().for_each(|rtt| self.client_rtt.observe(rtt.mean));
        flow.rtt_seconds.server.iter().for_each(|rtt| self.server_rtt.observe(rtt.mean));
        flow.first_response_seconds.into_iter().for_each(|s| self.response.observe(s));
        let ended = match flow.closed_by {
            Some(Peer::Client) => &mut self.client_ended,
            Some(Peer::Server) => &mut self.server_ended,
            None => return,
        };
        match flow.state {
            Some(TcpState::Refused | TcpState::TimedOut) => {}
            Some(TcpState::Reset) => ended.1 += 1,
            _ => ended.0 += 1,
        }
    }

    /// Flows in a state.
    pub fn state(&self, state: TcpState) -> u64 {
        TcpState::ALL.iter().position(|s| *s == state).and_then(|i| self.states.get(i)).copied().unwrap_or(0)
    }
}

/// A probe without SYN (FIN, NULL, Xmas) that is answered by RST breaks no connection off: none was opened.
fn seen(flow: &FlowRecord, state: TcpState) -> TcpState {
    let opens = |tcp: &TcpTraffic| tcp.syn + tcp.syn_ack > 0;
    let opened = [&flow.sent.tcp, &flow.received.tcp].into_iter().flatten().any(opens);
    if state == TcpState::Reset && !opened { TcpState::Midstream } else { state }
}
