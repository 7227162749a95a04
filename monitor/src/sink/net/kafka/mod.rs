//! Kafka: an idempotent producer (KIP-98). Each partition has a sequence of this producer's records; a batch that is sent
//! again has the numbers of before, and a broker that has it already says so and stores it once.
//!
//! Versions of requests are those that brokers from 0.11 to 4 speak: none has tagged fields.

mod batch;
mod connection;
mod scram;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use self::{
    batch::{Producer, batch, partition},
    connection::{Cluster, Connection, error_name},
};
use super::{
    Fault,
    channel::Way,
    runner::{Deliver, Delivered, Portion},
};
use crate::{
    clock,
    config::outputs::{Kafka, Login, Network, Peer},
    sink::spool::{Chunk, Kind, Position, frames},
};

/// Errors of brokers (kafka.apache.org/protocol, "Error Codes").
const MESSAGE_TOO_LARGE: i16 = 10;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const UNKNOWN_PRODUCER_ID: i16 = 59;
const INVALID_RECORD: i16 = 87;

/// Reads what a broker answers to all that is asked.
pub(super) fn hear(channel: super::channel::Channel, patience: Duration) {
    connection::hear(channel, patience);
}

/// Produces records.
pub(super) struct Sender {
    way: Way,
    to: Vec<Peer>,
    login: Option<Login>,
    settings: Kafka,
    batch: u64,
    turn: usize,
    cluster: Option<Cluster>,
    connections: HashMap<Peer, Connection>,
    producer: Option<Producer>,
    /// The number of the next record, by partition.
    sequences: HashMap<usize, i32>,
    /// Partitions that have their part of a chunk already, which has to be sent again for the others.
    done: (Position, Vec<usize>),
}

impl Sender {
    pub(super) fn new(way: Way, network: &Network, settings: Kafka) -> Self {
        Self {
            way,
            to: network.to.clone(),
            login: network.login.clone(),
            settings,
            batch: network.batch.unwrap_or(2_000).into(),
            turn: 0,
            cluster: None,
            connections: HashMap::new(),
            producer: None,
            sequences: HashMap::new(),
            done: (Position::default(), Vec::new()),
        }
    }

    fn connection(&mut self, peer: &Peer) -> Result<&mut Connection, Fault> {
        if !self.connections.contains_key(peer) {
            let connection = Connection::open(&self.way, peer, self.login.as_ref(), self.settings.sasl)?;
            self.connections.insert(peer.clone(), connection);
        }
        self.connections.get_mut(peer).ok_or(Fault::Timeout)
    }

    /// Who has which partition, and who we are; asked of one that is configured.
    fn prepare(&mut self) -> Result<(), Fault> {
        if self.cluster.is_none() {
            self.turn += 1;
            let peer = self.to.get(self.turn % self.to.len().max(1)).ok_or(Fault::Timeout)?.clone();
            let topic = self.settings.topic.clone();
            self.cluster = Some(self.connection(&peer)?.metadata(&topic)?);
        }
        if self.producer.is_none() {
            let peer = self.cluster.as_ref().and_then(|cluster| cluster.leaders.first()).cloned();
            let peer = peer.ok_or_else(|| Fault::Unready("the topic has no partition".to_owned()))?;
            self.producer = Some(self.connection(&peer)?.producer()?);
            self.sequences.clear();
        }
        Ok(())
    }

    /// What an answer of a broker means for a partition's batch: how many of its records it will never have.
    fn judge(&mut self, partition: usize, records: usize, error: i16) -> Result<u64, Fault> {
        match error {
            0 | DUPLICATE_SEQUENCE_NUMBER => {
                let sequence = self.sequences.entry(partition).or_default();
                // Numbers begin anew after the largest (KIP-98).
                *sequence = (i64::from(*sequence) + records as i64).rem_euclid(1 << 31) as i32;
                Ok(0)
            }
            MESSAGE_TOO_LARGE | INVALID_RECORD => Ok(records as u64),
            OUT_OF_ORDER_SEQUENCE_NUMBER | UNKNOWN_PRODUCER_ID | INVALID_PRODUCER_EPOCH => {
                // It has forgotten this producer: another one begins.
                self.producer = None;
                Err(Fault::Unready(error_name(error)))
            }
            error => {
                // Leaders may have changed.
                self.cluster = None;
                Err(Fault::Unready(error_name(error)))
            }
        }
    }
}

/// A partition, its batch, and how many records that has.
type Batch = (usize, Vec<u8>, usize);

/// The records of a chunk by partition.
type Parts<'a> = BTreeMap<usize, Vec<(Vec<u8>, &'a [u8])>>;

fn parts(chunk: &Chunk, partitions: usize) -> Parts<'_> {
    let mut parts = Parts::new();
    for (frame, _) in frames(&chunk.bytes).filter(|(frame, _)| frame.kind != Kind::Header) {
        let key = if frame.flow == 0 { b"-".to_vec() } else { frame.flow.to_string().into_bytes() };
        parts.entry(partition(&key, partitions)).or_default().push((key, frame.body));
    }
    parts
}

impl Deliver for Sender {
    fn portion(&self) -> Portion {
        // A broker takes batches of 1 MB if nobody told it otherwise.
        Portion { records: self.batch, bytes: 900_000, linger: Duration::ZERO }
    }

    fn deliver(&mut self, chunk: &Chunk, _: &mut u64) -> Result<Delivered, Fault> {
        self.prepare()?;
        let (Some(cluster), Some(producer)) = (self.cluster.clone(), self.producer) else {
            return Err(Fault::Timeout);
        };
        if self.done.0 != chunk.begin {
            self.done = (chunk.begin, Vec::new());
        }
        let parts = parts(chunk, cluster.leaders.len());
        let mut by_leader: BTreeMap<String, (Peer, Vec<Batch>)> = BTreeMap::new();
        let time = clock::wall() / 1_000_000;
        for (partition, records) in parts.iter().filter(|(partition, _)| !self.done.1.contains(partition)) {
            let Some(leader) = cluster.leaders.get(*partition) else { continue };
            let sequence = self.sequences.get(partition).copied().unwrap_or(0);
            let bytes = batch(records, producer, sequence, time);
            let of_leader =
                by_leader.entry(leader.to_string()).or_insert_with(|| (leader.clone(), Vec::new()));
            of_leader.1.push((*partition, bytes, records.len()));
        }
        let (mut refused, mut sent, mut failed) = (0, 0, None);
        let (topic, patience) = (self.settings.topic.clone(), self.way.patience);
        for (leader, batches) in by_leader.into_values() {
            let answers = self.connection(&leader)?.produce(&topic, &batches, patience)?;
            for (partition, bytes, records) in batches {
                sent += bytes.len() as u64;
                let Some(error) = answers.get(&partition) else {
                    return Err(Fault::Protocol(
                        "an answer without the partition that was asked of".to_owned(),
                    ));
                };
                match self.judge(partition, records, *error) {
                    Ok(lost) => {
                        refused += lost;
                        self.done.1.push(partition);
                    }
                    Err(fault) => failed = Some(fault),
                }
            }
        }
        failed.map_or(Ok(Delivered { refused: refused.min(chunk.records), bytes: sent }), Err)
    }

    fn close(&mut self) {
        self.connections.clear();
        self.cluster = None;
    }
}
