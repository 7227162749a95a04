//! Plants, buildings, grids, vehicles and instruments.

use super::{Application as A, Recogniser, Sight, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Dnp3, dnp3),
    udp(A::Dnp3, dnp3),
    tcp(A::Iec104, iec104),
    tcp(A::Modbus, modbus),
    udp(A::Bacnet, bacnet),
    udp(A::Knx, knx),
    tcp(A::Knx, knx),
    tcp(A::OpcUa, opcua),
    tcp(A::EthernetIp, ethernet_ip),
    udp(A::EthernetIp, ethernet_ip),
    udp(A::Cip, cip),
    tcp(A::S7, |sight| Some(cotp_data(sight)? && sight.u8(7)? == 0x32 && matches!(sight.u8(8)?, 1..=3 | 7))),
    tcp(A::S7Plus, |sight| {
        Some(cotp_data(sight)? && sight.u8(7)? == 0x72 && matches!(sight.u8(8)?, 1..=3 | 0xfe))
    }),
    // The name of the abstract syntax in the association: 1.0.9506.2.
    tcp(A::Mms, |sight| Some(cotp_data(sight)? && sight.holds(256, &[0x28, 0xca, 0x22, 0x02]))),
    tcp(A::Iec62056, iec62056),
    udp(A::Iec62056, iec62056),
    tcp(A::Ads, ads),
    tcp(A::Fins, |sight| {
        Some(sight.has(0, b"FINS") && sight.begins(sight.be32(4)? + 8) && sight.be32(8)? <= 6)
    }),
    udp(A::Fins, fins),
    udp(A::HartIp, hart),
    tcp(A::HartIp, hart),
    tcp(A::Hislip, |sight| {
        Some(
            sight.has(0, b"HS")
                && sight.u8(2)? <= 26
                && sight.be32(8)? == 0
                && sight.begins(sight.be32(12)? + 16),
        )
    }),
    tcp(A::Synchrophasor, synchrophasor),
    udp(A::Synchrophasor, synchrophasor),
    udp(A::SomeIp, some_ip),
    tcp(A::SomeIp, some_ip),
    udp(A::Rtps, |sight| Some(sight.has(0, b"RTPS\x02") && sight.length >= 20)),
    tcp(A::Rtps, |sight| Some(sight.has(0, b"RTPS\x02") && sight.length >= 20)),
];

/// A frame of the link layer with its checksum (IEEE 1815, 9.2.4.3).
fn dnp3(sight: &Sight<'_>) -> Option<bool> {
    let header = sight.bytes.get(..8)?;
    // The polynomial 0x3d65, reflected; the complement is sent, low byte first.
    let sum = header.iter().fold(0_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xa6bc })
    });
    Some(sight.has(0, &[5, 0x64]) && sight.u8(2)? >= 5 && sight.le16(8)? == usize::from(!sum))
}

/// Frames that end with the segment (IEC 60870-5-104, 5).
fn iec104(sight: &Sight<'_>) -> Option<bool> {
    let mut at = 0;
    while at < sight.bytes.len() {
        let length = usize::from(sight.u8(at + 1)?);
        if sight.u8(at)? != 0x68 || !(4..=253).contains(&length) {
            return Some(false);
        }
        let control = [sight.u8(at + 2)?, sight.u8(at + 3)?, sight.u8(at + 4)?, sight.u8(at + 5)?];
        let fits = match control {
            // Unnumbered: one of start, stop and test, and nothing else.
            [0x07 | 0x0b | 0x13 | 0x23 | 0x43 | 0x83, 0, 0, 0] | [1, 0, _, _] => length == 4,
            // Information: a known type, a cause.
            [low, _, ack, _] if low & 1 == 0 && ack & 1 == 0 => {
                length >= 10 && matches!(sight.u8(at + 6)?, 1..=127) && sight.u8(at + 8)? & 0x3f <= 47
            }
            _ => false,
        };
        if !fits {
            return Some(false);
        }
        at += length + 2;
    }
    Some(
        at == sight.bytes.len()
            && at != 0
            && (at > 6 || sight.bytes.get(3..6)? == [0, 0, 0] || sight.on(&[2404])),
    )
}

/// A header of Modbus over TCP, a known function, and on another port a length that only it has.
fn modbus(sight: &Sight<'_>) -> Option<bool> {
    let (length, function) = (sight.be16(4)?, sight.u8(7)?);
    let known = matches!(function & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90);
    Some(
        sight.be16(2)? == 0
            && length + 6 == sight.length
            && (3..=254).contains(&length)
            && known
            && sight.on(&[502, 802]),
    )
}

/// A BVLC header (ASHRAE 135, J), and version 1 of the network layer where it carries one.
fn bacnet(sight: &Sight<'_>) -> Option<bool> {
    let network = match sight.u8(1)? {
        4 => sight.u8(10)? == 1,
        9..=11 => sight.u8(4)? == 1,
        0 => sight.is(6),
        1..=3 | 5..=8 => sight.on(&[47_808]),
        _ => false,
    };
    Some(matches!(sight.u8(0)?, 0x81 | 0x82) && sight.is(sight.be16(2)?) && network)
}

/// A header: its length, version 1.0, a known service, the length of all (KNX 3/8/2).
fn knx(sight: &Sight<'_>) -> Option<bool> {
    let known = matches!(sight.be16(2)?, 0x0201..=0x020c | 0x0310..=0x0311 | 0x0420..=0x0425 | 0x0530..=0x0533 | 0x0740..=0x0743 | 0x0950..=0x0955);
    Some(sight.has(0, &[6, 0x10]) && known && sight.begins(sight.be16(4)?))
}

/// A header of the connection protocol (OPC 10000-6, 7.1.2.2).
fn opcua(sight: &Sight<'_>) -> Option<bool> {
    let kind = [&b"HEL"[..], b"ACK", b"ERR", b"RHE", b"OPN", b"CLO", b"MSG"]
        .into_iter()
        .any(|kind| sight.has(0, kind));
    Some(
        kind && matches!(sight.u8(3)?, b'F' | b'C' | b'A')
            && sight.le32(4)? >= 8
            && sight.begins(sight.le32(4)?),
    )
}

/// An encapsulated command (CIP volume 2, 2-3).
fn ethernet_ip(sight: &Sight<'_>) -> Option<bool> {
    let (command, length, status) = (sight.le16(0)?, sight.le16(2)?, sight.le32(8)?);
    let known = matches!(command, 1 | 4 | 0x63..=0x66 | 0x6f | 0x70);
    let empty = length == 0 && !sight.on(&[44_818]);
    Some(known && length + 24 == sight.length && !empty && status <= 0x6a && sight.le32(20)? == 0)
}

/// Cyclic data: two items, a sequenced address and connected data.
fn cip(sight: &Sight<'_>) -> Option<bool> {
    let items = sight.le16(0)? == 2 && sight.le16(2)? == 0x8002 && sight.le16(4)? == 8;
    Some(items && sight.le16(14)? == 0x00b1 && sight.le16(16)? + 18 == sight.length)
}

/// A TPKT with a data unit of COTP (RFC 1006, 6).
fn cotp_data(sight: &Sight<'_>) -> Option<bool> {
    Some(
        sight.has(0, &[3, 0])
            && (sight.be16(2)? <= sight.length || sight.begins(sight.be16(2)?))
            && sight.has(4, &[2, 0xf0])
            && sight.u8(6)? & 0x7f == 0,
    )
}

/// The wrapper of DLMS (IEC 62056-47): version 1, both ports, and a length that is that of a known unit.
fn iec62056(sight: &Sight<'_>) -> Option<bool> {
    let unit = matches!(
        sight.u8(8)?,
        0x60 | 0x61 | 0x62 | 0x63 | 0xc0
            ..=0xc7
                | 0xc8
                | 0xcb
                | 0xcc
                | 0xcf
                | 0xd8
                | 0xdb
                | 0xdc
                | 0x0f
                | 0x01
                | 0x05
                | 0x06
                | 0x08
                | 0x0c
                | 0x0d
    );
    let wrapped = sight.be16(0)? == 1
        && sight.be16(6)? + 8 == sight.length
        && sight.length > 10
        && unit
        && sight.be16(2)? != 0
        && sight.be16(4)? != 0;
    // The request of mode C in ASCII.
    let request = sight.has(0, b"/?") && sight.bytes.ends_with(b"!\r\n") && sight.length <= 37;
    Some((wrapped && (sight.on(&[4059]) || sight.be16(2)? <= 0xff && sight.be16(4)? <= 0xff)) || request)
}

/// A packet of AMS over TCP: its length, two addresses, a command, flags, the length of data.
fn ads(sight: &Sight<'_>) -> Option<bool> {
    Some(
        sight.be16(0)? == 0
            && sight.le32(2)? + 6 == sight.length
            && (1..=9).contains(&sight.le16(22)?)
            && matches!(sight.le16(24)? & !1, 4)
            && sight.le32(26)? + 38 == sight.length,
    )
}

/// A command or an answer in a datagram: information, reserved, gateways, then networks and units.
fn fins(sight: &Sight<'_>) -> Option<bool> {
    Some(
        sight.on(&[9600])
            && matches!(sight.u8(0)? & 0xbe, 0x80)
            && sight.u8(1)? == 0
            && sight.u8(2)? <= 7
            && sight.length >= 12,
    )
}

/// A header: version 1, kind, identifier, status, number, length (HART-IP, FCG TS20085).
fn hart(sight: &Sight<'_>) -> Option<bool> {
    Some(
        matches!(sight.u8(0)?, 1 | 2)
            && matches!(sight.u8(1)?, 0..=3 | 15)
            && sight.u8(2)? <= 5
            && sight.be16(6)? == sight.length
            && sight.length >= 8
            && sight.on(&[5094]),
    )
}

/// A frame with its checksum (IEEE C37.118.2, 6.2; CRC-CCITT).
fn synchrophasor(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.be16(2)?;
    if sight.u8(0)? != 0xaa
        || sight.u8(1)? & 0x80 != 0
        || sight.u8(1)? >> 4 > 5
        || length < 16
        || length > sight.length
    {
        return Some(false);
    }
    let (body, sum) = (sight.bytes.get(..length - 2)?, sight.be16(length - 2)?);
    let computed = body.iter().fold(0xffff_u16, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 },
        )
    });
    Some(usize::from(computed) == sum)
}

/// A header (AUTOSAR PRS SOME/IP, 4.1.2): length, protocol 1, an interface, kind, code.
fn some_ip(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.be32(4)?;
    let fits = length >= 8 && (length + 8 <= sight.length || sight.begins(length + 8)) && length < 1 << 20;
    let kind = matches!(sight.u8(14)?, 0..=2 | 0x20..=0x22 | 0x80 | 0x81 | 0xa0 | 0xa1);
    Some(
        fits && sight.u8(12)? == 1
            && kind
            && sight.u8(15)? <= 0x5e
            && sight.be16(0)? != 0
            && (sight.u8(13)? <= 16)
            && (sight.is(length + 8)
                || sight.has(0, &[0xff, 0xff, 0x81, 0])
                || length + 8 < sight.length && sight.u8(length + 8 + 12).is_none_or(|version| version == 1)),
    )
}
