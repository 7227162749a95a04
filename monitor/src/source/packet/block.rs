//! Packets in a block of the ring (`struct tpacket_block_desc`, `struct tpacket3_hdr`).

use monitor_common::abi::Direction;

/// Where a block says how many packets it has and where the first is.
const PACKETS_AT: usize = 12;
const FIRST_AT: usize = 16;
/// Where the sender's address stands behind a packet's header (`struct sockaddr_ll`).
const ADDRESS_AT: usize = 48;
const TYPE_AT: usize = ADDRESS_AT + 10;
/// A packet that this host sends.
const OUTGOING: u8 = 4;
/// The device took a VLAN tag off (`TP_STATUS_VLAN_VALID`), and said of which kind it is.
const TAG: u32 = 1 << 4;
const TAG_KIND: u32 = 1 << 6;
/// Kind of a tag that says none: 802.1Q.
const DOT1Q: u16 = 0x8100;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Bytes on the wire, without the tag.
    pub length: u32,
    /// Its direction.
    pub way: Direction,
    /// The VLAN tag that the device took off: kind and value.
    pub tag: Option<(u16, u16)>,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

/// Shows the packets of a block.
pub(super) fn frames(block: &[u8], show: &mut dyn FnMut(&Frame<'_>)) {
    let packets = word(block, PACKETS_AT).unwrap_or(0);
    let mut at = word(block, FIRST_AT).unwrap_or(0) as usize;
    for _ in 0..packets {
        let Some((frame, next)) = block.get(at..).and_then(frame) else { return };
        show(&frame);
        at = at.saturating_add(next as usize);
    }
}

/// The packet at the begin, and how far it is to the next.
fn frame(bytes: &[u8]) -> Option<(Frame<'_>, u32)> {
    let seconds = u64::from(word(bytes, 4)?);
    let status = word(bytes, 20)?;
    let begin = usize::from(half(bytes, 24)?);
    let captured = bytes.get(begin..)?.get(..word(bytes, 12)? as usize)?;
    let kind = if status & TAG_KIND == 0 { DOT1Q } else { half(bytes, 36)? };
    let frame = Frame {
        time: seconds * 1_000_000_000 + u64::from(word(bytes, 8)?),
        length: word(bytes, 16)?,
        way: if *bytes.get(TYPE_AT)? == OUTGOING { Direction::Transmit } else { Direction::Receive },
        tag: if status & TAG == 0 { None } else { Some((kind, word(bytes, 32)? as u16)) },
        bytes: captured,
    };
    Some((frame, word(bytes, 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block as the kernel writes one, with two packets.
    fn block() -> Vec<u8> {
        let mut block = vec![0; 48];
        block[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        block[12..16].copy_from_slice(&2_u32.to_ne_bytes());
        block[16..20].copy_from_slice(&48_u32.to_ne_bytes());
        for (kind, status) in [(0_u8, TAG | TAG_KIND), (OUTGOING, 0)] {
            let mut packet = vec![0; 128];
            for (at, value) in [(0, 128), (4, 7), (8, 9), (12, 20), (16, 60), (20, status), (32, 5)] {
                packet[at..at + 4].copy_from_slice(&u32::to_ne_bytes(value));
            }
            packet[24..26].copy_from_slice(&82_u16.to_ne_bytes());
            packet[36..38].copy_from_slice(&0x88a8_u16.to_ne_bytes());
            packet[TYPE_AT] = kind;
            packet[82..102].fill(0xee);
            block.extend(packet);
        }
        block
    }

    #[test]
    fn packets_come_with_time_length_direction_and_tag() {
        let mut seen = Vec::new();
        frames(&block(), &mut |f| {
            assert_eq!(f.bytes, [0xee; 20]);
            seen.push((f.time, f.length, f.way, f.tag));
        });
        let time = 7_000_000_009;
        assert_eq!(
            seen,
            [(time, 60, Direction::Receive, Some((0x88a8, 5))), (time, 60, Direction::Transmit, None)]
        );
    }

    #[test]
    fn a_block_that_is_cut_anywhere_does_no_harm() {
        let block = block();
        for end in 0..block.len() {
            let mut seen = 0;
            frames(&block[..end], &mut |_| seen += 1);
            assert!(seen <= 2);
        }
    }
}
