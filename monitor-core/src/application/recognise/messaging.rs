//! Queues, brokers, remote calls, and what stands between web servers.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Amqp, amqp),
    tcp(A::Kafka, kafka),
    tcp(A::Nats, nats),
    tcp(A::Stomp, stomp),
    tcp(A::OpenWire, |sight| {
        Some(sight.has(4, b"\x01") && sight.has(5, b"\0\x08ActiveMQ") || sight.has(5, b"ActiveMQ"))
    }),
    tcp(A::Mqtt, mqtt),
    udp(A::MqttSn, mqtt_sn),
    udp(A::Coap, coap),
    tcp(A::Gearman, gearman),
    tcp(A::Thrift, thrift),
    tcp(A::JsonRpc, json_rpc),
    udp(A::JsonRpc, json_rpc),
    tcp(A::Corba, corba),
    tcp(A::Rmi, |sight| {
        Some(sight.has(0, b"JRMI\0") && matches!(sight.u8(5)?, 1 | 2) && matches!(sight.u8(6)?, 0x4b..=0x4d))
    }),
    tcp(A::Fix, |sight| Some(fix(sight.bytes))),
    tcp(A::Hl7, |sight| Some(sight.has(0, b"\x0bMSH|") && sight.holds(64, b"\\&|"))),
    tcp(A::Ajp, ajp),
    tcp(A::FastCgi, fastcgi),
    tcp(A::WebSocket, websocket),
    tcp(A::Smpp, smpp),
    tcp(A::Xmpp, xmpp),
    tcp(A::Irc, irc),
    tcp(A::Nntp, nntp),
];

/// A frame of version 0-9-1 anywhere in a connection: type, channel, size, and the octet that ends it (2.3.5). Of
/// version 1.0: size, four-byte offset, type, and a described list.
fn amqp(sight: &Sight<'_>) -> Option<bool> {
    let (kind, size) = (sight.u8(0)?, sight.be32(3)?);
    let end = sight.u8(size.checked_add(7)?);
    let fits = match kind {
        // Class and method.
        1 => {
            matches!(sight.be16(7)?, 10 | 20 | 40 | 50 | 60 | 85 | 90) && (10..=120).contains(&sight.be16(9)?)
        }
        // Class, weight, size of the body.
        2 => size >= 14 && matches!(sight.be16(7)?, 60) && sight.be16(9)? == 0,
        3 => size != 0 && sight.on(&[5672]),
        8 => size == 0 && sight.be16(1)? == 0,
        _ => false,
    };
    let classic = fits && (end == Some(0xce) || (end.is_none() && sight.begins(size + 8) && kind != 8));
    let modern = sight.begins(sight.be32(0)?)
        && sight.u8(4)? == 2
        && sight.u8(5)? <= 1
        && sight.has(8, &[0, 0x53])
        && matches!(sight.u8(10)?, 0x10..=0x18 | 0x40..=0x44);
    Some(classic || modern)
}

/// A request: its length, a known call and version of it, and a client's name (Kafka protocol guide, headers).
fn kafka(sight: &Sight<'_>) -> Option<bool> {
    let (size, call, version) = (sight.be32(0)?, sight.be16(4)?, sight.be16(6)?);
    let client = sight.be16(12)?;
    let name = if client == 0xffff { 0 } else { client };
    let named = sight.bytes.get(14..14 + name.min(64))?;
    // A call of no known kind, or a client without a name, could be anything.
    let sure = name != 0 || (sight.on(&[9092]) && sight.be32(8)? < 1 << 16);
    Some(
        sight.begins(size + 4)
            && call <= 92
            && version <= 18
            && size >= 10 + name
            && name <= 255
            && is_printable(named)
            && sure
            && sight.u8(8)? == 0,
    )
}

/// What either side says first (NATS client protocol).
fn nats(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.bytes.get(..sight.bytes.len().min(1024))?;
    let server = line.starts_with(b"INFO {") && sight.holds(1024, b"\"server_id\"");
    let client = line.starts_with(b"CONNECT {")
        && (sight.holds(512, b"\"verbose\"") || sight.holds(512, b"\"pedantic\""));
    let midway = sight.on(&[4222])
        && [&b"PUB "[..], b"SUB ", b"MSG ", b"PING\r\n", b"PONG\r\n", b"+OK\r\n"]
            .into_iter()
            .any(|word| line.starts_with(word));
    Some(server || client || midway)
}

/// A frame: a command, headers, an empty line (STOMP 1.2).
fn stomp(sight: &Sight<'_>) -> Option<bool> {
    let headers: &[&[u8]] = match sight.line()? {
        b"CONNECT" | b"STOMP" => &[b"accept-version:", b"host:", b"login:", b"passcode:", b"heart-beat:"],
        b"CONNECTED" => &[b"version:", b"session:", b"server:", b"heart-beat:"],
        b"SEND" | b"SUBSCRIBE" | b"MESSAGE" => &[b"destination:"],
        _ => return Some(false),
    };
    Some(headers.iter().any(|header| sight.holds(512, header)))
}

/// What a server answers to CONNECT, and later packets of either side on the port.
fn mqtt(sight: &Sight<'_>) -> Option<bool> {
    let port = sight.on(&[1883]);
    Some(match sight.bytes {
        [0x20, 2, 0 | 1, 0..=5] | [0xc0 | 0xd0 | 0xe0, 0] | [0x40 | 0x50 | 0x62 | 0x70 | 0xb0, 2, _, _] => {
            port
        }
        // PUBLISH: the topic fits.
        [0x30..=0x3d, length, 0, topic, rest @ ..] => {
            port && *length < 0x80
                && usize::from(*length) + 2 == sight.length
                && usize::from(*topic) <= rest.len()
        }
        _ => false,
    })
}

/// A message that begins a session or asks for a gateway (MQTT-SN 1.2, 5.4).
fn mqtt_sn(sight: &Sight<'_>) -> Option<bool> {
    let whole = sight.is(usize::from(sight.u8(0)?));
    Some(
        whole
            && match sight.u8(1)? {
                // ADVERTISE, SEARCHGW, GWINFO.
                0 => sight.is(5) && sight.on(&[1883, 1884, 10_000]),
                1 => sight.is(3) && sight.on(&[1883, 1884, 10_000]),
                2 => sight.length <= 19 && sight.on(&[1883, 1884, 10_000]),
                // CONNECT: flags, protocol 1, duration, and the client's name in text.
                4 => {
                    sight.u8(2)? & 0xf3 == 0
                        && sight.u8(3)? == 1
                        && sight.length > 8
                        && is_printable(sight.bytes.get(6..)?)
                }
                // CONNACK, REGISTER, REGACK, PUBLISH, SUBSCRIBE and the like.
                5 | 0x0a..=0x16 | 0x18 => sight.on(&[1883, 1884, 10_000]),
                _ => false,
            },
    )
}

/// A message whose options lead to its payload or its end (RFC 7252, 3).
fn coap(sight: &Sight<'_>) -> Option<bool> {
    let (first, code, token) = (sight.u8(0)?, sight.u8(1)?, usize::from(sight.u8(0)? & 15));
    let known = matches!(code, 0 | 1..=7 | 0x41..=0x45 | 0x5f | 0x80..=0x8f | 0x9d | 0xa0..=0xa5);
    if first >> 6 != 1 || token > 8 || !known || (code == 0 && (sight.length != 4 || !sight.on(&[5683]))) {
        return Some(false);
    }
    let (mut at, mut number, mut options, mut letters) = (4 + token, 0, 0, 0);
    while at < sight.bytes.len() {
        let byte = sight.u8(at)?;
        if byte == 0xff {
            // Behind the marker there is something.
            return Some(at + 1 < sight.length && (letters >= 4 || sight.on(&[5683])));
        }
        at += 1;
        let mut extended = |nibble: u8| -> Option<usize> {
            Some(match nibble {
                13 => {
                    at += 1;
                    usize::from(sight.u8(at - 1)?) + 13
                }
                14 => {
                    at += 2;
                    sight.be16(at - 2)? + 269
                }
                15 => return None,
                _ => nibble.into(),
            })
        };
        number += extended(byte >> 4)?;
        let length = extended(byte & 15)?;
        // The options of RFC 7252, 7641, 7959, 8613, 8768, 9175.
        let known = matches!(
            number,
            1 | 3
                ..=9 | 11
                    | 12
                    | 14
                    | 15
                    | 16
                    | 17
                    | 19
                    | 20
                    | 21
                    | 23
                    | 27
                    | 28
                    | 31
                    | 35
                    | 39
                    | 60
                    | 252
                    | 258
                    | 292
        );
        if !known {
            return Some(false);
        }
        if matches!(number, 3 | 8 | 11 | 15 | 20 | 35 | 39) {
            if !is_printable(sight.bytes.get(at..at + length)?) {
                return Some(false);
            }
            letters += length;
        }
        options += 1;
        at += length;
    }
    Some(at == sight.length && (sight.on(&[5683]) || (options >= 2 && letters >= 4)))
}

/// The magic words, a type, a length.
fn gearman(sight: &Sight<'_>) -> Option<bool> {
    Some(
        (sight.has(0, b"\0REQ") || sight.has(0, b"\0RES"))
            && (1..=43).contains(&sight.be32(4)?)
            && sight.begins(sight.be32(8)? + 12),
    )
}

/// A strict binary message, framed or not: version 1, a type, the method's name.
fn thrift(sight: &Sight<'_>) -> Option<bool> {
    let at = if sight.has(4, &[0x80, 1, 0]) && sight.begins(sight.be32(0)? + 4) { 4 } else { 0 };
    let name = sight.be32(at + 4)?;
    let text = sight.bytes.get(at + 8..at + 8 + name.min(128))?;
    Some(
        sight.has(at, &[0x80, 1, 0])
            && (1..=4).contains(&sight.u8(at + 3)?)
            && (1..=128).contains(&name)
            && text.iter().all(u8::is_ascii_graphic),
    )
}

fn json_rpc(sight: &Sight<'_>) -> Option<bool> {
    let begin = sight.bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    let header = sight.has(0, b"Content-Length: ");
    Some((matches!(begin, b'{' | b'[') || header) && sight.holds(256, b"\"jsonrpc\""))
}

/// The magic word, a version, flags, a type, a length in the order that the flags say (CORBA 3.3, 9.4.1).
fn corba(sight: &Sight<'_>) -> Option<bool> {
    let length = if sight.u8(6)? & 1 == 0 { sight.be32(8)? } else { sight.le32(8)? };
    Some(sight.has(0, b"GIOP\x01") && sight.u8(5)? <= 3 && sight.u8(7)? <= 7 && sight.begins(length + 12))
}

/// The first two fields.
fn fix(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"8=FIX") else { return false };
    rest.iter()
        .take(16)
        .position(|byte| *byte == 1)
        .is_some_and(|end| rest.get(end + 1..).is_some_and(|next| next.starts_with(b"9=")))
}

/// A packet either way (AJPv1.3).
fn ajp(sight: &Sight<'_>) -> Option<bool> {
    let (length, code) = (sight.be16(2)?, sight.u8(4)?);
    Some(match sight.bytes {
        [0x12, 0x34, ..] => matches!(code, 2 | 7 | 8 | 10) && sight.begins(length + 4),
        [b'A', b'B', ..] => {
            matches!(code, 3..=6 | 9) && (length + 4 <= sight.length || sight.begins(length + 4))
        }
        _ => false,
    })
}

/// A record that begins a request, or one of an answer on its way (specification 1.0, 3.3).
fn fastcgi(sight: &Sight<'_>) -> Option<bool> {
    let (kind, length, padding) = (sight.u8(1)?, sight.be16(4)?, usize::from(sight.u8(6)?));
    let begin = kind == 1
        && length == 8
        && matches!(sight.be16(8)?, 1..=3)
        && sight.u8(10)? <= 1
        && sight.be32(11)? == 0;
    let answer = matches!(kind, 6 | 7) && sight.has(8, b"Status: ")
        || matches!(kind, 6) && sight.has(8, b"Content-type: ");
    Some(
        sight.u8(0)? == 1
            && sight.u8(7)? == 0
            && padding < 8
            && (begin
                || answer
                || (kind == 3 && length == 8 && sight.is(16) && sight.u8(12)? <= 3 && sight.be24(13)? == 0)),
    )
}

/// A frame of text in the middle of a connection: its length fits, and the text is one (RFC 6455, 5.2).
fn websocket(sight: &Sight<'_>) -> Option<bool> {
    let (first, second) = (sight.u8(0)?, sight.u8(1)?);
    let (length, at) = match second & 0x7f {
        126 => (sight.be16(2)?, 4),
        127 => return Some(false),
        short => (short.into(), 2),
    };
    if first != 0x81 || length < 8 {
        return Some(false);
    }
    let readable = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    Some(if second & 0x80 == 0 {
        sight.is(length + at) && sight.bytes.get(at..)?.iter().all(|byte| readable(*byte))
    } else {
        let (mask, text) = (sight.bytes.get(at..at + 4)?, sight.bytes.get(at + 4..)?);
        sight.is(length + at + 4)
            && text.iter().zip(mask.iter().cycle()).all(|(byte, mask)| readable(byte ^ mask))
    })
}

/// A header: length, command, status, number (SMPP 3.4, 5.1).
fn smpp(sight: &Sight<'_>) -> Option<bool> {
    let (length, command, status) = (sight.be32(0)?, sight.be32(4)?, sight.be32(8)?);
    let known =
        matches!(command & 0x7fff_ffff, 1..=9 | 0xb | 0x15 | 0x21 | 0x102 | 0x103) || command == 0x8000_0000;
    let status = if command & 0x8000_0000 == 0 { status == 0 } else { status <= 0x4ff };
    let number = (1..=0x00ff_ffff).contains(&sight.be32(12)?);
    // Whatever is longer than a header begins with text or a small number.
    Some(
        known
            && status
            && number
            && sight.begins(length)
            && (16..=4096).contains(&length)
            && (length == 16 || sight.u8(16)? < 0x80),
    )
}

/// The begin of a stream of stanzas (RFC 6120, 4.2).
fn xmpp(sight: &Sight<'_>) -> Option<bool> {
    if sight.u8(0)? != b'<' {
        return Some(false);
    }
    let stream =
        sight.holds(128, b"<stream:stream") || sight.holds(128, b"urn:ietf:params:xml:ns:xmpp-framing");
    let stanza = [&b"<iq "[..], b"<message ", b"<presence ", b"<presence>", b"<stream:features>"]
        .into_iter()
        .any(|word| sight.has(0, word));
    Some(
        stream
            || (stanza
                && (sight.holds(512, b"jabber:") || sight.holds(512, b" to=") || sight.on(&[5222, 5269]))),
    )
}

/// What clients begin with, and what servers say first (RFC 2812).
fn irc(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.line()?;
    if !is_printable(line) {
        return Some(false);
    }
    let mut words = line.split(|byte| *byte == b' ');
    let first = words.next()?;
    let second = words.next();
    Some(match first {
        b"NICK" => {
            second.is_some()
                && (sight.holds(256, b"USER ") || sight.on(&[6665, 6666, 6667, 6668, 6669, 7000]))
        }
        b"USER" => words.count() >= 2 && line.windows(2).any(|part| part == b" :"),
        b"CAP" => matches!(second?, b"LS" | b"REQ" | b"END" | b"LIST"),
        b"NOTICE" => matches!(second?, b"AUTH" | b"*"),
        b"PASS" => sight.holds(256, b"\nNICK "),
        _ if first.starts_with(b":") && first.len() > 2 => {
            let numeric = |word: &[u8]| word.len() == 3 && word.iter().all(u8::is_ascii_digit);
            second.is_some_and(|word| word == b"NOTICE" || word == b"PRIVMSG" || numeric(word))
                && words.next().is_some()
        }
        _ => false,
    })
}

/// A greeting that says what it is, and commands that no other protocol has (RFC 3977).
fn nntp(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.line()?.to_ascii_uppercase();
    let has = |word: &[u8]| line.windows(word.len()).any(|part| part == word);
    let greeting = (line.starts_with(b"200 ") || line.starts_with(b"201 "))
        && (has(b"NNTP") || has(b"NEWS") || has(b"POSTING"));
    Some(
        greeting
            || line == b"MODE READER"
            || line == b"MODE STREAM"
            || line.starts_with(b"LIST ACTIVE")
            || (line.starts_with(b"GROUP ") && sight.on(&[119])),
    )
}
