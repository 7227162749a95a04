//! Keys of Initials and what they open (RFC 9001, 5).

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use aes_gcm::{Aes128Gcm, Tag, aead::AeadInOut};
use hkdf::Hkdf;
use sha2::Sha256;

use super::{Long, Suite};

/// Bytes of the authentication tag.
const TAG: usize = 16;

/// Who protects with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The client.
    ByClient,
    /// The server.
    ByServer,
}

/// Keys of one direction's Initials.
#[derive(Clone)]
pub struct Keys {
    aead: Aes128Gcm,
    vector: [u8; 12],
    header: Aes128,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// HKDF-Expand-Label (RFC 8446, 7.1) without context; `None` if the label is too long.
fn expand(from: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) -> Option<()> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = (out.len() as u16).to_be_bytes();
    let label_length = [(PREFIX.len() + label.len()) as u8];
    from.expand_multi_info(&[&length, &label_length, PREFIX, label, &[0]], out).ok()
}

impl Keys {
    /// Keys from the destination identifier of the client's first Initial.
    pub fn new(suite: &Suite, connection_id: &[u8], sealed: Sealed) -> Option<Self> {
        let initial = Hkdf::<Sha256>::new(Some(suite.salt), connection_id);
        let mut secret = [0; 32];
        let label: &[u8] = match sealed {
            Sealed::ByClient => b"client in",
            Sealed::ByServer => b"server in",
        };
        expand(&initial, label, &mut secret)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let [key_label, vector_label, header_label] = suite.labels;
        let (mut key, mut vector, mut header) = ([0; 16], [0; 12], [0; 16]);
        expand(&secret, key_label, &mut key)?;
        expand(&secret, vector_label, &mut vector)?;
        expand(&secret, header_label, &mut header)?;
        Some(Self { aead: Aes128Gcm::new(&key.into()), vector, header: Aes128::new(&header.into()) })
    }

    /// Opens a packet that begins at the beginning of `datagram`: its frames, in `scratch`.
    pub fn open<'s>(&self, packet: &Long<'_>, datagram: &[u8], scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
        let sample: [u8; 16] = *datagram.get(packet.number_at + 4..packet.length)?.first_chunk()?;
        let mut mask = sample.into();
        self.header.encrypt_block(&mut mask);

        scratch.clear();
        scratch.extend_from_slice(datagram.get(..packet.length)?);
        let first = scratch.first_mut()?;
        *first ^= mask[0] & 0x0f;
        let number_length = usize::from(*first & 3) + 1;
        let mut nonce = self.vector;
        let number = scratch.get_mut(packet.number_at..packet.number_at + number_length)?;
        for (byte, mask) in number.iter_mut().zip(mask.iter().skip(1)) {
            *byte ^= mask;
        }
        // Initials begin at packet 0: no number is long enough to be cut off.
        for (nonce, byte) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *nonce ^= byte;
        }
        let (header, sealed) = scratch.split_at_mut_checked(packet.number_at + number_length)?;
        let (frames, tag) = sealed.split_at_mut_checked(sealed.len().checked_sub(TAG)?)?;
        let tag = Tag::try_from(&*tag).ok()?;
        self.aead.decrypt_inout_detached(&nonce.into(), header, (&mut *frames).into(), &tag).ok()?;
        Some(frames)
    }
}

/// Seals frames behind a header with a packet number of four bytes: the inverse of [`Keys::open`].
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a writer for tests")]
pub fn seal(keys: &Keys, header: &[u8], frames: &[u8]) -> Vec<u8> {
    let number_at = header.len() - 4;
    let mut nonce = keys.vector;
    for (nonce, byte) in nonce[8..].iter_mut().zip(&header[number_at..]) {
        *nonce ^= byte;
    }
    let mut sealed = frames.to_vec();
    let tag =
        keys.aead.encrypt_inout_detached(&nonce.into(), header, (&mut sealed[..]).into()).expect("short");
    let mut out = [header, &sealed, &tag].concat();
    let sample: [u8; 16] = out[number_at + 4..][..16].try_into().expect("a sample");
    let mut mask = sample.into();
    keys.header.encrypt_block(&mut mask);
    out[0] ^= mask[0] & 0x0f;
    for (byte, mask) in out[number_at..].iter_mut().zip(&mask[1..5]) {
        *byte ^= mask;
    }
    out
}
