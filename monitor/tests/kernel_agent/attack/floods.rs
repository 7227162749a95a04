//! Packets that mean harm: each frame begins something new, and most have bytes that are read.

use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::{
    frames::{ethernet, ipv4, tcp, udp},
    netns::Namespace,
    soak::{Sender, source},
};

/// Frames a second that are asked for; a sender gives what the machine has.
pub(super) const RATE: u64 = 50_000;

/// A kind of packets.
pub(super) type Flood = (&'static str, fn(usize) -> Vec<u8>, fn(&mut [u8], u32));

pub(super) const FLOODS: [Flood; 9] = [
    ("datagrams, each a new flow", datagram, source),
    ("SYN, each a new flow", syn, source),
    ("QUIC hellos, each a new connection", quic, quic_vary),
    ("DNS queries and answers, each of another name", dns, dns_vary),
    ("HTTP requests, each of another host", http, http_vary),
    ("TLS hellos, each of another name", tls, tls_vary),
    ("first fragments without an end", fragment, fragment_vary),
    ("tunnels within tunnels", tunnel, tunnel_vary),
    ("frames of random bytes", noise, noise_vary),
];

/// Sends them until it is over.
pub(super) fn send(ns: &Namespace, (_, make, vary): Flood, over: &AtomicBool) {
    Sender::of(ns, "eth1", make, vary).send(RATE, over, &AtomicU64::new(0));
}

const HERE: [u8; 4] = [10, 7, 0, 1];
const ANY: [u8; 4] = [11, 0, 0, 0];
/// Where the payload of a UDP datagram stands, and of a TCP segment.
const UDP: usize = 14 + 20 + 8;
const TCP: usize = 14 + 20 + 20;

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(ANY, HERE, 17, &udp(1024, port, payload)))
}

fn over_tcp(port: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(ANY, HERE, 6, &tcp(1024, port, 1, 1, flags, payload)))
}

/// Eight digits at a place: a name of its own.
fn digits(frame: &mut [u8], at: usize, n: u32) {
    frame[at..at + 8].copy_from_slice(format!("{n:08x}").as_bytes());
}

fn datagram(n: usize) -> Vec<u8> {
    over_udp(9000 + n as u16, b"a new flow")
}

fn syn(n: usize) -> Vec<u8> {
    over_tcp(1 + n as u16, 0x02, b"")
}

/// An Initial packet of version 1 (RFC 9000, 17.2.2) of the least size that is one; its keys follow from its
/// connection's number, so that whoever reads it tries to decrypt it.
fn quic(_: usize) -> Vec<u8> {
    let mut payload = vec![0xc3, 0, 0, 0, 1, 8];
    payload.extend([0; 8]);
    payload.extend([0, 0, 0x44, 0x90]);
    payload.resize(1200, 0x5a);
    over_udp(443, &payload)
}

fn quic_vary(frame: &mut [u8], n: u32) {
    source(frame, n);
    frame[UDP + 6..UDP + 10].copy_from_slice(&n.to_be_bytes());
}

/// Every other is an answer, with as many addresses as fit.
fn dns(n: usize) -> Vec<u8> {
    let name = b"\x0800000000\x07example\0";
    let mut message = vec![0, 1, if n.is_multiple_of(2) { 0x01 } else { 0x81 }, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name);
    message.extend([0, 1, 0, 1]);
    if n.is_multiple_of(2) {
        return over_udp(53, &message);
    }
    message[7] = 64;
    for address in 0..64 {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, address]);
    }
    ethernet(0x0800, &ipv4(ANY, HERE, 17, &udp(53, 40_000, &message)))
}

fn dns_vary(frame: &mut [u8], n: u32) {
    let answers = frame[34..36] == 53_u16.to_be_bytes();
    source(frame, n);
    if answers {
        frame[34..36].copy_from_slice(&53_u16.to_be_bytes());
    }
    digits(frame, UDP + 12 + 1, n);
}

fn http(_: usize) -> Vec<u8> {
    let fields = "X: y\r\n".repeat(100);
    over_tcp(80, 0x18, format!("GET / HTTP/1.1\r\nHost: 00000000.example\r\n{fields}\r\n").as_bytes())
}

fn http_vary(frame: &mut [u8], n: u32) {
    source(frame, n);
    digits(frame, TCP + "GET / HTTP/1.1\r\nHost: ".len(), n);
}

/// A `ClientHello` (RFC 8446, 4.1.2) with a name and a hundred cipher suites.
fn tls(_: usize) -> Vec<u8> {
    let name = b"00000000.example";
    let mut list = vec![0];
    list.extend((name.len() as u16).to_be_bytes());
    list.extend(name);
    let mut extension = vec![0, 0];
    extension.extend((list.len() as u16 + 2).to_be_bytes());
    extension.extend((list.len() as u16).to_be_bytes());
    extension.extend(list);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(200_u16.to_be_bytes());
    body.extend([0x13, 0x01].repeat(100));
    body.extend([1, 0]);
    body.extend((extension.len() as u16).to_be_bytes());
    body.extend(extension);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    over_tcp(443, 0x18, &record)
}

fn tls_vary(frame: &mut [u8], n: u32) {
    source(frame, n);
    // The name is the last that stands there.
    let at = frame.len() - "00000000.example".len();
    digits(frame, at, n);
}

fn fragment(n: usize) -> Vec<u8> {
    let mut packet = ipv4(ANY, HERE, 17, &udp(1024, 9000 + n as u16, &[0; 64]));
    // More fragments (RFC 791).
    packet[6] = 0x20;
    ethernet(0x0800, &packet)
}

fn fragment_vary(frame: &mut [u8], n: u32) {
    source(frame, n);
    frame[14 + 4..14 + 6].copy_from_slice(&(n as u16).to_be_bytes());
}

/// VXLAN around GRE around IP in IP, with a datagram within.
fn tunnel(n: usize) -> Vec<u8> {
    let inner = ipv4(ANY, HERE, 17, &udp(1024, 9000 + n as u16, b"deep"));
    let in_ip = ipv4([10, 9, 0, 1], [10, 9, 0, 2], 4, &inner);
    let gre = ipv4([10, 8, 0, 1], [10, 8, 0, 2], 47, &[&[0, 0, 8, 0][..], &in_ip].concat());
    let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(0x0800, &gre)].concat();
    over_udp(4789, &vxlan)
}

fn tunnel_vary(frame: &mut [u8], n: u32) {
    source(frame, n);
    // The innermost address: behind VXLAN, Ethernet, IP, GRE, IP.
    let at = UDP + 8 + 14 + 20 + 4 + 20 + 12;
    let [_, b, c, d] = n.to_be_bytes();
    frame[at..at + 4].copy_from_slice(&[12, b, c, d]);
}

fn noise(n: usize) -> Vec<u8> {
    vec![n as u8; 64 + n * 16]
}

/// xorshift32 (Marsaglia 2003) over the whole frame, but for what makes it one of IPv4 every other time.
fn noise_vary(frame: &mut [u8], n: u32) {
    let mut state = n | 1;
    for byte in frame.iter_mut() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *byte = state as u8;
    }
    frame[0] &= 0xfe;
    if n.is_multiple_of(2) {
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    }
}
