//! A slot: everything that is known of one flow. The kernel side counts, user space reads.
//!
//! Counters only grow (wrapping); user space computes increments and never writes them while a
//! program may hold the slot. What both directions touch for every packet ([`Hot`]) lies on a cache
//! line for each direction.

use super::{Counters, KeyCells, Side};
use crate::cell::{Cell8, Cell16, Cell32, Cell64};

/// Counters and TCP state that every packet of a direction touches: one cache line.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C, align(64))]
pub struct Hot {
    /// Packets on the wire.
    pub packets: Cell64,
    /// Bytes on the wire from the link layer on.
    pub bytes: Cell64,
    /// TCP or UDP payload bytes.
    pub payload_bytes: Cell64,
    /// Time of the last packet, ns.
    pub last: Cell64,
    /// Time when `next_seq` last moved, ns.
    pub advanced: Cell64,
    /// Time when the segment that ends at `pending_end` was sent, ns; 0: no round trip is being measured.
    pub pending_since: Cell64,
    /// Sequence number after the highest byte sent.
    pub next_seq: Cell32,
    /// Last acknowledgment number sent.
    pub last_ack: Cell32,
    /// Acknowledgment that ends the pending round trip.
    pub pending_end: Cell32,
    /// Last window advertised, unscaled.
    pub window: Cell16,
    /// Duplicate acknowledgments in a row, saturating.
    pub duplicates: Cell8,
    /// [`bits`] of this direction.
    pub bits: Cell8,
}

/// Bits of [`Hot::bits`].
pub mod bits {
    /// `next_seq` holds a sequence number.
    pub const SEQ: u8 = 1;
    /// `last_ack` and `window` hold values.
    pub const ACK: u8 = 2;
    /// A FIN was sent.
    pub const FIN: u8 = 4;
    /// A RST was sent.
    pub const RST: u8 = 8;
    /// A SYN was sent (with or without ACK).
    pub const SYN: u8 = 16;
    /// The FIN of this direction was acknowledged.
    pub const FIN_ACKED: u8 = 32;
    /// Segments are missing, and the peer has not acknowledged beyond them.
    pub const HOLE: u8 = 64;
    /// Of the current connection no more payload samples are wanted, or its budget is used up.
    pub const SATED: u8 = 128;
}

/// Round trips and what the options said, by direction.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct Timing {
    /// Bytes on the wire minus IP bytes minus 14 for each packet, wrapping: 0 for plain Ethernet
    /// without padding, so that [`Flow::ip_bytes`] costs the usual packet nothing.
    pub overhead: Cell64,
    /// Sum of round trips that this direction's data took to be acknowledged, ns.
    pub rtt_sum: Cell64,
    /// Number of them.
    pub rtt_samples: Cell32,
    /// Shortest, µs, plus 1; 0: none.
    pub rtt_min: Cell32,
    /// Longest, µs.
    pub rtt_max: Cell32,
    /// Maximum segment size option of the SYN (RFC 9293, 3.7.1); 0: none seen.
    pub mss: Cell16,
    /// Window scale option of the SYN (RFC 7323) plus 1; 0: none seen.
    pub window_scale: Cell8,
    /// Time to live or hop limit of the first packet.
    pub ttl: Cell8,
}

/// How it is known who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ClientRule {
    /// It sent the first packet that was seen.
    First = 0,
    /// It received a SYN-ACK.
    SynAck = 1,
    /// It sent a SYN without ACK.
    Syn = 2,
}

/// What belongs to both directions: two cache lines.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct Head {
    /// The key under which the slot is found.
    pub key: KeyCells,
    /// Time of the first packet, ns.
    pub first: Cell64,
    /// Written by user space only; see [`Head::is_enough`].
    enough: Cell32,
    /// Sequence number of the SYN that `syn_time` is of.
    pub syn_seq: Cell32,
    /// Time of the SYN, ns; 0: none seen.
    pub syn_time: Cell64,
    /// From the SYN to the handshake's last ACK, ns; 0: not seen. With [`Head::HALF`] where nothing of the
    /// server was seen: whether it answered another place knows, if any.
    pub handshake: Cell64,
    /// Time of the client's last payload before the server's first, ns; 0: none yet.
    pub request_time: Cell64,
    /// From `request_time` to the server's first payload, ns; 0: not yet; [`Head::NO_RESPONSE_TIME`].
    pub first_response: Cell64,
    /// Payload bytes (TCP) or packets (UDP) of the current connection that were sampled, by side.
    pub sampled: [Cell32; 2],
    /// Times that a handshake was completed: a 5-tuple may be used again.
    pub handshakes: Cell32,
    /// Connections seen in this slot beyond the first: a fresh SYN after an old connection.
    pub reused: Cell32,
    /// VLAN identifiers of the first packet, outermost first; 0: none.
    pub vlans: [Cell16; 2],
    /// [`crate::wire::Tunnel`] of the first packet as a number; 0: none.
    pub tunnel: Cell8,
    /// Who the client is: `side | rule << 1 | 0x80`; see [`Head::client`].
    client: Cell8,
    /// Who closed first: side + 1; 0: nobody.
    closed_by: Cell8,
    /// 0: free. Set before the key is published; a slot that lost the race for its key has it
    /// without ever counting a packet.
    pub live: Cell8,
    /// Written by user space only: not 0, the flow ended, and which state that is pinned has its numbers.
    pub retired: Cell64,
}

const _: () = assert!(size_of::<Hot>() == 64);
const _: () = assert!(size_of::<Timing>() == 32);
const _: () = assert!(size_of::<Head>() == 128);

impl Head {
    /// [`Head::handshake`] was measured without the server's part of it.
    pub const HALF: u64 = 1 << 63;

    /// [`Head::first_response`] of a flow whose server spoke first.
    pub const NO_RESPONSE_TIME: u64 = u64::MAX;

    /// Who the client is and how it is known.
    #[inline(always)]
    pub fn client(&self) -> (Side, ClientRule) {
        let v = self.client.get();
        let side = if v & 1 == 0 { Side::Lower } else { Side::Upper };
        let rule = match (v >> 1) & 3 {
            2 => ClientRule::Syn,
            1 => ClientRule::SynAck,
            _ => ClientRule::First,
        };
        (side, rule)
    }

    /// Says who the client is.
    #[inline(always)]
    pub fn set_client(&self, side: Side, rule: ClientRule) {
        self.client.set(0x80 | side as u8 | ((rule as u8) << 1));
    }

    /// Who sent the first FIN or RST.
    pub fn closed_by(&self) -> Option<Side> {
        match self.closed_by.get() {
            1 => Some(Side::Lower),
            2 => Some(Side::Upper),
            _ => None,
        }
    }

    /// Says who closed, unless it is known already.
    #[inline(always)]
    pub fn set_closed_by(&self, side: Side) {
        if self.closed_by.get() == 0 {
            self.closed_by.set(side as u8 + 1);
        }
    }

    /// Whether no more payload samples of a direction are wanted. What was said of an earlier connection
    /// in the slot says nothing of the current one.
    #[inline(always)]
    pub fn is_enough(&self, side: Side) -> bool {
        let enough = self.enough.get();
        enough & (1 << (side as u32)) != 0 && enough >> 2 == self.reused.get() & (u32::MAX >> 2)
    }

    /// Says that no more payload samples of a direction of a connection are wanted, where `connection`
    /// is what [`Head::reused`] was when it began.
    pub fn set_enough(&self, connection: u32, side: Side) {
        if connection != self.reused.get() {
            return;
        }
        let enough = self.enough.get();
        let sides = if enough >> 2 == connection & (u32::MAX >> 2) { enough & 3 } else { 0 };
        self.enough.set(connection << 2 | sides | 1 << (side as u32));
    }

    /// Forgets who closed: a new connection begins on the same 5-tuple.
    #[inline(always)]
    pub fn reopen(&self) {
        self.closed_by.set(0);
    }
}

/// One flow. 448 bytes: seven cache lines, an odd number, so that slots spread over cache sets.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C)]
pub struct Flow {
    /// By [`Side`].
    pub hot: [Hot; 2],
    /// By [`Side`].
    pub counters: [Counters; 2],
    /// By [`Side`].
    pub timing: [Timing; 2],
    /// Both directions.
    pub head: Head,
}

const _: () = assert!(size_of::<Flow>() == 448);

impl Flow {
    /// IP bytes (total length of the innermost IP header) sent by a side.
    pub fn ip_bytes(&self, side: Side) -> u64 {
        let hot = &self.hot[side.index()];
        hot.bytes
            .get()
            .wrapping_sub(hot.packets.get().wrapping_mul(14))
            .wrapping_sub(self.timing[side.index()].overhead.get())
    }

    /// Empties the slot. Only while no program can hold it: before it is first used, or after its
    /// key was deleted and a grace period passed.
    pub fn clear(&self) {
        for h in &self.hot {
            h.packets.set(0);
            h.bytes.set(0);
            h.payload_bytes.set(0);
            h.last.set(0);
            h.advanced.set(0);
            h.pending_since.set(0);
            h.next_seq.set(0);
            h.last_ack.set(0);
            h.pending_end.set(0);
            h.window.set(0);
            h.duplicates.set(0);
            h.bits.set(0);
        }
        for c in &self.counters {
            c.syn.set(0);
            c.syn_ack.set(0);
            c.fin.set(0);
            c.rst.set(0);
            c.psh.set(0);
            c.urg.set(0);
            c.ece.set(0);
            c.cwr.set(0);
            c.retransmissions.set(0);
            c.out_of_order.set(0);
            c.duplicate_acks.set(0);
            c.zero_windows.set(0);
            c.keep_alives.set(0);
            c.lost_segments.set(0);
            c.syn_retransmissions.set(0);
            c.fragments.set(0);
        }
        for t in &self.timing {
            t.overhead.set(0);
            t.rtt_sum.set(0);
            t.rtt_samples.set(0);
            t.rtt_min.set(0);
            t.rtt_max.set(0);
            t.mss.set(0);
            t.window_scale.set(0);
            t.ttl.set(0);
        }
        let h = &self.head;
        h.first.set(0);
        h.enough.set(0);
        h.syn_seq.set(0);
        h.syn_time.set(0);
        h.handshake.set(0);
        h.request_time.set(0);
        h.first_response.set(0);
        h.sampled[0].set(0);
        h.sampled[1].set(0);
        h.handshakes.set(0);
        h.reused.set(0);
        h.vlans[0].set(0);
        h.vlans[1].set(0);
        h.tunnel.set(0);
        h.client.set(0);
        h.closed_by.set(0);
        h.live.set(0);
    }
}
