//! The order of active flows, and the first of an order in bounded memory and work.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use monitor_common::abi::{Direction, Transport};
use monitor_core::flow::{FlowId, FlowView};
use monitor_core::label::TcpCounter;
use serde::Deserialize;

/// By what flows are sorted. Numbers: most first; texts and addresses: first of the alphabet first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Bytes per second over the last 2 s.
    #[default]
    Rate,
    /// Bytes since the flow began.
    Bytes,
    /// Packets since the flow began.
    Packets,
    /// Latest beginning.
    Start,
    /// Latest packet.
    Last,
    /// Bytes that the client sent.
    Sent,
    /// Bytes that the server sent.
    Received,
    /// Bytes that this host received.
    In,
    /// Bytes that this host transmitted.
    Out,
    /// Mean RTT of the side where it is longer.
    Rtt,
    /// TCP retransmissions, both sides.
    Retransmissions,
    /// The client's address and port.
    Client,
    /// The server's address and port.
    Server,
    /// Name of the server.
    Name,
    /// Transport.
    Transport,
    /// What is spoken; where that is not known, what the server's port is for.
    Application,
    /// TCP: its state.
    State,
    /// Interface that saw it.
    Interface,
    /// The process on this host, else what kind of owner it has.
    Process,
}

/// A value to sort by.
#[derive(Clone, Debug)]
enum Key<'a> {
    /// Comes last either way.
    Unknown,
    Number(u64),
    Measure(f64),
    Text(Cow<'a, str>),
    Endpoint(IpAddr, u16),
}

impl Key<'_> {
    fn text(text: Option<&str>) -> Key<'_> {
        text.map_or(Key::Unknown, |text| Key::Text(Cow::Borrowed(text)))
    }

    fn into_owned(self) -> Key<'static> {
        match self {
            Key::Unknown => Key::Unknown,
            Key::Number(n) => Key::Number(n),
            Key::Measure(n) => Key::Measure(n),
            Key::Text(text) => Key::Text(Cow::Owned(text.into_owned())),
            Key::Endpoint(ip, port) => Key::Endpoint(ip, port),
        }
    }

    /// Which comes first.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => b.cmp(a),
            (Key::Measure(a), Key::Measure(b)) => b.total_cmp(a),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (Key::Endpoint(a, p), Key::Endpoint(b, q)) => (a, p).cmp(&(b, q)),
            _ => Ordering::Equal,
        }
    }
}

impl Order {
    /// As it is asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Start => "start",
            Self::Last => "last",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::In => "in",
            Self::Out => "out",
            Self::Rtt => "rtt",
            Self::Retransmissions => "retransmissions",
            Self::Client => "client",
            Self::Server => "server",
            Self::Name => "name",
            Self::Transport => "transport",
            Self::Application => "application",
            Self::State => "state",
            Self::Interface => "interface",
            Self::Process => "process",
        }
    }

    fn key<'a>(self, flow: &'a FlowView<'_>) -> Key<'a> {
        match self {
            Self::Rate => Key::Measure(flow.bytes_per_second()),
            Self::Bytes => Key::Number(flow.bytes()),
            Self::Packets => Key::Number(flow.packets()),
            Self::Start => Key::Number(flow.start),
            Self::Last => Key::Number(flow.last),
            Self::Sent => Key::Number(flow.sent.bytes),
            Self::Received => Key::Number(flow.received.bytes),
            Self::In | Self::Out => {
                let of_client = (self == Self::In) == (flow.sent_direction == Direction::Receive);
                Key::Number(if of_client { flow.sent.bytes } else { flow.received.bytes })
            }
            Self::Rtt => {
                let means = [flow.client_rtt, flow.server_rtt].into_iter().flatten().map(|rtt| rtt.mean);
                means.reduce(f64::max).map_or(Key::Unknown, Key::Measure)
            }
            Self::Retransmissions if flow.transport == Transport::Tcp => {
                let [sent, received] =
                    [&flow.sent, &flow.received].map(|side| side.tcp(TcpCounter::Retransmissions));
                Key::Number(u64::from(sent) + u64::from(received))
            }
            Self::Retransmissions => Key::Unknown,
            Self::Client => Key::Endpoint(flow.client.ip, flow.client.port),
            Self::Server => Key::Endpoint(flow.server.ip, flow.server.port),
            Self::Name => Key::text(flow.name.map(|name| name.text.as_str())),
            Self::Transport => match flow.transport {
                Transport::Other => Key::Text(Cow::Owned(flow.protocol.to_string())),
                known => Key::Text(Cow::Borrowed(known.as_str())),
            },
            Self::Application => Key::text(flow.application.map(|(spoken, _)| spoken).or(flow.service)),
            Self::State => Key::text(flow.state.map(monitor_core::label::TcpState::as_str)),
            Self::Interface => Key::Text(Cow::Borrowed(flow.interface)),
            Self::Process => Key::text(flow.owned.map(|owned| {
                let process = owned.user().and_then(|owner| owner.process.as_ref());
                process.map_or(owned.near.class.as_str(), |process| process.as_str())
            })),
        }
    }
}

/// An order, and whether it is the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sort {
    /// By what.
    pub by: Order,
    /// The other way round: numbers with the least first. What is not known still comes last.
    pub reverse: bool,
}

impl Sort {
    fn compare(self, (x, a): (&Key<'_>, FlowId), (y, b): (&Key<'_>, FlowId)) -> Ordering {
        let unknown = |key: &Key<'_>| matches!(key, Key::Unknown);
        let order = if self.reverse { y.compare(x) } else { x.compare(y) };
        // Equals keep one order from page to page.
        unknown(x).cmp(&unknown(y)).then(order).then(a.slot.cmp(&b.slot))
    }

    fn ranked(self, a: &Ranked, b: &Ranked) -> Ordering {
        self.compare((&a.key, a.id), (&b.key, b.id))
    }
}

/// The first `limit` flows of an order, found part by part in memory for twice as many: what is kept of a flow is its
/// id and what it is sorted by. Of many flows most are looked at once: those behind the last that is kept are left out
/// at once.
#[derive(Debug)]
pub struct Ranking {
    sort: Sort,
    limit: usize,
    best: Vec<Ranked>,
    last: Option<Ranked>,
    matched: usize,
}

#[derive(Clone, Debug)]
struct Ranked {
    key: Key<'static>,
    id: FlowId,
}

impl Ranking {
    /// Memory that one takes at most, names left out.
    pub fn bytes(limit: usize) -> usize {
        limit.saturating_mul(2).saturating_mul(size_of::<Ranked>())
    }

    /// An order of nothing.
    pub const fn new(sort: Sort, limit: usize) -> Self {
        Self { sort, limit, best: Vec::new(), last: None, matched: 0 }
    }

    /// Takes one more flow.
    pub fn offer(&mut self, flow: &FlowView<'_>) {
        self.matched += 1;
        let key = self.sort.by.key(flow);
        let behind = |last: &Ranked| self.sort.compare((&key, flow.id), (&last.key, last.id)).is_gt();
        if self.limit == 0 || self.last.as_ref().is_some_and(behind) {
            return;
        }
        self.best.push(Ranked { key: key.into_owned(), id: flow.id });
        if self.best.len() >= self.limit.saturating_mul(2) {
            let sort = self.sort;
            let (_, least, _) = self.best.select_nth_unstable_by(self.limit - 1, |a, b| sort.ranked(a, b));
            self.last = Some(least.clone());
            self.best.truncate(self.limit);
        }
    }

    /// The first of all, in order, and how many flows there were.
    pub fn finish(mut self) -> (Vec<FlowId>, usize) {
        self.best.sort_unstable_by(|a, b| self.sort.ranked(a, b));
        self.best.truncate(self.limit);
        (self.best.iter().map(|ranked| ranked.id).collect(), self.matched)
    }
}

#[cfg(test)]
pub(crate) mod tests;
