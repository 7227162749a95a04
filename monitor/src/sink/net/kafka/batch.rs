//! Batches of records (kafka.apache.org, "Record Batch", magic 2), and which partition a key belongs to.

use super::wire::Writer;
use crate::sink::net::http::gzip;

/// Compression by gzip, in the attributes of a batch.
const GZIP: i16 = 1;

/// Who produces, for a broker that takes each batch once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A batch of keys and values. `sequence`: number of its first record for this producer and partition.
pub(super) fn batch(records: &[(Vec<u8>, &[u8])], producer: Producer, sequence: i32, time: i64) -> Vec<u8> {
    let mut all = Writer::default();
    let mut one = Writer::default();
    for (offset, (key, value)) in records.iter().enumerate() {
        one.0.clear();
        one.int8(0);
        one.varint(0);
        one.varint(offset as i64);
        one.varint_bytes(key);
        one.varint_bytes(value);
        one.varint(0);
        all.varint_bytes(&one.0);
    }
    let mut body = Writer::default();
    body.int16(GZIP);
    body.int32(records.len() as i32 - 1);
    body.int64(time);
    body.int64(time);
    body.int64(producer.id);
    body.int16(producer.epoch);
    body.int32(sequence);
    body.int32(records.len() as i32);
    body.0.extend_from_slice(&gzip(&all.0));
    let mut out = Writer::default();
    out.int64(0);
    out.int32((body.0.len() + 9) as i32);
    out.int32(-1);
    out.int8(2);
    out.0.extend(crc32c::crc32c(&body.0).to_be_bytes());
    out.0.extend_from_slice(&body.0);
    out.0
}

/// The partition of a key, as Kafka's own producer chooses it.
pub(super) fn partition(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

/// `Utils.murmur2` of Kafka's clients.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_kafkas_clients_do() {
        // Values of UtilsTest.testMurmur2 in Kafka's own tests.
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
