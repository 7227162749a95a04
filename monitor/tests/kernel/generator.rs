//! Frames of every kind that the parser follows, reproducible by their seed, and bent where it hurts:
//! at the headers' fields and borders.

use monitor_common::wire::TunnelPorts;

use crate::frames::{bare_ethernet, ipv4, tcp, udp};

/// Values at which lengths, versions and flags turn.
const EDGES: [u8; 12] = [0, 1, 4, 5, 6, 8, 0x0f, 0x40, 0x7f, 0x80, 0xfe, 0xff];

/// What IP announces itself as.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const FRAME: u16 = 0x6558;

/// A generator of frames.
pub(crate) struct Frames {
    state: u64,
    /// What packets carry, cut and bent; none: bytes that nobody reads.
    messages: Vec<Vec<u8>>,
}

/// Headers with what they are around, and where each begins.
struct Layers {
    bytes: Vec<u8>,
    /// Counted from the end, which stays where it is.
    starts: Vec<usize>,
}

impl Layers {
    fn new(bytes: Vec<u8>) -> Self {
        let starts = vec![bytes.len()];
        Self { bytes, starts }
    }

    /// Puts a header before all.
    fn wrap(&mut self, mut header: Vec<u8>) {
        header.append(&mut self.bytes);
        self.bytes = header;
        self.starts.push(self.bytes.len());
    }

    fn offsets(&self) -> Vec<usize> {
        self.starts.iter().map(|start| self.bytes.len() - start).collect()
    }
}

impl Frames {
    pub(crate) const fn new(seed: u64, messages: Vec<Vec<u8>>) -> Self {
        // A state of zero would stay so.
        Self { state: seed | 1, messages }
    }

    /// xorshift64*: Marsaglia, 2003; Vigna, 2016.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The next frame; never shorter than an Ethernet header and a byte.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let layers = self.layers();
        let offsets = layers.offsets();
        let mut bytes = layers.bytes;
        // Half are bent.
        match self.below(14) {
            0 => {
                for _ in 0..=self.below(4) {
                    let at = self.below(bytes.len());
                    bytes[at] = self.next() as u8;
                }
            }
            1 | 2 => {
                // A field of a header, where lengths, versions and next headers stand.
                for _ in 0..=self.below(2) {
                    let at = (self.one(&offsets) + self.below(14)).min(bytes.len() - 1);
                    bytes[at] = self.one(&EDGES);
                }
            }
            3 => bytes.truncate(self.below(bytes.len())),
            4 => {
                // Cut within a few bytes of where a header begins.
                let at = (self.one(&offsets) + self.below(24)).saturating_sub(4);
                bytes.truncate(at);
            }
            5 => {
                // A header again and again, deeper than anybody follows.
                let (from, to) = (self.below(offsets.len()), self.below(offsets.len()));
                let (from, to) = (offsets[from.max(to)], offsets[from.min(to)]);
                let part: Vec<u8> = bytes.get(from..to).unwrap_or_default().to_vec();
                for _ in 0..self.below(12) {
                    if bytes.len() + part.len() < 1500 {
                        bytes.splice(from..from, part.iter().copied());
                    }
                }
            }
            6 => {
                // The beginning of one frame and the end of another.
                let other = self.layers();
                bytes.truncate(self.one(&offsets));
                let at = self.one(&other.offsets());
                bytes.extend_from_slice(&other.bytes[at..]);
            }
            _ => {}
        }
        let shortest = bytes.len().max(60);
        // Ethernet's padding; what was cut stays short half of the time.
        if self.below(2) == 0 {
            bytes.resize(shortest, 0);
        }
        bytes.resize(bytes.len().max(15), 0);
        bytes
    }

    fn layers(&mut self) -> Layers {
        let (mut ether_type, mut layers) = self.ip();
        for _ in 0..self.one(&[0, 0, 0, 1, 1, 2, 3]) {
            ether_type = self.tunnel(ether_type, &mut layers);
        }
        for _ in 0..self.one(&[0, 0, 0, 1, 1, 2]) {
            ether_type = self.link(ether_type, &mut layers);
        }
        let mut header = bare_ethernet(ether_type, &[]);
        if self.below(20) == 0 {
            // IEEE 802.3 with SNAP: a length where the type stands, and the type behind it.
            header.extend([0xaa, 0xaa, 3, 0, 0, 0]);
            header.extend(ether_type.to_be_bytes());
            let length = (layers.bytes.len() + 8).min(1500) as u16;
            header[12..14].copy_from_slice(&length.to_be_bytes());
        }
        layers.wrap(header);
        layers
    }

    /// What stands between Ethernet and IP.
    fn link(&mut self, ether_type: u16, layers: &mut Layers) -> u16 {
        let after = ether_type.to_be_bytes();
        match self.below(8) {
            0..=2 => {
                let [high, low] = (self.next() as u16).to_be_bytes();
                layers.wrap(vec![high, low, after[0], after[1]]);
                self.one(&[0x8100, 0x8100, 0x88a8, 0x9100])
            }
            3 if ether_type == IPV4 || ether_type == IPV6 => {
                let labels = self.below(4) as u8;
                let mut stack: Vec<u8> = (0..labels).flat_map(|n| [0, 1, n << 4, 64]).collect();
                stack.extend([0, 2, 0x01, 64]);
                layers.wrap(stack);
                self.one(&[0x8847, 0x8848])
            }
            4 if ether_type == IPV4 || ether_type == IPV6 => {
                let length = (layers.bytes.len() as u16 + 2).to_be_bytes();
                let protocol = if ether_type == IPV4 { 0x21 } else { 0x57 };
                layers.wrap(vec![0x11, 0, 0, 1, length[0], length[1], 0, protocol]);
                0x8864
            }
            5 => {
                let mut header = vec![0, 0, 0, 5];
                header.extend(bare_ethernet(ether_type, &[]));
                layers.wrap(header);
                0x88e7
            }
            6 => {
                layers.wrap(vec![0, 1, 0, 2, after[0], after[1]]);
                0x8926
            }
            7 => {
                layers.wrap(vec![1, 1, 0, 1, 0, 7, after[0], after[1]]);
                0x8909
            }
            _ => ether_type,
        }
    }

    /// Puts what there is into a tunnel, and the tunnel into IP.
    fn tunnel(&mut self, ether_type: u16, layers: &mut Layers) -> u16 {
        let ports = TunnelPorts::KERNEL;
        let bridged = |layers: &mut Layers| layers.wrap(bare_ethernet(ether_type, &[]));
        let datagram = |layers: &mut Layers, port| {
            let mut header = udp(50_000, port, &layers.bytes);
            header.truncate(8);
            layers.wrap(header);
            17
        };
        let protocol = match self.below(13) {
            0 => [4, 41][usize::from(ether_type == IPV6)],
            1 => {
                self.gre(ether_type, layers);
                47
            }
            2 => {
                bridged(layers);
                self.gre(FRAME, layers);
                47
            }
            3 => {
                bridged(layers);
                layers.wrap(vec![0x10, 1, 0, 1, 0, 0, 0, 0]);
                layers.wrap(vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 7]);
                47
            }
            4 => {
                bridged(layers);
                layers.wrap(vec![8, 0, 0, 0, 0, 0, 7, 0]);
                datagram(layers, self.one(&ports.vxlan))
            }
            5 => {
                bridged(layers);
                let words = self.below(6);
                let mut header = vec![words as u8, 0, 0x65, 0x58, 0, 0, 7, 0];
                header.resize(8 + 4 * words, 0xa5);
                layers.wrap(header);
                datagram(layers, ports.geneve)
            }
            6 => {
                let length = layers.bytes.len() as u16;
                let extended: &[u8] = self.one(&[&[][..], &[0, 1, 0, 0x85, 1, 0, 9, 0], &[0, 1, 0, 0]]);
                let flags = [0x30, 0x36][usize::from(!extended.is_empty())];
                let length = (length + extended.len() as u16).to_be_bytes();
                let mut header = vec![flags, 255, length[0], length[1], 0, 0, 0, 1];
                header.extend(extended);
                layers.wrap(header);
                datagram(layers, ports.gtp_u)
            }
            8 => {
                bridged(layers);
                {
                    let protocol = self.one(&[143, 97]);
                    if protocol == 97 {
                        layers.wrap(vec![0x30, 0]);
                    }
                    protocol
                }
            }
            9 => {
                let next = [1, 2][usize::from(ether_type == IPV6)];
                layers.wrap(vec![0x0c, 0, 0, next, 0, 0, 7, 0]);
                datagram(layers, ports.vxlan_gpe)
            }
            10 | 11 => {
                let protocol = [0x21, 0x57][usize::from(ether_type == IPV6)];
                layers.wrap(vec![0xff, 3, 0, protocol]);
                let length = (layers.bytes.len() as u16 + 8).to_be_bytes();
                layers.wrap(
                    self.one(
                        &[
                            vec![0, 2, 0, 1, 0, 2],
                            vec![0x40, 2, length[0], length[1], 0, 1, 0, 2],
                            vec![0x0a, 2, 0, 1, 0, 2, 0, 3, 0, 4, 0, 1, 9],
                        ]
                        .each_ref(),
                    )
                    .clone(),
                );
                datagram(layers, ports.l2tp)
            }
            7 if ether_type == IPV6 => {
                if self.below(2) == 0 {
                    layers.wrap(vec![0, 0, 1, 1, 10, 0, 0, 1]);
                }
                datagram(layers, ports.teredo)
            }
            _ => {
                layers.wrap(vec![0, 2, 0x01, 64]);
                datagram(layers, ports.mpls)
            }
        };
        self.around(protocol, layers)
    }

    /// GRE with any of its optional fields.
    fn gre(&mut self, ether_type: u16, layers: &mut Layers) {
        let flags = self.one(&[0, 0, 0x80, 0x20, 0x10, 0xb0, 0x40]);
        let mut header = vec![flags, 0];
        header.extend(ether_type.to_be_bytes());
        for (flag, field) in [(0xc0, [0, 0, 0, 0]), (0x20, [0, 0, 0, 9]), (0x10, [0, 0, 0, 3])] {
            if flags & flag != 0 {
                header.extend(field);
            }
        }
        if flags & 0x40 != 0 {
            // Routes: one, and the empty one that ends the list.
            header.extend([0x08, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0]);
        }
        layers.wrap(header);
    }

    /// A flow between a few hosts, so that flows repeat.
    fn ip(&mut self) -> (u16, Layers) {
        let (protocol, body) = self.transport();
        let mut layers = Layers::new(body);
        let ether_type = self.around(protocol, &mut layers);
        (ether_type, layers)
    }

    /// Puts a transport into IPv4 or IPv6, with options, extensions and fragments.
    fn around(&mut self, protocol: u8, layers: &mut Layers) -> u16 {
        let (a, b) = (self.below(4) as u8, self.below(4) as u8);
        if self.below(5) < 3 {
            let options = self.one(&[0, 0, 0, 4, 12, 40]);
            let body = [vec![1; options], layers.bytes.clone()].concat();
            let mut header = ipv4([10, 0, 0, a], [10, 0, 1, b], protocol, &body);
            header.truncate(20 + options);
            header[0] = 0x45 + (options / 4) as u8;
            if self.below(6) == 0 {
                header[4..6].copy_from_slice(&(self.below(3) as u16).to_be_bytes());
                let offset = self.one(&[0x2000, 0x2001, 0x2010, 0x0010, 0x00b9]);
                header[6..8].copy_from_slice(&u16::to_be_bytes(offset));
            }
            layers.wrap(header);
            return IPV4;
        }
        let mut next = protocol;
        for _ in 0..self.one(&[0, 0, 0, 1, 2, 4]) {
            let number = self.one(&[0, 43, 44, 51, 60, 135]);
            let header = match number {
                44 => {
                    let offset = self.one(&[0_u16, 1, 1, 8, 0x0101, 0x0ff8]).to_be_bytes();
                    vec![next, 0, offset[0], offset[1], 0, 0, 0, self.below(3) as u8]
                }
                51 => vec![next, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
                _ => {
                    let more = self.below(3);
                    let mut header = vec![next, more as u8, 1, 4];
                    header.resize(8 + 8 * more, 0);
                    header
                }
            };
            layers.wrap(header);
            next = number;
        }
        let mut header = vec![0x60, 0, 0, 0];
        header.extend((layers.bytes.len() as u16).to_be_bytes());
        header.extend([next, 60]);
        for host in [a, b] {
            header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
        }
        layers.wrap(header);
        IPV6
    }

    /// What a packet carries, and how many ports clients have.
    fn payload(&mut self) -> (Vec<u8>, usize) {
        if self.messages.is_empty() {
            return (vec![0x55; self.below(200)], 3);
        }
        let at = self.below(self.messages.len());
        let mut message = self.messages[at].clone();
        match self.below(6) {
            0 => message.truncate(self.below(message.len())),
            1 => drop(message.drain(..self.below(message.len()))),
            2 | 3 if !message.is_empty() => {
                for _ in 0..=self.below(4) {
                    let at = self.below(message.len());
                    message[at] = self.one(&EDGES);
                }
            }
            4 => message = message.repeat(1 + self.below(4)),
            _ => {}
        }
        message.truncate(1200);
        (message, 8192)
    }

    fn transport(&mut self) -> (u8, Vec<u8>) {
        let (payload, clients) = self.payload();
        let (from, to) = (40_000 + self.below(clients) as u16, self.one(&[443, 80, 53]));
        let (from, to) = if self.below(2) == 0 { (from, to) } else { (to, from) };
        match self.below(8) {
            0..=4 => {
                let flags = self.one(&[0x02, 0x12, 0x10, 0x10, 0x18, 0x18, 0x11, 0x04, 0xd2, 0x30]);
                // Near enough to each other to be in order, out of it, repeated and acknowledged.
                let (seq, ack) = (1000 + self.below(6) as u32 * 100, 1000 + self.below(6) as u32 * 100);
                let whole = if clients > 3 { payload.len() } else { payload.len() / 100 * 100 };
                let payload = if flags & 2 == 0 { &payload[..whole] } else { &[] };
                let mut segment = tcp(from, to, seq, ack, flags, payload);
                if flags & 2 != 0 {
                    segment[12] = 0x80;
                    segment.extend([2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 1, 0]);
                }
                (6, segment)
            }
            5 => (17, udp(from, to, &payload)),
            6 => (132, [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 8], &payload].concat()),
            _ => (self.one(&[1, 58, 50, 89]), payload),
        }
    }
}
