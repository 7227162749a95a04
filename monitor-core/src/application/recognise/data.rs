//! Databases, stores and caches.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Cassandra, cassandra),
    tcp(A::Elasticsearch, elasticsearch),
    tcp(A::Oracle, oracle),
    tcp(A::Mssql, mssql),
    tcp(A::Mongodb, mongodb),
    tcp(A::Memcached, memcached),
    udp(A::Memcached, |sight| {
        let rest = Sight { bytes: sight.bytes.get(8..)?, length: sight.length.checked_sub(8)?, ..*sight };
        // Number of the request, of the datagram, of datagrams, and 0.
        Some(sight.be16(2)? < sight.be16(4)? && sight.be16(6)? == 0 && memcached(&rest)?)
    }),
    tcp(A::Drda, drda),
    tcp(A::Redis, redis),
    tcp(A::Z3950, z3950),
];

/// A frame of the native protocol, versions 3 to 5 (`native_protocol_v5.spec`, 2).
fn cassandra(sight: &Sight<'_>) -> Option<bool> {
    let (version, flags, opcode, length) = (sight.u8(0)?, sight.u8(1)?, sight.u8(4)?, sight.be32(5)?);
    // Requests: STARTUP with its map, OPTIONS without anything; responses the other way.
    let fits = match (version & 0x80 != 0, opcode) {
        (false, 1) => sight.holds(64, b"CQL_VERSION"),
        (false, 5) | (true, 2) => length == 0,
        (false, 7 | 9 | 10 | 11 | 13 | 15) => length >= 4 && sight.on(&[9042]),
        (true, 0 | 3 | 6 | 8 | 12 | 14 | 16) => sight.holds(64, b"CQL_VERSION") || sight.on(&[9042]),
        _ => false,
    };
    Some(matches!(version & 0x7f, 1..=5) && flags & 0xe0 == 0 && fits && sight.begins(length + 9))
}

/// A message between nodes: its mark, and a length that is that of what follows.
fn elasticsearch(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.be32(2)?;
    // Request, status, version.
    let empty = length == 0xffff_ffff && sight.length == 6;
    Some(sight.has(0, b"ES") && (empty || (sight.begins(length + 6) && length >= 13 && sight.u8(14)? < 0x20)))
}

/// A packet of TNS: its length, no checksums, a type.
fn oracle(sight: &Sight<'_>) -> Option<bool> {
    let kind = sight.u8(4)?;
    // From version 315 on the length of packets after the first has four bytes.
    let short = sight.begins(sight.be16(0)?) && sight.be16(2)? == 0;
    let clear = sight.u8(5)? & 0xd3 == 0 && sight.be16(6)? == 0;
    Some(
        short
            && clear
            && match kind {
                // Connect: the version and the oldest that will do, then the description of the service.
                1 => {
                    (0x012c..=0x0150).contains(&sight.be16(8)?)
                        && (0x0100..=sight.be16(8)?).contains(&sight.be16(10)?)
                }
                // Accept.
                2 => (0x012c..=0x0150).contains(&sight.be16(8)?),
                // Refuse and redirect say why and where in text.
                4 => sight.holds(64, b"(DESCRIPTION") || sight.holds(64, b"(ERR"),
                5 => sight.holds(64, b"(ADDRESS") || sight.holds(64, b"(DESCRIPTION"),
                // Resend is a header alone.
                11 => sight.is(8),
                6 => sight.on(&[1521, 1522, 1526]) && sight.length >= 10,
                _ => false,
            },
    )
}

/// A packet of TDS (MS-TDS, 2.2.3) that begins a session.
fn mssql(sight: &Sight<'_>) -> Option<bool> {
    let (kind, status, length) = (sight.u8(0)?, sight.u8(1)?, sight.be16(2)?);
    if status & 0xe4 != 0 || !sight.begins(length) || sight.u8(7)? != 0 {
        return Some(false);
    }
    Some(match kind {
        // Pre-login, and the answer to it: the first option is the version, six bytes behind the list.
        0x12 | 4 if sight.u8(8)? == 0 => {
            let (at, long) = (sight.be16(9)?, sight.be16(11)?);
            (11..=64).contains(&at) && (at - 1).is_multiple_of(5) && long == 6
        }
        // Login of version 7: its own length, and a version.
        0x10 => sight.le32(8)? + 8 == length && sight.u8(15)? >= 0x70,
        // Batches and calls: the headers, as long as they say.
        1 | 3 => sight.on(&[1433]) && (4..=64).contains(&sight.le32(8)?),
        // Answers: a token.
        4 => {
            sight.on(&[1433]) && matches!(sight.u8(8)?, 0x81 | 0xaa | 0xab | 0xad | 0xe3 | 0xe5 | 0xfd..=0xff)
        }
        _ => false,
    })
}

/// A header of the wire protocol: length, two numbers, an operation.
fn mongodb(sight: &Sight<'_>) -> Option<bool> {
    let (length, operation) = (sight.le32(0)?, sight.le32(12)?);
    let fits = (16..=48_000_000).contains(&length) && sight.begins(length);
    Some(
        fits && match operation {
            1 => sight.le32(8)? != 0 && length >= 36,
            2004 => sight.le32(8)? == 0 && is_printable(sight.bytes.get(20..23)?),
            2001..=2007 | 2010..=2012 => true,
            // Flags of which the unknown half is zero, then a section.
            2013 => sight.be16(18)? & 0xff00 == 0 && sight.u8(20)? <= 1,
            _ => false,
        },
    )
}

/// Commands and answers in text, and the header of the binary protocol.
fn memcached(sight: &Sight<'_>) -> Option<bool> {
    if let 0x80 | 0x81 = sight.u8(0)? {
        let (key, extras, body) = (sight.be16(2)?, usize::from(sight.u8(4)?), sight.be32(8)?);
        let opcode = sight.u8(1)?;
        return Some(
            opcode <= 0x48
                && key <= 250
                && extras <= 20
                && key + extras <= body
                && sight.u8(5)? == 0
                && sight.begins(body + 24),
        );
    }
    let line = sight.line()?;
    if !is_printable(line) || !sight.has(line.len(), b"\r\n") {
        return Some(false);
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let command = words.next()?;
    let rest: Vec<&[u8]> = words.take(8).collect();
    let number = |at: usize| rest.get(at).is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    Some(match command {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" => rest.len() >= 4 && number(1) && number(3),
        b"cas" => rest.len() >= 5 && number(1) && number(3) && number(4),
        b"VALUE" => matches!(rest.len(), 3 | 4) && number(1) && number(2),
        b"STAT" => rest.len() == 2,
        b"incr" | b"decr" => matches!(rest.len(), 2 | 3) && number(1),
        b"get" | b"gets" => !rest.is_empty() && sight.on(&[11211]),
        b"stats" | b"version" | b"flush_all" | b"STORED" | b"END" | b"VERSION" => sight.on(&[11211]),
        _ => false,
    })
}

/// A data stream structure of DDM: its length, 0xD0, and an object that is as long as it leaves room for.
fn drda(sight: &Sight<'_>) -> Option<bool> {
    let (length, format, inner, point) = (sight.be16(0)?, sight.u8(3)?, sight.be16(6)?, sight.be16(8)?);
    let known = matches!(
        point,
        0x1041 | 0x1443 | 0x106d | 0x106e | 0x14ac | 0x2001 | 0x2201 | 0x200a..=0x2015 | 0x2208
    );
    Some(
        sight.u8(2)? == 0xd0
            && format & 0x80 == 0
            && inner + 6 == length
            && known
            && length <= sight.length.max(length),
    )
}

/// Answers to commands that were not seen.
fn redis(sight: &Sight<'_>) -> Option<bool> {
    let words: [&[u8]; 5] = [b"+PONG\r\n", b"-NOAUTH ", b"-WRONGTYPE ", b"-MOVED ", b"-DENIED Redis"];
    Some(words.into_iter().any(|word| sight.has(0, word)))
}

/// The initialisation of a search (ISO 23950): lists of versions and options.
fn z3950(sight: &Sight<'_>) -> Option<bool> {
    let outer = super::asn1::Element::read(sight.bytes)?;
    let mut inner = super::asn1::Element::read(outer.rest)?;
    // A number for reference may stand first.
    if inner.tag == 0x82 {
        inner = inner.next()?;
    }
    let options = inner.next()?;
    Some(
        matches!(outer.tag, 0xb4 | 0xb5)
            && sight.begins(outer.whole())
            && inner.tag == 0x83
            && inner.length == 2
            && options.tag == 0x84
            && (2..=4).contains(&options.length),
    )
}
