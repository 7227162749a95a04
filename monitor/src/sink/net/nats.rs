//! NATS with JetStream: each record is published with an id, by which the stream takes it once, and acknowledged by the
//! stream that stores it (docs.nats.io, "NATS Protocol" and "JetStream").

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Fault,
    channel::{Channel, Way},
    runner::{Deliver, Delivered, Portion},
};
use crate::{
    clock::Stopwatch,
    config::outputs::{Network, Peer},
    sink::{
        number,
        spool::{Chunk, Kind, frames},
    },
};

/// Bytes of a line or of an acknowledgement at most.
const LONGEST: usize = 1 << 20;
/// The subject of acknowledgements; a number follows, and no other connection has the first part.
const INBOX: &str = "_INBOX.weir";

/// What a server says of itself first.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Info {
    tls_required: bool,
    headers: bool,
    max_payload: u64,
}

impl Default for Info {
    fn default() -> Self {
        Self { tls_required: false, headers: false, max_payload: 1 << 20 }
    }
}

/// What we say of ourselves.
#[derive(Debug, Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    name: &'a str,
    lang: &'a str,
    version: &'a str,
    headers: bool,
    no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

/// An acknowledgement of a stream.
#[derive(Debug, Deserialize)]
struct Acknowledgement {
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
}

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Info(String),
    Pong,
    Ping,
    Okay,
    Error(String),
    /// To which subject, and what; a status line of headers before it.
    Message {
        subject: String,
        status: Option<u16>,
        body: Vec<u8>,
    },
}

/// Publishes records.
pub(super) struct Sender {
    way: Way,
    to: Vec<Peer>,
    turn: usize,
    login: Option<(String, String)>,
    subject: String,
    batch: u64,
    connection: Option<Connection>,
}

struct Connection {
    channel: Channel,
    received: Vec<u8>,
    /// Number of the next message, which its acknowledgement names.
    next: u64,
    max_payload: u64,
    inbox: String,
}

impl Sender {
    pub(super) fn new(way: Way, network: &Network, subject: String) -> Self {
        let login = network.login.as_ref().map(|login| {
            let password = login.password.as_ref().map_or("", |password| password.expose());
            (login.user.clone(), password.to_owned())
        });
        let batch = network.batch.unwrap_or(1_000).into();
        Self { way, to: network.to.clone(), turn: 0, login, subject, batch, connection: None }
    }

    fn connection(&mut self) -> Result<&mut Connection, Fault> {
        if self.connection.is_none() {
            self.turn += 1;
            let peer = self.to.get(self.turn % self.to.len().max(1)).ok_or(Fault::Timeout)?.clone();
            self.connection = Some(self.connect(&peer)?);
        }
        self.connection.as_mut().ok_or(Fault::Timeout)
    }

    fn connect(&self, peer: &Peer) -> Result<Connection, Fault> {
        let channel = self.way.plain(peer)?;
        let mut random = [0; 8];
        // One that is the same as another's would get its acknowledgements, which changes nothing of them.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random);
        let inbox = format!("{INBOX}{:016x}", u64::from_be_bytes(random));
        let mut connection =
            Connection { channel, received: Vec::new(), next: 0, max_payload: 0, inbox: inbox.clone() };
        let Said::Info(info) = connection.hear()? else {
            return Err(Fault::Protocol("it does not begin as NATS does".to_owned()));
        };
        let info: Info = serde_json::from_str(&info).map_err(|error| Fault::Protocol(error.to_string()))?;
        if self.way.is_tls() {
            let Connection { channel, .. } = connection;
            let channel = self.way.begin_tls(channel, &peer.host)?;
            connection = Connection { channel, received: Vec::new(), next: 0, max_payload: 0, inbox };
        } else if info.tls_required {
            return Err(Fault::Tls("it asks for TLS; tls = true".to_owned()));
        }
        if !info.headers {
            return Err(Fault::Protocol(
                "a server without headers (NATS 2.2) has no ids of messages".to_owned(),
            ));
        }
        connection.max_payload = info.max_payload;
        let hello = Connect {
            verbose: false,
            pedantic: false,
            tls_required: self.way.is_tls(),
            name: "weir",
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            headers: true,
            no_responders: true,
            user: self.login.as_ref().map(|(user, _)| user.as_str()),
            pass: self.login.as_ref().map(|(_, password)| password.as_str()),
        };
        let hello = serde_json::to_string(&hello).map_err(|error| Fault::Protocol(error.to_string()))?;
        let lines = format!("CONNECT {hello}\r\nSUB {}.* 1\r\nPING\r\n", connection.inbox);
        connection.channel.send(lines.as_bytes())?;
        let since = Stopwatch::start();
        loop {
            match connection.hear()? {
                Said::Pong => return Ok(connection),
                Said::Error(text) => return Err(Fault::Login(text)),
                _ if since.elapsed() > self.way.patience => return Err(Fault::Timeout),
                _ => {}
            }
        }
    }
}

impl Connection {
    fn hear(&mut self) -> Result<Said, Fault> {
        loop {
            if let Some((said, length)) = parse(&self.received).map_err(Fault::Protocol)? {
                self.received.drain(..length);
                return Ok(said);
            }
            self.channel.receive(&mut self.received)?;
        }
    }

    /// Publishes; the reply goes to the number that it returns.
    fn publish(&mut self, subject: &str, id: Option<&str>, body: &[u8], out: &mut Vec<u8>) -> u64 {
        let number = self.next;
        self.next += 1;
        let reply = format!("{}.{number}", self.inbox);
        let headers = id.map_or_else(
            || "NATS/1.0\r\n\r\n".to_owned(),
            |id| format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n"),
        );
        let total = headers.len() + body.len();
        out.extend_from_slice(format!("HPUB {subject} {reply} {} {total}\r\n", headers.len()).as_bytes());
        out.extend_from_slice(headers.as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
        number
    }
}

/// Reads what is said as long as there is something.
pub(super) fn hear(channel: Channel) {
    let mut connection =
        Connection { channel, received: Vec::new(), next: 0, max_payload: 0, inbox: String::new() };
    while let Ok(said) = connection.hear() {
        match said {
            Said::Info(info) => drop(serde_json::from_str::<Info>(&info)),
            Said::Message { body, .. } => drop(serde_json::from_slice::<Acknowledgement>(&body)),
            Said::Pong | Said::Ping | Said::Okay | Said::Error(_) => {}
        }
    }
}

/// The first thing that is whole, with its length.
fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, String> {
    let Some(end) = bytes.windows(2).take(LONGEST).position(|pair| pair == b"\r\n") else {
        return if bytes.len() > LONGEST { Err("a line does not end".to_owned()) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let after = end + 2;
    let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let said = match verb.to_ascii_uppercase().as_str() {
        "INFO" => Said::Info(rest.to_owned()),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Okay,
        "-ERR" => Said::Error(rest.trim_matches('\'').to_owned()),
        verb @ ("MSG" | "HMSG") => {
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            let length = |at: usize| {
                let word = words.len().checked_sub(at).and_then(|at| words.get(at));
                word.and_then(|word| word.parse::<usize>().ok()).filter(|length| *length <= LONGEST)
            };
            let (head, total) = if verb == "HMSG" { (length(2), length(1)) } else { (Some(0), length(1)) };
            let (Some(head), Some(total), Some(subject)) = (head, total, words.first()) else {
                return Err("a message without its length".to_owned());
            };
            let Some(body) = bytes.get(after..after + total + 2) else { return Ok(None) };
            let headers = String::from_utf8_lossy(body.get(..head).unwrap_or_default());
            let status = headers.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
            let body = body.get(head..total).unwrap_or_default().to_vec();
            let said = Said::Message { subject: (*subject).to_owned(), status, body };
            return Ok(Some((said, after + total + 2)));
        }
        other => return Err(format!("{other:?} is nothing that NATS says")),
    };
    Ok(Some((said, after)))
}

/// What an id is made of: the run's name, which stands in each record.
fn run(body: &[u8]) -> String {
    let name = b"\"run\":\"";
    let at = body.windows(name.len()).position(|part| part == name).map_or(body.len(), |at| at + name.len());
    String::from_utf8_lossy(body.get(at..at + 16).unwrap_or_default()).into_owned()
}

impl Deliver for Sender {
    fn portion(&self) -> Portion {
        Portion { records: self.batch, bytes: 4 << 20, linger: Duration::ZERO }
    }

    fn deliver(&mut self, chunk: &Chunk, _: &mut u64) -> Result<Delivered, Fault> {
        let (base, patience) = (self.subject.clone(), self.way.patience);
        let connection = self.connection()?;
        let (mut out, mut waits, mut refused) = (Vec::new(), BTreeSet::new(), 0);
        let first = connection.next;
        for (frame, _) in frames(&chunk.bytes).filter(|(frame, _)| frame.kind != Kind::Header) {
            if frame.body.len() as u64 + 128 > connection.max_payload {
                refused += u64::from(frame.kind == Kind::Record);
                continue;
            }
            let stream = number::name(frame.stream.into());
            let (subject, id) = match frame.kind {
                Kind::Record => (
                    format!("{base}.{stream}"),
                    Some(format!("{}.{stream}.{}", run(frame.body), frame.number)),
                ),
                Kind::Mark | Kind::Header => (format!("{base}.mark"), None),
            };
            waits.insert(connection.publish(&subject, id.as_deref(), frame.body, &mut out));
        }
        connection.channel.sent = 0;
        connection.channel.send(&out)?;
        let since = Stopwatch::start();
        while !waits.is_empty() {
            if since.elapsed() > patience {
                return Err(Fault::Timeout);
            }
            match connection.hear()? {
                Said::Message { subject, status, body } => {
                    let number = subject.rsplit('.').next().and_then(|number| number.parse().ok());
                    if status == Some(503) {
                        return Err(Fault::Unready(format!(
                            "no stream of JetStream has the subjects {base}.>"
                        )));
                    }
                    let said: Acknowledgement =
                        serde_json::from_slice(&body).map_err(|error| Fault::Protocol(error.to_string()))?;
                    if let Some(refusal) = said.error {
                        return Err(Fault::Unready(refusal.description));
                    }
                    // What comes late is of a batch that was sent again.
                    if let Some(number) = number.filter(|number| *number >= first) {
                        waits.remove(&number);
                    }
                }
                Said::Ping => connection.channel.send(b"PONG\r\n")?,
                Said::Error(text) => return Err(Fault::Unready(text)),
                Said::Info(_) | Said::Pong | Said::Okay => {}
            }
        }
        Ok(Delivered { refused, bytes: connection.channel.sent })
    }

    fn idle(&mut self) -> Result<(), Fault> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.channel.poll(&mut connection.received)?;
        while let Some((said, length)) = parse(&connection.received).map_err(Fault::Protocol)? {
            connection.received.drain(..length);
            match said {
                Said::Ping => connection.channel.send(b"PONG\r\n")?,
                Said::Error(text) => return Err(Fault::Unready(text)),
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_told_apart_and_waited_for_until_it_is_whole() {
        let hmsg = b"HMSG _INBOX.a.7 1 16 18\r\nNATS/1.0 503\r\n\r\n{}\r\nPING\r\n";
        let (said, length) = parse(hmsg).unwrap().unwrap();
        let expected =
            Said::Message { subject: "_INBOX.a.7".to_owned(), status: Some(503), body: b"{}".to_vec() };
        assert_eq!(said, expected);
        assert_eq!(parse(&hmsg[length..]).unwrap(), Some((Said::Ping, 6)));
        for cut in 0..length {
            assert_eq!(parse(&hmsg[..cut]), Ok(None), "{cut}");
        }
        assert!(parse(b"HTTP/1.1 400 Bad Request\r\n").is_err());
        assert!(parse(b"MSG a 1 99999999999\r\n").is_err() && parse(b"MSG\r\n").is_err());
    }
}
