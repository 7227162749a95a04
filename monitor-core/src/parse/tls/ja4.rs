//! JA4: a fingerprint of the client (the published text of `FoxIO` for TLS clients, BSD-3-Clause).

use sha2::{Digest, Sha256};

use super::{ClientHello, is_grease};
use crate::record::Carrier;

/// A fingerprint such as `t13d1516h2_8daaf6152771_e5627efa2ab1`: ASCII, always 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ja4([u8; 36]);

impl Ja4 {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for Ja4 {
    fn default() -> Self {
        Self([b'0'; 36])
    }
}

impl std::fmt::Debug for Ja4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

const fn hex(nibble: u8) -> u8 {
    HEX[(nibble & 15) as usize]
}

/// The fingerprint of a hello. All but it has to be read already.
pub(super) fn fingerprint(hello: &ClientHello) -> Ja4 {
    let mut ciphers: Vec<u16> = hello.ciphers.iter().copied().filter(|c| !is_grease(*c)).collect();
    let mut extensions: Vec<u16> = hello.extensions.iter().copied().filter(|e| !is_grease(*e)).collect();
    let [cipher_tens, cipher_ones] = two_digits(ciphers.len());
    let [extension_tens, extension_ones] = two_digits(extensions.len());
    let named = extensions.contains(&0);
    let [version_tens, version_ones] = version(hello);
    let [alpn_first, alpn_last] = alpn(hello);

    ciphers.sort_unstable();
    // Name and application protocol differ between servers: they do not say who the client is.
    extensions.retain(|e| !matches!(e, 0 | 16));
    extensions.sort_unstable();
    let mut text = Vec::with_capacity(5 * (extensions.len() + hello.signature_algorithms.len() + 1));
    list(&ciphers, &mut text);
    let cipher_hash = hash(&text);
    text.clear();
    list(&extensions, &mut text);
    if !hello.signature_algorithms.is_empty() {
        text.push(b'_');
        list(&hello.signature_algorithms, &mut text);
    }
    let extension_hash = hash(&text);

    let mut out = [b'_'; 36];
    let front = [
        match hello.carrier {
            Carrier::Tcp => b't',
            Carrier::Dtls => b'd',
            Carrier::Quic => b'q',
        },
        version_tens,
        version_ones,
        if named { b'd' } else { b'i' },
        cipher_tens,
        cipher_ones,
        extension_tens,
        extension_ones,
        alpn_first,
        alpn_last,
    ];
    let parts = front.iter().chain(b"_").chain(&cipher_hash).chain(b"_").chain(&extension_hash);
    for (to, from) in out.iter_mut().zip(parts) {
        *to = *from;
    }
    Ja4(out)
}

/// The highest version offered.
fn version(hello: &ClientHello) -> [u8; 2] {
    let offered = hello.versions.iter().copied().filter(|v| !is_grease(*v));
    // Versions of DTLS count downwards.
    let best = if hello.carrier == Carrier::Dtls { offered.min() } else { offered.max() };
    *match best.unwrap_or(hello.legacy_version) {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        0xfeff => b"d1",
        0xfefd => b"d2",
        0xfefc => b"d3",
        _ => b"00",
    }
}

fn two_digits(count: usize) -> [u8; 2] {
    let count = count.min(99) as u8;
    [b'0' + count / 10, b'0' + count % 10]
}

/// First and last character of the preferred application protocol.
fn alpn(hello: &ClientHello) -> [u8; 2] {
    match hello.alpn.first().map(AsRef::as_ref) {
        None | Some([]) => *b"00",
        Some([first, .., last]) => ends(*first, *last),
        Some([only]) => ends(*only, *only),
    }
}

const fn ends(first: u8, last: u8) -> [u8; 2] {
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [first, last]
    } else {
        [hex(first >> 4), hex(last)]
    }
}

/// Appends numbers in hexadecimal with commas; GREASE is left out.
fn list(numbers: &[u16], out: &mut Vec<u8>) {
    let mut first = true;
    for number in numbers.iter().copied().filter(|n| !is_grease(*n)) {
        if !first {
            out.push(b',');
        }
        first = false;
        let [high, low] = number.to_be_bytes();
        out.extend_from_slice(&[hex(high >> 4), hex(high), hex(low >> 4), hex(low)]);
    }
}

/// First twelve hexadecimal digits of SHA-256; zeros for nothing.
fn hash(text: &[u8]) -> [u8; 12] {
    let mut out = [b'0'; 12];
    if !text.is_empty() {
        for (pair, byte) in out.chunks_exact_mut(2).zip(Sha256::digest(text)) {
            pair.copy_from_slice(&[hex(byte >> 4), hex(byte)]);
        }
    }
    out
}
