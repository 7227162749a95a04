//! A message as a record.

use super::{DnsError, Entry, Message, RecordType, Section};
use crate::record::{Answer, DnsKind, DnsRecord, Identity, NamedIdentity, Question, Text, Time};

/// Bytes of text that a record may take beyond [`TEXT_PER_BYTE`] times the message.
const TEXT_BASE: usize = 4096;

/// Compression lets a few bytes stand for a long name again and again. Messages of servers stay far below
/// this; one that was made to grow is cut.
const TEXT_PER_BYTE: usize = 16;

/// The upper bits of a response code stand in the time to live of EDNS's own record (RFC 6891, 6.1.3).
fn extend_rcode(rcode: &mut Option<u16>, kind: RecordType, ttl: Option<u32>) {
    if let (RecordType::OPT, Some(rcode), Some(ttl)) = (kind, rcode, ttl) {
        *rcode |= (ttl >> 24 << 4) as u16;
    }
}

/// Copies what a record keeps of a message: questions, answers and authority, as many as can be read.
/// Returns also why not all could be. An update (RFC 2136) has neither answers nor authority: its
/// sections are something else.
pub fn write(
    message: &Message<'_>,
    length: usize,
    kind: DnsKind,
    time: Time,
    identity: Identity,
    latency_seconds: Option<f64>,
) -> (DnsRecord, Option<DnsError>) {
    let mut record = DnsRecord {
        time,
        identity: NamedIdentity(identity),
        kind,
        id: message.id(),
        response: message.is_response(),
        opcode: message.opcode(),
        rcode: message.is_response().then(|| message.rcode()),
        truncated: message.is_truncated(),
        questions: Vec::new(),
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds,
        retransmission: false,
    };
    let mut left = TEXT_BASE + TEXT_PER_BYTE * length;
    for entry in message.entries() {
        let used = match entry {
            Err(error) => {
                // As far as it is there: the rest was not captured, or is in a fragment that never came.
                record.truncated |= error == DnsError::Truncated;
                return (record, Some(error));
            }
            Ok(Entry::Question(question)) => {
                let name = Text::from(&question.name.text());
                let used = name.as_str().len();
                record.questions.push(Question { name, r#type: question.kind.into() });
                used
            }
            Ok(Entry::Record(_)) if message.is_update() => continue,
            Ok(Entry::Record(found)) => {
                let section = match found.section {
                    Section::Answer => &mut record.answers,
                    Section::Authority => &mut record.authority,
                    Section::Additional => {
                        extend_rcode(&mut record.rcode, found.kind, found.ttl);
                        continue;
                    }
                };
                let name = Text::from(&found.name.text());
                let data = found.text();
                let used = name.as_str().len() + data.as_ref().map_or(0, |data| data.as_str().len());
                section.push(Answer { name, r#type: found.kind.into(), ttl: found.ttl, data });
                used
            }
        };
        match left.checked_sub(used) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    (record, None)
}
