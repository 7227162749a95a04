//! Active flows and flow records as subjects.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use super::{Counter, Span, Subject, TextField, Way};
use crate::flow::FlowView;
use crate::label::{Role, Scope, TcpState};
use crate::names::Name;
use crate::record::{ApplicationSource, BySide, FlowRecord, Identity, Owned, Peer, RoundTrip, Text, Time};

/// Seconds as nanoseconds.
fn nanoseconds(seconds: f64) -> u64 {
    // A cast from a float saturates.
    (seconds * 1e9).round() as u64
}

fn longer_mean(rtt: BySide<RoundTrip>) -> Option<u64> {
    let mean = |side: Option<RoundTrip>| side.map(|rtt| nanoseconds(rtt.mean));
    mean(rtt.client).max(mean(rtt.server))
}

impl Subject for FlowView<'_> {
    fn ip(&self, side: Peer) -> Option<IpAddr> {
        Some(match side {
            Peer::Client => self.client.ip,
            Peer::Server => self.server.ip,
        })
    }

    fn port(&self, side: Peer) -> Option<u16> {
        Some(match side {
            Peer::Client => self.client.port,
            Peer::Server => self.server.port,
        })
    }

    fn protocol(&self) -> Option<u8> {
        Some(self.protocol)
    }

    fn counter(&self, way: Way, counter: Counter) -> Option<u64> {
        let (sent, rate) = match way {
            Way::Sent => (&self.sent, &self.sent_rate),
            Way::Received => (&self.received, &self.received_rate),
        };
        match counter {
            Counter::Packets => Some(sent.packets),
            Counter::Bytes => Some(sent.bytes),
            Counter::IpBytes => Some(sent.ip_bytes),
            Counter::PayloadBytes => Some(sent.payload_bytes),
            Counter::Rate => Some(rate.bytes as u64),
            Counter::Fragments => Some(sent.fragments.into()),
            of_tcp if self.transport == Transport::Tcp => of_tcp.tcp().map(|c| sent.tcp(c).into()),
            _ => None,
        }
    }

    fn span(&self, span: Span) -> Option<u64> {
        match span {
            Span::Rtt => longer_mean(BySide { client: self.client_rtt, server: self.server_rtt }),
            Span::Duration => Some(self.last.saturating_sub(self.start)),
            Span::Handshake => self.handshake_seconds.map(nanoseconds),
            Span::Response => self.first_response_seconds.map(nanoseconds),
        }
    }

    fn text(&self, field: TextField) -> Option<&str> {
        match field {
            TextField::Interface => Some(self.interface),
            TextField::Service => self.service,
            TextField::Name => self.name.map(|name| name.text.as_str()),
            TextField::Domain => self.name.map(Name::site),
            TextField::Application => self.application.map(|(application, _)| application),
            _ => None,
        }
    }

    fn further_interfaces(&self) -> &[&str] {
        &self.further_interfaces
    }

    fn owned(&self) -> Option<&Owned> {
        self.owned
    }

    fn state(&self) -> Option<TcpState> {
        self.state
    }

    fn role(&self) -> Option<Role> {
        Some(self.role)
    }

    fn scope(&self) -> Option<Scope> {
        Some(self.scope)
    }

    fn times(&self) -> Option<(Time, Time)> {
        Some((Time(self.start), Time(self.last)))
    }
}

/// Who speaks with whom, and nothing else.
impl Subject for Identity {
    fn ip(&self, side: Peer) -> Option<IpAddr> {
        Some(match side {
            Peer::Client => self.client_ip,
            Peer::Server => self.server_ip,
        })
    }

    fn port(&self, side: Peer) -> Option<u16> {
        Some(match side {
            Peer::Client => self.client_port,
            Peer::Server => self.server_port,
        })
    }

    fn protocol(&self) -> Option<u8> {
        Some(self.transport.0)
    }

    fn counter(&self, _: Way, _: Counter) -> Option<u64> {
        None
    }

    fn span(&self, _: Span) -> Option<u64> {
        None
    }

    fn text(&self, _: TextField) -> Option<&str> {
        None
    }

    fn state(&self) -> Option<TcpState> {
        None
    }

    fn role(&self) -> Option<Role> {
        None
    }

    fn scope(&self) -> Option<Scope> {
        None
    }

    fn times(&self) -> Option<(Time, Time)> {
        None
    }
}

impl Subject for FlowRecord {
    fn ip(&self, side: Peer) -> Option<IpAddr> {
        Some(match side {
            Peer::Client => self.identity.client_ip,
            Peer::Server => self.identity.server_ip,
        })
    }

    fn port(&self, side: Peer) -> Option<u16> {
        Some(match side {
            Peer::Client => self.identity.client_port,
            Peer::Server => self.identity.server_port,
        })
    }

    fn protocol(&self) -> Option<u8> {
        Some(self.identity.transport.0)
    }

    fn counter(&self, way: Way, counter: Counter) -> Option<u64> {
        let traffic = match way {
            Way::Sent => &self.sent,
            Way::Received => &self.received,
        };
        match counter {
            Counter::Packets => Some(traffic.packets),
            Counter::Bytes => Some(traffic.bytes),
            Counter::IpBytes => Some(traffic.ip_bytes),
            Counter::PayloadBytes => Some(traffic.payload_bytes),
            Counter::Rate => None,
            Counter::Fragments => Some(traffic.fragments),
            of_tcp => traffic.tcp.as_ref().and_then(|tcp| Some(tcp.get(of_tcp.tcp()?))),
        }
    }

    fn span(&self, span: Span) -> Option<u64> {
        match span {
            Span::Rtt => longer_mean(self.rtt_seconds),
            Span::Duration => Some(self.end.0.saturating_sub(self.start.0)),
            Span::Handshake => self.handshake_seconds.map(nanoseconds),
            Span::Response => self.first_response_seconds.map(nanoseconds),
        }
    }

    fn text(&self, field: TextField) -> Option<&str> {
        let text = match field {
            TextField::Interface => &self.identity.interface,
            // A service is an application that only the port table or the configuration knows.
            TextField::Service if self.application_source != Some(ApplicationSource::Wire) => {
                &self.application
            }
            TextField::Name => &self.name,
            TextField::Domain if self.domain.is_none() => &self.name,
            TextField::Domain => &self.domain,
            TextField::Application => &self.application,
            _ => &None,
        };
        text.as_ref().map(Text::as_str)
    }

    fn state(&self) -> Option<TcpState> {
        self.state
    }

    fn role(&self) -> Option<Role> {
        None
    }

    fn scope(&self) -> Option<Scope> {
        None
    }

    fn times(&self) -> Option<(Time, Time)> {
        Some((self.start, self.end))
    }

    fn owned(&self) -> Option<&Owned> {
        self.identity.owned.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::abi::{Direction, IpVersion};

    use super::*;
    use crate::filter::Filter;
    use crate::flow::{Endpoint, FlowId, Rate, Sent};
    use crate::label::{ClientRule, TcpCounter};
    use crate::record::{NameSource, tests::full};

    fn view(transport: Transport) -> FlowView<'static> {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        let mut sent = Sent { packets: 3, bytes: 300, ..Sent::default() };
        sent.tcp[TcpCounter::Retransmissions.index()] = 1;
        sent.tcp[TcpCounter::Rst.index()] = 2;
        let rtt = RoundTrip { min: 0.001, mean: 0.01, max: 0.1, samples: 3 };
        FlowView {
            id: FlowId { slot: 1, first: 1 },
            record_id: crate::record::Id(1),
            interface: "veth0",
            further_interfaces: Vec::new(),
            ifindex: 7,
            duplicate: false,
            transport,
            protocol: if transport == Transport::Tcp { 6 } else { 17 },
            version: IpVersion::V4,
            client: end("10.0.0.1", 40_000),
            server: end("10.0.0.2", 443),
            client_rule: ClientRule::Syn,
            service: Some("https"),
            name: None,
            application: Some(("tls", ApplicationSource::Wire)),
            owned: None,
            role: Role::Client,
            scope: Scope::Local,
            state: Some(TcpState::Established),
            end: None,
            start: 1_000_000_000,
            last: 4_000_000_000,
            sent,
            received: Sent { packets: 2, bytes: 200, ..Sent::default() },
            sent_direction: Direction::Transmit,
            sent_rate: Rate { bytes: 1500.0, ..Rate::default() },
            received_rate: Rate::default(),
            handshake_seconds: Some(0.002),
            first_response_seconds: None,
            client_rtt: None,
            server_rtt: Some(rtt),
        }
    }

    #[test]
    fn an_active_flow_is_chosen_by_all_that_is_known_of_it() {
        let flow = view(Transport::Tcp);
        for source in [
            "client 10.0.0.1 and server port 443 and tcp and ipv4",
            "bytes = 500 and sent bytes = 300 and received packets = 2",
            "rst and sent rst = 2 and not syn",
            "retransmissions >= 1 and rate > 1K",
            "rtt = 10ms and handshake = 2ms and duration = 3s",
            "interface veth* and service https and state established",
            "application tls and not domain *",
            "role client and scope local",
            "since 1970-01-01T00:00:04Z and before 1970-01-01T00:00:02Z",
            "not response < 1h and not name *",
        ] {
            assert!(source.parse::<Filter>().unwrap().matches(&flow), "{source}");
        }
    }

    #[test]
    fn the_domain_of_an_active_flow_is_what_it_is_counted_under() {
        let filter = |source: &str| source.parse::<Filter>().unwrap();
        for (name, domain) in [("www.example.org", "example.org"), ("router", "router")] {
            let name = Name { text: Text::from(name), source: NameSource::Dns };
            let flow = FlowView { name: Some(&name), ..view(Transport::Tcp) };
            assert!(filter(&format!("domain {domain} and domain *")).matches(&flow), "{domain}");
            assert!(!filter("domain example.net").matches(&flow), "{domain}");
        }
    }

    #[test]
    fn a_flow_is_chosen_by_each_interface_that_it_passes() {
        let flow = FlowView { further_interfaces: vec!["wan0", "br0"], ..view(Transport::Tcp) };
        let matches = |source: &str| source.parse::<Filter>().unwrap().matches(&flow);
        for source in ["interface veth0", "interface wan0", "interface br*", "interface != eth0", "\"wan\""] {
            assert!(matches(source), "{source}");
        }
        for source in ["interface eth0", "interface != wan0", "not interface br0"] {
            assert!(!matches(source), "{source}");
        }
    }

    #[test]
    fn what_only_tcp_counts_is_not_known_of_others() {
        let filter: Filter = "retransmissions >= 0 or rst >= 0".parse().unwrap();
        assert!(!filter.matches(&view(Transport::Udp)));
        assert!(filter.matches(&view(Transport::Tcp)));
    }

    #[test]
    fn the_service_of_a_record_is_what_its_port_says() {
        let filter: Filter = "service http".parse().unwrap();
        let mut record = full();
        assert!(!filter.matches(&record), "known by its bytes");
        record.application_source = Some(ApplicationSource::Port);
        assert!(filter.matches(&record));
    }
}
