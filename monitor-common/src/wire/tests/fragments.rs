//! Fragments: of packets and of tunnels that carry packets.

use super::builder::OUTER;
use super::*;
use crate::{
    abi::FragmentFlow,
    account::{FragmentTable, resolve},
};
use std::{collections::HashMap, vec::Vec};

#[derive(Default)]
struct Table(HashMap<FragmentKey, FragmentFlow>);

impl FragmentTable for Table {
    fn get(&self, key: &FragmentKey) -> Option<FragmentFlow> {
        self.0.get(key).copied()
    }

    fn insert(&mut self, key: &FragmentKey, flow: &FragmentFlow) {
        self.0.insert(*key, *flow);
    }
}

/// Parses a frame and finds the flow of its first fragment.
fn seen(table: &mut Table, bytes: &[u8]) -> Packet {
    let (mut state, mut packet) = (dirty(), Packet::default());
    let length = bytes.len() as u32;
    parse(bytes, Link::Ethernet, length, &TunnelPorts::default(), &mut state, &mut packet).expect("IP");
    if packet.fragment != Fragment::None as u8 {
        resolve(&mut packet, &mut state, 1, &mut FragmentFlow::default(), table);
    }
    packet
}

/// An IPv4 datagram in fragments of at most this many bytes of payload, as Ethernet frames.
fn split(datagram: &[u8], size: usize) -> Vec<Vec<u8>> {
    assert_eq!(size % 8, 0);
    let payload = &datagram[20..];
    payload
        .chunks(size)
        .enumerate()
        .map(|(n, part)| {
            let more = (n + 1) * size < payload.len();
            let mut bytes = datagram[..20].to_vec();
            bytes[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            let place = (n * size / 8) as u16 | if more { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&place.to_be_bytes());
            bytes.extend_from_slice(part);
            Frame::payload(0).push(&bytes).ethernet(0x0800).bytes().to_vec()
        })
        .collect()
}

#[test]
fn later_fragments_of_a_tunnel_count_on_the_flow_that_its_first_carries() {
    let gtp = usual().push(&[0x30, 0xff, 0, 140, 0, 0, 0, 1]).udp(2152, 2152).ipv4(OUTER, 17);
    let gre = usual().push(&[0, 0, 8, 0]).ipv4(OUTER, 47);
    for (datagram, size, tunnel) in [(gtp, 80, Tunnel::GtpU), (gre, 64, Tunnel::Gre)] {
        let mut table = Table::default();
        let parts = split(datagram.bytes(), size);
        assert!(parts.len() > 1);
        let packets: Vec<Packet> = parts.iter().map(|frame| seen(&mut table, frame)).collect();
        for p in &packets {
            assert_eq!(p.source, Address::from_v4_octets(CLIENT));
            assert_eq!((p.source_port, p.destination_port, p.protocol), (40000, 443, 6));
            assert_eq!(p.tunnel, tunnel as u8);
            assert_ne!(p.fragment, Fragment::None as u8);
        }
        // The header inside says the length of all: it counts once.
        let sum = |of: fn(&Packet) -> u32| packets.iter().map(of).sum::<u32>();
        assert_eq!((sum(|p| p.payload_length), sum(|p| p.ip_length)), (100, 140));
        assert_eq!(packets[0].payload_length, 100);
        let unknown = seen(&mut Table::default(), &parts[1]);
        assert_eq!((unknown.source, unknown.source_port), (Address::from_v4_octets(OUTER.0), 0));
    }
}

#[test]
fn a_fragment_in_fragments_leads_to_the_flow_of_the_innermost() {
    let inner = Frame::payload(400).udp(5, 6).inner(17);
    let mut table = Table::default();
    for (n, part) in split(inner.bytes(), 208).iter().enumerate() {
        let mut carried = Frame::payload(0).push(&part[14..]).push(&[0, 0, 8, 0]).ipv4(OUTER, 47);
        carried = Frame::payload(0).push(&{
            let mut bytes = carried.bytes().to_vec();
            bytes[4..6].copy_from_slice(&(n as u16).to_be_bytes());
            bytes
        });
        for frame in split(carried.bytes(), 120) {
            let p = seen(&mut table, &frame);
            assert_eq!((p.source_port, p.destination_port, p.protocol), (5, 6, 17), "part {n}");
        }
    }
}

#[test]
fn a_tcp_header_split_over_fragments_is_read_by_its_second() {
    let syn = Frame::payload(0).tcp_with(1, 2, 2, &[2, 4, 5, 0xb4]).inner(6);
    let mut table = Table::default();
    let packets: Vec<Packet> = split(syn.bytes(), 8).iter().map(|frame| seen(&mut table, frame)).collect();
    let flags: Vec<u8> = packets.iter().map(|p| p.tcp_flags).collect();
    assert_eq!(flags, [0, 2, 0]);
    assert_eq!((packets[1].seq, packets[1].ack, packets[1].window), (1000, 2000, 500));
    assert!(packets.iter().all(|p| (p.source_port, p.destination_port) == (1, 2)));
    // With payload behind it, of which the header's bytes are none.
    let segment = Frame::payload(100).tcp(1, 2).inner(6);
    let [first, second] = &split(segment.bytes(), 8)[..2] else { panic!("two fragments") };
    let rest = {
        let mut bytes = second.clone();
        bytes.truncate(34);
        bytes.extend(&segment.bytes()[28..]);
        bytes[16..18].copy_from_slice(&(20 + 112u16).to_be_bytes());
        bytes[20..22].copy_from_slice(&1u16.to_be_bytes());
        bytes
    };
    assert_eq!(seen(&mut table, first).tcp_flags, 0);
    let p = seen(&mut table, &rest);
    assert_eq!((p.tcp_flags, p.seq, p.payload_length), (0x18, 1000, 100));
}

#[test]
fn what_only_looks_like_the_rest_of_a_header_is_none() {
    let segment = Frame::payload(100).tcp(1, 2).inner(6);
    let parts = split(segment.bytes(), 16);
    let mut table = Table::default();
    seen(&mut table, &parts[0]);
    // It says to begin where the first has a header already; and without any first.
    let mut overlapping = parts[1].clone();
    overlapping[21] = 1;
    overlapping[34 + 4] = 0x50;
    for table in [&mut table, &mut Table::default()] {
        let p = seen(table, &overlapping);
        assert_eq!((p.tcp_flags, p.seq, p.window, p.payload_length), (0, 0, 0, 16));
    }
}
