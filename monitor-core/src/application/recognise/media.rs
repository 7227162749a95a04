//! Voice, video, and the control of both.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    udp(A::MpegTs, mpeg_ts),
    tcp(A::Rtmp, rtmp),
    udp(A::Mgcp, mgcp),
    udp(A::Megaco, megaco),
    tcp(A::Megaco, megaco),
    tcp(A::H323, h323),
    tcp(A::Skinny, skinny),
    udp(A::Iax, iax),
    udp(A::Bfcp, bfcp),
    tcp(A::Bfcp, bfcp),
    // A ping of version 1.2: a zero, and what is sent back.
    udp(A::Mumble, |sight| {
        Some(
            sight.on(&[64_738])
                && (sight.is(12) && sight.be32(0)? == 0
                    || sight.is(24) && sight.u8(0)? == 0 && sight.u8(1)? == 1),
        )
    }),
    udp(A::Rtcp, rtcp),
    udp(A::Rtp, rtp),
];

/// Packets of a transport stream alone.
fn mpeg_ts(sight: &Sight<'_>) -> Option<bool> {
    let packets = sight.length / 188;
    let synchronised = sight.bytes.chunks(188).all(|packet| packet.first() == Some(&0x47));
    Some(
        (1..=7).contains(&packets)
            && sight.is(packets * 188)
            && synchronised
            && (packets > 1 || sight.u8(1)? & 0x80 == 0),
    )
}

/// The handshake's first two parts: version 3, time, and zeros or a version of the client or server.
fn rtmp(sight: &Sight<'_>) -> Option<bool> {
    let filled = sight.length >= 1000 || sight.on(&[1935]);
    Some(
        sight.u8(0)? == 3
            && filled
            && sight.length >= 9
            && (sight.be32(5)? == 0 || sight.on(&[1935]) && sight.u8(5)? < 0x81)
            && sight.length <= 3073,
    )
}

/// A command with its version, or an answer on the port (RFC 3435, 3).
fn mgcp(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.line()?;
    let verbs: [&[u8]; 9] =
        [b"EPCF ", b"CRCX ", b"MDCX ", b"DLCX ", b"RQNT ", b"NTFY ", b"AUEP ", b"AUCX ", b"RSIP "];
    let command =
        verbs.into_iter().any(|verb| line.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(verb)));
    let version = line.windows(5).any(|part| part.eq_ignore_ascii_case(b"MGCP "));
    let answer = sight.on(&[2427, 2727])
        && line.len() >= 5
        && line.iter().take(3).all(u8::is_ascii_digit)
        && is_printable(line);
    Some((command && version) || answer)
}

/// A message in text, in either form of its keyword (H.248.1, B.2).
fn megaco(sight: &Sight<'_>) -> Option<bool> {
    Some(
        ["MEGACO/", "!/"].into_iter().any(|word| {
            sight.has(0, word.as_bytes()) && sight.u8(word.len()).is_some_and(|byte| byte.is_ascii_digit())
        }) && sight.holds(32, b"["),
    )
}

/// A TPKT with a message of Q.931 for a call (H.225.0, 7.2): its discriminator, a reference of two bytes, a type.
fn h323(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.be16(2)?;
    let known = matches!(sight.u8(8)?, 1..=3 | 5 | 7 | 0x0d | 0x0f | 0x5a | 0x62 | 0x6e | 0x7b | 0x7d);
    Some(sight.has(0, &[3, 0]) && sight.begins(length) && length > 9 && sight.has(4, &[8, 2]) && known)
}

/// A header: length, a version of it, a known message.
fn skinny(sight: &Sight<'_>) -> Option<bool> {
    let (length, version, message) = (sight.le32(0)?, sight.le32(4)?, sight.le32(8)?);
    Some(
        sight.on(&[2000])
            && (length + 8 <= sight.length || sight.begins(length + 8))
            && (4..1 << 14).contains(&length)
            && version <= 32
            && message <= 0x8000,
    )
}

/// A full frame with IAX's own type (RFC 5456, 8.1): of a call that begins, with its version; or a later one.
fn iax(sight: &Sight<'_>) -> Option<bool> {
    let (kind, subclass) = (sight.u8(10)?, sight.u8(11)?);
    if sight.u8(0)? & 0x80 == 0 || kind != 6 || !(1..=40).contains(&subclass) {
        return Some(false);
    }
    // Elements end with the frame.
    let mut at = 12;
    while at < sight.length {
        if sight.u8(at)? > 60 {
            return Some(false);
        }
        at += 2 + usize::from(sight.u8(at + 1)?);
    }
    let fresh = matches!(subclass, 1 | 13) && sight.be16(8)? == 0;
    Some(at == sight.length && (sight.on(&[4569]) || (fresh && sight.length > 16)))
}

/// A message of version 1 or 2 that is as long as it says (RFC 8855, 5.1).
fn bfcp(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.be16(2)? * 4 + 12;
    // An attribute behind the header fits; a message without any is a hello or a goodbye.
    let attribute = if length == 12 {
        matches!(sight.u8(1)?, 7 | 11 | 14..=18)
    } else {
        usize::from(sight.u8(13)?) + 12 <= length && sight.u8(13)? >= 2
    };
    Some(
        matches!(sight.u8(0)? & 0xef, 0x20 | 0x40)
            && (1..=18).contains(&sight.u8(1)?)
            && sight.is(length)
            && attribute
            && sight.be32(4)? != 0
            && sight.be16(8)? != 0,
    )
}

/// Reports one behind another that end with the datagram (RFC 3550, 6.1), or the first of them with what secures
/// it (RFC 3711, 3.4).
fn rtcp(sight: &Sight<'_>) -> Option<bool> {
    let kind = |at: usize| -> Option<bool> {
        Some(sight.u8(at)? >> 6 == 2 && matches!(sight.u8(at + 1)?, 192..=195 | 200..=213))
    };
    if !kind(0)? || !matches!(sight.u8(1)?, 200 | 201 | 205 | 206) {
        return Some(false);
    }
    let mut at = 0;
    while at < sight.length {
        if kind(at) != Some(true) {
            break;
        }
        at += (sight.be16(at + 2)? + 1) * 4;
    }
    // A sender's report has 28 bytes at least, a receiver's 8, and 24 more for each block.
    let blocks = usize::from(sight.u8(0)? & 31) * 24;
    let first = (sight.be16(2)? + 1) * 4;
    let long = match sight.u8(1)? {
        200 => first >= 28 + blocks,
        201 => first >= 8 + blocks,
        _ => first >= 12,
    };
    Some(
        long && (at == sight.length || (at == first && matches!(sight.length.checked_sub(at), Some(8..=64))))
            && sight.length >= 12,
    )
}

/// Two packets of one source, the second with the next number and no earlier time (RFC 3550, 5.1 and A.1).
fn rtp(sight: &Sight<'_>) -> Option<bool> {
    let Some(before) = sight.before else { return Some(false) };
    let word = |at: usize| Some(u16::from_be_bytes([*before.get(at)?, *before.get(at + 1)?]));
    let step = (sight.be16(2)? as u16).wrapping_sub(word(2)?);
    let source = before.get(8..12)? == sight.bytes.get(8..12)? && sight.be32(8)? != 0;
    let payload = |byte: u8| byte & 0x7f;
    let time = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
    let elapsed = (sight.be32(4)? as u32).wrapping_sub(time(word(4)?, word(6)?));
    let known = matches!(payload(sight.u8(1)?), 0..=34 | 77..=127);
    Some(
        sight.u8(0)? >> 6 == 2
            && before.first()? >> 6 == 2
            && source
            && (1..=3).contains(&step)
            && known
            && elapsed < 1 << 22
            && payload(sight.u8(1)?) == payload(*before.get(1)?),
    )
}
