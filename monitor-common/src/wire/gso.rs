//! What the kernel's own forms of a packet are on the wire: super-packets, and tags in metadata.

use super::Packet;

/// How many packets a buffer of `length` bytes with `headers` bytes of headers becomes on the wire.
///
/// `gso_segs` is trusted unless it is 0, which virtio-style buffers leave it at.
#[inline(always)]
pub fn segments(length: u32, headers: u32, gso_size: u32, gso_segs: u32) -> u32 {
    if gso_segs != 0 {
        return gso_segs;
    }
    if gso_size == 0 {
        return 1;
    }
    let payload = length.saturating_sub(headers);
    // Not `div_ceil`: the kernel side has no checked arithmetic to spare.
    let count = payload.wrapping_add(gso_size).wrapping_sub(1) / gso_size;
    if count == 0 { 1 } else { count }
}

/// Splits a super-packet of the kernel: every packet on the wire repeats the headers up to the payload.
///
/// `gso_size` and `gso_segs` are those of the buffer (`struct skb_shared_info`), `transient` are the bytes of
/// headers that are taken off on the way (see [`super::ParseState::transient`]). Before
/// [`push_outer_vlan`]; `packet` is as the parser left it.
#[inline(always)]
pub fn super_packet(packet: &mut Packet, gso_size: u32, gso_segs: u32, transient: u32) {
    let count = segments(packet.wire_length, packet.payload_offset, gso_size, gso_segs);
    if count <= 1 {
        return;
    }
    let more = count - 1;
    let headers = packet.payload_offset.wrapping_sub(transient);
    packet.segments = count;
    packet.wire_length = packet.wire_length.wrapping_sub(transient).wrapping_add(more.wrapping_mul(headers));
    packet.ip_length = packet
        .ip_length
        .wrapping_sub(transient)
        .wrapping_add(more.wrapping_mul(headers.wrapping_sub(packet.ip_offset)));
}

/// Puts a tag that the kernel keeps beside the frame before those in it. On the wire it takes four
/// bytes of every packet; offsets stay those of the buffer.
#[inline(always)]
pub fn push_outer_vlan(packet: &mut Packet, tci: u16) {
    packet.vlans[1] = packet.vlans[0];
    packet.vlans[0] = tci & 0x0fff;
    packet.push_tag(tci);
    packet.vlan_tags = packet.vlan_tags.saturating_add(1);
    packet.wire_length = packet.wire_length.wrapping_add(packet.segments.wrapping_mul(4));
}
