//! Google's QUIC before IETF's (Q043 to Q050): the name in the client's CHLO message.
//!
//! The message is looked for by its tag within the packet: the frames around it changed with nearly
//! every version, the message never did, and it always fits into the first packet.

/// Most tags of a message that are looked at.
const TAGS_MAX: usize = 128;

/// The value of the tag `SNI` of a CHLO message anywhere in `bytes`.
pub fn server_name(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(4).position(|window| window == b"CHLO")?;
    let message = bytes.get(at + 4..)?;
    let count = usize::from(u16::from_le_bytes(*message.first_chunk()?));
    let tags = message.get(4..)?;
    let (tags, values) = tags.split_at_checked(8 * count.min(TAGS_MAX))?;
    if count > TAGS_MAX {
        return None;
    }
    let mut begin = 0;
    for tag in tags.chunks_exact(8) {
        let (name, end) = tag.split_first_chunk::<4>()?;
        let end = u32::from_le_bytes(*end.first_chunk()?) as usize;
        if name == b"SNI\0" {
            return values.get(begin..end);
        }
        begin = end;
    }
    None
}

/// The version in the public header of Q043 and before, of a packet that says it: flags, the
/// connection identifier, the version.
pub(super) fn public_version(datagram: &[u8]) -> Option<u32> {
    let flags = *datagram.first()?;
    // Not a long header; with version; the identifier of eight bytes that clients send.
    if flags & 0x80 != 0 || flags & 0x09 != 0x09 {
        return None;
    }
    let version = *datagram.get(9..)?.first_chunk()?;
    matches!(version, [b'Q', b'0', b'0'..=b'9', b'0'..=b'9']).then_some(u32::from_be_bytes(version))
}

/// Whether a version is one of Google's whose first packet is not encrypted.
pub(super) const fn is_clear(version: u32) -> bool {
    matches!(version.to_be_bytes(), [b'Q', b'0', b'2'..=b'4', b'0'..=b'9'])
}
