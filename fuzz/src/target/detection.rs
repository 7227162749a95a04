//! Flows of any kind through the rooms of detections: what they hold is bounded, and what they say can be read.

use std::net::{IpAddr, Ipv4Addr};

use monitor_common::abi::Transport;
use monitor_core::{
    detection::{Contact, DetectionConfig, Detector, Gain, Outcome, Volume},
    record::{AnyRecord, DetectionRecord, Id},
};

use super::session::readable;
use crate::input::Input;

/// Entries of each table: few, so that they are full soon.
const ENTRIES: u32 = 16;
const TRANSPORTS: [Transport; 5] =
    [Transport::Tcp, Transport::Udp, Transport::Icmp, Transport::Icmpv6, Transport::Other];
const OUTCOMES: [Outcome; 3] = [Outcome::Success, Outcome::Failure, Outcome::Unknown];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let config = DetectionConfig { max_entries: ENTRIES, ..DetectionConfig::default() };
    let mut detector = Detector::new(config);
    let mut time = 1_u64;
    let mut number = 0;
    let mut records = Vec::new();
    while !input.is_empty() {
        let choice = input.byte();
        number += 1;
        // Small steps mostly; now and then a leap of minutes.
        time = time.saturating_add(1 << (input.byte() % 41));
        let address = |byte: u8| IpAddr::from(Ipv4Addr::new(10, 0, byte / 16, byte % 16));
        let (client, server) = (address(input.byte()), address(input.byte()));
        let port = input.word();
        let volume = |byte: u8| {
            let many = 1_u64 << (byte % 40);
            Volume { packets: many, bytes: many.saturating_mul(60), payload: many.saturating_mul(20) }
        };
        let (sent, received) = (volume(input.byte()), volume(input.byte()));
        let transport = TRANSPORTS[usize::from(choice >> 2) % TRANSPORTS.len()];
        match choice & 3 {
            0 | 1 => detector.flow(Contact {
                id: Id(number),
                transport,
                client,
                server,
                port,
                start: time.saturating_sub(u64::from(choice) << 24),
                end: time,
                outcome: OUTCOMES[usize::from(choice >> 5) % OUTCOMES.len()],
                probe: (choice & 64 != 0).then_some("syn"),
                sent,
                received,
                name: None,
                application: None,
            }),
            2 => detector.gained(&Gain {
                id: Id(number),
                transport,
                client,
                server,
                client_port: port,
                port: port % 1024,
                from: time.saturating_sub(1_000_000_000),
                to: time,
                sent,
                received,
                syn: u32::from(port),
                syn_ack: u32::from(choice),
                established: choice & 8 != 0,
            }),
            _ => {
                detector.overflowed(server, transport, sent.packets, time);
                detector.advance(time);
            }
        }
        if number.is_multiple_of(64) {
            records.extend(detector.take(0).into_iter().map(told));
        }
    }
    detector.advance(time);
    detector.finish();
    records.extend(detector.take(0).into_iter().map(told));
    readable(&records);
}

fn told(record: DetectionRecord) -> AnyRecord {
    AnyRecord::Detection(Box::new(record))
}
