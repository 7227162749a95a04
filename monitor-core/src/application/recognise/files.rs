//! Files: sharing, transfer, storage.

use super::{Application as A, Recogniser, Sight, sight::is_printable, tcp, udp};

pub(super) const ALL: &[Recogniser] = &[
    tcp(A::Git, git),
    tcp(A::Rsync, |sight| Some(sight.has(0, b"@RSYNCD: ") && sight.u8(9)?.is_ascii_digit())),
    tcp(A::Afp, afp),
    udp(A::Rx, rx),
    // The acceptor's magic number and that of the socket driver, in either order (lnet-types.h).
    tcp(A::Lustre, |sight| {
        Some(matches!(sight.be32(0)?, 0x0071_ceac | 0xacce_7100 | 0xed0d_bcee | 0xeebc_0ded))
    }),
    tcp(A::Ceph, |sight| Some(sight.has(0, b"ceph v0") || sight.has(0, b"ceph v2\n"))),
    udp(A::Tftp, tftp),
    tcp(A::Ftp, |sight| {
        Some(sight.has(0, b"AUTH TLS\r\n") || sight.has(0, b"AUTH SSL\r\n") || login(sight)?)
    }),
    tcp(A::FtpData, listing),
    tcp(A::Edonkey, edonkey),
    udp(A::Edonkey, edonkey_datagram),
    tcp(A::Gnutella, |sight| {
        Some(
            sight.has(0, b"GNUTELLA/0.")
                || sight.has(0, b"GNUTELLA CONNECT/0.")
                || sight.has(0, b"GNUTELLA OK"),
        )
    }),
    udp(A::Gnutella, gnutella),
    tcp(A::Smb, smb),
    tcp(A::BitTorrent, |sight| Some(sight.has(0, b"GET /announce?") && sight.holds(512, b"info_hash="))),
    udp(A::BitTorrent, bittorrent),
];

/// A first request: its length in four hexadecimal digits, the command, a path, and zero (`git help protocol-pack`).
fn git(sight: &Sight<'_>) -> Option<bool> {
    let length = sight.bytes.get(..4).and_then(|digits| std::str::from_utf8(digits).ok())?;
    let Ok(length) = usize::from_str_radix(length, 16) else { return Some(false) };
    let command = sight.has(4, b"git-upload-pack ")
        || sight.has(4, b"git-receive-pack ")
        || sight.has(4, b"git-upload-archive ");
    Some(command && sight.begins(length))
}

/// A header of DSI: request or answer, a command, a length, and a reserved zero.
fn afp(sight: &Sight<'_>) -> Option<bool> {
    let (flags, command) = (sight.u8(0)?, sight.u8(1)?);
    let request = flags == 0 && sight.be32(4)? <= 64;
    Some(
        (request || flags == 1)
            && matches!(command, 1..=6 | 8)
            && sight.be32(12)? == 0
            && sight.be32(8)? + 16 == sight.length
            && (sight.on(&[548]) || (command >= 3 && sight.length > 16 && sight.be16(2)? <= 2)),
    )
}

/// A packet of Rx on the ports of AFS: connection, call, a type, flags.
fn rx(sight: &Sight<'_>) -> Option<bool> {
    let ports = [7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009];
    Some(
        sight.on(&ports)
            && sight.length >= 28
            && matches!(sight.u8(20)?, 1..=9 | 13)
            && sight.u8(21)? & 0xc0 == 0
            && sight.be32(8)? < 1 << 24
            && sight.be32(12)? < 1 << 24
            && sight.be16(26)? <= 0xff,
    )
}

/// A request with a name and a mode (RFC 1350, 5).
fn tftp(sight: &Sight<'_>) -> Option<bool> {
    let mut words = sight.bytes.get(2..)?.split(|byte| *byte == 0);
    let (name, mode) = (words.next()?, words.next()?);
    let known =
        [&b"octet"[..], b"netascii", b"mail"].into_iter().any(|known| mode.eq_ignore_ascii_case(known));
    Some(matches!(sight.be16(0)?, 1 | 2) && !name.is_empty() && is_printable(name) && known)
}

/// A login on the port.
fn login(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.line()?;
    Some(
        sight.on(&[21])
            && (line.starts_with(b"USER ") || line.starts_with(b"220 ") || line.starts_with(b"220-")),
    )
}

/// A listing of a directory, as `ls -l` writes it.
fn listing(sight: &Sight<'_>) -> Option<bool> {
    let line = sight.line()?;
    let (mode, rest) = line.split_at_checked(10)?;
    let letters = mode
        .iter()
        .zip(b"drwxrwxrwx")
        .skip(1)
        .all(|(byte, letter)| byte == letter || *byte == b'-' || b"sStTl".contains(byte));
    let kind = mode.first().is_some_and(|kind| b"-dlcbps".contains(kind));
    Some(
        kind && letters
            && rest.starts_with(b" ")
            && is_printable(rest)
            && rest.iter().any(u8::is_ascii_digit)
            && rest.len() > 20,
    )
}

/// A message between clients or with a server: protocol, length, a known operation.
fn edonkey(sight: &Sight<'_>) -> Option<bool> {
    let (protocol, length, operation) = (sight.u8(0)?, sight.le32(1)?, sight.u8(5)?);
    let known = match protocol {
        0xe3 => matches!(
            operation,
            0x01 | 0x4c
                | 0x14
                | 0x15
                | 0x16
                | 0x18
                | 0x19
                | 0x33
                | 0x34
                | 0x38
                | 0x40
                | 0x46
                | 0x47
                | 0x48
                | 0x58
                | 0x59
        ),
        0xc5 => matches!(operation, 0x01 | 0x02 | 0x40 | 0x60 | 0x81 | 0x82 | 0x87),
        _ => false,
    };
    // A hello has the length of a hash, the hash, an address.
    Some(
        known
            && length >= 1
            && length + 5 == sight.length
            && (sight.length > 24 || sight.on(&[4661, 4662, 4672])),
    )
}

/// A question to a server on its port and three above, or between clients.
fn edonkey_datagram(sight: &Sight<'_>) -> Option<bool> {
    Some(match (sight.u8(0)?, sight.u8(1)?) {
        (0xe3, 0x96) => sight.is(6),
        (0xe3, 0xa2) => sight.is(6) || sight.is(2),
        (0xe3, 0x97) => sight.length >= 18 && sight.on(&[4665, 4672]),
        (0xe4, 0x01 | 0x09 | 0x11 | 0x19 | 0x21 | 0x29 | 0x33 | 0x3b | 0x43 | 0x60) => {
            sight.on(&[4672]) && sight.length >= 27
        }
        _ => false,
    })
}

/// A descriptor: identifier, kind, hops, and a length that is that of what follows; or the header of GUESS.
fn gnutella(sight: &Sight<'_>) -> Option<bool> {
    let kind = matches!(sight.u8(16)?, 0 | 1 | 0x30 | 0x31 | 0x40 | 0x80 | 0x81);
    let hops = sight.u8(17)? <= 8 && sight.u8(18)? <= 8;
    Some(
        kind && hops
            && sight.le32(19)? + 23 == sight.length
            && (sight.u8(8)? == 0xff || sight.on(&[6346, 6347])),
    )
}

/// A message of version 1, 2 or 3, or an encrypted or compressed one.
fn smb(sight: &Sight<'_>) -> Option<bool> {
    let mark = matches!(sight.bytes.get(4..8)?, [0xfc..=0xff, b'S', b'M', b'B']);
    Some(mark && sight.u8(0)? == 0)
}

/// The connection request of a tracker (BEP 15), and micro transport's SYN (BEP 29) of a client of it.
fn bittorrent(sight: &Sight<'_>) -> Option<bool> {
    let tracker = sight.is(16) && sight.has(0, b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0");
    let bencode = sight.has(0, b"d1:") && (sight.holds(128, b"2:id20:") || sight.holds(256, b"1:y1:"));
    // ST_SYN, version 1, number 1, no acknowledgement of anything, no extension or a bitmask.
    let utp = sight.length <= 32
        && sight.u8(0)? == 0x41
        && sight.u8(1)? <= 2
        && sight.be32(8)? == 0
        && sight.be16(16)? == 1;
    Some(tracker || bencode || utp)
}
