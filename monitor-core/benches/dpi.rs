//! Messages a second on one core: hellos of TLS and QUIC, DNS parsed, paired and learnt from, HTTP requests
//! with their responses.
#![expect(clippy::expect_used, reason = "a bench that cannot go on says why")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../../monitor/benches/common/results.rs"]
mod results;

use std::{hint::black_box, net::IpAddr, sync::Arc, time::Instant};

use monitor_common::abi::{Address, FlowKey, Side};
use monitor_core::{
    names::{CacheConfig, NameCache, PublicNames, domain, learn},
    parse::{
        dns::{Entry, Exchange, MatchConfig, Message, QueryTable},
        http::{Connection, Dialect},
        quic::{Initials, Keys, Sealed, seal, suite},
        tls::{self, ClientHello},
    },
    payload::{Payload, PayloadConfig, Payloads, Subject, Talk, Talks, TcpHeader},
    record::{AnyRecord, Carrier, Id},
};
use results::{Found, rounds};
use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE, rdata, rdata::RData};

/// Calls between two readings of the clock, and how often that is done.
const CALLS: u32 = 100_000;
const ROUNDS: usize = 21;

/// Tells how long `each` takes.
fn measure(name: &str, mut each: impl FnMut(u32)) {
    let mut n = 0;
    let mut round = || {
        let begin = Instant::now();
        for _ in 0..CALLS {
            each(n);
            n += 1;
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    round();
    let mut values: Vec<f64> = (0..rounds(ROUNDS, 1)).map(|_| round()).collect();
    Found::median("dpi", name, "ns", &mut values).tell();
}

fn question() -> Question<'static> {
    Question::new(
        Name::new_unchecked("www.example.org"),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    )
}

/// An alias and four addresses, as they come from a content network.
fn response() -> Vec<u8> {
    let mut packet = Packet::new_reply(7);
    packet.questions.push(question());
    let target = Name::new_unchecked("www.example.org.cdn.example.net");
    let alias = RData::CNAME(target.clone().into());
    packet.answers.push(ResourceRecord::new(Name::new_unchecked("www.example.org"), CLASS::IN, 60, alias));
    for n in 0..4 {
        let data = RData::A(rdata::A { address: 0xc000_0200 + n });
        packet.answers.push(ResourceRecord::new(target.clone(), CLASS::IN, 60, data));
    }
    packet.build_bytes_vec_compressed().expect("a message")
}

fn read_all(bytes: &[u8]) -> usize {
    let message = Message::new(bytes).expect("a message");
    message
        .entries()
        .flatten()
        .map(|entry| match entry {
            Entry::Question(question) => question.name.text().as_str().len(),
            Entry::Record(record) => record.name.text().as_str().len(),
        })
        .sum()
}

/// What a client of rustls sends first: one record with a hello.
fn hello() -> Vec<u8> {
    let mut config =
        ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("www.example.org").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a hello");
    bytes
}

/// A client's first datagram (RFC 9000, 17.2.2), padded to what it must have at least.
fn initial(frames: &[u8]) -> Vec<u8> {
    const CONNECTION: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
    let suite = suite(1).expect("version 1");
    let keys = Keys::new(&suite, &CONNECTION, Sealed::ByClient).expect("keys");
    let mut frames = frames.to_vec();
    frames.resize(frames.len().max(1162), 0);
    let mut header = vec![0xc3, 0, 0, 0, 1, 8];
    header.extend(CONNECTION);
    header.extend([0, 0]);
    header.extend((0x4000 | (4 + frames.len() + 16) as u16).to_be_bytes());
    header.extend([0; 4]);
    seal(&keys, &header, &frames)
}

fn hellos() {
    let record = hello();
    let message = record.get(5..).expect("a message in the record");
    measure("tls: hello parsed, with its JA4", |_| {
        let hello = ClientHello::parse(black_box(message), Carrier::Tcp).expect("a hello");
        black_box(hello.ja4);
    });
    measure("tls: hello in one segment of a new flow", |n| {
        let mut connection = tls::Connection::default();
        let read = connection.read(Side::Lower, black_box(&record), u64::from(n));
        assert!(read.hello.is_some());
        black_box(connection.close());
    });
    let mut crypto = vec![6, 0];
    crypto.extend((0x4000 | message.len() as u16).to_be_bytes());
    crypto.extend(message);
    let datagram = initial(&crypto);
    let mut scratch = Vec::new();
    measure("quic: Initial with a hello of a new flow", |n| {
        let mut initials = Initials::default();
        let read = initials.read(Side::Lower, black_box(&datagram), u64::from(n), &mut scratch);
        assert!(read.hello.is_some());
        black_box(initials.close());
    });
}

/// Samples as the kernel side gives them, each flow in a slot that held another one before.
struct Samples {
    payloads: Payloads,
    talks: Talks,
    /// What the slots hold, by the time at which it began.
    begun: Vec<u64>,
    records: Vec<AnyRecord>,
    key: FlowKey,
}

impl Samples {
    const SLOTS: u32 = 1024;

    fn new(protocol: u8, server_port: u16) -> Self {
        let key = FlowKey {
            lower: Address::from_v4_octets([10, 0, 0, 1]),
            upper: Address::from_v4_octets([192, 0, 2, 1]),
            lower_port: 40_000,
            upper_port: server_port,
            protocol,
            ip_version: 4,
            ..FlowKey::default()
        };
        let payloads = Payloads::new(PayloadConfig::default(), 0);
        let begun = vec![0; Self::SLOTS as usize];
        Self { payloads, talks: Talks::default(), begun, records: Vec::new(), key }
    }

    /// The next sample of the `n`th flow: `seq` bytes came before it from its sender. Returns how many
    /// records that gave.
    fn sample(&mut self, n: u32, sender: Side, seq: u32, bytes: &[u8]) -> usize {
        let time = u64::from(n) * 1_000;
        let (slot, first) = (n % Self::SLOTS, time + 1);
        let subject = Subject { slot, key: &self.key, client: Side::Lower, interface: "eth0", owned: None };
        let tcp = (self.key.protocol == 6).then_some(TcpHeader { seq, ack: None, syn: false, urgent: 0 });
        let payload = Payload { time, sender, bytes, length: bytes.len() as u32, tcp };
        let talk = self.talks.at(slot);
        if let Some(begun) = self.begun.get_mut(slot as usize).filter(|begun| **begun != first) {
            *begun = first;
            self.payloads.close(talk, time, &mut self.records);
            *talk = Talk::new(Id(first));
        }
        self.payloads.read(&subject, &payload, talk, &mut self.records);
        self.records.drain(..).count()
    }
}

/// What all of user space costs a sample, but for the ring.
fn samples(query: &[u8], response: &[u8], request: &[u8], answer: &[u8]) {
    let nothing = [0xa5; 1000];
    for (name, protocol) in [("TCP", 6), ("UDP", 17)] {
        let mut flows = Samples::new(protocol, 7_777);
        measure(&format!("sample: first of an unknown flow of {name}"), |n| {
            assert_eq!(flows.sample(n, Side::Lower, 1, black_box(&nothing)), 0);
        });
        measure(&format!("sample: next of an unknown flow of {name}"), |n| {
            flows.sample(7, Side::Lower, 1 + n * 1000, black_box(&nothing));
        });
    }
    let mut flows = Samples::new(6, 443);
    let record = hello();
    let mut told = 0;
    measure("sample: hello in one segment, and its flow", |n| {
        told += flows.sample(n, Side::Lower, 1, black_box(&record));
    });
    assert!(told > 0, "a hello is told when its slot holds another flow");
    let mut flows = Samples::new(17, 53);
    measure("samples: query and response, and their flow", |n| {
        let told = flows.sample(n, Side::Lower, 0, query) + flows.sample(n, Side::Upper, 0, response);
        assert!(told > 0);
    });
    let mut flows = Samples::new(6, 80);
    measure("samples: request and answer, and their flow", |n| {
        let told = flows.sample(n, Side::Lower, 1, request) + flows.sample(n, Side::Upper, 1, answer);
        assert!(told > 0);
    });
}

fn main() {
    hellos();
    let mut packet = Packet::new_query(7);
    packet.questions.push(question());
    let query = packet.build_bytes_vec().expect("a message");
    let response = response();
    measure("dns: response of 5, every entry read", |_| {
        black_box(Message::new(black_box(&response)).expect("a message").entries().count());
    });
    measure("dns: query, all names as text", |_| {
        black_box(read_all(black_box(&query)));
    });
    measure("dns: response of 5, all names as text", |_| {
        black_box(read_all(black_box(&response)));
    });
    measure("dns: response of 5, simple-dns", |_| drop(black_box(Packet::parse(black_box(&response)))));

    let ip = IpAddr::from([10, 0, 0, 1]);
    let mut table = QueryTable::new(MatchConfig::default());
    let mut cache = NameCache::new(CacheConfig::default());
    let mut public = PublicNames::default();
    measure("dns: query and response paired", |n| {
        let exchange =
            Exchange { client: ip, server: ip, client_port: n as u16, server_port: 53, protocol: 17, id: 7 };
        table.query(exchange, &Message::new(&query).expect("a message"), u64::from(n));
        let message = Message::new(&response).expect("a message");
        let verdict = table.response(&exchange, &message, u64::from(n));
        assert!(verdict.names());
    });
    measure("dns: response of 5 learnt from", |n| {
        let client = IpAddr::from((n % 1_000).to_be_bytes());
        let message = Message::new(&response).expect("a message");
        black_box(learn(&message, client, u64::from(n), &mut cache, &mut public));
    });
    measure("names: registrable domain", |_| {
        black_box(domain(black_box("www.some.host.example.co.uk")));
    });

    let request = b"GET /index.html?q=1 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
        Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n";
    let answer =
        b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\n0123456789";
    samples(&query, &response, request, answer);
    let mut connection = Connection::new(Dialect::Known);
    measure("http: request and response", |n| {
        let mut count = 0;
        connection.push(Side::Lower, u64::from(n), request, |_| count += 1);
        connection.push(Side::Upper, u64::from(n), answer, |_| count += 1);
        assert_eq!(count, 2);
    });
    let mut body = Connection::new(Dialect::Known);
    body.push(Side::Upper, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000000\r\n\r\n", |_| ());
    let segment = [0x55; 1448];
    measure("http: segment of a body", |n| {
        body.push(Side::Upper, u64::from(n), black_box(&segment), |_| ());
    });
}
