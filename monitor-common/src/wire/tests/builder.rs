//! Frames from the outside in: each call wraps a header around what stands there already, so a frame
//! is written from its payload outwards.

use std::vec::Vec;

/// A frame under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

pub(super) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(super) const SERVER: [u8; 4] = [10, 0, 0, 2];
pub(super) const OUTER: ([u8; 4], [u8; 4]) = ([192, 0, 2, 1], [192, 0, 2, 2]);

/// `2001:db8::n`.
pub(super) fn v6(n: u8) -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    out[15] = n;
    out
}

impl Frame {
    /// Starts from the innermost payload.
    pub(super) fn payload(length: usize) -> Self {
        Self { bytes: std::vec![0x5a; length] }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn push(mut self, header: &[u8]) -> Self {
        self.bytes.splice(0..0, header.iter().copied());
        self
    }

    /// TCP with flags and options; sequence 1000, acknowledgment 2000, window 500.
    pub(super) fn tcp_with(self, source: u16, destination: u16, flags: u8, options: &[u8]) -> Self {
        assert_eq!(options.len() % 4, 0);
        let mut h = Vec::new();
        h.extend(source.to_be_bytes());
        h.extend(destination.to_be_bytes());
        h.extend(1000u32.to_be_bytes());
        h.extend(2000u32.to_be_bytes());
        h.push(((5 + options.len() / 4) as u8) << 4);
        h.push(flags);
        h.extend(500u16.to_be_bytes());
        h.extend([0; 4]);
        h.extend(options);
        self.push(&h)
    }

    /// An ACK with PSH.
    pub(super) fn tcp(self, source: u16, destination: u16) -> Self {
        self.tcp_with(source, destination, 0x18, &[])
    }

    pub(super) fn udp(self, source: u16, destination: u16) -> Self {
        let length = (self.bytes.len() + 8) as u16;
        let mut h = Vec::new();
        h.extend(source.to_be_bytes());
        h.extend(destination.to_be_bytes());
        h.extend(length.to_be_bytes());
        h.extend([0; 2]);
        self.push(&h)
    }

    /// IPv4 with the fragment word (flags and offset) and options.
    pub(super) fn ipv4_with(
        self,
        (source, destination): ([u8; 4], [u8; 4]),
        protocol: u8,
        fragment: u16,
        options: &[u8],
    ) -> Self {
        assert_eq!(options.len() % 4, 0);
        let header = 20 + options.len();
        let total = (self.bytes.len() + header) as u16;
        let mut h = std::vec![0x40 | (header / 4) as u8, 0];
        h.extend(total.to_be_bytes());
        h.extend(0x1234u16.to_be_bytes());
        h.extend(fragment.to_be_bytes());
        h.extend([64, protocol, 0, 0]);
        h.extend(source);
        h.extend(destination);
        h.extend(options);
        self.push(&h)
    }

    pub(super) fn ipv4(self, addresses: ([u8; 4], [u8; 4]), protocol: u8) -> Self {
        self.ipv4_with(addresses, protocol, 0x4000, &[])
    }

    /// The flow that most tests look for.
    pub(super) fn inner(self, protocol: u8) -> Self {
        self.ipv4((CLIENT, SERVER), protocol)
    }

    pub(super) fn ipv6(self, source: u8, destination: u8, next: u8) -> Self {
        let mut h = std::vec![0x60, 0, 0, 0];
        h.extend((self.bytes.len() as u16).to_be_bytes());
        h.extend([next, 63]);
        h.extend(v6(source));
        h.extend(v6(destination));
        self.push(&h)
    }

    pub(super) fn ethernet(self, number: u16) -> Self {
        let mut h = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        h.extend(number.to_be_bytes());
        self.push(&h)
    }

    /// Below an Ethernet header: identifier, then the type of what is tagged.
    pub(super) fn vlan(self, identifier: u16, number: u16) -> Self {
        let mut h = Vec::new();
        h.extend((identifier | 0x2000).to_be_bytes());
        h.extend(number.to_be_bytes());
        self.push(&h)
    }

    pub(super) fn vxlan(self) -> Self {
        self.push(&[8, 0, 0, 0, 0, 0, 7, 0]).udp(50000, 4789).ipv4(OUTER, 17)
    }
}
