//! Who sent how much to whom, over what, by what name.

use std::net::IpAddr;

use super::{Latency, Top, Weighed};
use crate::{
    label::TcpState,
    record::{ApplicationSource, FlowRecord, NameSource, Peer, Protocol, Text},
};

/// Keys that each table keeps at least.
const KEYS: usize = 8_192;
/// Addresses that are kept behind a name.
const ADDRESSES: usize = 16;

/// All flows, by several keys. Weights are bytes on the wire.
#[derive(Debug)]
pub struct Traffic {
    /// Flows.
    pub flows: u64,
    /// Bytes of all flows.
    pub bytes: u64,
    /// Bytes of flows that have a name.
    pub named_bytes: u64,
    /// By client and server.
    pub conversations: Top<(IpAddr, IpAddr), Conversation>,
    /// By address.
    pub endpoints: Top<IpAddr, Endpoint>,
    /// By registrable domain, or the name itself where that has none; `None`: flows without a name.
    pub domains: Top<Option<Text>, NameStat>,
    /// By domain and name, and for flows without a name by server.
    pub names: Top<(Option<Text>, Label), NameStat>,
    /// From client to domain.
    pub paths: Top<(IpAddr, Option<Text>), u64>,
    /// By transport, server port and application.
    pub services: Top<ServiceKey, Service>,
    /// Fragments.
    pub fragments: u64,
    /// Flows that have fragments.
    pub fragmented: Top<FragmentedKey, Fragmented>,
}

/// What traffic below a domain is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Name of the server.
    Name(Text),
    /// A server without a name.
    Server(IpAddr),
}

/// Client and server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conversation {
    /// Flows.
    pub flows: u64,
    /// Packets both ways.
    pub packets: u64,
    /// Bytes that the client sent.
    pub sent: u64,
    /// Bytes that the server sent.
    pub received: u64,
}

impl Weighed for Conversation {
    fn weight(&self) -> u64 {
        self.sent + self.received
    }

    fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.sent += other.sent;
        self.received += other.received;
    }
}

/// An address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint {
    /// Bytes that it sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// Packets both ways.
    pub packets: u64,
    /// Bytes of flows in which it was the server.
    pub served: u64,
    /// Flows that it opened.
    pub opened: u64,
    /// Flows that others opened to it.
    pub accepted: u64,
    /// TCP connections that it ended first, by FIN.
    pub closed: u64,
    /// TCP connections that it ended first, by RST; refusals are not among them.
    pub reset: u64,
}

impl Weighed for Endpoint {
    fn weight(&self) -> u64 {
        self.sent + self.received
    }

    fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.packets += other.packets;
        self.served += other.served;
        self.opened += other.opened;
        self.accepted += other.accepted;
        self.closed += other.closed;
        self.reset += other.reset;
    }
}

/// Traffic under a name.
#[derive(Clone, Debug, Default)]
pub struct NameStat {
    /// Flows.
    pub flows: u64,
    /// Bytes that clients sent.
    pub sent: u64,
    /// Bytes that servers sent.
    pub received: u64,
    /// Where the name is known from, in the order in which it was met.
    pub sources: Vec<NameSource>,
    /// Servers behind it, at most 16.
    pub addresses: Vec<IpAddr>,
    /// There were more addresses.
    pub more_addresses: bool,
    /// Application, where all flows have the same.
    pub application: Option<Text>,
    /// TCP handshakes.
    pub handshake: Latency,
    /// Times to the first response.
    pub response: Latency,
    /// Packets of TCP, and how many of them were sent again.
    pub tcp_packets: u64,
    /// TCP segments that were sent again.
    pub retransmissions: u64,
    /// How often clients said that they have no room, reading slower than they are sent.
    pub client_zero_windows: u64,
}

impl NameStat {
    fn flow(&mut self, flow: &FlowRecord, sent_again: u64) {
        self.flows += 1;
        self.sent += flow.sent.bytes;
        self.received += flow.received.bytes;
        if let Some(source) = flow.name_source {
            self.source(source);
        }
        self.address(flow.identity.server_ip);
        if self.flows == 1 {
            self.application.clone_from(&flow.application);
        } else if self.application != flow.application {
            self.application = None;
        }
        flow.handshake_seconds.into_iter().for_each(|s| self.handshake.observe(s));
        flow.first_response_seconds.into_iter().for_each(|s| self.response.observe(s));
        if flow.state.is_some() {
            self.tcp_packets += flow.sent.packets + flow.received.packets;
            self.retransmissions += sent_again;
            self.client_zero_windows += flow.sent.tcp.as_ref().map_or(0, |tcp| tcp.zero_windows);
        }
    }

    fn source(&mut self, source: NameSource) {
        if !self.sources.contains(&source) {
            self.sources.push(source);
        }
    }

    fn address(&mut self, address: IpAddr) {
        if self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() < ADDRESSES {
            self.addresses.push(address);
        } else {
            self.more_addresses = true;
        }
    }
}

impl Weighed for NameStat {
    fn weight(&self) -> u64 {
        self.sent + self.received
    }

    fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.sent += other.sent;
        self.received += other.received;
        other.sources.into_iter().for_each(|source| self.source(source));
        other.addresses.into_iter().for_each(|address| self.address(address));
        if self.application != other.application {
            self.application = None;
        }
        self.more_addresses |= other.more_addresses;
        self.handshake.merge(&other.handshake);
        self.response.merge(&other.response);
        self.tcp_packets += other.tcp_packets;
        self.retransmissions += other.retransmissions;
        self.client_zero_windows += other.client_zero_windows;
    }
}

/// Key of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// IP protocol number.
    pub protocol: u8,
    /// Port of the server; 0 where the protocol has none.
    pub port: u16,
    /// Application, where one is known.
    pub application: Option<Text>,
}

/// Flows to one port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service {
    /// Flows.
    pub flows: u64,
    /// Packets both ways.
    pub packets: u64,
    /// Bytes both ways.
    pub bytes: u64,
    /// Flows whose application was read from the wire.
    pub from_wire: u64,
}

impl Weighed for Service {
    fn weight(&self) -> u64 {
        self.bytes
    }

    fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.from_wire += other.from_wire;
    }
}

/// Transport, client and server of fragmented flows.
pub type FragmentedKey = (u8, IpAddr, IpAddr);

/// Fragments of flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fragmented {
    /// Fragments both ways.
    pub fragments: u64,
    /// Packets both ways.
    pub packets: u64,
}

impl Weighed for Fragmented {
    fn weight(&self) -> u64 {
        self.fragments
    }

    fn merge(&mut self, other: Self) {
        self.fragments += other.fragments;
        self.packets += other.packets;
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            flows: 0,
            bytes: 0,
            named_bytes: 0,
            conversations: Top::new(KEYS),
            endpoints: Top::new(KEYS),
            domains: Top::new(KEYS),
            names: Top::new(KEYS),
            paths: Top::new(KEYS),
            services: Top::new(KEYS),
            fragments: 0,
            fragmented: Top::new(KEYS / 8),
        }
    }
}

impl Traffic {
    pub(super) fn flow(&mut self, flow: &FlowRecord) {
        let (client, server) = (flow.identity.client_ip, flow.identity.server_ip);
        let (sent, received) = (&flow.sent, &flow.received);
        let bytes = sent.bytes + received.bytes;
        let packets = sent.packets + received.packets;
        self.flows += 1;
        self.bytes += bytes;

        let conversation = self.conversations.entry((client, server));
        conversation.flows += 1;
        conversation.packets += packets;
        conversation.sent += sent.bytes;
        conversation.received += received.bytes;

        self.endpoints(flow, bytes, packets);
        self.names(flow, bytes);

        let Protocol(protocol) = flow.identity.transport;
        let service = self.services.entry(ServiceKey {
            protocol,
            port: flow.identity.server_port,
            application: flow.application.clone(),
        });
        service.flows += 1;
        service.packets += packets;
        service.bytes += bytes;
        service.from_wire += u64::from(flow.application_source == Some(ApplicationSource::Wire));

        let fragments = sent.fragments + received.fragments;
        if fragments > 0 {
            self.fragments += fragments;
            let fragmented = self.fragmented.entry((protocol, client, server));
            fragmented.fragments += fragments;
            fragmented.packets += packets;
        }
    }

    fn endpoints(&mut self, flow: &FlowRecord, bytes: u64, packets: u64) {
        let (client, server) = (flow.identity.client_ip, flow.identity.server_ip);
        let refused = matches!(flow.state, Some(TcpState::Refused | TcpState::TimedOut));
        let fin = !matches!(flow.state, Some(TcpState::Reset));
        let mut end = |address: IpAddr, sent: u64, received: u64, peer: Peer| {
            let end = self.endpoints.entry(address);
            end.sent += sent;
            end.received += received;
            end.packets += packets;
            match peer {
                Peer::Client => end.opened += 1,
                Peer::Server => {
                    end.accepted += 1;
                    end.served += bytes;
                }
            }
            if flow.closed_by == Some(peer) && !refused {
                end.closed += u64::from(fin);
                end.reset += u64::from(!fin);
            }
        };
        end(client, flow.sent.bytes, flow.received.bytes, Peer::Client);
        end(server, flow.received.bytes, flow.sent.bytes, Peer::Server);
    }

    fn names(&mut self, flow: &FlowRecord, bytes: u64) {
        let domain = flow.domain.as_ref().or(flow.name.as_ref());
        let label = match &flow.name {
            Some(name) => {
                self.named_bytes += bytes;
                Label::Name(name.clone())
            }
            None => Label::Server(flow.identity.server_ip),
        };
        let again = |tcp: &Option<crate::record::TcpTraffic>| tcp.as_ref().map_or(0, |t| t.retransmissions);
        let again = again(&flow.sent.tcp) + again(&flow.received.tcp);
        self.domains.entry(domain.cloned()).flow(flow, again);
        self.names.entry((domain.cloned(), label)).flow(flow, again);
        *self.paths.entry((flow.identity.client_ip, domain.cloned())) += bytes;
    }
}
