//! A capture made here: a TLS connection with a name, DNS, HTTP, an ICMP echo and a frame without IP.

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 7];
const RESOLVER: [u8; 4] = [192, 0, 2, 53];

/// A name that a spreadsheet would take for a formula.
pub(crate) const FORMULA: &str = "=cmd";

/// pcap with nanoseconds, Ethernet.
#[derive(Default)]
pub(crate) struct Capture {
    bytes: Vec<u8>,
    frames: u64,
}

/// A side of a connection.
#[derive(Clone, Copy)]
struct End([u8; 4], u16);

impl Capture {
    fn frame(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() {
            for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
                self.bytes.extend(word.to_le_bytes());
            }
        }
        let length = bytes.len() as u32;
        for word in [1_700_000_000, 1_000_003 * self.frames as u32, length, length] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(bytes);
        self.frames += 1;
    }

    fn ip(&mut self, protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend((20 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from);
        frame.extend(to);
        frame.extend(payload);
        self.frame(&frame);
    }

    fn udp(&mut self, from: End, to: End, payload: &[u8]) {
        let mut out = Vec::new();
        for half in [from.1, to.1, 8 + payload.len() as u16, 0] {
            out.extend(half.to_be_bytes());
        }
        out.extend(payload);
        self.ip(17, from.0, to.0, &out);
    }

    /// TCP with timestamps, and with all options in a SYN.
    fn tcp(&mut self, from: End, to: End, (seq, ack, flags): (u32, u32, u8), payload: &[u8]) {
        let mut options = Vec::new();
        if flags & 2 != 0 {
            options.extend([2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1]);
        } else {
            options.extend([1, 1]);
        }
        options.extend([8, 10]);
        options.extend((1000 + self.frames as u32).to_be_bytes());
        options.extend(ack.to_be_bytes());
        options.resize(options.len().next_multiple_of(4), 0);
        let mut out = Vec::new();
        out.extend(from.1.to_be_bytes());
        out.extend(to.1.to_be_bytes());
        out.extend(seq.to_be_bytes());
        out.extend(ack.to_be_bytes());
        out.extend([((20 + options.len()) as u8 / 4) << 4, flags, 0x12, 0x34, 0, 0, 0, 0]);
        out.extend(options);
        out.extend(payload);
        self.ip(6, from.0, to.0, &out);
    }

    /// A connection with one request and one answer; the third segment of the client comes twice.
    fn connection(&mut self, port: u16, server_port: u16, request: &[u8], answer: &[u8]) {
        let (client, server) = (End(CLIENT, port), End(SERVER, server_port));
        let (asked, answered) = (101 + request.len() as u32, 501 + answer.len() as u32);
        self.tcp(client, server, (100, 0, 0x02), b"");
        self.tcp(server, client, (500, 101, 0x12), b"");
        self.tcp(client, server, (101, 501, 0x10), b"");
        self.tcp(client, server, (101, 501, 0x18), request);
        self.tcp(client, server, (101, 501, 0x18), request);
        self.tcp(server, client, (501, asked, 0x18), answer);
        self.tcp(client, server, (asked, answered, 0x11), b"");
        self.tcp(server, client, (answered, asked + 1, 0x11), b"");
        self.tcp(client, server, (asked + 1, answered + 1, 0x10), b"");
    }
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A hello of TLS 1.2 with a name and an application protocol.
pub(crate) fn hello(name: &str) -> Vec<u8> {
    let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes()[..], &with_length(data)].concat();
    let server_name = with_length(&[&[0], &with_length(name.as_bytes())[..]].concat());
    let protocols = with_length(b"\x02h2\x08http/1.1");
    let extensions = [extension(0, &server_name), extension(16, &protocols)].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(with_length(&[0x13, 0x01, 0xc0, 0x2f]));
    body.extend([1, 0]);
    body.extend(with_length(&extensions));
    let handshake = [&[1, 0][..], &with_length(&body)].concat();
    [&[22, 3, 1][..], &with_length(&handshake)].concat()
}

fn dns(name: &str, answer: bool) -> Vec<u8> {
    let mut out = vec![0, 7, if answer { 0x81 } else { 1 }, 0, 0, 1, 0, u8::from(answer), 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    if answer {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        out.extend(SERVER);
    }
    out
}

/// The capture: the TLS connection is its first nine frames.
pub(crate) fn capture() -> Vec<u8> {
    let mut capture = Capture::default();
    capture.connection(40_001, 443, &hello("www.example.com"), b"\x15\x03\x03\x00\x02\x02\x28");
    let (client, resolver) = (End(CLIENT, 40_002), End(RESOLVER, 53));
    capture.udp(client, resolver, &dns("=cmd.example.org", false));
    capture.udp(resolver, client, &dns("=cmd.example.org", true));
    let request = format!("GET /a HTTP/1.1\r\nHost: {FORMULA}\r\n\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
    capture.connection(40_003, 80, request.as_bytes(), answer);
    capture.ip(1, CLIENT, SERVER, &[8, 0, 0, 0, 0, 1, 0, 1]);
    // ARP.
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1]);
    arp.extend(CLIENT);
    arp.extend([0; 6]);
    arp.extend(SERVER);
    capture.frame(&arp);
    // A connection that is never answered, of which nobody knows a name.
    capture.tcp(End(CLIENT, 40_004), End(RESOLVER, 9), (1, 0, 0x02), b"");
    capture.bytes
}

/// Names where a page or a terminal would take them for something else: each is asked for by TLS and by HTTP,
/// and each has more bytes than the one before.
pub(crate) fn named(names: &[&str]) -> Vec<u8> {
    let mut capture = Capture::default();
    for (i, name) in names.iter().enumerate() {
        let (port, answer) = (41_000 + i as u16, vec![b'.'; 100 * (i + 1)]);
        capture.connection(port, 443, &hello(name), &answer);
        let request = format!("GET /{name} HTTP/1.1\r\nHost: {name}\r\n\r\n");
        capture.connection(port, 80, request.as_bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    capture.bytes
}

/// One source that tries a port of many hosts, none of which answers.
pub(crate) fn scan(hosts: u8) -> Vec<u8> {
    let mut capture = Capture::default();
    for host in 1..=hosts {
        capture.tcp(End(CLIENT, 42_000), End([198, 51, 100, host], 22), (1, 0, 0x02), b"");
    }
    capture.bytes
}

/// A connection without a name: nine frames.
pub(crate) fn unnamed() -> Vec<u8> {
    let mut capture = Capture::default();
    capture.connection(50_001, 9_999, b"?", b"!");
    capture.bytes
}

/// A name that is asked for, and a connection to its address that says none: frames 3 and on.
pub(crate) fn resolved() -> Vec<u8> {
    let mut capture = Capture::default();
    let (client, resolver) = (End(CLIENT, 40_102), End(RESOLVER, 53));
    capture.udp(client, resolver, &dns("only.example.net", false));
    capture.udp(resolver, client, &dns("only.example.net", true));
    capture.connection(40_103, 9_999, b"\x00\x01\x02", b"\x03\x04\x05");
    capture.bytes
}
