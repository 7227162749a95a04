//! The parser against frames made here, header by header.

mod builder;
mod fragments;
mod hostile;
mod layers;
mod tunnels;

use super::*;
use crate::abi::FragmentKey;
use builder::{CLIENT, Frame, SERVER};

/// Parses a whole frame.
fn parsed(link: Link, bytes: &[u8]) -> Result<Packet, ParseError> {
    parsed_as(link, bytes, bytes.len() as u32)
}

/// Parses a frame that was `length` bytes long on the wire.
fn parsed_as(link: Link, bytes: &[u8], length: u32) -> Result<Packet, ParseError> {
    let mut state = dirty();
    let mut packet = Packet { fragment_id: 9, vlan_tags: 9, tunnel: 9, mss: 9, ..Packet::default() };
    parse(bytes, link, length, &TunnelPorts::default(), &mut state, &mut packet).map(|()| packet)
}

/// What was in the state before does not matter.
fn dirty() -> ParseState {
    ParseState {
        next: 77,
        offset: 78,
        end: 79,
        tunnel: 80,
        network: 86,
        missing: 81,
        transient: 82,
        first_offset: 83,
        first: FragmentKey { ip_version: 4, id: 84, ..FragmentKey::default() },
        own: FragmentKey { ip_version: 6, id: 85, ..FragmentKey::default() },
    }
}

/// As [`parsed_as`], with what only captures show.
fn captured_as(link: Link, bytes: &[u8], length: u32) -> Result<Packet, ParseError> {
    let mut packet = Packet { fragment_id: 9, vlan_tags: 9, tunnel: 9, mss: 9, ..Packet::default() };
    parse_capture(bytes, link, length, &TunnelPorts::default(), &mut dirty(), &mut packet).map(|()| packet)
}

fn ethernet(frame: &Frame) -> Packet {
    parsed(Link::Ethernet, frame.bytes()).expect("an IP packet")
}

fn fast(link: Link, bytes: &[u8], length: u32) -> Option<Packet> {
    (link == Link::Ethernet).then(|| parse_fast(bytes, length, TunnelPorts::default)).flatten()
}

/// The usual flow, whatever is around it.
fn assert_inner(packet: &Packet, tunnel: Option<Tunnel>) {
    assert_eq!(packet.source, Address::from_v4_octets(CLIENT), "source");
    assert_eq!(packet.destination, Address::from_v4_octets(SERVER), "destination");
    assert_eq!((packet.source_port, packet.destination_port), (40000, 443), "ports");
    assert_eq!((packet.protocol, packet.ip_version), (6, 4), "protocol");
    assert_eq!(packet.payload_length, 100, "payload");
    assert_eq!(packet.ip_length, 140, "IP length");
    assert_eq!(packet.payload_offset + 100, packet.wire_length, "payload offset");
    assert_eq!(packet.tunnel, tunnel.map_or(0, |t| t as u8), "tunnel");
}

/// TCP over IPv4, without a link header.
fn usual() -> Frame {
    Frame::payload(100).tcp(40000, 443).inner(6)
}
