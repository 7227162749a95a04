//! What routers, switches, hosts and mobile networks say about the network itself.

use super::{Application as A, Recogniser, Sight, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Bgp, bgp),
    udp(A::Bfd, bfd),
    udp(A::Ldp, ldp),
    tcp(A::Ldp, ldp),
    udp(A::Hsrp, hsrp),
    udp(A::Lisp, lisp),
    tcp(A::OpenFlow, openflow),
    udp(A::Capwap, capwap),
    udp(A::Gtp, gtp),
    udp(A::Pfcp, |sight| {
        let at = if sight.u8(0)? & 1 == 0 { 4 } else { 12 };
        Some(
            sight.on(&[8805])
                && sight.u8(0)? & 0xf8 == 0x20
                && sight.be16(2)? + 4 == sight.length
                && sight.length >= at + 4,
        )
    }),
    udp(A::NatPmp, nat_pmp),
    udp(A::Ptp, ptp),
];

/// A message with its marker (RFC 4271, 4.1).
fn bgp(sight: &Sight<'_>) -> Option<bool> {
    Some(
        sight.has(0, &[0xff; 16]) && (19..=4096).contains(&sight.be16(16)?) && matches!(sight.u8(18)?, 1..=5),
    )
}

/// A control packet of version 1 (RFC 5880, 4.1).
fn bfd(sight: &Sight<'_>) -> Option<bool> {
    let length = usize::from(sight.u8(3)?);
    Some(
        sight.on(&[3784, 4784, 6784, 7784])
            && sight.u8(0)? >> 5 == 1
            && length >= 24
            && sight.is(length)
            && sight.u8(2)? != 0
            && sight.be32(4)? != 0,
    )
}

/// A PDU of version 1 with a message that fits (RFC 5036, 3.1 and 3.4).
fn ldp(sight: &Sight<'_>) -> Option<bool> {
    let (length, message) = (sight.be16(2)?, sight.be16(12)?);
    Some(
        sight.be16(0)? == 1
            && sight.on(&[646])
            && length + 4 <= sight.length
            && message + 4 <= length
            && matches!(sight.be16(10)? & 0x7fff, 1 | 0x100 | 0x200 | 0x201 | 0x300 | 0x301 | 0x400..=0x404),
    )
}

/// A message of version 0 (RFC 2281, 5) or version 2 in its first field.
fn hsrp(sight: &Sight<'_>) -> Option<bool> {
    let first = sight.u8(0)? == 0
        && sight.u8(1)? <= 3
        && matches!(sight.u8(2)?, 0 | 1 | 2 | 4 | 8 | 16)
        && sight.length == 20;
    let second = sight.u8(0)? == 1 && matches!(sight.u8(1)?, 40) && sight.u8(2)? == 2;
    // An advertisement of who is passive.
    let advertisement = sight.u8(0)? == 0 && sight.u8(1)? == 3;
    Some(sight.on(&[1985, 2029]) && (first || second || advertisement))
}

/// A control message of a known kind, or data with its flags (RFC 9300, 5.1; RFC 9301, 5).
fn lisp(sight: &Sight<'_>) -> Option<bool> {
    let control = sight.on(&[4342]) && matches!(sight.u8(0)? >> 4, 1..=4 | 7 | 8) && sight.length >= 12;
    let data = sight.on(&[4341]) && matches!(sight.u8(8)? >> 4, 4 | 6) && sight.u8(0)? & 7 == 0;
    Some(control || data)
}

/// A message of versions 1.0 to 1.5; on another port a hello alone.
fn openflow(sight: &Sight<'_>) -> Option<bool> {
    let (version, kind, length) = (sight.u8(0)?, sight.u8(1)?, sight.be16(2)?);
    let fits = (1..=6).contains(&version) && length >= 8 && (length <= sight.length || sight.begins(length));
    Some(fits && kind <= 35 && sight.on(&[6633, 6653, 6634]))
}

/// A header, and a message of it whose elements end with the datagram (RFC 5415, 4.3 and 4.5); or DTLS behind one.
fn capwap(sight: &Sight<'_>) -> Option<bool> {
    if sight.u8(0)? == 1 {
        return Some(
            sight.be24(1)? == 0
                && sight.has(5, &[0xfe])
                && matches!(sight.u8(4)?, 20..=26)
                && sight.on(&[5246, 5247]),
        );
    }
    let header = usize::from(sight.u8(1)? >> 3) * 4;
    let control = sight.be24(header)? == 0
        && matches!(sight.u8(header + 3)?, 1..=26)
        && sight.be16(header + 5)? + header + 5 == sight.length;
    let data = sight.on(&[5247]) && sight.length > header;
    Some(sight.u8(0)? == 0 && (8..=64).contains(&header) && sight.on(&[5246, 5247]) && (control || data))
}

/// A header of version 1 (3GPP TS 29.060, 29.281) or 2 (29.274) that is as long as it says.
fn gtp(sight: &Sight<'_>) -> Option<bool> {
    let (flags, length) = (sight.u8(0)?, sight.be16(2)?);
    let fits = match flags >> 5 {
        0 => flags & 0x10 != 0 && sight.be16(2)? + 20 == sight.length,
        1 => flags & 0x18 == 0x10 && length + 8 == sight.length,
        2 => length + 4 == sight.length,
        _ => false,
    };
    Some(fits && sight.on(&[2123, 2152, 3386]) && sight.u8(1)? != 0)
}

/// A request or an answer of NAT-PMP (RFC 6886, 3) or of its successor (RFC 6887, 7).
fn nat_pmp(sight: &Sight<'_>) -> Option<bool> {
    let (version, operation) = (sight.u8(0)?, sight.u8(1)?);
    let fits = match (version, operation) {
        (0, 0) => sight.is(2),
        (0, 1 | 2 | 128) => sight.is(12),
        (0, 129 | 130) => sight.is(16),
        (2, 0..=2 | 0x80..=0x82) => sight.length >= 24 && sight.length.is_multiple_of(4),
        _ => false,
    };
    Some(fits && sight.on(&[5350, 5351]))
}

/// A message of version 2 that is as long as it says (IEEE 1588, 13.3).
fn ptp(sight: &Sight<'_>) -> Option<bool> {
    let version_1 = sight.be16(0)? == 1 && sight.be16(2)? == 1 && sight.has(4, b"_DFLT");
    let version_2 = sight.u8(1)? & 15 == 2
        && sight.be16(2)? == sight.length
        && sight.length >= 44
        && matches!(sight.u8(0)? & 15, 0..=3 | 8..=13);
    Some(sight.on(&[319, 320]) && (version_1 || version_2))
}
