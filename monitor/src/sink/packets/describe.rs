//! From a packet to its entry, and from that to its row.

use std::net::IpAddr;

use monitor_common::{
    abi::{Address, IpVersion},
    wire::{Fragment, Packet, tcp_flags},
};
use monitor_core::record::{PacketRecord, Protocol, Text, Time};

use super::spool::{Entry, parts};
use crate::sink::PacketView;

/// What a row of this packet needs.
pub(super) fn entry(view: &PacketView<'_>, (flow_file, flow): (u32, u64)) -> Entry {
    let entry = Entry {
        frame: view.frame.number,
        time: view.frame.time,
        length: view.frame.on_wire(),
        file: view.frame.file,
        flow,
        flow_file,
        ..Entry::default()
    };
    let Some(packet) = view.packet else { return entry };
    let mut entry = Entry {
        source: packet.source.octets(),
        destination: packet.destination.octets(),
        ip_version: packet.ip_version,
        protocol: packet.protocol,
        ttl: packet.ttl,
        ports: [packet.source_port, packet.destination_port],
        ..entry
    };
    let later = packet.fragment == Fragment::Later as u8;
    if matches!(packet.protocol, 6 | 17 | 132) && (!later || entry.ports != [0; 2]) {
        entry.parts |= parts::PORTS;
    }
    if later {
        return entry;
    }
    entry.payload = packet.payload_length;
    let header = if packet.protocol == 6 { tcp_header(view.frame.bytes, packet) } else { None };
    if let Some(header) = header {
        entry.parts |= parts::TCP;
        entry.flags = packet.tcp_flags;
        entry.seq = packet.seq;
        entry.ack = packet.ack;
        entry.window = packet.window;
        entry.mss = packet.mss;
        entry.window_scale = packet.window_scale;
        if let Some(timestamps) = header.get(20..).and_then(timestamps) {
            entry.parts |= parts::TIMESTAMPS;
            entry.timestamps = timestamps;
        }
    }
    entry
}

/// The TCP header that the parser read, which says only where it ends: it begins where the offset in it leads
/// to that end and its first fields are those that were read.
fn tcp_header<'a>(frame: &'a [u8], packet: &Packet) -> Option<&'a [u8]> {
    let end = packet.payload_offset as usize;
    (5..=15).find_map(|words: u8| {
        let begin = end.checked_sub(usize::from(words) * 4)?;
        let header = frame.get(begin..end.min(frame.len()))?;
        let is_it = header.get(12)? >> 4 == words
            && header.get(..2)? == packet.source_port.to_be_bytes()
            && header.get(2..4)? == packet.destination_port.to_be_bytes()
            && header.get(4..8)? == packet.seq.to_be_bytes();
        is_it.then_some(header)
    })
}

/// The timestamp option (RFC 7323, 3.2) among TCP options.
fn timestamps(mut options: &[u8]) -> Option<[u32; 2]> {
    loop {
        match options {
            [1, rest @ ..] => options = rest,
            [8, 10, rest @ ..] => {
                let (value, rest) = rest.split_first_chunk()?;
                let echo = rest.first_chunk()?;
                return Some([u32::from_be_bytes(*value), u32::from_be_bytes(*echo)]);
            }
            [2..=u8::MAX, length @ 2..=u8::MAX, ..] => options = options.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
}

/// Names of the flags that are set, such as `SYN ACK`; `none` if there is none.
pub(in crate::sink) fn flags(set: u8) -> String {
    const NAMES: [(u8, &str); 8] = [
        (tcp_flags::SYN, "SYN"),
        (tcp_flags::FIN, "FIN"),
        (tcp_flags::RST, "RST"),
        (tcp_flags::PSH, "PSH"),
        (tcp_flags::ACK, "ACK"),
        (tcp_flags::URG, "URG"),
        (tcp_flags::ECE, "ECE"),
        (tcp_flags::CWR, "CWR"),
    ];
    let names: Vec<&str> =
        NAMES.into_iter().filter(|(flag, _)| set & flag != 0).map(|(_, name)| name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

/// The row of an entry. Of a single file nobody needs to be told which it is: `files` is empty.
pub(super) fn record(entry: &Entry, files: &[Text], known: Option<[Text; 3]>) -> PacketRecord {
    let [name, domain, application] = match known {
        Some(texts) => texts.map(|text| Some(text).filter(|text| !text.as_str().is_empty())),
        None => [const { None }; 3],
    };
    let file = |file: u32| files.get(file as usize).cloned();
    let has = |part: u8| entry.parts & part != 0;
    let (tcp, stamps) = (has(parts::TCP), has(parts::TIMESTAMPS));
    let ip = entry.ip_version != 0;
    let payload = entry.protocol == 17 || tcp;
    PacketRecord {
        frame: entry.frame,
        file: file(entry.file),
        time: Time(entry.time),
        length: entry.length,
        transport: ip.then_some(Protocol(entry.protocol)),
        source_ip: address(entry.ip_version, entry.source),
        source_port: has(parts::PORTS).then_some(entry.ports[0]),
        destination_ip: address(entry.ip_version, entry.destination),
        destination_port: has(parts::PORTS).then_some(entry.ports[1]),
        ttl: ip.then_some(entry.ttl),
        payload_bytes: payload.then_some(entry.payload),
        flags: tcp.then(|| Text::from(flags(entry.flags).as_str())),
        seq: tcp.then_some(entry.seq),
        ack: (tcp && entry.flags & tcp_flags::ACK != 0).then_some(entry.ack),
        window: tcp.then_some(entry.window),
        mss: (entry.mss != 0).then_some(entry.mss),
        window_scale: entry.window_scale.checked_sub(1),
        timestamp: stamps.then_some(entry.timestamps[0]),
        timestamp_echo: stamps.then_some(entry.timestamps[1]),
        flow: (entry.flow != 0).then_some(entry.flow),
        flow_file: (entry.flow != 0).then(|| file(entry.flow_file)).flatten(),
        name,
        domain,
        application,
    }
}

fn address(ip_version: u8, octets: [u8; 16]) -> Option<IpAddr> {
    let address = Address::from_octets(octets);
    match ip_version {
        4 => Some(address.to_ip(IpVersion::V4)),
        6 => Some(address.to_ip(IpVersion::V6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_found_behind_other_options_and_never_beyond_the_end() {
        let stamp = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        let with = |before: &[u8]| [before, &stamp].concat();
        for before in [&[][..], &[1, 1], &[2, 4, 5, 180, 4, 2], &[3, 3, 7, 1]] {
            assert_eq!(timestamps(&with(before)), Some([1, 2]), "{before:?}");
        }
        for none in
            [&[][..], &[0, 8, 10, 0, 0], &[8, 10, 0, 0, 0, 1, 0, 0], &[2, 0], &[2, 1, 1], &[5], &[5, 40]]
        {
            assert_eq!(timestamps(none), None, "{none:?}");
        }
    }

    #[test]
    fn flags_are_named() {
        assert_eq!(flags(0x12), "SYN ACK");
        assert_eq!(flags(0), "none");
    }
}
