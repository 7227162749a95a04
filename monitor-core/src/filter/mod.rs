//! Expressions that choose flows, records and packets: `port 443 and bytes > 1M`.
//!
//! ```text
//! expression = all { ("or" | "||") all }
//! all        = one { ("and" | "&&") one }
//! one        = ("not" | "!") one | "(" expression ")" | test
//! test       = [ "client" | "server" ] ( "host" | "net" ) [ "=" ] address [ "/" prefix ]
//!            | ( "client" | "server" ) address [ "/" prefix ]
//!            | [ "client" | "server" ] "port" [ "=" | "<" | "<=" | ">" | ">=" ] number [ "-" number ]
//!            | "transport" [ "=" ] ( name | number ) | "tcp" | "udp" | "icmp" | "icmpv6" | "sctp"
//!            | "ipv4" | "ipv6"
//!            | [ "sent" | "received" ] counter [ comparison number [ unit ] ]
//!            | span comparison number unit
//!            | text [ "=" | "!=" ] pattern
//!            | ( "state" | "role" | "scope" ) [ "=" | "!=" ] word
//!            | ( "since" | "before" ) time
//!            | '"' pattern '"'
//! ```
//!
//! Counters, spans and texts are the words of [`Counter`], [`Span`] and [`TextField`]; a counter alone
//! means more than 0. Numbers take K, M, G, T (1000) or Ki, Mi, Gi, Ti (1024), times ns, us, ms, s, m, h,
//! d. Ports may be named as IANA names them. A pattern alone, in quotes, is looked for within names, addresses and all
//! other texts. Patterns know `*` and `?` and no case; in double quotes they may hold anything. What is not known of
//! a subject makes its test false, `!=` included; `not` turns that round.

mod parse;
mod subject;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::label::{Role, Scope, TcpCounter, TcpState, label_enum};
use crate::network::Network;
use crate::record::{Owned, Owner, Peer, Protocol, Text, Time};

pub use parse::{ErrorKind, FilterError};
pub use value::Pattern;

/// Longest expression, bytes.
pub const LENGTH_MAX: usize = 4096;
/// Deepest nesting of parentheses and `not`.
pub const DEPTH_MAX: usize = 64;

/// Makes the set of counters: those of every flow, and behind them those of TCP.
macro_rules! counter {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $variant:ident, $unit:ident $(, $kind:ident $($metric:literal $help:literal)?)?;
    )+) => {
        label_enum! {
            /// A number that is counted in both directions.
            Counter {
                /// Packets on the wire.
                Packets = "packets",
                /// Bytes on the wire.
                Bytes = "bytes",
                /// Bytes of the IP packets.
                IpBytes = "ip_bytes",
                /// TCP or UDP payload.
                PayloadBytes = "payload_bytes",
                /// Bytes per second over the last 2 s; only of active flows.
                Rate = "rate",
                /// IP fragments.
                Fragments = "fragments",
                $($(#[doc = $doc])+ $variant = stringify!($field),)+
            }
        }
    };
}

monitor_common::tcp_counters!(counter);

impl Counter {
    /// The counter of TCP that it is, if it is one.
    pub(crate) fn tcp(self) -> Option<TcpCounter> {
        let at = self.index().checked_sub(Self::COUNT - TcpCounter::COUNT)?;
        TcpCounter::ALL.get(at).copied()
    }
}

label_enum! {
    /// A length of time.
    Span {
        /// Mean round trip; of the side where it is longer.
        Rtt = "rtt",
        /// From the first packet to the last.
        Duration = "duration",
        /// From the SYN to the handshake's last ACK.
        Handshake = "handshake",
        /// From the request to the first response.
        Response = "response",
    }
}

label_enum! {
    /// A text.
    TextField {
        /// Interface that saw it.
        Interface = "interface",
        /// Service of the server's port.
        Service = "service",
        /// Name of the server.
        Name = "name",
        /// Registrable domain of the name, or the name itself if it has none.
        Domain = "domain",
        /// Application protocol.
        Application = "application",
        /// Name of the process that it is of, at either end.
        Process = "process",
        /// Name of the user of that process.
        User = "user",
        /// Unit of systemd of that process, or the last part of its path.
        Unit = "unit",
        /// Name or identifier of its container.
        Container = "container",
        /// Its pod.
        Pod = "pod",
        /// Namespace of its pod.
        Namespace = "namespace",
        /// Whose it is, at either end: `user`, `kernel`, `forwarded` or `unknown`.
        Owner = "owner",
    }
}

impl TextField {
    /// Whether it says whose a flow is.
    const fn is_of_owner(self) -> bool {
        matches!(
            self,
            Self::Process
                | Self::User
                | Self::Unit
                | Self::Container
                | Self::Pod
                | Self::Namespace
                | Self::Owner
        )
    }

    /// What it says of an owner: one of these has to match.
    fn of_owner(self, owner: &Owner) -> [Option<&str>; 2] {
        match self {
            Self::Process => [owner.process.as_ref().map(Text::as_str), None],
            Self::User => [owner.user.as_ref().map(Text::as_str), None],
            Self::Unit => {
                let path = owner.unit.as_ref().map(Text::as_str);
                [path, path.and_then(|path| path.rsplit('/').next())]
            }
            Self::Container => [
                owner
                    .container
                    .as_ref()
                    .map(Text::as_str)
                    .or_else(|| owner.pod_container.as_ref().map(Text::as_str)),
                owner.container_id.as_ref().map(Text::as_str),
            ],
            Self::Pod => [owner.pod.as_ref().map(Text::as_str), None],
            Self::Namespace => [owner.namespace.as_ref().map(Text::as_str), None],
            _ => [None; 2],
        }
    }
}

label_enum! {
    /// A direction of a flow.
    Way {
        /// Client to server.
        Sent = "sent",
        /// Server to client.
        Received = "received",
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the comparisons' own names")]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    /// The operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    /// Whether it holds between two numbers.
    pub const fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
        }
    }
}

/// One test of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The address of a side, or of any.
    Address {
        /// `None`: either.
        side: Option<Peer>,
        /// Which addresses pass.
        network: Network,
    },
    /// The port of a side, or of any.
    Port {
        /// `None`: either.
        side: Option<Peer>,
        /// Lowest port that passes.
        low: u16,
        /// Highest.
        high: u16,
    },
    /// The IP protocol.
    Transport(Protocol),
    /// IP version 6, else 4.
    Ipv6(bool),
    /// A counter.
    Counter {
        /// `None`: both directions together.
        way: Option<Way>,
        /// Which.
        counter: Counter,
        /// How it is compared.
        comparison: Comparison,
        /// With what.
        value: u64,
    },
    /// A length of time.
    Span {
        /// Which.
        span: Span,
        /// How it is compared.
        comparison: Comparison,
        /// With what, ns.
        value: u64,
    },
    /// A text.
    Text {
        /// Which.
        field: TextField,
        /// Whether it must not match.
        negated: bool,
        /// What it must match.
        pattern: Pattern,
    },
    /// The state of a TCP connection.
    State {
        /// Whether it must be another.
        negated: bool,
        /// Which.
        state: TcpState,
    },
    /// What this host is in it.
    Role {
        /// Whether it must be another.
        negated: bool,
        /// Which.
        role: Role,
    },
    /// Where the peer is.
    Scope {
        /// Whether it must be the other.
        negated: bool,
        /// Which.
        scope: Scope,
    },
    /// Something of it happened at this time or later.
    Since(Time),
    /// It began before this time.
    Before(Time),
    /// This is within one of its texts or addresses.
    Anywhere(Pattern),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// All of them hold.
    All(Vec<Self>),
    /// One of them holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A test.
    Test(Test),
}

/// What can be chosen. `None` is "not known", and fails every test.
pub trait Subject {
    /// Address of a side.
    fn ip(&self, side: Peer) -> Option<IpAddr>;
    /// Port of a side; 0 where the protocol has none.
    fn port(&self, side: Peer) -> Option<u16>;
    /// IP protocol number.
    fn protocol(&self) -> Option<u8>;
    /// A counter of one direction.
    fn counter(&self, way: Way, counter: Counter) -> Option<u64>;
    /// A length of time, ns.
    fn span(&self, span: Span) -> Option<u64>;
    /// A text.
    fn text(&self, field: TextField) -> Option<&str>;
    /// State of a TCP connection.
    fn state(&self) -> Option<TcpState>;
    /// What this host is in it.
    fn role(&self) -> Option<Role>;
    /// Where the peer is.
    fn scope(&self) -> Option<Scope>;
    /// First and last time.
    fn times(&self) -> Option<(Time, Time)>;
    /// Interfaces that it passes beside that of [`Self::text`].
    fn further_interfaces(&self) -> &[&str] {
        &[]
    }
    /// Whose it is.
    fn owned(&self) -> Option<&Owned> {
        None
    }
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Expression);

impl Filter {
    /// Whether the subject passes.
    pub fn matches<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        self.0.holds(subject)
    }

    /// Whether each single packet tells whether its flow passes: addresses, ports, transport and IP version of
    /// either side. All else is known only when the flow is over.
    pub fn is_about_packets(&self) -> bool {
        self.0.is_about_packets()
    }

    /// A word of it that says whose a flow is, if there is one: where owners are not asked for, it matches nothing.
    pub fn owner_word(&self) -> Option<TextField> {
        self.0.owner_word()
    }

    /// Whether it asks for a state that is the end of a connection: refused, timed out, closed or reset. Who asks so
    /// means flows that are over, too.
    pub fn asks_for_ended(&self) -> bool {
        self.0.asks_for_ended()
    }

    /// The expression.
    pub const fn expression(&self) -> &Expression {
        &self.0
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(source: &str) -> Result<Self, FilterError> {
        parse::parse(source).map(Self)
    }
}

impl Expression {
    fn owner_word(&self) -> Option<TextField> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::owner_word),
            Self::Not(part) => part.owner_word(),
            Self::Test(Test::Text { field, .. }) => Some(*field).filter(|field| field.is_of_owner()),
            Self::Test(_) => None,
        }
    }

    fn asks_for_ended(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_for_ended),
            Self::Test(Test::State { negated: false, state }) => {
                matches!(state, TcpState::Refused | TcpState::TimedOut | TcpState::Closed | TcpState::Reset)
            }
            Self::Not(_) | Self::Test(_) => false,
        }
    }

    fn is_about_packets(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_about_packets),
            Self::Not(part) => part.is_about_packets(),
            Self::Test(test) => matches!(
                test,
                Test::Address { side: None, .. }
                    | Test::Port { side: None, .. }
                    | Test::Transport(_)
                    | Test::Ipv6(_)
            ),
        }
    }

    fn holds<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(subject)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(subject)),
            Self::Not(part) => !part.holds(subject),
            Self::Test(test) => test.holds(subject),
        }
    }
}

impl Test {
    fn holds<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        match self {
            Self::Address { side, network } => {
                on(*side, |side| subject.ip(side).is_some_and(|ip| network.contains(ip)))
            }
            Self::Port { side, low, high } => {
                on(*side, |side| subject.port(side).is_some_and(|port| (*low..=*high).contains(&port)))
            }
            Self::Transport(protocol) => subject.protocol() == Some(protocol.0),
            Self::Ipv6(wanted) => subject.ip(Peer::Server).is_some_and(|ip| ip.is_ipv6() == *wanted),
            Self::Counter { way, counter, comparison, value } => {
                let of = |way| subject.counter(way, *counter);
                let found = match way {
                    Some(way) => of(*way),
                    None => match (of(Way::Sent), of(Way::Received)) {
                        (None, None) => None,
                        (sent, received) => Some(sent.unwrap_or(0).saturating_add(received.unwrap_or(0))),
                    },
                };
                found.is_some_and(|found| comparison.holds(found, *value))
            }
            Self::Span { span, comparison, value } => {
                subject.span(*span).is_some_and(|found| comparison.holds(found, *value))
            }
            Self::Text { field: TextField::Owner, negated, pattern } => {
                subject.owned().is_some_and(|owned| {
                    owned.classes().any(|class| pattern.matches(class.as_str())) != *negated
                })
            }
            Self::Text { field, negated, pattern } if field.is_of_owner() => {
                let owners = subject.owned().into_iter().flat_map(Owned::users);
                let mut texts = owners.flat_map(|owner| field.of_owner(owner)).flatten().peekable();
                texts.peek().is_some() && texts.any(|text| pattern.matches(text)) != *negated
            }
            Self::Text { field: TextField::Interface, negated, pattern } => {
                subject.text(TextField::Interface).is_some_and(|first| {
                    let further = subject.further_interfaces().iter().any(|name| pattern.matches(name));
                    (further || pattern.matches(first)) != *negated
                })
            }
            Self::Text { field, negated, pattern } => {
                subject.text(*field).is_some_and(|text| pattern.matches(text) != *negated)
            }
            Self::State { negated, state } => subject.state().is_some_and(|s| (s == *state) != *negated),
            Self::Role { negated, role } => subject.role().is_some_and(|r| (r == *role) != *negated),
            Self::Scope { negated, scope } => subject.scope().is_some_and(|s| (s == *scope) != *negated),
            Self::Since(time) => subject.times().is_some_and(|(_, last)| last >= *time),
            Self::Before(time) => subject.times().is_some_and(|(first, _)| first < *time),
            Self::Anywhere(pattern) => {
                let within = |field| subject.text(field).is_some_and(|text| pattern.is_within(text));
                let owners = || subject.owned().into_iter().flat_map(Owned::users);
                let owned = |field: TextField| {
                    owners()
                        .flat_map(|owner| field.of_owner(owner))
                        .flatten()
                        .any(|text| pattern.is_within(text))
                };
                TextField::ALL.into_iter().any(|field| within(field) || owned(field))
                    || subject.further_interfaces().iter().any(|name| pattern.is_within(name))
                    || on(None, |side| subject.ip(side).is_some_and(|ip| pattern.is_within(&ip.to_string())))
            }
        }
    }
}

/// Whether something holds for the side, or for one of them.
fn on(side: Option<Peer>, holds: impl Fn(Peer) -> bool) -> bool {
    match side {
        Some(side) => holds(side),
        None => holds(Peer::Client) || holds(Peer::Server),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses back to the same expression, unless defaults that are written out make it too long.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Test(test) => return test.fmt(f),
            Self::Not(part) if matches!(**part, Self::All(_) | Self::Any(_)) => {
                return write!(f, "not ({part})");
            }
            Self::Not(part) => return write!(f, "not {part}"),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            // Only `and` within `or` needs no parentheses: it binds closer.
            match (self, part) {
                (Self::All(_), Self::All(_) | Self::Any(_)) | (_, Self::Any(_)) => write!(f, "({part})")?,
                _ => part.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |side: &Option<Peer>| side.map_or(String::new(), |side| format!("{} ", side.as_str()));
        let is = |negated: bool| if negated { "!= " } else { "" };
        match self {
            Self::Address { side, network } => write!(f, "{}{network}", of(side)),
            Self::Port { side, low, high } if low == high => write!(f, "{}port {low}", of(side)),
            Self::Port { side, low, high } => write!(f, "{}port {low}-{high}", of(side)),
            Self::Transport(protocol) => write!(f, "transport {protocol}"),
            Self::Ipv6(true) => f.write_str("ipv6"),
            Self::Ipv6(false) => f.write_str("ipv4"),
            Self::Counter { way, counter, comparison, value } => {
                if let Some(way) = way {
                    write!(f, "{way} ")?;
                }
                write!(f, "{counter} {} {value}", comparison.as_str())
            }
            Self::Span { span, comparison, value } => {
                write!(f, "{span} {} {}", comparison.as_str(), value::Duration(*value))
            }
            Self::Text { field, negated, pattern } => write!(f, "{field} {}{pattern}", is(*negated)),
            Self::State { negated, state } => write!(f, "state {}{state}", is(*negated)),
            Self::Role { negated, role } => write!(f, "role {}{role}", is(*negated)),
            Self::Scope { negated, scope } => write!(f, "scope {}{scope}", is(*negated)),
            Self::Since(time) => write!(f, "since {time}"),
            Self::Before(time) => write!(f, "before {time}"),
            Self::Anywhere(pattern) => pattern.quoted(f),
        }
    }
}

#[cfg(test)]
mod tests;
