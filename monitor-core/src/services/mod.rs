//! Which service a server port stands for.

mod ports;

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use monitor_common::abi::Transport;
use ports::PORTS;

/// Transports of a registered port, as bits.
type Transports = u8;
const T: Transports = 1;
const U: Transports = 2;
const S: Transports = 4;
const TU: Transports = T | U;
const TS: Transports = T | S;
const TUS: Transports = T | U | S;

/// Port, transports, registered name.
type Entry = (u16, Transports, &'static str);

/// Longest name that a configuration may give, bytes: the length of a DNS label.
const NAME_MAX: usize = 63;

/// Transports that have services; the others have no ports.
const WITH_PORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Sctp];

/// A port as the configuration writes it: `5030` (of every transport) or `5030/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Port number, not 0.
    pub port: u16,
    /// `None`: of TCP, UDP and SCTP.
    pub transport: Option<Transport>,
}

/// What is wrong with an entry of `[services]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceError {
    /// The text before the `/` is no port number from 1 to 65535.
    Port(String),
    /// The text after the `/` is none of `tcp`, `udp`, `sctp`.
    Transport(String),
    /// The name of this port is longer than 63 bytes, or holds `=` or something other than printable ASCII.
    Name(ServicePort),
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(text) => write!(f, "service port {text:?}: use a number from 1 to 65535"),
            Self::Transport(text) => {
                write!(f, "service transport {text:?}: use one of tcp, udp, sctp")
            }
            Self::Name(at) => {
                write!(
                    f,
                    "name of service {at}: use at most {NAME_MAX} printable ASCII characters without `=`"
                )
            }
        }
    }
}

impl std::error::Error for ServiceError {}

impl std::fmt::Display for ServicePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.transport {
            Some(transport) => write!(f, "{}/{}", self.port, transport.as_str()),
            None => write!(f, "{}", self.port),
        }
    }
}

impl FromStr for ServicePort {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let (port, transport) = match text.split_once('/') {
            Some((port, transport)) => (port, Some(transport)),
            None => (text, None),
        };
        let port = port.parse().ok().filter(|&p| p != 0).ok_or_else(|| ServiceError::Port(port.into()))?;
        let transport = match transport {
            None => None,
            Some(name) => Some(
                WITH_PORTS
                    .into_iter()
                    .find(|t| t.as_str() == name)
                    .ok_or_else(|| ServiceError::Transport(name.into()))?,
            ),
        };
        Ok(Self { port, transport })
    }
}

/// Names of server ports: the built-in ones of the IANA registry, and over them the configured ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    configured: HashMap<(Transport, u16), Box<str>>,
    /// Configured names that more than one port has, those of the registry included.
    shared: HashSet<Box<str>>,
}

impl ServiceTable {
    /// The registry's names with these over them. An entry with a transport goes before one without,
    /// whatever their order; an empty name takes the port's name away.
    ///
    /// # Errors
    /// [`ServiceError::Name`] for a name that cannot be a label value.
    pub fn new<I, N>(configured: I) -> Result<Self, ServiceError>
    where
        I: IntoIterator<Item = (ServicePort, N)>,
        N: AsRef<str>,
    {
        let mut table = Self::default();
        let mut specific = HashMap::new();
        for (at, name) in configured {
            let name = name.as_ref();
            if name.len() > NAME_MAX || !name.bytes().all(|b| b.is_ascii_graphic() && b != b'=' || b == b' ')
            {
                return Err(ServiceError::Name(at));
            }
            match at.transport {
                Some(transport) => {
                    specific.insert((transport, at.port), name.into());
                }
                None => {
                    table.configured.extend(WITH_PORTS.map(|t| ((t, at.port), Box::from(name))));
                }
            }
        }
        table.configured.extend(specific);
        let mut ports: HashMap<&str, HashSet<u16>> = HashMap::new();
        for ((_, port), name) in &table.configured {
            ports.entry(name).or_default().insert(*port);
        }
        for (port, _, name) in PORTS {
            let renamed = WITH_PORTS.iter().any(|t| table.configured.contains_key(&(*t, port)));
            if let Some(ports) = ports.get_mut(name).filter(|_| !renamed) {
                ports.insert(port);
            }
        }
        let shared = ports.into_iter().filter(|(name, ports)| !name.is_empty() && ports.len() > 1);
        table.shared = shared.map(|(name, _)| name.into()).collect();
        Ok(table)
    }

    /// Whether a configured name is that of several ports, so that it alone does not say which.
    pub fn is_shared(&self, name: &str) -> bool {
        self.shared.contains(name)
    }

    /// The service of a port, or an empty string where none is known: the port itself is a label of
    /// its own, and an empty label value is no label to Prometheus.
    pub fn name(&self, transport: Transport, port: u16) -> &str {
        match self.configured.get(&(transport, port)) {
            Some(name) => name,
            None => registered(transport, port).unwrap_or(""),
        }
    }

    /// Whether the port has a service: one of the two grounds for taking its side for the server.
    pub fn is_known(&self, transport: Transport, port: u16) -> bool {
        !self.name(transport, port).is_empty()
    }

    /// Whether the configuration gives the port its service.
    pub fn is_configured(&self, transport: Transport, port: u16) -> bool {
        self.configured.get(&(transport, port)).is_some_and(|name| !name.is_empty())
    }

    /// How many configured names there are, one for each transport.
    pub fn configured(&self) -> usize {
        self.configured.len()
    }
}

/// Whether a port is one that systems hand out to clients: Linux's default range (32768 to 60999,
/// `net.ipv4.ip_local_port_range`) or the dynamic ports of RFC 6335, section 6 (49152 to 65535), which
/// together leave no gap.
pub const fn is_ephemeral(port: u16) -> bool {
    port >= 32_768
}

/// The port of a registered name, the lowest where several have it.
pub fn port(name: &str) -> Option<u16> {
    PORTS.iter().find(|(.., registered)| *registered == name).map(|(port, ..)| *port)
}

fn registered(transport: Transport, port: u16) -> Option<&'static str> {
    let bit = match transport {
        Transport::Tcp => T,
        Transport::Udp => U,
        Transport::Sctp => S,
        Transport::Icmp | Transport::Icmpv6 | Transport::Other => return None,
    };
    let from = PORTS.partition_point(|&(p, ..)| p < port);
    PORTS
        .iter()
        .skip(from)
        .take_while(|&&(p, ..)| p == port)
        .find(|&&(_, transports, _)| transports & bit != 0)
        .map(|&(.., name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, &str)]) -> Result<ServiceTable, ServiceError> {
        let parsed: Result<Vec<_>, _> =
            entries.iter().map(|&(port, name)| Ok((port.parse::<ServicePort>()?, name))).collect();
        ServiceTable::new(parsed?)
    }

    #[test]
    fn a_configured_name_of_several_ports_is_known_as_such() {
        let t = table(&[("8001", "intranet"), ("8002/tcp", "intranet"), ("8003", "one"), ("8443", "https")])
            .unwrap();
        let shared = ["intranet", "one", "https", "ssh"].map(|name| t.is_shared(name));
        assert_eq!(shared, [true, false, true, false]);
        assert!(!table(&[("443", "https")]).unwrap().is_shared("https"));
    }

    #[test]
    fn registered_ports_have_their_name() {
        let t = ServiceTable::default();
        assert_eq!(t.name(Transport::Tcp, 443), "https");
        assert_eq!(t.name(Transport::Udp, 443), "https");
        assert_eq!(t.name(Transport::Udp, 53), "domain");
        assert_eq!(t.name(Transport::Sctp, 36412), "s1-control");
        assert_eq!(t.name(Transport::Tcp, 1), "tcpmux");
        assert_eq!(t.name(Transport::Udp, 47808), "bacnet");
    }

    #[test]
    fn transports_of_one_port_may_differ() {
        let t = ServiceTable::default();
        assert_eq!(t.name(Transport::Tcp, 514), "shell");
        assert_eq!(t.name(Transport::Udp, 514), "syslog");
        assert_eq!(t.name(Transport::Udp, 22), "");
        assert_eq!(t.name(Transport::Icmp, 80), "");
    }

    #[test]
    fn an_unknown_port_has_an_empty_name() {
        let t = ServiceTable::default();
        for port in [0, 3, 5030, 65535] {
            assert_eq!(t.name(Transport::Tcp, port), "");
            assert!(!t.is_known(Transport::Tcp, port));
        }
    }

    #[test]
    fn the_table_ascends_and_names_each_port_and_transport_once() {
        for pair in PORTS.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            assert!(a.0 < b.0 || (a.0 == b.0 && a.1 & b.1 == 0 && a.2 != b.2), "{pair:?}");
        }
        // The syntax of service names, RFC 6335, 5.1.
        for &(port, _, name) in &PORTS {
            let syntax = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!((1..=15).contains(&name.len()) && syntax, "{port} {name}");
        }
    }

    #[test]
    fn the_configuration_goes_before_the_registry() {
        let t = table(&[("5030", "htcpcp"), ("443/udp", "quic"), ("80", "")]).unwrap();
        assert_eq!(t.name(Transport::Tcp, 5030), "htcpcp");
        assert_eq!(t.name(Transport::Sctp, 5030), "htcpcp");
        assert!(t.is_known(Transport::Udp, 5030));
        assert_eq!(t.name(Transport::Udp, 443), "quic");
        assert_eq!(t.name(Transport::Tcp, 443), "https");
        assert!(!t.is_known(Transport::Tcp, 80));
    }

    #[test]
    fn an_entry_with_a_transport_goes_before_one_without_in_any_order() {
        for entries in [[("7/udp", "a"), ("7", "b")], [("7", "b"), ("7/udp", "a")]] {
            let t = table(&entries).unwrap();
            assert_eq!((t.name(Transport::Udp, 7), t.name(Transport::Tcp, 7)), ("a", "b"));
        }
    }

    #[test]
    fn wrong_entries_say_what_is_wrong() {
        for port in ["", "0", "65536", "http", "-1", " 80", "/tcp"] {
            assert!(matches!(table(&[(port, "x")]), Err(ServiceError::Port(_))), "{port}");
        }
        for port in ["80/", "80/icmp", "80/TCP", "80/tcp/udp"] {
            assert!(matches!(table(&[(port, "x")]), Err(ServiceError::Transport(_))), "{port}");
        }
        let long = "x".repeat(64);
        for name in ["a\nb", "é", "\u{202e}", long.as_str()] {
            let error = table(&[("80/tcp", name)]).unwrap_err();
            assert!(error.to_string().contains("80/tcp"), "{error}");
        }
    }

    #[test]
    fn ephemeral_ports_begin_where_linux_begins() {
        assert!(!is_ephemeral(32_767) && is_ephemeral(32_768));
        assert!(is_ephemeral(60_999) && is_ephemeral(61_000) && is_ephemeral(65_535));
    }
}
