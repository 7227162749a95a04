//! A capture of long flows, as a browser's host has them: names asked for, TLS, HTTP and datagrams.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::{
    capture::{header, packet},
    random::Random,
    tls::{answer, hello},
};

/// Flows at once.
pub(crate) const LIVE: usize = 20_000;

/// Between two packets, µs.
pub(crate) const STEP: u64 = 30;

#[derive(Clone, Copy)]
enum Speech {
    Dns,
    Tls,
    Http,
    Datagrams,
}

/// A flow as it goes on.
struct Talk {
    speech: Speech,
    client: [u8; 4],
    server: [u8; 4],
    ports: [u16; 2],
    name: String,
    /// Packets so far and altogether.
    step: u64,
    length: u64,
    seq: [u32; 2],
}

impl Talk {
    fn new(random: &mut Random) -> Self {
        let (speech, port) = match random.below(20) {
            0..6 => (Speech::Dns, 53),
            6..14 => (Speech::Tls, 443),
            14..16 => (Speech::Http, 80),
            _ => (Speech::Datagrams, 5000 + random.below(20) as u16),
        };
        // Some are long, most are short.
        let length = match speech {
            Speech::Dns => 2,
            _ => 12 + 40_000 / (20 + random.below(1000)),
        };
        let site = random.below(3000);
        let [_, _, c, d] = (random.below(2000) as u32).to_be_bytes();
        let [_, _, e, f] = (site as u32).to_be_bytes();
        Self {
            speech,
            client: [10, 0, c, d],
            server: if port == 53 { [10, 1, 0, 254] } else { [104, 0, e, f] },
            ports: [1024 + random.below(64_000) as u16, port],
            name: format!("www{}.site{site}.example.com", random.below(10)),
            step: 0,
            length,
            seq: [random.next() as u32, random.next() as u32],
        }
    }

    /// The next packet, and whether it is the last.
    fn packet(&mut self, random: &mut Random, filler: &[u8]) -> (Vec<u8>, bool) {
        let step = self.step;
        self.step += 1;
        let last = self.step >= self.length;
        let some = |n: u64| filler.get(..n as usize).unwrap_or_default();
        let frame = match self.speech {
            Speech::Dns => self.udp(step as usize, &question(&self.name, step == 1)),
            Speech::Datagrams => {
                let side = random.below(2) as usize;
                self.udp(side, some(80 + random.below(1100)))
            }
            Speech::Tls | Speech::Http => match step {
                0 => self.tcp(0, 0x02, &[]),
                1 => self.tcp(1, 0x12, &[]),
                2 => self.tcp(0, 0x10, &[]),
                3 if matches!(self.speech, Speech::Tls) => self.tcp(0, 0x18, &hello(&self.name, random)),
                3 => self.tcp(0, 0x18, request(&self.name).as_bytes()),
                4 if matches!(self.speech, Speech::Tls) => {
                    self.tcp(1, 0x18, &[&answer(random), some(1200)].concat())
                }
                4 => self.tcp(1, 0x18, RESPONSE.as_bytes()),
                _ if self.step + 2 == self.length => self.tcp(0, 0x11, &[]),
                _ if self.step + 1 == self.length => self.tcp(1, 0x11, &[]),
                _ if last => self.tcp(0, 0x10, &[]),
                _ => match random.below(100) {
                    0..50 => self.tcp(1, 0x18, some(1405)),
                    50..88 => self.tcp(0, 0x10, &[]),
                    _ => self.tcp(0, 0x18, some(100 + random.below(600))),
                },
            },
        };
        (frame, last)
    }

    fn ip(&self, side: usize, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        out.extend((20 + transport.len() as u16).to_be_bytes());
        out.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        let ends = [self.client, self.server];
        out.extend(if side == 0 { ends.concat() } else { [ends[1], ends[0]].concat() });
        out.extend(transport);
        out
    }

    /// Ports, sender first.
    fn ports(&self, side: usize) -> Vec<u8> {
        let [client, server] = self.ports.map(u16::to_be_bytes);
        if side == 0 { [client, server].concat() } else { [server, client].concat() }
    }

    fn udp(&self, side: usize, payload: &[u8]) -> Vec<u8> {
        let mut out = self.ports(side);
        out.extend((8 + payload.len() as u16).to_be_bytes());
        out.extend([0, 0]);
        out.extend(payload);
        self.ip(side, 17, &out)
    }

    fn tcp(&mut self, side: usize, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = self.ports(side);
        out.extend(self.seq[side].to_be_bytes());
        out.extend(self.seq[1 - side].to_be_bytes());
        out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        out.extend(payload);
        self.seq[side] =
            self.seq[side].wrapping_add(payload.len() as u32).wrapping_add(u32::from(flags & 3 != 0));
        self.ip(side, 6, &out)
    }
}

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

fn request(name: &str) -> String {
    format!("GET /a/page?with=question HTTP/1.1\r\nHost: {name}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
}

/// A question of DNS for an address, or its answer.
fn question(name: &str, answer: bool) -> Vec<u8> {
    let mut out = vec![0x5a, 0x5a, if answer { 0x81 } else { 1 }, if answer { 0x80 } else { 0 }];
    out.extend([0, 1, 0, u8::from(answer), 0, 0, 0, 0]);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    if answer {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 104, 0, 1, 2]);
    }
    out
}

/// Writes a capture: [`LIVE`] flows at any time, of which a random one goes on, and another begins when it ends.
/// Returns its bytes.
pub(crate) fn write(path: &Path, packets: u64) -> u64 {
    let mut to = BufWriter::with_capacity(1 << 20, File::create(path).expect("a capture below target"));
    header(&mut to);
    let mut random = Random(88_172_645_463_325_252);
    let filler: Vec<u8> = (0..2048).map(|_| (random.next() >> 24) as u8).collect();
    let mut talks: Vec<Talk> = (0..LIVE).map(|_| Talk::new(&mut random)).collect();
    let mut bytes = 0;
    for number in 0..packets {
        let at = random.below(LIVE as u64) as usize;
        let Some(talk) = talks.get_mut(at) else { continue };
        let (frame, last) = talk.packet(&mut random, &filler);
        if last {
            *talk = Talk::new(&mut random);
        }
        bytes += packet(&mut to, number * STEP, &frame);
    }
    to.flush().expect("space");
    bytes
}
