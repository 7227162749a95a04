//! The usual packet: Ethernet, IPv4 without options or IPv6 without extension headers, TCP or UDP.
//!
//! Constant offsets only, header by header: the kernel side reads words at the start of each, and
//! the verifier and the compiler see through all of it. The packet is built at the very end, from
//! registers: nothing is cleared or written twice.

use super::{Packet, PacketBytes, TunnelPorts, parse::kind, tcp_flags};
use crate::abi::Address;

const ETHERNET: usize = 14;

/// What the IP header said.
struct Ip {
    version: u8,
    ttl: u8,
    protocol: u8,
    source: Address,
    destination: Address,
    length: u32,
}

/// Parses the usual packet of an Ethernet frame that is `length` bytes long on the wire; `None`:
/// [`super::parse`] knows what it is. `tunnels` is asked only about UDP.
#[inline(always)]
pub fn parse_fast<B: PacketBytes + ?Sized>(
    bytes: &B,
    length: u32,
    tunnels: impl FnOnce() -> TunnelPorts,
) -> Option<Packet> {
    let h = bytes.read::<ETHERNET>(0)?;
    match u16::from_be_bytes([h[12], h[13]]) {
        0x0800 => transport::<B, { ETHERNET + 20 }>(bytes, length, tunnels, &ipv4(bytes)?),
        0x86dd => transport::<B, { ETHERNET + 40 }>(bytes, length, tunnels, &ipv6(bytes)?),
        _ => None,
    }
}

/// The word at `i` as it lies in memory.
#[inline(always)]
fn word<const N: usize>(b: &[u8; N], i: usize) -> u32 {
    u32::from_ne_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]])
}

#[inline(always)]
fn ipv4<B: PacketBytes + ?Sized>(bytes: &B) -> Option<Ip> {
    let h = bytes.read::<20>(ETHERNET)?;
    let length = u16::from_be_bytes([h[2], h[3]]) as u32;
    // Version 4 and five words of header; no fragment (RFC 791, 3.1); BIG TCP has no length.
    if h[0] != 0x45 || u16::from_be_bytes([h[6], h[7]]) & 0x3fff != 0 || length < 20 {
        return None;
    }
    Some(Ip {
        version: 4,
        ttl: h[8],
        protocol: h[9],
        source: Address::from_v4_word(word(&h, 12)),
        destination: Address::from_v4_word(word(&h, 16)),
        length,
    })
}

#[inline(always)]
fn ipv6<B: PacketBytes + ?Sized>(bytes: &B) -> Option<Ip> {
    let h = bytes.read::<40>(ETHERNET)?;
    let payload = u16::from_be_bytes([h[4], h[5]]) as u32;
    if h[0] >> 4 != 6 || payload == 0 {
        return None;
    }
    Some(Ip {
        version: 6,
        ttl: h[7],
        protocol: h[6],
        source: Address::from_v6_words([word(&h, 8), word(&h, 12), word(&h, 16), word(&h, 20)]),
        destination: Address::from_v6_words([word(&h, 24), word(&h, 28), word(&h, 32), word(&h, 36)]),
        length: payload + 40,
    })
}

#[inline(always)]
fn transport<B: PacketBytes + ?Sized, const OFFSET: usize>(
    bytes: &B,
    length: u32,
    tunnels: impl FnOnce() -> TunnelPorts,
    ip: &Ip,
) -> Option<Packet> {
    let end = ETHERNET as u32 + ip.length;
    if end > length {
        return None;
    }
    let packet = Packet {
        source: ip.source,
        destination: ip.destination,
        protocol: ip.protocol,
        ip_version: ip.version,
        ttl: ip.ttl,
        ip_offset: ETHERNET as u32,
        ip_length: ip.length,
        wire_length: length,
        segments: 1,
        ..Packet::default()
    };
    match ip.protocol {
        6 => {
            let h = bytes.read::<20>(OFFSET)?;
            let header = ((h[12] >> 4) as u32) << 2;
            let payload = OFFSET as u32 + header;
            // A SYN has options, and those are read elsewhere.
            if h[13] & tcp_flags::SYN != 0 || header < 20 || payload > end {
                return None;
            }
            Some(Packet {
                source_port: u16::from_be_bytes([h[0], h[1]]),
                destination_port: u16::from_be_bytes([h[2], h[3]]),
                seq: u32::from_be(word(&h, 4)),
                ack: u32::from_be(word(&h, 8)),
                tcp_flags: h[13],
                window: u16::from_be_bytes([h[14], h[15]]),
                mss: if h[13] & tcp_flags::URG == 0 { 0 } else { u16::from_be_bytes([h[18], h[19]]) },
                payload_offset: payload,
                payload_length: end - payload,
                ..packet
            })
        }
        17 => {
            let h = bytes.read::<8>(OFFSET)?;
            let source_port = u16::from_be_bytes([h[0], h[1]]);
            let destination_port = u16::from_be_bytes([h[2], h[3]]);
            let udp = u16::from_be_bytes([h[4], h[5]]) as u32;
            if udp < 8
                || OFFSET as u32 + udp > end
                || tunnels().behind(source_port, destination_port) != kind::DONE
            {
                return None;
            }
            Some(Packet {
                source_port,
                destination_port,
                payload_offset: OFFSET as u32 + 8,
                payload_length: udp - 8,
                ..packet
            })
        }
        _ => None,
    }
}
