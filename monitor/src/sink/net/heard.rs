//! What peers answer, read as outputs read it: for tests that answer anything.

use std::{net::TcpStream, time::Duration};

use super::{channel::Channel, http, kafka, nats, otlp};
use crate::sink::spool;

/// Reads what a peer sent until it has hung up, as one of four kinds of outputs does.
pub fn answers(kind: u8, peer: TcpStream) {
    let channel = Channel::to(peer);
    // How it ends is not asked: that it ends is what counts.
    match kind % 3 {
        0 => http::hear(channel),
        1 => nats::hear(channel),
        _ => kafka::hear(channel, Duration::from_secs(1)),
    }
}

/// Reads the body of a collector's answer, and a spool's segment; how many records that has.
pub fn bytes(bytes: &[u8]) -> usize {
    let rejected = otlp::rejected(bytes);
    let frames = spool::frames(bytes).map(|(frame, length)| {
        assert!(frame.body.len() < length, "a frame is longer than what it has");
        length
    });
    let read: usize = frames.sum();
    assert!(read <= bytes.len(), "no more is read than there is");
    usize::from(rejected > 0) + read
}
