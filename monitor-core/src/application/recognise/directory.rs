//! Who is who and what is where: directories, authentication, remote calls, discovery.

use super::{Application as A, Recogniser, Sight, asn1::Element, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Ldap, ldap),
    udp(A::Ldap, ldap),
    tcp(A::Kerberos, |sight| Some(sight.begins(sight.be32(0)? + 4) && kerberos(sight.bytes.get(4..)?)?)),
    udp(A::Kerberos, |sight| kerberos(sight.bytes)),
    udp(A::Radius, radius),
    tcp(A::Diameter, diameter),
    udp(A::Snmp, snmp),
    tcp(A::Dcerpc, dcerpc),
    udp(A::Dcerpc, dcerpc_datagram),
    tcp(A::Nfs, |sight| Some(marked(sight)? && program(sight, 4)? == 100_003)),
    tcp(A::SunRpc, |sight| Some(marked(sight)? && rpc(sight, 4)?)),
    udp(A::Nfs, |sight| Some(program(sight, 0)? == 100_003)),
    udp(A::SunRpc, |sight| rpc(sight, 0)),
    udp(A::Slp, slp),
    tcp(A::Slp, slp),
    udp(A::WsDiscovery, |sight| {
        let xml = sight.has(0, b"<?xml") || sight.holds(40, b"Envelope");
        Some(
            xml && (sight.holds(2048, b"/ws/2005/04/discovery") || sight.holds(2048, b"/ws-dd/ns/discovery")),
        )
    }),
    udp(A::NetbiosNs, netbios_names),
    udp(A::NetbiosDgm, netbios_datagram),
    tcp(A::NetbiosSsn, netbios_session),
    udp(A::Dhcpv6, dhcpv6),
];

/// A message (RFC 4511, 4.1.1): a sequence with a number and an operation.
fn ldap(sight: &Sight<'_>) -> Option<bool> {
    let outer = Element::read(sight.bytes)?;
    let number = Element::read(outer.rest)?;
    let operation = number.next()?;
    let fits = outer.tag == 0x30 && number.tag == 2 && (1..=4).contains(&number.length);
    let inner = Element::read(operation.rest);
    let first = |tag: u8| inner.is_some_and(|inner| inner.tag == tag);
    let known = match operation.tag {
        // Bind: the version; searches: a name and a scope; results: a code; extended: a number of an object.
        0x60 => first(2) && inner?.length == 1 && matches!(inner?.value(), [2 | 3, ..]),
        0x63 => first(4) && inner?.next()?.tag == 10,
        0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => first(10) && inner?.next()?.tag == 4,
        0x64 | 0x66 | 0x68 | 0x6c | 0x6e => first(4) && matches!(inner?.next()?.tag, 0x30 | 0x0a | 4),
        0x73 => first(4),
        0x77 => first(0x80) && inner?.value().starts_with(b"1."),
        // Unbind is empty, abandon has a number.
        0x42 => operation.length == 0 && sight.is(outer.whole()),
        0x50 => (1..=4).contains(&operation.length) && sight.is(outer.whole()) && sight.on(&[389, 3268]),
        _ => false,
    };
    // Several messages may stand in one segment.
    Some(fits && known && number.whole() + operation.whole() <= outer.length)
}

/// A message by its tag, with its version and the number that the tag has, too (RFC 4120, 5).
fn kerberos(bytes: &[u8]) -> Option<bool> {
    let outer = Element::read(bytes)?;
    let sequence = Element::read(outer.rest)?;
    let version = Element::read(sequence.rest)?;
    let kind = version.next()?;
    // Requests count their fields from 1, all others from 0.
    let first = if matches!(outer.tag, 0x6a | 0x6c) { 0xa1 } else { 0xa0 };
    let number = if outer.tag == 0x7e { 30 } else { outer.tag & 0x1f };
    Some(
        matches!(outer.tag, 0x6a..=0x6f | 0x74..=0x76 | 0x7e)
            && sequence.tag == 0x30
            && version.tag == first
            && version.value() == [2, 1, 5]
            && kind.tag == first + 1
            && kind.value() == [2, 1, number],
    )
}

/// A packet whose attributes end with it (RFC 2865, 3; 5176).
fn radius(sight: &Sight<'_>) -> Option<bool> {
    let code = matches!(sight.u8(0)?, 1..=5 | 11..=13 | 40..=45);
    let length = sight.be16(2)?;
    if !code || length < 20 || length > sight.length || length > 4096 {
        return Some(false);
    }
    let (mut at, mut attributes) = (20, 0);
    while at + 2 <= length {
        let long = usize::from(sight.u8(at + 1)?);
        if long < 2 || sight.u8(at)? == 0 {
            return Some(false);
        }
        (at, attributes) = (at + long, attributes + 1);
    }
    Some(at == length && sight.is(length) && (attributes >= 2 || sight.on(&[1645, 1646, 1812, 1813, 3799])))
}

/// A header (RFC 6733, 3), and that of the first AVP.
fn diameter(sight: &Sight<'_>) -> Option<bool> {
    let (length, command) = (sight.be24(1)?, sight.be24(5)?);
    let known = matches!(command, 257..=258 | 260..=275 | 280 | 282..=288 | 300..=311 | 316..=324 | 8_388_608..=8_388_750);
    let first = sight.be24(25)?;
    Some(
        sight.u8(0)? == 1
            && sight.u8(4)? & 0x0f == 0
            && known
            && length.is_multiple_of(4)
            && length >= 28
            && (sight.begins(length) || length < sight.length)
            && (8..=length - 20).contains(&first)
            && sight.u8(24)? & 0x1f == 0,
    )
}

/// A message of version 1, 2c or 3 (RFC 3416, 3; RFC 3412, 6).
fn snmp(sight: &Sight<'_>) -> Option<bool> {
    let outer = Element::read(sight.bytes)?;
    let version = Element::read(outer.rest)?;
    let next = version.next()?;
    let fits = outer.tag == 0x30 && sight.is(outer.whole()) && version.tag == 2 && version.length == 1;
    Some(
        fits && match (version.value().first()?, next.tag) {
            (0 | 1, 4) => matches!(next.next()?.tag, 0xa0..=0xa8),
            (3, 0x30) => Element::read(next.rest)?.tag == 2 && matches!(next.next()?.tag, 4),
            _ => false,
        },
    )
}

/// The header that all packets of a connection have (DCE 1.1: RPC, 12.6.3.1).
fn dcerpc(sight: &Sight<'_>) -> Option<bool> {
    let little = match sight.u8(4)? {
        0x10 => true,
        0 => false,
        _ => return Some(false),
    };
    let length = if little { sight.le16(8)? } else { sight.be16(8)? };
    Some(
        sight.has(0, &[5])
            && sight.u8(1)? <= 1
            && matches!(sight.u8(2)?, 0 | 2 | 3 | 11..=19)
            && sight.be24(5)? == 0
            && length >= 16
            && (sight.begins(length) || length < sight.length),
    )
}

/// The header of datagrams (12.5.2).
fn dcerpc_datagram(sight: &Sight<'_>) -> Option<bool> {
    let little = sight.u8(4)? == 0x10;
    let length = if little { sight.le16(74)? } else { sight.be16(74)? };
    Some(
        sight.u8(0)? == 4
            && sight.u8(1)? <= 10
            && sight.u8(3)? <= 1
            && matches!(sight.u8(4)?, 0 | 0x10)
            && sight.u8(5)? == 0
            && sight.u8(6)? == 0
            && sight.length >= 80
            && sight.is(80 + length),
    )
}

/// A record mark of a whole message (RFC 5531, 11).
fn marked(sight: &Sight<'_>) -> Option<bool> {
    let mark = sight.be32(0)?;
    Some(mark & 0x8000_0000 != 0 && sight.begins((mark & 0x7fff_ffff) + 4))
}

/// The program that a call is for (RFC 5531, 9); 0: it is none.
fn program(sight: &Sight<'_>, at: usize) -> Option<usize> {
    let call = sight.be32(at + 4)? == 0 && sight.be32(at + 8)? == 2;
    let (program, version, procedure) = (sight.be32(at + 12)?, sight.be32(at + 16)?, sight.be32(at + 20)?);
    // Credentials of a known kind, 400 bytes at most.
    let credentials = matches!(sight.be32(at + 24)?, 0..=3 | 6 | 7) && sight.be32(at + 28)? <= 400;
    let known = (100_000..=400_000).contains(&program) || (0x4000_0000..0x6000_0000).contains(&program);
    Some(if call && credentials && known && version <= 5 && procedure <= 64 { program } else { 0 })
}

/// A call, or an answer that was accepted.
fn rpc(sight: &Sight<'_>, at: usize) -> Option<bool> {
    if sight.be32(at + 4)? == 0 {
        return Some(program(sight, at)? != 0);
    }
    // Answer, accepted, no verifier, success; nothing but the port or a marked record vouches for the rest.
    let answer = sight.be32(at + 4)? == 1
        && sight.be32(at + 8)? == 0
        && sight.be32(at + 12)? == 0
        && sight.be32(at + 16)? == 0;
    Some(answer && sight.be32(at + 20)? <= 5 && sight.on(&[111, 2049]))
}

/// A message of version 2 (RFC 2608, 8) or 1 that is as long as it says.
fn slp(sight: &Sight<'_>) -> Option<bool> {
    Some(match sight.u8(0)? {
        1 => matches!(sight.u8(1)?, 1..=11) && sight.is(sight.be16(2)?) && sight.on(&[427]),
        2 => {
            let language = sight.be16(12)?;
            let text = sight.bytes.get(14..14 + language.min(16))?;
            matches!(sight.u8(1)?, 1..=11)
                && sight.is(sight.be24(2)?)
                && (1..=16).contains(&language)
                && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        }
        _ => false,
    })
}

/// Whether a name in the encoding of RFC 1001, 14.1, stands at an offset.
fn is_netbios_name(sight: &Sight<'_>, at: usize) -> bool {
    let Some([32, name @ .., 0]) = sight.bytes.get(at..at + 34) else { return false };
    name.iter().all(|byte| (b'A'..=b'P').contains(byte))
}

/// A packet of the name service (RFC 1002, 4.2): DNS's header, such a name, and a type.
fn netbios_names(sight: &Sight<'_>) -> Option<bool> {
    Some(
        is_netbios_name(sight, 12)
            && matches!(sight.be16(46)?, 0x20 | 0x21 | 1 | 2 | 10)
            && sight.be16(48)? & 0x7fff == 1,
    )
}

/// A datagram (RFC 1002, 4.4).
fn netbios_datagram(sight: &Sight<'_>) -> Option<bool> {
    let direct = matches!(sight.u8(0)?, 0x10..=0x12)
        && is_netbios_name(sight, 14)
        && sight.be16(10)? + 14 == sight.length;
    Some(direct && sight.be16(8)? == 138)
}

/// A request for a session with both names, and the answers (RFC 1002, 4.3).
fn netbios_session(sight: &Sight<'_>) -> Option<bool> {
    let request = sight.has(0, &[0x81, 0]) && is_netbios_name(sight, 4) && is_netbios_name(sight, 38);
    let answer = sight.on(&[139]) && (sight.bytes == [0x82, 0, 0, 0] || sight.has(0, &[0x83, 0, 0, 1, 0x80]));
    Some(request || answer)
}

/// A message whose options end with it (RFC 8415, 8 and 9), on one of its ports.
fn dhcpv6(sight: &Sight<'_>) -> Option<bool> {
    let kind = sight.u8(0)?;
    let mut at = if matches!(kind, 12 | 13) { 34 } else { 4 };
    if !sight.on(&[546, 547]) || !(1..=36).contains(&kind) {
        return Some(false);
    }
    while at < sight.length {
        if sight.be16(at)? > 200 {
            return Some(false);
        }
        at += 4 + sight.be16(at + 2)?;
    }
    Some(at == sight.length && at > 4)
}
