//! The order of active flows, and the first of an order in bounded memory and work.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use monitor_common::abi::Transport;
use monitor_core::flow::FlowView;
use monitor_core::label::TcpCounter;
use serde::Deserialize;

/// By what flows are sorted. Numbers: most first; texts and addresses: first of the alphabet first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Bytes a second, smoothed.
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
    /// Mean round trip of the side where it is longer.
    Rtt,
    /// TCP segments sent again, by both.
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
}

/// A value to sort by.
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
            Self::Rtt => "rtt",
            Self::Retransmissions => "retransmissions",
            Self::Client => "client",
            Self::Server => "server",
            Self::Name => "name",
            Self::Transport => "transport",
            Self::Application => "application",
            Self::State => "state",
            Self::Interface => "interface",
        }
    }

    fn key<'a>(self, flow: &'a FlowView<'_>) -> Key<'a> {
        match self {
            Self::Rate => Key::Measure(flow.smoothed_bytes()),
            Self::Bytes => Key::Number(flow.bytes()),
            Self::Packets => Key::Number(flow.packets()),
            Self::Start => Key::Number(flow.start),
            Self::Last => Key::Number(flow.last),
            Self::Sent => Key::Number(flow.sent.bytes),
            Self::Received => Key::Number(flow.received.bytes),
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
    fn compare(self, a: &FlowView<'_>, b: &FlowView<'_>) -> Ordering {
        let (x, y) = (self.by.key(a), self.by.key(b));
        let unknown = |key: &Key<'_>| matches!(key, Key::Unknown);
        let order = if self.reverse { y.compare(&x) } else { x.compare(&y) };
        // Equals keep one order from page to page.
        unknown(&x).cmp(&unknown(&y)).then(order).then(a.id.slot.cmp(&b.id.slot))
    }
}

/// The first `limit` flows of an order and how many there are, in memory for twice as many. Of many flows most are
/// looked at once: those behind the last that is kept are left out at once.
pub fn top<'a>(
    flows: impl Iterator<Item = FlowView<'a>>,
    sort: Sort,
    limit: usize,
) -> (Vec<FlowView<'a>>, usize) {
    let mut best: Vec<FlowView<'a>> = Vec::new();
    let mut last: Option<FlowView<'a>> = None;
    let mut matched = 0;
    for flow in flows {
        matched += 1;
        if limit == 0 || last.as_ref().is_some_and(|last| sort.compare(&flow, last).is_gt()) {
            continue;
        }
        best.push(flow);
        if best.len() >= limit.saturating_mul(2) {
            let (_, least, _) = best.select_nth_unstable_by(limit - 1, |a, b| sort.compare(a, b));
            last = Some(least.clone());
            best.truncate(limit);
        }
    }
    best.sort_unstable_by(|a, b| sort.compare(a, b));
    best.truncate(limit);
    (best, matched)
}

#[cfg(test)]
pub(super) mod tests;
