//! Writes messages byte by byte: right ones and wrong ones.

use std::net::IpAddr;

use crate::{
    parse::dns::{Message, record},
    record::{Answer, DnsKind, DnsRecord, Id, Identity, Protocol, Time},
};

/// A message that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) bytes: Vec<u8>,
}

impl Build {
    /// A header without any section.
    pub(crate) fn new(id: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 12];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        Self { bytes }
    }

    /// A query for one name.
    pub(crate) fn query(id: u16, name: &str, kind: u16) -> Self {
        Self::new(id, 0x0100).question(name, kind)
    }

    /// A response that repeats the question.
    pub(crate) fn response(id: u16, name: &str, kind: u16) -> Self {
        Self::new(id, 0x8180).question(name, kind)
    }

    fn count(&mut self, section: usize) {
        let at = 4 + 2 * section;
        let count = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]) + 1;
        self.bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn question(mut self, name: &str, kind: u16) -> Self {
        self.count(0);
        self.raw(&wire(name)).raw(&kind.to_be_bytes()).raw(&[0, 1])
    }

    /// A record of section 1 (answer), 2 (authority) or 3 (additional), its owner as bytes.
    pub(crate) fn record_of(
        mut self,
        section: usize,
        owner: &[u8],
        kind: u16,
        ttl: u32,
        data: &[u8],
    ) -> Self {
        self.count(section);
        let length = (data.len() as u16).to_be_bytes();
        self.raw(owner).raw(&kind.to_be_bytes()).raw(&[0, 1]).raw(&ttl.to_be_bytes()).raw(&length).raw(data)
    }

    pub(crate) fn answer(self, owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Self {
        self.record_of(1, &wire(owner), kind, ttl, data)
    }

    pub(crate) fn announce(mut self, section: usize, count: u16) -> Self {
        let at = 4 + 2 * section;
        self.bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
        self
    }

    /// Behind the length that TCP wants.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let mut out = (self.bytes.len() as u16).to_be_bytes().to_vec();
        out.extend_from_slice(&self.bytes);
        out
    }
}

/// A name as labels, without compression.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// The record of a message.
pub(crate) fn record(bytes: &[u8]) -> (DnsRecord, Option<crate::parse::dns::DnsError>) {
    let message = Message::new(bytes).unwrap();
    let ip = IpAddr::from([192, 0, 2, 1]);
    let identity = Identity {
        id: Id(1),
        transport: Protocol(17),
        client_ip: ip,
        client_port: 4000,
        server_ip: ip,
        server_port: 53,
        interface: None,
        owned: None,
    };
    record::write(&message, bytes.len(), DnsKind::Dns, Time::from_clock(0, 0), identity, None)
}

/// Owner, type, time and data of records as one line each.
pub(crate) fn lines(records: &[Answer]) -> Vec<String> {
    let text = |a: &Answer| {
        let ttl = a.ttl.map_or("-".into(), |ttl| ttl.to_string());
        format!("{} {} {} {}", a.name, a.r#type, ttl, a.data.as_ref().map_or("-", |data| data.as_str()))
    };
    records.iter().map(text).collect()
}
