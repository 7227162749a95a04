//! Records to try sinks with: of packets that were never sent, through the same engine as those of a capture.

use monitor_common::{
    abi::{Direction, hook_flags},
    wire::Link,
};
use monitor_core::{
    offline::{Frame, Session, SessionConfig},
    record::AnyRecord,
};

/// Records of as many flows.
pub(super) fn records(flows: u16) -> Vec<AnyRecord> {
    let mut session = Session::new(SessionConfig::default());
    let mut records = Vec::new();
    for port in 0..flows {
        let bytes = datagram(port);
        let frame = Frame {
            bytes: &bytes,
            link: Link::Ethernet,
            length: bytes.len() as u32,
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: 1_795_229_367_000_000_000 + u64::from(port),
            number: u64::from(port) + 1,
            file: 0,
        };
        let done: Result<(), ()> = session.packets(&[frame], &mut records, |_, _, _, _| Ok(()));
        done.unwrap();
    }
    session.finish(&mut records);
    assert_eq!(records.len(), usize::from(flows));
    records
}

/// A datagram of UDP without data, from 10.0.0.1 and a port to 10.0.0.2 and port 9.
fn datagram(port: u16) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    bytes.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend((20_000 + port).to_be_bytes());
    bytes.extend([0, 9, 0, 8, 0, 0]);
    bytes
}
