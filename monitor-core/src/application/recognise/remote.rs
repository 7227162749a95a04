//! Terminals, desktops and what controls machines from afar.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Telnet, telnet),
    tcp(A::Rsh, rsh),
    udp(A::Xdmcp, |sight| {
        Some(
            sight.be16(0)? == 1
                && (1..=13).contains(&sight.be16(2)?)
                && sight.be16(4)? + 6 == sight.length
                && (sight.on(&[177]) || sight.length > 24),
        )
    }),
    tcp(A::Citrix, |sight| Some(sight.has(0, b"\x7f\x7fICA\0") || sight.has(0, b"\x1aCGP/01"))),
    tcp(A::Radmin, radmin),
    tcp(A::Teamviewer, teamviewer),
    udp(A::Teamviewer, |sight| Some(sight.has(11, &[0x17, 0x24]) && sight.on(&[5938]))),
    tcp(A::NoMachine, |sight| Some(sight.has(0, b"NXD-") && is_printable(sight.bytes.get(4..8)?))),
    tcp(A::Rdp, rdp),
];

/// Negotiation: nothing but commands with options that are registered (RFC 854, 855).
fn telnet(sight: &Sight<'_>) -> Option<bool> {
    let mut at = 0;
    while at < sight.bytes.len() {
        if sight.u8(at)? != 0xff {
            // Text may follow.
            return Some(at >= 3 && sight.on(&[23]) || at >= 6);
        }
        match (sight.u8(at + 1)?, sight.u8(at + 2)?) {
            (0xfb..=0xfe, 0..=49 | 138..=140 | 255) => at += 3,
            (0xfa, 0..=49) => {
                let end = sight.bytes.get(at..)?.windows(2).position(|pair| pair == [0xff, 0xf0])?;
                at += end + 2;
            }
            _ => return Some(false),
        }
    }
    Some(at >= 6 || (at == 3 && sight.on(&[23])))
}

/// Port for errors, both users and the command, each with a zero (rcmd(3)).
fn rsh(sight: &Sight<'_>) -> Option<bool> {
    if !sight.on(&[512, 514]) {
        return Some(false);
    }
    let mut words = sight.bytes.split(|byte| *byte == 0);
    let port = words.next()?;
    let digits = port.iter().all(u8::is_ascii_digit) && port.len() <= 5;
    // The port comes alone, or everything at once.
    let alone = sight.bytes.last() == Some(&0) && !port.is_empty() && sight.bytes.len() == port.len() + 1;
    let rest: Vec<&[u8]> = words.collect();
    let all =
        rest.len() >= 3 && rest.iter().all(|word| is_printable(word)) && !sight.bytes.starts_with(&[0, 0]);
    Some(digits && (alone || all))
}

/// The first packet of a viewer, of version 2 or 3.
fn radmin(sight: &Sight<'_>) -> Option<bool> {
    Some(
        sight.is(10)
            && (sight.has(0, b"\x01\0\0\0\x01\0\0\0\x08\x08")
                || sight.has(0, b"\x01\0\0\0\x01\0\0\0\x1b\x1b"))
            || sight.has(0, b"\x01\0\0\0\x25") && sight.on(&[4899]),
    )
}

/// Frames of either version of its protocol, on the port or followed by a known command.
fn teamviewer(sight: &Sight<'_>) -> Option<bool> {
    Some(match sight.bytes {
        [0x17, 0x24, 0x0a..=0x40, ..] => sight.on(&[5938]) || sight.be16(3)? + 5 == sight.length,
        [0x11, 0x30, ..] => sight.on(&[5938]),
        _ => false,
    })
}

/// A connection request or confirm of X.224 without negotiation, on the port; or data of it.
fn rdp(sight: &Sight<'_>) -> Option<bool> {
    let tpkt = sight.has(0, &[3, 0]) && sight.be16(2)? == sight.length;
    Some(tpkt && sight.on(&[3389]) && matches!(sight.u8(5)?, 0xe0 | 0xd0 | 0xf0))
}
