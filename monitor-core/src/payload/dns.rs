//! Messages of DNS in their flows.

use monitor_common::abi::{Side, Transport};

use super::{
    context::Context,
    protocol::{Begins, Opening, Protocol, Step},
};
use crate::{
    application::Application,
    names::learn,
    parse::dns::{self, Exchange, Message, Stream, Verdict, record},
    reassembly::GivenUp,
    record::{AnyRecord, DnsKind},
};

/// Port of the `NetBIOS` name service, whose messages look like those of DNS (RFC 1002, 4.2).
const NETBIOS_NAMES: u16 = 137;

/// By port; datagrams on other ports by what they say.
pub(super) fn begins(opening: &Opening<'_>) -> Begins {
    let ports = opening.ports;
    match (dns::kind(ports.0, ports.1), opening.transport) {
        // Whether the flow was seen from its beginning does not matter: what is no message at first glance is
        // passed over.
        (Some(kind), Transport::Tcp) => {
            Begins::Yes(Box::new(Messages { kind, streams: [Stream::midway(), Stream::midway()] }))
        }
        (Some(kind), _) if Message::new(opening.bytes).is_ok_and(|message| !message.is_noise()) => {
            Begins::Message(kind)
        }
        (None, Transport::Udp)
            if opening.first
                && ports.0 != NETBIOS_NAMES
                && ports.1 != NETBIOS_NAMES
                && Message::new(opening.bytes).is_ok_and(|message| message.is_unmistakable()) =>
        {
            Begins::Message(DnsKind::Dns)
        }
        _ => Begins::No,
    }
}

/// Whether a datagram between these ports is expected to be a message.
pub(super) const fn is_expected(ports: (u16, u16)) -> bool {
    dns::kind(ports.0, ports.1).is_some()
}

/// Messages over TCP.
#[derive(Debug)]
struct Messages {
    kind: DnsKind,
    streams: [Stream; 2],
}

impl Protocol for Messages {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        self.streams[to.sender.index()].push(bytes, |bytes| message(to, self.kind, bytes));
        Step::Read(bytes.len())
    }

    fn gap(&mut self, to: &mut Context<'_>, _: u64, _: Option<GivenUp>) {
        self.streams[to.sender.index()].gap();
    }

    fn is_done(&self, _: Side) -> bool {
        false
    }

    fn memory(&self) -> usize {
        self.streams.iter().map(Stream::memory).sum()
    }
}

/// Pairs a message, learns from it and writes its record. Bytes that are too few for a header are no
/// message.
pub(super) fn message(to: &mut Context<'_>, kind: DnsKind, bytes: &[u8]) {
    to.known.application = Some(match kind {
        DnsKind::Dns => Application::Dns,
        DnsKind::Mdns => Application::Mdns,
        DnsKind::Llmnr => Application::Llmnr,
    });
    let message = match Message::new(bytes) {
        Ok(message) => message,
        Err(error) => return to.fail("dns", error.as_str()),
    };
    to.shared.totals.dns_messages += 1;
    // Groups are asked where nobody in particular answers: identifiers do not pair their messages.
    let (verdict, retransmission) =
        if kind == DnsKind::Dns { pair(to, &message) } else { (Verdict::Unsolicited, false) };
    if verdict.names() && message.rcode() == 0 {
        let client = to.ip(to.sender.other());
        learn(&message, client, to.time, &mut to.shared.names, &mut to.shared.public);
    }
    let latency = verdict.latency().map(|ns| ns as f64 / 1e9);
    let (mut record, error) =
        record::write(&message, bytes.len(), kind, to.wall(to.time), to.identity(), latency);
    if let Some(error) = error {
        to.fail("dns", error.as_str());
    }
    record.retransmission = retransmission;
    to.out.push(AnyRecord::Dns(Box::new(record)));
}

/// Finds the query of a response; of a query, says whether it is a retransmission.
fn pair(to: &mut Context<'_>, message: &Message<'_>) -> (Verdict, bool) {
    let client = if message.is_response() { to.sender.other() } else { to.sender };
    let exchange = Exchange {
        client: to.ip(client),
        server: to.ip(client.other()),
        client_port: to.port(client),
        server_port: to.port(client.other()),
        protocol: to.flow.key.protocol,
        id: message.id(),
    };
    if !message.is_response() {
        let retransmission = to.shared.queries.query(exchange, message, to.time);
        return (Verdict::Unsolicited, retransmission);
    }
    let verdict = to.shared.queries.response(&exchange, message, to.time);
    if matches!(verdict, Verdict::OtherQuestion | Verdict::Unsolicited) {
        to.shared.totals.dns_unsolicited += 1;
    }
    (verdict, false)
}
