//! The beginning of TLS connections.

use crate::random::Random;

/// Bytes with their length before them, in two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// An extension of TLS (RFC 8446, 4.2).
fn extension(number: u16, value: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &sized(value)].concat()
}

/// A handshake message in a record.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let message = [&[kind, 0][..], &sized(body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

fn noise(random: &mut Random) -> Vec<u8> {
    (0..32).map(|_| random.next() as u8).collect()
}

/// A hello of TLS 1.3, padded to the usual length.
pub(crate) fn hello(name: &str, random: &mut Random) -> Vec<u8> {
    let server_name = sized(&[&[0][..], &sized(name.as_bytes())].concat());
    let mut extensions = [
        extension(0, &server_name),
        extension(43, &[4, 3, 4, 3, 3]),
        extension(16, &sized(b"\x02h2\x08http/1.1")),
        extension(10, &[0, 2, 0, 29]),
        extension(51, &sized(&[&[0, 29][..], &sized(&noise(random))].concat())),
    ]
    .concat();
    extensions.extend(extension(21, &vec![0; 440_usize.saturating_sub(extensions.len())]));
    let ciphers = [0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c];
    let body = [&[3, 3][..], &noise(random), &[0], &sized(&ciphers), &[1, 0], &sized(&extensions)].concat();
    handshake(1, &body)
}

/// What a server of TLS 1.3 sends back, up to where it is encrypted.
pub(crate) fn answer(random: &mut Random) -> Vec<u8> {
    let share = [&[0, 29][..], &sized(&noise(random))].concat();
    let extensions = [extension(43, &[3, 4]), extension(51, &share)].concat();
    let body = [&[3, 3][..], &noise(random), &[0, 0x13, 1, 0], &sized(&extensions)].concat();
    let mut out = handshake(2, &body);
    // The encrypted rest begins.
    out.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0x04, 0xb0]);
    out
}
