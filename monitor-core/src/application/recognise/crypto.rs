//! What is encrypted, and the tunnels and handshakes around it.

use super::{Application as A, Recogniser, Sight, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Tls, tls),
    udp(A::Dtls, dtls),
    udp(A::WireGuard, wireguard),
    udp(A::Ike, ike),
    udp(A::OpenVpn, |sight| openvpn(sight, 0)),
    tcp(A::OpenVpn, openvpn_stream),
    tcp(A::Socks, socks),
    tcp(A::Pptp, pptp),
    udp(A::Tailscale, |sight| Some(sight.has(0, b"TS\xf0\x9f\x92\xac") && sight.length >= 6 + 32 + 24)),
    tcp(A::Tinc, tinc),
    udp(A::Dnscrypt, |sight| Some(sight.has(0, b"r6fnvWj8") && sight.length >= 48)),
    tcp(A::Dnscrypt, |sight| Some(sight.has(2, b"r6fnvWj8") && sight.be16(0)? + 2 == sight.length)),
    udp(A::Roughtime, roughtime),
    udp(A::Teredo, teredo),
    tcp(A::Bitcoin, bitcoin),
    udp(A::Ethereum, ethereum),
    // The signature of Levin's header, least significant first (Monero, epee levin_base.h).
    tcp(A::Monero, |sight| Some(sight.has(0, b"\x01\x21\x01\x01\x01\x01\x01\x01") && sight.length >= 33)),
    tcp(A::Stratum, stratum),
    // Hello of the Block Exchange Protocol v1; discovery on the local network.
    tcp(A::Syncthing, |sight| Some(sight.has(0, b"\x2e\xa7\xd9\x0b"))),
    udp(A::Syncthing, |sight| Some(sight.has(0, b"\x2e\xa7\xd9\x0b") && sight.length >= 32)),
];

/// Most bytes of a record (RFC 5246, 6.2.3).
const RECORD_MAX: usize = (1 << 14) + 2048;

/// Records of TLS without the hello before them: all that begin in the payload.
fn tls(sight: &Sight<'_>) -> Option<bool> {
    let mut at = 0;
    while at < sight.bytes.len() {
        let kind = sight.u8(at)?;
        // A header that is cut ends a payload of which the rest was read.
        let Some(length) = sight.be16(at + 3) else { return Some(at != 0) };
        let fits = match kind {
            20 => length == 1,
            21 => matches!(length, 2 | 16..=64),
            22 => (4..=RECORD_MAX).contains(&length),
            23 => (16..=RECORD_MAX).contains(&length),
            24 => (19..=RECORD_MAX).contains(&length),
            _ => false,
        };
        if !fits || sight.u8(at + 1)? != 3 || sight.u8(at + 2)? > 4 {
            return Some(false);
        }
        at += 5 + length;
    }
    // One record that ends elsewhere is believed only if it fills its segment.
    Some(at != 0 && (at == sight.bytes.len() || sight.bytes.len() >= 256))
}

/// A record of any epoch and type.
fn dtls(sight: &Sight<'_>) -> Option<bool> {
    let version = matches!(sight.be16(1)?, 0xfeff | 0xfefd | 0xfefc | 0x0100);
    // The upper half of the sequence number is zero in any connection that people have.
    let fits = sight.be16(11)? + 13 <= sight.length && sight.be16(11)? != 0 && sight.be16(5)? == 0;
    Some(matches!(sight.u8(0)?, 20..=26) && version && fits)
}

/// The four messages of `WireGuard` (whitepaper, 5.4).
fn wireguard(sight: &Sight<'_>) -> Option<bool> {
    // DNS has any bytes where the type stands.
    if sight.on(&[53]) || sight.be24(1)? != 0 {
        return Some(false);
    }
    Some(match sight.u8(0)? {
        1 => sight.is(148),
        2 => sight.is(92),
        3 => sight.is(64),
        // A counter that began with the session, and plaintext that is padded to sixteen bytes.
        4 => {
            let counter = sight.le32(12)?;
            sight.length >= 32 && sight.length.is_multiple_of(16) && counter == 0 && sight.le32(8)? < 1 << 28
        }
        _ => false,
    })
}

/// A header of ISAKMP (RFC 2408, 3.1) or of its version 2 (RFC 7296, 3.1), on port 4500 behind four zeros (RFC 3948, 2.2).
fn ike(sight: &Sight<'_>) -> Option<bool> {
    let at = if sight.be32(0)? == 0 { 4 } else { 0 };
    let known = match sight.u8(at + 17)? {
        0x10 => matches!(sight.u8(at + 18)?, 1..=6 | 32..=34),
        0x20..=0x2f => matches!(sight.u8(at + 18)?, 34..=43),
        _ => false,
    };
    let initiator = sight.be32(at)? != 0 || sight.be32(at + 4)? != 0;
    Some(known && initiator && sight.be32(at + 24)? == sight.length - at && sight.u8(at + 19)? & 0xc0 == 0)
}

/// The hard resets with which a session begins (`ssl_pkt.h`): in clear, with an HMAC, or encrypted.
fn openvpn(sight: &Sight<'_>, at: usize) -> Option<bool> {
    const SESSION: usize = 9;
    // The lower three bits, the number of the key, are 0 in a reset.
    let (length, opcode) = (sight.length.checked_sub(at)?, sight.u8(at)?);
    if !matches!(opcode, 0x38 | 0x40 | 0x50) || sight.be32(at + 1)? == 0 {
        return Some(false);
    }
    // Acknowledgements: none in the client's, in the server's one with the client's session.
    let tail = |rest: usize| -> Option<bool> {
        let acks = usize::from(sight.u8(at + rest)?);
        let ids = if acks == 0 { 0 } else { acks * 4 + 8 };
        Some(acks <= 1 && length == rest + 1 + ids + 4 && sight.be32(at + rest + 1 + ids)? <= 1)
    };
    if tail(SESSION) == Some(true) {
        return Some(true);
    }
    // The first packets have the number 1 or 2, and the time behind it.
    let numbered = |rest: usize| -> Option<bool> {
        Some(
            matches!(sight.be32(at + rest)?, 1..=2)
                && (1 << 30..=u32::MAX as usize).contains(&sight.be32(at + rest + 4)?),
        )
    };
    let authenticated = [16, 20, 32, 48, 64]
        .into_iter()
        .any(|hmac| numbered(SESSION + hmac) == Some(true) && tail(SESSION + hmac + 8) == Some(true));
    // tls-crypt: number, time and a tag of 32 bytes, then what is encrypted; with a client's key behind it.
    let encrypted = numbered(SESSION) == Some(true) && length >= SESSION + 8 + 32 + 5;
    Some(authenticated || encrypted)
}

fn openvpn_stream(sight: &Sight<'_>) -> Option<bool> {
    if sight.be16(0)? + 2 != sight.length {
        return Some(false);
    }
    openvpn(sight, 2)
}

/// Greetings of versions 5 (RFC 1928, 3) and 4.
fn socks(sight: &Sight<'_>) -> Option<bool> {
    Some(match sight.bytes {
        [5, count, methods @ ..] => {
            let whole = !methods.is_empty() && methods.len() == usize::from(*count);
            // Without, GSSAPI, a password, and those that IANA gave numbers to.
            let known = methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0x86));
            let server = sight.length == 2 && matches!(count, 0 | 2) && sight.on(&[1080, 9050, 9150]);
            (whole && known && methods.len() <= 10) || server
        }
        [4, 1 | 2, high, low, _, _, _, _, rest @ ..] if (*high, *low) != (0, 0) => {
            // The user, then of version 4A the name of the host.
            let zeros = rest.split(|byte| *byte == 0).count() - 1;
            let printable = rest.iter().all(|byte| *byte == 0 || byte.is_ascii_graphic());
            rest.last() == Some(&0) && matches!(zeros, 1 | 2) && printable
        }
        _ => false,
    })
}

/// A control message (RFC 2637, 2).
fn pptp(sight: &Sight<'_>) -> Option<bool> {
    let kind = sight.be16(8)?;
    Some(
        sight.be16(2)? == 1
            && sight.be32(4)? == 0x1a2b_3c4d
            && sight.begins(sight.be16(0)?)
            && (1..=15).contains(&kind),
    )
}

/// The line with which nodes begin: 0, name, version 17.
fn tinc(sight: &Sight<'_>) -> Option<bool> {
    let mut words = sight.line()?.split(|byte| *byte == b' ');
    let (zero, name, version) = (words.next()?, words.next()?, words.next()?);
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'^' | b'?' | b'.');
    Some(
        zero == b"0"
            && !name.is_empty()
            && name.iter().all(named)
            && (version == b"17" || version.starts_with(b"17."))
            && words.next().is_none(),
    )
}

/// A packet with its magic word, or the map of tags before there was one (draft-ietf-ntp-roughtime).
fn roughtime(sight: &Sight<'_>) -> Option<bool> {
    if sight.has(0, b"ROUGHTIM") {
        return Some(sight.le32(8)? + 12 == sight.length);
    }
    let tags = sight.le32(0)?;
    let nonce = sight.holds(64, b"NONC") || (sight.holds(64, b"SREP") && sight.holds(64, b"CERT"));
    Some((1..=16).contains(&tags) && nonce && sight.length.is_multiple_of(4))
}

/// IPv6 in a datagram on Teredo's port, with the headers that may stand before it (RFC 4380, 5.1.1).
fn teredo(sight: &Sight<'_>) -> Option<bool> {
    let mut at = 0;
    if sight.has(at, &[0, 1]) {
        at += 13 + usize::from(sight.u8(2)?) + usize::from(sight.u8(3)?);
    }
    if sight.has(at, &[0, 0]) {
        at += 8;
    }
    Some(sight.on(&[3544]) && sight.u8(at)? >> 4 == 6 && sight.be16(at + 4)? + 40 + at == sight.length)
}

/// A header of Bitcoin's peers, of the main network or one for tests.
fn bitcoin(sight: &Sight<'_>) -> Option<bool> {
    let network = matches!(sight.be32(0)?, 0xf9be_b4d9 | 0x0b11_0907 | 0xfabf_b5da | 0xe3e1_f3e8);
    let command = sight.bytes.get(4..16)?;
    let name = command.iter().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
    let padded = command.iter().skip(name).all(|byte| *byte == 0);
    Some(network && name >= 3 && padded)
}

/// A packet of Node Discovery v4: hash, signature, a type, and a list that ends with the datagram or before its
/// extension.
fn ethereum(sight: &Sight<'_>) -> Option<bool> {
    let (recovery, kind, list) = (sight.u8(96)?, sight.u8(97)?, sight.u8(98)?);
    let whole = match list {
        0xc0..=0xf7 => 99 + usize::from(list - 0xc0),
        0xf8 => 100 + usize::from(sight.u8(99)?),
        0xf9 => 101 + sight.be16(99)?,
        _ => return Some(false),
    };
    Some(recovery <= 1 && (1..=6).contains(&kind) && sight.is(whole))
}

/// A miner's or a pool's message in JSON.
fn stratum(sight: &Sight<'_>) -> Option<bool> {
    let words: [&[u8]; 5] = [
        b"\"mining.",
        b"\"eth_submitLogin\"",
        b"\"eth_getWork\"",
        b"\"eth_submitWork\"",
        b"\"method\":\"login\"",
    ];
    Some(sight.u8(0)? == b'{' && words.into_iter().any(|word| sight.holds(256, word)))
}
