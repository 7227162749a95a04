//! Versions of QUIC and what differs between them.

use std::borrow::Cow;

/// How a version's Initials are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Salt of the first secret.
    pub salt: &'static [u8; 20],
    /// Labels of key, initialisation vector and header protection.
    pub labels: [&'static [u8]; 3],
    /// Two bits of the first byte that make a long header an Initial, and those that make it a Retry.
    pub initial: u8,
    /// See `initial`.
    pub retry: u8,
    /// Type of the frame that carries the CRYPTO stream.
    pub crypto: u8,
    /// The CRYPTO stream carries Google's own handshake.
    pub google: bool,
}

/// Draft 22.
const DRAFT_22: [u8; 20] = [
    0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a,
    0x02, 0x64, 0x4a,
];
/// Drafts 23 to 28.
const DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
    0xf9, 0xf5, 0x02,
];
/// Drafts 29 to 32.
const DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
    0x90, 0xa8, 0x99,
];
/// Version 1 and drafts from 33 (RFC 9001, 5.2).
const V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
/// Version 2 (RFC 9369, 3.3.1).
const V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
/// Google's Q050.
const Q050: [u8; 20] = [
    0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
    0xb5, 0x6b, 0x45,
];
/// Google's T050.
const T050: [u8; 20] = [
    0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60,
    0x48, 0x83, 0x10,
];
/// Google's T051.
const T051: [u8; 20] = [
    0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda,
    0x6e, 0x03, 0x3d,
];

/// CRYPTO (RFC 9000, 19.6).
const CRYPTO: u8 = 6;
/// The same in Google's versions that carry TLS in frames of their own numbers.
const GOOGLE_CRYPTO: u8 = 8;

const fn usual(salt: &'static [u8; 20]) -> Suite {
    Suite {
        salt,
        labels: [b"quic key", b"quic iv", b"quic hp"],
        initial: 0,
        retry: 3,
        crypto: CRYPTO,
        google: false,
    }
}

/// Whether a version is one of those that no server has: a client offers them so that servers do not forget how to
/// say which they have (RFC 9000, 15).
pub(super) const fn is_reserved(version: u32) -> bool {
    version & 0x0f0f_0f0f == 0x0a0a_0a0a
}

/// How an Initial of a reserved version may have been sealed: as the client seals those of the version that it
/// would have liked, which does not stand in the packet. The likeliest first.
pub(super) const RESERVED: [Suite; 3] = [usual(&V1), usual(&DRAFT_29), usual(&DRAFT_23)];

/// How Initials of a version are read; `None` for versions that are not known. Of a reserved version the header is
/// read like this, and for the rest see `RESERVED`.
pub const fn suite(version: u32) -> Option<Suite> {
    Some(match version {
        1 | 0xff00_0021..=0xff00_0022 => usual(&V1),
        _ if is_reserved(version) => usual(&V1),
        0x6b33_43cf => {
            Suite { labels: [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"], initial: 1, retry: 0, ..usual(&V2) }
        }
        0xff00_001d..=0xff00_0020 => usual(&DRAFT_29),
        // Facebook's: drafts 27 and 22.
        0xff00_0017..=0xff00_001c | 0xface_b002 | 0xface_b00e => usual(&DRAFT_23),
        0xff00_0016 | 0xface_b001 => usual(&DRAFT_22),
        0x5130_3530 => Suite { google: true, ..usual(&Q050) },
        0x5430_3530 => Suite { crypto: GOOGLE_CRYPTO, ..usual(&T050) },
        0x5430_3531 => Suite { crypto: GOOGLE_CRYPTO, ..usual(&T051) },
        _ => return None,
    })
}

/// A version such as `v1`, `v2`, `draft-29`, `Q050`, else its number.
pub fn version_name(version: u32) -> Cow<'static, str> {
    match version {
        1 => Cow::Borrowed("v1"),
        0x6b33_43cf => Cow::Borrowed("v2"),
        0xff00_0000..=0xff00_00ff => Cow::Owned(format!("draft-{:02}", version & 0xff)),
        0xface_b001 | 0xface_b002 | 0xface_b00e => Cow::Owned(format!("mvfst-{:x}", version & 0xff)),
        _ => match version.to_be_bytes() {
            [series @ (b'Q' | b'T'), a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                Cow::Owned([series, a, b, c].map(char::from).iter().collect())
            }
            _ => Cow::Owned(format!("0x{version:08x}")),
        },
    }
}
