//! No bytes make the parser panic, and its two ways agree.

use super::builder::OUTER;
use super::*;
use std::vec::Vec;

/// Numbers that look random and are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

const LINKS: [Link; 8] = [
    Link::Ethernet,
    Link::Ip,
    Link::Ppp,
    Link::EtherType(0x8847),
    Link::EtherType(0x8864),
    Link::EtherType(0x0000),
    Link::EtherType(0x86dd),
    Link::EtherType(0x8100),
];

fn samples() -> Vec<Frame> {
    let inner = usual().ethernet(0x0800);
    std::vec![
        inner.clone(),
        Frame::payload(30).udp(1, 53).ipv6(1, 2, 17).ethernet(0x86dd),
        Frame::payload(0).tcp_with(1, 2, 2, &[2, 4, 5, 0xb4, 1, 3, 3, 7]).inner(6).ethernet(0x0800),
        Frame::payload(20).tcp(1, 2).push(&[6, 0, 0, 1, 1, 2, 3, 4]).ipv6(1, 2, 44).ethernet(0x86dd),
        inner.clone().vxlan().vlan(7, 0x0800).ethernet(0x8100),
        inner
            .clone()
            .push(&[2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 0, 0, 0, 0])
            .udp(1, 6081)
            .ipv4(OUTER, 17)
            .ethernet(0x0800),
        usual()
            .push(&[1, 0, 0, 0])
            .push(&[0, 9, 0, 0x85])
            .push(&[0x34, 0xff, 0, 148, 0, 0, 0, 1])
            .udp(2152, 2152)
            .ipv4(OUTER, 17)
            .ethernet(0x0800),
        inner
            .clone()
            .push(&[0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
            .push(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1])
            .ipv4(OUTER, 47)
            .ethernet(0x0800),
        Frame::payload(5)
            .udp(1, 2)
            .ipv6(3, 4, 17)
            .push(&[0, 0, 1, 2, 3, 4, 5, 6])
            .udp(3544, 9)
            .ipv4(OUTER, 17)
            .ethernet(0x0800),
        inner.push(&[0; 4]).push(&[0, 1, 0x11, 64]).push(&[0, 1, 0x10, 64]).ethernet(0x8847),
    ]
}

/// Both ways through the parser; what must hold for any bytes at all.
fn check(link: Link, bytes: &[u8], length: u32) {
    let general = parsed_as(link, bytes, length);
    let captured = captured_as(link, bytes, length);
    assert!(captured.is_ok() || general.is_err(), "a capture shows no less: {link:?} {bytes:02x?}");
    if let Some(fast) = fast(link, bytes, length) {
        assert_eq!(general, Ok(fast), "{link:?} {bytes:02x?}");
    }
    if let Ok(mut p) = general {
        assert!(p.ip_version == 4 || p.ip_version == 6);
        assert_eq!((p.wire_length, p.segments), (length, 1));
        assert!(p.payload_length <= length);
        super_packet(&mut p, 1400, 0, 0);
        push_outer_vlan(&mut p, 1);
    }
}

#[test]
fn no_prefix_of_a_frame_panics() {
    for frame in samples() {
        let bytes = frame.bytes();
        for end in 0..=bytes.len() {
            check(Link::Ethernet, &bytes[..end], bytes.len() as u32);
            check(Link::Ethernet, &bytes[..end], end as u32);
            check(Link::Ip, bytes.get(14..end).unwrap_or(&[]), 0);
        }
    }
}

#[test]
fn no_changed_byte_panics() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for frame in samples() {
        let length = frame.bytes().len();
        for _ in 0..4000 {
            let mut bytes = frame.bytes().to_vec();
            for _ in 0..=random.next() % 3 {
                let at = random.next() as usize % length;
                bytes[at] = random.next() as u8;
            }
            check(Link::Ethernet, &bytes, length as u32);
        }
    }
}

#[test]
fn no_random_bytes_panic() {
    let mut random = Random(1);
    for round in 0..20_000u32 {
        let mut bytes: Vec<u8> = (0..random.next() % 200).map(|_| random.next() as u8).collect();
        // Half of them begin like IP, or the first check would end it.
        if round % 2 == 0
            && let Some(first) = bytes.first_mut()
        {
            *first = if round % 4 == 0 { 0x45 } else { 0x60 };
        }
        let length = if round % 3 == 0 { u32::MAX } else { bytes.len() as u32 };
        for link in LINKS {
            check(link, &bytes, length);
        }
    }
}

#[test]
fn zeros_and_ones_in_abundance_end() {
    for byte in [0x00, 0x01, 0x45, 0x60, 0xff] {
        let bytes = std::vec![byte; 20_000];
        for link in LINKS {
            check(link, &bytes, 20_000);
        }
    }
}
