//! A connection to a broker: login, and the three requests that a producer makes.

use std::collections::HashMap;
use std::time::Duration;

use super::{
    Batch,
    batch::Producer,
    scram::{self, SHA_256, SHA_512},
    wire::{Reader, Writer},
};
use crate::{
    config::outputs::{Login, Peer, Sasl},
    sink::net::{
        Fault,
        channel::{Channel, Way},
    },
};

/// Keys of requests (kafka.apache.org/protocol, "Api Keys").
const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const SASL_HANDSHAKE: i16 = 17;
const INIT_PRODUCER_ID: i16 = 22;
const SASL_AUTHENTICATE: i16 = 36;
/// Partitions of a topic, and bytes of a broker's name, that are believed: each partition has the name of its leader.
const PARTITIONS: usize = 100_000;
const NAME: usize = 255;
/// Bytes of an answer at most.
const LONGEST: usize = 16 << 20;

/// Who leads the partitions of a topic, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) leaders: Vec<Peer>,
}

/// A broker that lets us in.
pub(super) struct Connection {
    channel: Channel,
    correlation: i32,
    received: Vec<u8>,
}

fn cut<T>(value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::Protocol("an answer is cut".to_owned()))
}

/// What an error is called.
pub(super) fn error_name(error: i16) -> String {
    let name = match error {
        3 => "unknown topic or partition; make it, or let the broker make topics",
        5 => "the partition has no leader",
        6 => "the broker does not lead the partition any more",
        7 => "the brokers did not agree in time",
        19 => "too few replicas are in sync",
        20 => "too few replicas were in sync after the append",
        29 => "not allowed to write to the topic",
        31 => "not allowed to produce idempotently",
        45 => "a sequence is out of order",
        56 => "the broker's disk failed",
        58 => "wrong user or password",
        59 => "the broker does not know this producer",
        _ => "see \"Error Codes\" of Kafka's protocol",
    };
    format!("error {error} of the broker: {name}")
}

/// Asks all that a producer asks, once, whatever is answered.
pub(super) fn hear(channel: Channel, patience: Duration) {
    let mut connection = Connection { channel, correlation: 0, received: Vec::new() };
    drop(connection.metadata("topic"));
    drop(connection.producer());
    drop(connection.produce("topic", &[], patience));
    for sasl in [Sasl::Plain, Sasl::Scram256] {
        drop(connection.login("ann", "", sasl));
    }
}

impl Connection {
    pub(super) fn open(way: &Way, peer: &Peer, login: Option<&Login>, sasl: Sasl) -> Result<Self, Fault> {
        let mut connection = Self { channel: way.connect(peer)?, correlation: 0, received: Vec::new() };
        if let Some(login) = login {
            let password = login.password.as_ref().map_or("", |password| password.expose());
            connection.login(&login.user, password, sasl)?;
        }
        Ok(connection)
    }

    /// Sends a request and waits for its answer, without its header.
    fn ask(&mut self, key: i16, version: i16, write: impl FnOnce(&mut Writer)) -> Result<Vec<u8>, Fault> {
        self.correlation = self.correlation.wrapping_add(1);
        let mut request = Writer::request(key, version, self.correlation);
        write(&mut request);
        self.channel.send(&request.end())?;
        loop {
            if let Some(length) = self.received.first_chunk() {
                let length = u32::from_be_bytes(*length) as usize;
                if !(4..=LONGEST).contains(&length) {
                    return Err(Fault::Protocol("it does not speak as Kafka does".to_owned()));
                }
                if self.received.len() >= 4 + length {
                    let mut answer: Vec<u8> = self.received.drain(..4 + length).skip(4).collect();
                    let rest = answer.split_off(4);
                    if answer != self.correlation.to_be_bytes() {
                        return Err(Fault::Protocol("an answer to something else".to_owned()));
                    }
                    return Ok(rest);
                }
            }
            self.channel.receive(&mut self.received)?;
        }
    }

    fn login(&mut self, user: &str, password: &str, sasl: Sasl) -> Result<(), Fault> {
        let answer = self.ask(SASL_HANDSHAKE, 1, |request| request.string(Some(sasl.as_str())))?;
        let error = cut(Reader(&answer).int16())?;
        if error != 0 {
            return Err(Fault::Login(format!("the broker has no {}", sasl.as_str())));
        }
        let mechanism = match sasl {
            Sasl::Plain => {
                self.authenticate(format!("\0{user}\0{password}").as_bytes())?;
                return Ok(());
            }
            Sasl::Scram256 => SHA_256,
            Sasl::Scram512 => SHA_512,
        };
        let not_understood = || Fault::Login("the broker's proof cannot be read".to_owned());
        let mut scram = scram::Login::new(mechanism, user).ok_or_else(not_understood)?;
        let said = self.authenticate(scram.first().as_bytes())?;
        let proof = scram.proof(&said, password).ok_or_else(not_understood)?;
        let said = self.authenticate(proof.as_bytes())?;
        if scram.is_server(&said) {
            return Ok(());
        }
        Err(Fault::Login("the broker does not know the password".to_owned()))
    }

    fn authenticate(&mut self, bytes: &[u8]) -> Result<String, Fault> {
        let answer = self.ask(SASL_AUTHENTICATE, 0, |request| request.bytes(bytes))?;
        let mut answer = Reader(&answer);
        let (error, text) = (cut(answer.int16())?, cut(answer.string())?);
        if error != 0 {
            return Err(Fault::Login(if text.is_empty() { error_name(error) } else { text }));
        }
        Ok(String::from_utf8_lossy(cut(answer.bytes())?).into_owned())
    }

    /// Who leads the partitions of a topic (version 1).
    pub(super) fn metadata(&mut self, topic: &str) -> Result<Cluster, Fault> {
        let answer = self.ask(METADATA, 1, |request| {
            request.int32(1);
            request.string(Some(topic));
        })?;
        let mut answer = Reader(&answer);
        let mut brokers = HashMap::new();
        for _ in 0..cut(answer.length())? {
            let (id, host, port) = (cut(answer.int32())?, cut(answer.string())?, cut(answer.int32())?);
            cut(answer.string())?;
            if host.len() > NAME {
                return Err(Fault::Protocol("a broker's name is too long".to_owned()));
            }
            brokers.insert(id, Peer { host, port: u16::try_from(port).unwrap_or(0) });
        }
        cut(answer.int32())?;
        if cut(answer.length())? == 0 {
            return Err(Fault::Unready(error_name(3)));
        }
        let error = cut(answer.int16())?;
        cut(answer.string())?;
        cut(answer.int8())?;
        if error != 0 {
            return Err(Fault::Unready(error_name(error)));
        }
        let mut leaders: Vec<(i32, Peer)> = Vec::new();
        for _ in 0..cut(answer.length())? {
            cut(answer.int16())?;
            let (partition, leader) = (cut(answer.int32())?, cut(answer.int32())?);
            for _ in 0..2 {
                for _ in 0..cut(answer.length())? {
                    cut(answer.int32())?;
                }
            }
            if leaders.len() >= PARTITIONS {
                return Err(Fault::Protocol(format!("a topic of more than {PARTITIONS} partitions")));
            }
            let leader = brokers.get(&leader).ok_or_else(|| Fault::Unready(error_name(5)))?;
            leaders.push((partition, leader.clone()));
        }
        leaders.sort_by_key(|(partition, _)| *partition);
        Ok(Cluster { leaders: leaders.into_iter().map(|(_, leader)| leader).collect() })
    }

    /// A number for this producer (version 0).
    pub(super) fn producer(&mut self) -> Result<Producer, Fault> {
        let answer = self.ask(INIT_PRODUCER_ID, 0, |request| {
            request.string(None);
            request.int32(0);
        })?;
        let mut answer = Reader(&answer);
        cut(answer.int32())?;
        let error = cut(answer.int16())?;
        if error != 0 {
            return Err(Fault::Unready(error_name(error)));
        }
        Ok(Producer { id: cut(answer.int64())?, epoch: cut(answer.int16())? })
    }

    /// Has a broker append batches, each to its partition, and all replicas in sync take them (version 3). The errors
    /// by partition.
    pub(super) fn produce(
        &mut self,
        topic: &str,
        batches: &[Batch],
        patience: Duration,
    ) -> Result<HashMap<usize, i16>, Fault> {
        let answer = self.ask(PRODUCE, 3, |request| {
            request.string(None);
            request.int16(-1);
            request.int32(patience.as_millis() as i32);
            request.int32(1);
            request.string(Some(topic));
            request.int32(batches.len() as i32);
            for (partition, bytes, _) in batches {
                request.int32(*partition as i32);
                request.bytes(bytes);
            }
        })?;
        let mut answer = Reader(&answer);
        let mut errors = HashMap::new();
        for _ in 0..cut(answer.length())? {
            cut(answer.string())?;
            for _ in 0..cut(answer.length())? {
                let (partition, error) = (cut(answer.int32())?, cut(answer.int16())?);
                cut(answer.int64())?;
                cut(answer.int64())?;
                errors.insert(partition as usize, error);
            }
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write as _},
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    /// What is made of an answer to the question who leads the partitions of a topic.
    fn metadata(length: Option<u32>, answer: Vec<u8>) -> Result<Cluster, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut broker = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        let length = length.unwrap_or(4 + answer.len() as u32);
        // It may be hung up on before it has said all.
        let says = thread::spawn(move || {
            let _ = broker.write_all(&[&length.to_be_bytes()[..], &1_u32.to_be_bytes(), &answer].concat());
            // Whoever hangs up with a question unread takes back what was answered.
            let _ = io::copy(&mut broker, &mut io::sink());
        });
        let mut connection = Connection { channel: Channel::to(ours), correlation: 0, received: Vec::new() };
        let cluster = connection.metadata("topic");
        drop(connection);
        says.join().unwrap();
        cluster
    }

    /// A topic of so many partitions, all led by a broker whose name is so long.
    fn topic(partitions: i32, name: usize) -> Vec<u8> {
        let mut answer = Writer::default();
        answer.int32(1);
        answer.int32(7);
        answer.string(Some(&"n".repeat(name)));
        answer.int32(9092);
        answer.string(None);
        answer.int32(7);
        answer.int32(1);
        answer.int16(0);
        answer.string(Some("topic"));
        answer.int8(0);
        answer.int32(partitions);
        for partition in 0..partitions {
            answer.int16(0);
            answer.int32(partition);
            answer.int32(7);
            // Neither replicas nor those in sync.
            answer.int32(0);
            answer.int32(0);
        }
        answer.0
    }

    #[test]
    fn what_a_broker_declares_without_end_is_refused() {
        assert_eq!(metadata(None, topic(3, NAME)).unwrap().leaders.len(), 3);
        let refused = |length, answer| metadata(length, answer).unwrap_err().to_string();
        let many = refused(None, topic(PARTITIONS as i32 + 1, 9));
        assert!(many.contains("more than 100000 partitions"), "{many}");
        assert!(refused(None, topic(3, NAME + 1)).contains("name is too long"));
        let endless = refused(Some(LONGEST as u32 + 1), vec![0; 64]);
        assert!(endless.contains("does not speak as Kafka does"), "{endless}");
    }
}
