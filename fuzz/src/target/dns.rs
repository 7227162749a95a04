//! DNS: any bytes, and messages that another library wrote.

use std::net::{IpAddr, Ipv4Addr};

use monitor_core::{
    names::{CacheConfig, NameCache, PublicNames, learn},
    parse::dns::{Entry, Exchange, MatchConfig, Message, QueryTable, Stream, public_names},
};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE, rdata, rdata::RData};

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    message(bytes);
    let mut stream = Stream::midway();
    let mut input = Input(bytes);
    let step = usize::from(input.byte()) + 1;
    for piece in input.0.chunks(step) {
        stream.push(piece, message);
        assert!(stream.memory() <= 2 * 65_537 + 64, "{} bytes are held", stream.memory());
    }
    written(Input(bytes));
}

/// Reads all of a message. Work is bounded by its length, whatever its pointers say.
fn message(bytes: &[u8]) {
    let Ok(message) = Message::new(bytes) else { return };
    let _ = (message.is_plausible(), message.is_unmistakable());
    let mut entries = 0;
    for entry in message.entries() {
        entries += 1;
        match entry {
            Ok(Entry::Question(question)) => text(question.name.text().as_str()),
            Ok(Entry::Record(record)) => {
                text(record.name.text().as_str());
                if let Some(data) = record.text() {
                    text(data.as_str());
                }
                for name in public_names(&record) {
                    assert!(name.len() <= bytes.len(), "a name of {} bytes", name.len());
                }
            }
            Err(_) => {}
        }
    }
    assert!(entries <= bytes.len() + 1, "{entries} entries in {} bytes", bytes.len());
    let mut queries = QueryTable::new(MatchConfig::default());
    let mut cache = NameCache::new(CacheConfig::default());
    let mut public = PublicNames::default();
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let exchange = Exchange {
        client: address,
        client_port: 1,
        server: address,
        server_port: 53,
        protocol: 17,
        id: message.id(),
    };
    queries.query(exchange, &message, 1);
    let _ = queries.response(&exchange, &message, 2);
    learn(&message, address, 3, &mut cache, &mut public);
}

fn text(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// A message with names and data of the input's choice is read as it was written.
fn written(mut input: Input<'_>) {
    let mut packet = Packet::new_reply(input.word());
    let mut names = Vec::new();
    for _ in 0..=(input.byte() & 7) {
        let labels: Vec<String> = (0..=(input.byte() & 3))
            .map(|_| {
                let length = usize::from(input.byte() & 15) + 1;
                (0..length).map(|_| char::from(b'a' + input.byte() % 26)).collect()
            })
            .collect();
        names.push(labels.join("."));
    }
    let question = names.first().cloned().unwrap_or_default();
    packet.questions.push(Question::new(
        Name::new_unchecked(&question).into_owned(),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    for name in &names {
        let ttl = u32::from(input.word());
        let data = if input.byte() & 1 == 0 {
            RData::A(rdata::A { address: u32::from(input.word()) })
        } else {
            RData::CNAME(Name::new_unchecked(&question).into_owned().into())
        };
        let owner = Name::new_unchecked(name).into_owned();
        packet.answers.push(ResourceRecord::new(owner, CLASS::IN, ttl, data));
    }
    let Ok(bytes) = packet.build_bytes_vec_compressed() else { return };
    let message = Message::new(&bytes).expect("a header");
    let read: Vec<(String, Option<u32>)> = message
        .entries()
        .map(|entry| match entry.expect("an entry") {
            Entry::Question(question) => (question.name.text().as_str().to_owned(), None),
            Entry::Record(record) => (record.name.text().as_str().to_owned(), record.ttl),
        })
        .collect();
    let expected: Vec<(String, Option<u32>)> = [(question.clone(), None)]
        .into_iter()
        .chain(names.iter().zip(&packet.answers).map(|(name, answer)| (name.clone(), Some(answer.ttl))))
        .collect();
    assert_eq!(read, expected);
}
