//! Who is the client, what this host is in a flow, and where the peer is.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use monitor_common::{
    abi::{self, Direction, FlowKey, Side, Transport, View},
    account,
};

use crate::{
    host::{Listener, LocalNetwork},
    label::{ClientRule, Role, Scope},
    network::Network,
    services::{ServiceTable, is_ephemeral},
};

/// What is known of the host's addresses and sockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    own: HashSet<IpAddr>,
    networks: Vec<LocalNetwork>,
    /// Networks of which every address is this host's.
    inside: Vec<Network>,
    listeners: HashSet<Listener>,
    /// Interfaces that lead outwards, by index.
    uplinks: Vec<u32>,
}

/// What a flow is to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) client: Side,
    pub(crate) rule: ClientRule,
    pub(crate) role: Role,
    pub(crate) scope: Scope,
    /// Both ends are this host.
    pub(crate) within: bool,
    /// Of forwarded traffic the side within the edge that this host is: what it sends is transmitted, what it
    /// gets is received. None: nothing says which, and hooks decide.
    pub(crate) inner: Option<Side>,
}

impl Parties {
    /// Direction, as this host sees it, of what a side sends. Within the host (loopback) it is that
    /// of the flow's server, because the hook's says nothing there: both sides pass both hooks.
    pub(crate) const fn direction(self, view: View, sender: Side) -> Direction {
        if self.within {
            return if sender.index() == self.client.index() {
                Direction::Receive
            } else {
                Direction::Transmit
            };
        }
        if let Some(inner) = self.inner {
            return if sender.index() == inner.index() { Direction::Transmit } else { Direction::Receive };
        }
        account::direction(view, sender)
    }

    /// Whether a side is this host itself.
    pub(crate) const fn is_near(self, side: Side) -> bool {
        let is_client = side.index() == self.client.index();
        self.within
            || match self.role {
                Role::Client => is_client,
                Role::Server => !is_client,
                Role::Forwarded => false,
            }
    }

    /// The side whose data's round trips say how far the peer is: this host's own, and the client's
    /// where neither is.
    pub(crate) const fn near(self) -> Side {
        match self.role {
            Role::Client | Role::Forwarded => self.client,
            Role::Server => self.client.other(),
        }
    }

    /// The side that is not this host; in forwarded traffic the server.
    pub(crate) const fn peer(self) -> Side {
        self.near().other()
    }
}

impl Host {
    /// Returns whether they are others than before.
    pub(crate) fn set_networks(&mut self, networks: &[LocalNetwork]) -> bool {
        if self.networks == networks {
            return false;
        }
        self.own = networks.iter().map(|n| n.address).collect();
        self.networks = networks.to_vec();
        true
    }

    /// Every address in them is this host's: what a capture is looked at from.
    pub(crate) fn set_inside(&mut self, networks: &[Network]) {
        self.inside = networks.to_vec();
    }

    /// Which way the directions of a flow pass by its addresses, if one is this host's. What stays within
    /// the host is received.
    pub(crate) fn view(&self, key: &FlowKey) -> Option<View> {
        match [Side::Lower, Side::Upper].map(|side| self.is_own(ip(key, side))) {
            [true, true] => Some(View::AllReceived),
            [true, false] => Some(View::LowerTransmits),
            [false, true] => Some(View::LowerReceives),
            [false, false] => None,
        }
    }

    /// Returns whether there are new ones. A bound UDP socket with an ephemeral port is a client's
    /// that has not connected it, such as a resolver's.
    pub(crate) fn set_listeners(&mut self, listeners: &[Listener]) -> bool {
        let serves = |l: &&Listener| l.transport != Transport::Udp || !is_ephemeral(l.port);
        let listeners: HashSet<_> = listeners.iter().filter(serves).copied().collect();
        let more = !listeners.is_subset(&self.listeners);
        self.listeners = listeners;
        more
    }

    /// The interfaces that lead outwards. Returns whether they are others than before.
    pub(crate) fn set_uplinks(&mut self, uplinks: &[u32]) -> bool {
        let changed = self.uplinks != uplinks;
        self.uplinks = uplinks.to_vec();
        changed
    }

    /// Settles all questions about a flow. `seen` is what the packets said of the client.
    pub(crate) fn parties(
        &self,
        key: &FlowKey,
        seen: (Side, abi::ClientRule),
        services: &ServiceTable,
    ) -> Parties {
        let (client, rule) = self.client(key, seen, services);
        let client_ip = ip(key, client);
        let server_ip = ip(key, client.other());
        // A group or broadcast address stands for this host when others send to it.
        let (own_client, own_server) = (self.is_own(client_ip), self.is_own(server_ip));
        let (role, within) = match (own_client, own_server) {
            (true, true) => (Role::Server, true),
            (true, false) => (Role::Client, false),
            (false, true) => (Role::Server, false),
            (false, false) if self.is_group(server_ip) => (Role::Server, false),
            (false, false) if self.is_group(client_ip) => (Role::Client, false),
            (false, false) => (Role::Forwarded, false),
        };
        let mut inner = None;
        let near = match role {
            Role::Client => self.is_near(server_ip),
            Role::Server => self.is_near(client_ip),
            Role::Forwarded => {
                let near = [self.is_near(client_ip), self.is_near(server_ip)];
                inner = self.inner(key, client, near);
                near == [true; 2]
            }
        };
        let scope = if near { Scope::Local } else { Scope::Remote };
        Parties { client, rule, role, scope, within, inner }
    }

    /// The inner side of forwarded traffic: at an interface that leads outwards the one whose packets leave by it,
    /// at another one the one whose packets come in. Where no interface is known to lead outwards, the side that is
    /// near where the other is not (`near`: client, server); of two alike the client, as it is on its own host.
    fn inner(&self, key: &FlowKey, client: Side, near: [bool; 2]) -> Option<Side> {
        if self.own.is_empty() {
            // A capture has no edge.
            return None;
        }
        let lower_transmits = match key.view() {
            View::LowerTransmits => Some(true),
            View::LowerReceives => Some(false),
            View::AllReceived | View::AllTransmitted => None,
        };
        match (lower_transmits, near) {
            (Some(lower_transmits), _) if !self.uplinks.is_empty() => {
                let outwards = self.uplinks.contains(&key.ifindex);
                Some(if lower_transmits == outwards { Side::Lower } else { Side::Upper })
            }
            (_, [true, false]) => Some(client),
            (_, [false, true]) => Some(client.other()),
            (two_way, _) => two_way.map(|_| client),
        }
    }

    fn client(
        &self,
        key: &FlowKey,
        (side, rule): (Side, abi::ClientRule),
        services: &ServiceTable,
    ) -> (Side, ClientRule) {
        match rule {
            abi::ClientRule::Syn => return (side, ClientRule::Syn),
            abi::ClientRule::SynAck => return (side, ClientRule::SynAck),
            abi::ClientRule::First => {}
        }
        let transport = Transport::from_protocol(key.protocol);
        let (lower, upper) = (key.lower_port, key.upper_port);
        let listens = |side: Side, port: u16| {
            self.listeners.contains(&Listener { transport, port }) && self.is_own(ip(key, side))
        };
        match (listens(Side::Lower, lower), listens(Side::Upper, upper)) {
            (true, false) => return (Side::Upper, ClientRule::Listener),
            (false, true) => return (Side::Lower, ClientRule::Listener),
            _ => {}
        }
        let fits = |client: u16, server: u16| {
            is_ephemeral(client) && !is_ephemeral(server) && services.is_known(transport, server)
        };
        if fits(lower, upper) {
            return (Side::Lower, ClientRule::Port);
        }
        if fits(upper, lower) {
            return (Side::Upper, ClientRule::Port);
        }
        (side, ClientRule::First)
    }

    /// Exactly an address of this host, or of its loopback network.
    fn is_own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip) || ip.is_loopback() || self.inside.iter().any(|inside| inside.contains(ip))
    }

    /// Multicast, limited broadcast, or the broadcast address of one of the host's networks.
    fn is_group(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V6(ip) => ip.is_multicast(),
            IpAddr::V4(ip) => {
                ip.is_multicast()
                    || ip.is_broadcast()
                    || self.networks.iter().any(|n| match n.address {
                        IpAddr::V4(own) if n.prefix < 31 => {
                            ip.to_bits() == own.to_bits() | u32::MAX.checked_shr(n.prefix.into()).unwrap_or(0)
                        }
                        _ => false,
                    })
            }
        }
    }

    /// In a network of this host, or in a range that the internet does not route.
    fn is_near(&self, ip: IpAddr) -> bool {
        let ranges = match ip {
            IpAddr::V4(ip) => near_v4(ip),
            IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| near_v6(ip), near_v4),
        };
        ranges || self.own.contains(&ip) || self.is_group(ip) || self.networks.iter().any(|n| contains(n, ip))
    }
}

/// Private (RFC 1918), shared (RFC 6598), link-local (RFC 3927), loopback, unspecified.
const fn near_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_private()
        || ip.is_link_local()
        || ip.is_loopback()
        || ip.is_unspecified()
        || (a == 100 && b & 0xc0 == 64)
}

/// Unique local (RFC 4193), link-local (RFC 4291), loopback, unspecified.
const fn near_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback() || ip.is_unspecified()
}

fn contains(network: &LocalNetwork, ip: IpAddr) -> bool {
    match (network.address, ip) {
        // A prefix of 0 would make the whole internet local: such an address says nothing of a network.
        (_, _) if network.prefix == 0 => false,
        (IpAddr::V4(own), IpAddr::V4(ip)) => {
            (own.to_bits() ^ ip.to_bits()).checked_shr(32 - u32::from(network.prefix.min(32))) == Some(0)
        }
        (IpAddr::V6(own), IpAddr::V6(ip)) => {
            (own.to_bits() ^ ip.to_bits()).checked_shr(128 - u32::from(network.prefix.min(128))) == Some(0)
        }
        _ => false,
    }
}

/// Address of a side.
pub(crate) fn ip(key: &FlowKey, side: Side) -> IpAddr {
    key.endpoint(side).0.to_ip(key.version())
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_common::abi::Address;

    fn key(lower: &str, lower_port: u16, upper: &str, upper_port: u16, protocol: u8) -> FlowKey {
        let parse = |text: &str| match text.parse().unwrap() {
            IpAddr::V4(ip) => (Address::from_v4_octets(ip.octets()), 4),
            IpAddr::V6(ip) => (Address::from_octets(ip.octets()), 6),
        };
        let ((lower, version), (upper, _)) = (parse(lower), parse(upper));
        FlowKey {
            lower,
            upper,
            ifindex: 2,
            segment: 0,
            lower_port,
            upper_port,
            protocol,
            ip_version: version,
            view: View::LowerTransmits as u8,
            reserved: 0,
        }
    }

    fn host() -> Host {
        let mut host = Host::default();
        host.set_networks(&[
            LocalNetwork { address: "203.0.113.5".parse().unwrap(), prefix: 24 },
            LocalNetwork { address: "2001:db8::5".parse().unwrap(), prefix: 64 },
        ]);
        host
    }

    const FIRST_LOWER: (Side, abi::ClientRule) = (Side::Lower, abi::ClientRule::First);

    fn role_scope(lower: &str, upper: &str) -> (Role, Scope, bool) {
        let p = host().parties(&key(lower, 1, upper, 2, 6), FIRST_LOWER, &ServiceTable::default());
        (p.role, p.scope, p.within)
    }

    #[test]
    fn own_addresses_not_their_networks_decide_the_role() {
        assert_eq!(role_scope("203.0.113.5", "198.51.100.1"), (Role::Client, Scope::Remote, false));
        assert_eq!(role_scope("198.51.100.1", "203.0.113.5"), (Role::Server, Scope::Remote, false));
        assert_eq!(role_scope("203.0.113.6", "198.51.100.1"), (Role::Forwarded, Scope::Remote, false));
        assert_eq!(role_scope("203.0.113.6", "10.0.0.1"), (Role::Forwarded, Scope::Local, false));
        assert_eq!(role_scope("203.0.113.5", "203.0.113.6"), (Role::Client, Scope::Local, false));
        assert_eq!(role_scope("2001:db8::5", "2001:db8::6"), (Role::Client, Scope::Local, false));
        assert_eq!(role_scope("2001:db8::5", "2001:db8:0:1::6"), (Role::Client, Scope::Remote, false));
    }

    /// Which way what the client sends goes: the client is 192.168.7.2, the lower address or not.
    fn sent(uplinks: &[u32], ifindex: u32, view: View, client: &str, server: &str) -> Direction {
        let mut host = host();
        host.set_uplinks(uplinks);
        let lower_is_client = client.parse::<IpAddr>().unwrap() < server.parse::<IpAddr>().unwrap();
        let (lower, upper) = if lower_is_client { (client, server) } else { (server, client) };
        let side = if lower_is_client { Side::Lower } else { Side::Upper };
        let key = FlowKey { ifindex, view: view as u8, ..key(lower, 1, upper, 2, 6) };
        let parties = host.parties(&key, (side, abi::ClientRule::Syn), &ServiceTable::default());
        assert_eq!(parties.role, Role::Forwarded);
        assert_ne!(parties.direction(key.view(), side), parties.direction(key.view(), side.other()));
        parties.direction(key.view(), side)
    }

    #[test]
    fn a_router_transmits_what_its_lan_sends_wherever_it_is_seen() {
        let (lan, far) = ("10.0.0.2", "198.51.100.1");
        // Seen as it comes in from the LAN (interface 2) or as it leaves to the WAN (3).
        for uplinks in [&[][..], &[3]] {
            assert_eq!(sent(uplinks, 2, View::LowerReceives, lan, far), Direction::Transmit);
            assert_eq!(sent(uplinks, 3, View::LowerTransmits, lan, far), Direction::Transmit);
            // A server in the LAN whose client is beyond the WAN.
            assert_eq!(sent(uplinks, 3, View::LowerTransmits, far, lan), Direction::Receive);
            assert_eq!(sent(uplinks, 2, View::LowerReceives, far, lan), Direction::Receive);
        }
        // Addresses say nothing here: the interface does.
        let (inside, outside) = ("198.51.100.7", "198.51.101.7");
        assert_eq!(sent(&[3], 2, View::LowerReceives, inside, outside), Direction::Transmit);
        assert_eq!(sent(&[3], 3, View::LowerReceives, inside, outside), Direction::Receive);
        // Nothing says anything: as the client sees it.
        assert_eq!(sent(&[], 2, View::LowerReceives, inside, outside), Direction::Transmit);
        assert_eq!(sent(&[], 2, View::LowerTransmits, inside, outside), Direction::Transmit);
    }

    #[test]
    fn unrouted_ranges_are_local() {
        for peer in ["10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1", "100.127.0.1"] {
            assert_eq!(role_scope("203.0.113.5", peer).1, Scope::Local, "{peer}");
        }
        for peer in ["172.32.0.1", "100.128.0.1", "11.0.0.1"] {
            assert_eq!(role_scope("203.0.113.5", peer).1, Scope::Remote, "{peer}");
        }
        for peer in ["fd00::1", "fe80::1"] {
            assert_eq!(role_scope("2001:db8::5", peer).1, Scope::Local, "{peer}");
        }
    }

    #[test]
    fn within_the_host_the_server_counts() {
        assert_eq!(role_scope("127.0.0.1", "127.0.0.1"), (Role::Server, Scope::Local, true));
        let k = key("127.0.0.1", 40_000, "127.0.0.1", 80, 6);
        let p = host().parties(&k, (Side::Lower, abi::ClientRule::Syn), &ServiceTable::default());
        assert_eq!(p.direction(k.view(), Side::Lower), Direction::Receive);
        assert_eq!(p.direction(k.view(), Side::Upper), Direction::Transmit);
    }

    #[test]
    fn what_others_send_to_a_group_is_received_not_forwarded() {
        assert_eq!(role_scope("203.0.113.9", "224.0.0.251"), (Role::Server, Scope::Local, false));
        assert_eq!(role_scope("203.0.113.9", "203.0.113.255"), (Role::Server, Scope::Local, false));
        assert_eq!(role_scope("203.0.113.5", "255.255.255.255"), (Role::Client, Scope::Local, false));
    }

    #[test]
    fn a_handshake_goes_before_a_listener_a_listener_before_the_port_table() {
        let mut host = host();
        let services = ServiceTable::default();
        let k = key("198.51.100.1", 443, "203.0.113.5", 50_000, 6);
        let rule = |host: &Host, seen| {
            let p = host.parties(&k, (Side::Lower, seen), &services);
            (p.client, p.rule)
        };
        assert_eq!(rule(&host, abi::ClientRule::First), (Side::Upper, ClientRule::Port));
        host.set_listeners(&[Listener { transport: Transport::Tcp, port: 50_000 }]);
        assert_eq!(rule(&host, abi::ClientRule::First), (Side::Lower, ClientRule::Listener));
        assert_eq!(rule(&host, abi::ClientRule::SynAck), (Side::Lower, ClientRule::SynAck));
        // The other end's port of the same number is not ours.
        host.set_listeners(&[Listener { transport: Transport::Tcp, port: 443 }]);
        assert_eq!(rule(&host, abi::ClientRule::First), (Side::Upper, ClientRule::Port));
    }

    #[test]
    fn a_bound_udp_socket_with_an_ephemeral_port_is_no_server() {
        let mut host = host();
        let at = |port| [Listener { transport: Transport::Udp, port }];
        let k = key("198.51.100.1", 53, "203.0.113.5", 50_000, 17);
        assert!(!host.set_listeners(&at(50_000)));
        let p = host.parties(&k, FIRST_LOWER, &ServiceTable::default());
        assert_eq!((p.client, p.rule), (Side::Upper, ClientRule::Port));
        assert!(host.set_listeners(&at(5353)));
        assert!(!host.set_listeners(&[]), "fewer are no new ones");
    }

    #[test]
    fn without_a_known_port_the_first_sender_is_the_client() {
        let services = ServiceTable::default();
        let k = key("198.51.100.1", 50_001, "203.0.113.5", 50_000, 17);
        let p = host().parties(&k, (Side::Upper, abi::ClientRule::First), &services);
        assert_eq!((p.client, p.rule), (Side::Upper, ClientRule::First));
    }
}
