//! Packets that say nothing new allocate nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod counting;

use std::sync::Arc;

use monitor_common::{
    abi::{Direction, hook_flags},
    wire::Link,
};
use monitor_core::{
    offline::{Frame, Session, SessionConfig},
    record::AnyRecord,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

const CLIENT: u8 = 1;
const SERVER: u8 = 2;
/// Packets before it is counted, and those that are.
const WARM: u32 = 200;
const COUNTED: u32 = 2_000;

/// A capture that is made packet by packet.
struct Capture {
    session: Session,
    records: Vec<AnyRecord>,
    number: u64,
    bytes: Vec<u8>,
}

impl Capture {
    fn new() -> Self {
        Self {
            session: Session::new(SessionConfig::default()),
            records: Vec::with_capacity(1 << 16),
            number: 0,
            bytes: Vec::with_capacity(65_536),
        }
    }

    /// Counts a packet of IPv4; returns how often memory was asked for.
    fn packet(&mut self, from: u8, protocol: u8, transport: &[u8], payload: &[u8]) -> u64 {
        self.number += 1;
        let length = (20 + transport.len() + payload.len()) as u16;
        self.bytes.clear();
        self.bytes.extend([0x45, 0]);
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, CLIENT + SERVER - from]);
        self.bytes.extend(transport);
        self.bytes.extend(payload);
        let frame = Frame {
            bytes: &self.bytes,
            link: Link::Ip,
            length: u32::from(length),
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: self.number * 1_000_000,
            number: self.number,
            file: 0,
        };
        let before = counting::allocations();
        self.session.packet(&frame, &mut self.records);
        counting::allocations() - before
    }

    fn udp(&mut self, from: u8, ports: (u16, u16), payload: &[u8]) -> u64 {
        let [one, other] = [ports.0.to_be_bytes(), ports.1.to_be_bytes()];
        let [high, low] = (8 + payload.len() as u16).to_be_bytes();
        let header = [one[0], one[1], other[0], other[1], high, low, 0, 0];
        self.packet(from, 17, &header, payload)
    }
}

/// A connection of TCP whose segments are in order.
struct Stream {
    port: u16,
    server_port: u16,
    /// Next sequence numbers of client and server.
    seq: [u32; 2],
}

impl Stream {
    fn begin(capture: &mut Capture, port: u16, server_port: u16) -> Self {
        let mut stream = Self { port, server_port, seq: [1_000, 9_000] };
        for (from, flags) in [(CLIENT, 0x02), (SERVER, 0x12), (CLIENT, 0x10)] {
            stream.segment(capture, from, flags, b"");
        }
        stream
    }

    fn segment(&mut self, capture: &mut Capture, from: u8, flags: u8, payload: &[u8]) -> u64 {
        let at = usize::from(from - CLIENT);
        let ports =
            if from == CLIENT { [self.port, self.server_port] } else { [self.server_port, self.port] };
        let mut header = [0; 20];
        header[..2].copy_from_slice(&ports[0].to_be_bytes());
        header[2..4].copy_from_slice(&ports[1].to_be_bytes());
        header[4..8].copy_from_slice(&self.seq[at].to_be_bytes());
        header[8..12].copy_from_slice(&self.seq[at ^ 1].to_be_bytes());
        header[12..16].copy_from_slice(&[0x50, flags, 0x10, 0]);
        self.seq[at] += payload.len() as u32 + u32::from(flags & 0x02 != 0);
        capture.packet(from, 6, &header, payload)
    }

    fn data(&mut self, capture: &mut Capture, from: u8, payload: &[u8]) -> u64 {
        self.segment(capture, from, 0x18, payload)
    }
}

/// What packets after the first ones ask for, all together.
fn steady(mut each: impl FnMut(u32) -> u64) -> u64 {
    for n in 0..WARM {
        each(n);
    }
    (WARM..WARM + COUNTED).map(each).sum()
}

/// Bytes that begin nothing that is known.
const NOTHING: [u8; 1_000] = [0xa5; 1_000];

fn other(n: u32) -> u8 {
    if n.is_multiple_of(2) { CLIENT } else { SERVER }
}

#[test]
fn flows_that_say_nothing_known_allocate_nothing() {
    let mut capture = Capture::new();
    let mut stream = Stream::begin(&mut capture, 40_000, 7_777);
    assert_eq!(steady(|n| stream.data(&mut capture, other(n), &NOTHING)), 0, "TCP");
    let ports = |n| if other(n) == CLIENT { (40_000, 7_777) } else { (7_777, 40_000) };
    assert_eq!(steady(|n| capture.udp(other(n), ports(n), &NOTHING)), 0, "UDP");
    let mut silent = Stream::begin(&mut capture, 40_001, 7_777);
    assert_eq!(steady(|n| silent.segment(&mut capture, other(n), 0x10, b"")), 0, "acknowledgments");
    assert!(capture.records.is_empty());
}

/// A client's and a server's side of TLS until both may send data.
fn handshake() -> Vec<(u8, Vec<u8>)> {
    let pair = rcgen::generate_simple_self_signed(["www.example.org".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let key = pair.signing_key.serialize_der().try_into().unwrap();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![pair.cert.der().clone()], key);
    let mut client = ClientConnection::new(Arc::new(client), "www.example.org".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server.unwrap())).unwrap();
    let mut told = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        told.push((CLIENT, bytes));
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets().unwrap();
        told.push((SERVER, bytes));
    }
    told
}

#[test]
fn a_flow_whose_hello_was_read_allocates_nothing_more() {
    let mut capture = Capture::new();
    let mut stream = Stream::begin(&mut capture, 40_000, 443);
    for (from, bytes) in handshake() {
        for segment in bytes.chunks(1_400) {
            let asked = stream.data(&mut capture, from, segment);
            println!("a segment of the handshake, {} bytes: {asked} allocations", segment.len());
        }
    }
    assert_eq!(capture.records.len(), 1, "{:?}", capture.records);
    let mut data = vec![0x17, 3, 3, 3, 0xe3];
    data.resize(1_000, 0x5a);
    assert_eq!(steady(|n| stream.data(&mut capture, other(n), &data)), 0);
}

#[test]
fn bodies_of_http_allocate_nothing() {
    let mut capture = Capture::new();
    let mut stream = Stream::begin(&mut capture, 40_000, 80);
    let asked = stream.data(&mut capture, CLIENT, b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
    println!("a request: {asked} allocations");
    stream.data(&mut capture, SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    assert_eq!(capture.records.len(), 2);
    assert_eq!(steady(|_| stream.data(&mut capture, SERVER, &NOTHING)), 0);
}

#[test]
fn a_message_of_dns_over_tcp_that_comes_in_parts_allocates_only_for_what_it_holds() {
    let mut capture = Capture::new();
    let mut stream = Stream::begin(&mut capture, 40_000, 53);
    stream.data(&mut capture, SERVER, &[0xff, 0xff, 0, 7, 0x80, 0]);
    // It waits for 64 KiB, in memory that grows by doubling.
    let asked: u64 = (0..60).map(|_| stream.data(&mut capture, SERVER, &NOTHING)).sum();
    assert!(asked <= 20, "{asked}");
}
