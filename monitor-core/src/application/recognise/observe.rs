//! Logs, measurements and management of machines.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    udp(A::Syslog, |sight| syslog(sight, 0)),
    tcp(A::Syslog, |sight| {
        // Behind the number of octets, or at once (RFC 6587, 3.4).
        let digits = sight.bytes.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let at = if digits != 0 && sight.u8(digits)? == b' ' { digits + 1 } else { 0 };
        syslog(sight, at)
    }),
    udp(A::NetFlow, netflow),
    udp(A::Ipfix, |sight| {
        Some(sight.be16(0)? == 10 && sight.is(sight.be16(2)?) && recent(sight.be32(4)?) && set(sight, 16)?)
    }),
    tcp(A::Ipfix, |sight| {
        Some(
            sight.be16(0)? == 10 && recent(sight.be32(4)?) && sight.begins(sight.be16(2)?) && set(sight, 16)?,
        )
    }),
    udp(A::SFlow, sflow),
    udp(A::Collectd, collectd),
    tcp(A::Zabbix, |sight| Some(sight.has(0, b"ZBXD") && sight.u8(4)? <= 7)),
    tcp(A::Munin, |sight| Some(sight.has(0, b"# munin node at "))),
    tcp(A::Checkmk, |sight| Some(sight.has(0, b"<<<check_mk>>>"))),
    tcp(A::Kismet, |sight| Some(sight.has(0, b"*KISMET: ") || sight.has(0, b"*PROTOCOLS: "))),
    // Version 1.0, a reserved zero, and a class (ASF 2.0, 3.2.2).
    udp(A::Rmcp, |sight| {
        let body = match sight.u8(3)? & 0x8f {
            6 => sight.be32(4)? == 0x11be,
            7 => matches!(sight.u8(4)?, 0..=2 | 4..=6),
            0x86 => sight.is(4),
            _ => false,
        };
        Some(sight.has(0, &[6, 0]) && body && (sight.on(&[623]) || sight.be32(4)? == 0x11be))
    }),
];

/// Whether seconds since 1970 may be those of a capture.
const fn recent(seconds: usize) -> bool {
    // 1995 to 2100.
    seconds >= 788_918_400 && seconds <= 4_102_444_800
}

/// A priority, and a version or a month behind it (RFC 5424, 6; RFC 3164, 4.1); on the port anything.
fn syslog(sight: &Sight<'_>, at: usize) -> Option<bool> {
    let rest = sight.bytes.get(at..)?;
    let (b'<', rest) = (*rest.first()?, rest.get(1..)?) else { return Some(false) };
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let priority = rest.get(..digits)?.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let (b'>', rest) = (*rest.get(digits)?, rest.get(digits + 1..)?) else { return Some(false) };
    let months: [&[u8]; 12] = [
        b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ", b"Nov ",
        b"Dec ",
    ];
    let begins = rest.starts_with(b"1 ") || months.iter().any(|month| rest.starts_with(month));
    Some(
        (1..=3).contains(&digits)
            && priority <= 191
            && (begins || sight.on(&[514, 601]) && is_printable(rest.get(..1)?)),
    )
}

/// Version 1, 5 or 7 by the number of its records, version 9 by its flow sets (RFC 3954, 5.1).
fn netflow(sight: &Sight<'_>) -> Option<bool> {
    let (version, count) = (sight.be16(0)?, sight.be16(2)?);
    let fits = match version {
        1 => (1..=24).contains(&count) && sight.is(16 + 52 * count),
        5 => (1..=30).contains(&count) && sight.is(24 + 48 * count),
        7 => (1..=27).contains(&count) && sight.is(24 + 52 * count),
        9 => count >= 1 && set(sight, 20)?,
        _ => false,
    };
    Some(fits && recent(sight.be32(8)?))
}

/// Whether a set at an offset is of a template or of data, and ends within the datagram.
fn set(sight: &Sight<'_>, at: usize) -> Option<bool> {
    let (kind, length) = (sight.be16(at)?, sight.be16(at + 2)?);
    Some((kind <= 3 || kind >= 256) && length >= 4 && at + length <= sight.length)
}

/// A datagram of version 5 (sflow.org, version 5, 5), with samples.
fn sflow(sight: &Sight<'_>) -> Option<bool> {
    let at = match sight.be32(4)? {
        1 => 12,
        2 => 24,
        _ => return Some(false),
    };
    // Agent, number, uptime, how many samples; the first of which fits.
    let samples = sight.be32(at + 12)?;
    let first = samples == 0 || sight.be32(at + 20)? + at + 24 <= sight.length;
    Some(matches!(sight.be32(0)?, 2 | 4 | 5) && samples <= 1000 && first)
}

/// Parts that end with the datagram, the first of which is the host.
fn collectd(sight: &Sight<'_>) -> Option<bool> {
    let (mut at, mut parts) = (0, 0);
    while at < sight.length {
        let (kind, length) = (sight.be16(at)?, sight.be16(at + 2)?);
        let known = matches!(kind, 0..=9 | 0x100 | 0x101 | 0x200 | 0x210);
        if !known || length < 5 || (parts == 0 && !matches!(kind, 0 | 0x200 | 0x210)) {
            return Some(false);
        }
        (at, parts) = (at + length, parts + 1);
    }
    let encrypted = sight.be16(0)? >= 0x200 && sight.on(&[25_826]);
    Some(at == sight.length && (parts >= 3 || encrypted))
}
