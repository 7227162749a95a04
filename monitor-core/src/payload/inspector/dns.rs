//! A message of DNS within its flow.

use super::{At, Common};
use crate::{
    names::learn,
    parse::dns::{Exchange, Message, Verdict, record},
    record::{AnyRecord, DnsKind},
};

/// Pairs a message, learns from it and writes its record. Bytes that are too few for a header are no
/// message.
pub(super) fn message(
    common: &mut Common,
    at: &At<'_>,
    kind: DnsKind,
    bytes: &[u8],
    out: &mut Vec<AnyRecord>,
) {
    let message = match Message::new(bytes) {
        Ok(message) => message,
        Err(error) => return common.count(error),
    };
    common.totals.dns_messages += 1;
    // Groups are asked where nobody in particular answers: identifiers do not pair their messages.
    let verdict = if kind == DnsKind::Dns { pair(common, at, &message) } else { Verdict::Unasked };
    if verdict.names() && message.rcode() == 0 {
        let client = at.ip(at.sender.other());
        learn(&message, client, at.time, &mut common.names, &mut common.public);
    }
    let latency = verdict.latency().map(|ns| ns as f64 / 1e9);
    let (record, error) = record::write(&message, bytes.len(), kind, at.wall(), at.identity(), latency);
    if let Some(error) = error {
        common.count(error);
    }
    out.push(AnyRecord::Dns(Box::new(record)));
}

fn pair(common: &mut Common, at: &At<'_>, message: &Message<'_>) -> Verdict {
    let client = if message.is_response() { at.sender.other() } else { at.sender };
    let exchange = Exchange {
        client: at.ip(client),
        server: at.ip(client.other()),
        client_port: at.port(client),
        server_port: at.port(client.other()),
        protocol: at.subject.key.protocol,
        id: message.id(),
    };
    if !message.is_response() {
        common.queries.query(exchange, message, at.time);
        return Verdict::Unasked;
    }
    let verdict = common.queries.response(&exchange, message, at.time);
    if verdict.latency().is_none() {
        common.totals.dns_unasked += 1;
    }
    verdict
}
