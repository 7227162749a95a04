//! TCP seen from the middle: flags, order, round trips, with a bounded state for each direction.
//!
//! The rule for retransmissions and out-of-order segments decides as the usual analysers do from
//! far less state: the highest sequence number and when it moved, the peer's last acknowledgment and
//! its duplicates, and the handshake's round trip.

use super::Clock;
use crate::abi::{ClientRule, Flow, Head, Hot, Side, bits};
use crate::wire::{
    Packet,
    tcp_flags::{ACK, CWR, ECE, FIN, PSH, RST, SYN, URG},
};

/// A fast retransmission comes this soon after the duplicate acknowledgment that asked for it, ns.
const FAST_RETRANSMISSION: u64 = 20_000_000;
/// Reordering window where the handshake's round trip is unknown, ns.
const REORDERING: u64 = 3_000_000;

/// Whether sequence number `a` comes before `b` (RFC 9293, 3.4: modulo 2^32).
#[inline(always)]
const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether a SYN is a new connection, not the old SYN again: that has the same initial sequence number,
/// however much was sent since.
#[inline(always)]
pub(super) fn fresh_syn(head: &Head, hot: &Hot, packet: &Packet) -> bool {
    hot.bits.get() & bits::SEQ != 0
        && hot.next_seq.get() != packet.seq.wrapping_add(1)
        && !(head.syn_time.get() != 0 && head.syn_seq.get() == packet.seq)
}

/// Whether a SYN-ACK begins a sequence space of its own, because another server answers than the one before
/// (a SYN proxy, a restart). What only repeats the last one lies behind by at most what was sent since.
#[inline(always)]
fn fresh_syn_ack(hot: &Hot, packet: &Packet) -> bool {
    let behind = hot.next_seq.get().wrapping_sub(packet.seq.wrapping_add(1));
    hot.bits.get() & bits::SEQ != 0 && behind as u64 > hot.payload_bytes.get().wrapping_add(1)
}

#[inline(always)]
pub(super) fn account<C: Clock>(flow: &Flow, packet: &Packet, side: Side, clock: &C) {
    let flags = packet.tcp_flags;
    if flags & (SYN | FIN | RST | URG | ECE | CWR | PSH) != 0 {
        count_flags(flow, packet, side, clock);
    }
    sequence(flow, packet, side, clock);
}

/// Flags other than ACK, and what they say of the connection.
#[inline(always)]
fn count_flags<C: Clock>(flow: &Flow, packet: &Packet, side: Side, clock: &C) {
    let flags = packet.tcp_flags;
    let i = side.index() & 1;
    let c = &flow.counters[i];
    if flags & PSH != 0 {
        c.psh.add(1);
    }
    if flags & (SYN | FIN | RST | URG | ECE | CWR) == 0 {
        return;
    }
    let hot = &flow.hot[i];
    let head = &flow.head;
    if flags & SYN != 0 {
        if flags & ACK == 0 {
            if fresh_syn(head, hot, packet) {
                restart(flow);
            }
            c.syn.add(1);
            if head.client().1 == ClientRule::First
                && (flow.hot[0].bits.get() | flow.hot[1].bits.get()) & bits::SYN == 0
            {
                head.set_client(side, ClientRule::Syn);
            }
            if head.syn_time.get() == 0 {
                head.syn_time.set(clock.precise());
                head.syn_seq.set(packet.seq);
            }
        } else {
            c.syn_ack.add(1);
            if fresh_syn_ack(hot, packet) {
                renew(hot, &flow.hot[(i ^ 1) & 1]);
            }
            if head.client().1 == ClientRule::First
                && (flow.hot[0].bits.get() | flow.hot[1].bits.get()) & bits::SYN == 0
            {
                head.set_client(side.other(), ClientRule::SynAck);
            }
        }
        // After a restart or a renewal nothing is known of the side any more.
        if hot.bits.get() & bits::SYN != 0 {
            c.syn_retransmissions.add(1);
        }
        hot.bits.set(hot.bits.get() | bits::SYN);
        let t = &flow.timing[i];
        if packet.mss != 0 {
            t.mss.set(packet.mss);
        }
        if packet.window_scale != 0 {
            t.window_scale.set(packet.window_scale);
        }
    }
    if flags & FIN != 0 {
        c.fin.add(1);
        hot.bits.set(hot.bits.get() | bits::FIN);
        head.set_closed_by(side);
    }
    if flags & RST != 0 {
        c.rst.add(1);
        hot.bits.set(hot.bits.get() | bits::RST);
        head.set_closed_by(side);
    }
    if flags & URG != 0 {
        c.urg.add(1);
    }
    // Every segment of a super-packet carries ECE; CWR only the first.
    if flags & ECE != 0 {
        c.ece.add(packet.segments);
    }
    if flags & CWR != 0 {
        c.cwr.add(1);
    }
}

/// A side's sequence numbers begin anew; what the peer acknowledged was of the old ones.
#[inline(always)]
fn renew(hot: &Hot, peer: &Hot) {
    hot.bits.set(0);
    hot.duplicates.set(0);
    hot.pending_since.set(0);
    hot.advanced.set(0);
    peer.bits.set(peer.bits.get() & !bits::ACK);
    peer.duplicates.set(0);
}

/// A new connection on the same 5-tuple: its order, times and samples begin anew, counters go on.
#[inline(always)]
fn restart(flow: &Flow) {
    for hot in &flow.hot {
        hot.bits.set(0);
        hot.duplicates.set(0);
        hot.pending_since.set(0);
        hot.advanced.set(0);
    }
    let head = &flow.head;
    head.syn_time.set(0);
    head.handshake.set(0);
    head.request_time.set(0);
    head.first_response.set(0);
    head.sampled[0].set(0);
    head.sampled[1].set(0);
    head.reused.add(1);
    head.reopen();
    let (client, _) = head.client();
    head.set_client(client, ClientRule::First);
}

#[inline(always)]
fn sequence<C: Clock>(flow: &Flow, packet: &Packet, side: Side, clock: &C) {
    let flags = packet.tcp_flags;
    let i = side.index() & 1;
    let hot = &flow.hot[i];
    let peer = &flow.hot[(i ^ 1) & 1];
    let length = packet.payload_length;
    let state = hot.bits.get();
    let known = state & bits::SEQ != 0;
    let next = hot.next_seq.get();
    let control = flags & (SYN | FIN | RST);
    let advance = length.wrapping_add((flags & (SYN | FIN) != 0) as u32);
    let now = clock.coarse();
    let mut new_state = state;

    if packet.window == 0 && control == 0 {
        flow.counters[i].zero_windows.add(1);
    }

    let mut keep_alive = false;
    let mut behind = false;
    if known {
        let distance = packet.seq.wrapping_sub(next);
        if distance != 0 {
            let before_next = (distance as i32) < 0;
            keep_alive = length <= 1 && distance == u32::MAX && control == 0;
            if keep_alive {
                flow.counters[i].keep_alives.add(1);
            }
            if !before_next && flags & RST == 0 {
                flow.counters[i].lost_segments.add(1);
                new_state |= bits::HOLE;
            }
            behind = before_next && !(length > 1 && distance == u32::MAX);
        }
        // A duplicate acknowledgment repeats everything and carries nothing (RFC 5681, 2).
        if flags & ACK != 0 && state & bits::ACK != 0 {
            if hot.last_ack.get() != packet.ack {
                if hot.duplicates.get() != 0 {
                    hot.duplicates.set(0);
                }
            } else if length == 0
                && control == 0
                && distance == 0
                && packet.window != 0
                && packet.window == hot.window.get()
            {
                flow.counters[i].duplicate_acks.add(1);
                hot.duplicates.set(hot.duplicates.get().saturating_add(1));
            }
        }
        if advance != 0 && !keep_alive {
            let end = packet.seq.wrapping_add(length);
            let acknowledged =
                length != 0 && peer.bits.get() & bits::ACK != 0 && !before(peer.last_ack.get(), end);
            if behind || acknowledged {
                classify_old(flow, packet, side, advance, behind, acknowledged, clock);
                // The acknowledgment that comes may be for either copy (RFC 6298, 3).
                hot.pending_since.set(0);
            }
        }
    }

    let end = packet.seq.wrapping_add(advance);
    let moves = !known || before(next, end);
    if moves {
        hot.next_seq.set(end);
        // What fills a hole is judged by how soon it comes, and repairs within a host or a LAN are
        // sooner than a tick of the coarse clock.
        hot.advanced.set(if new_state & bits::HOLE == 0 { now } else { clock.precise() });
        new_state |= bits::SEQ;
        if advance != 0 && !behind && hot.pending_since.get() == 0 {
            hot.pending_end.set(end);
            hot.pending_since.set(clock.precise());
        }
    }

    // What the peer has sent is looked at when more of it is acknowledged: its line may be another CPU's.
    if flags & ACK != 0 && (state & bits::ACK == 0 || hot.last_ack.get() != packet.ack) {
        hot.last_ack.set(packet.ack);
        new_state |= bits::ACK;
        let since = peer.pending_since.get();
        if since != 0 && !before(packet.ack, peer.pending_end.get()) {
            round_trip(flow, side, since, clock);
        }
        let sent = peer.bits.get();
        if (sent & bits::HOLE != 0 || sent & (bits::FIN | bits::FIN_ACKED) == bits::FIN)
            && !before(packet.ack, peer.next_seq.get())
        {
            let ended = if sent & bits::FIN == 0 { 0 } else { bits::FIN_ACKED };
            peer.bits.set((sent | ended) & !bits::HOLE);
        }
        let head = &flow.head;
        if state & bits::SYN != 0 && control == 0 && head.handshake.get() == 0 && head.syn_time.get() != 0 {
            handshake(flow, side, clock);
        }
    }
    hot.window.set(packet.window);
    hot.last.set(now);
    if new_state != state {
        hot.bits.set(new_state);
    }
    if length != 0 && flow.head.first_response.get() == 0 {
        response(flow, side, clock);
    }
}

/// A segment with data at or below what was already sent or acknowledged.
#[inline(always)]
fn classify_old<C: Clock>(
    flow: &Flow,
    packet: &Packet,
    side: Side,
    advance: u32,
    behind: bool,
    acknowledged: bool,
    clock: &C,
) {
    let i = side.index() & 1;
    let hot = &flow.hot[i];
    let peer = &flow.hot[(i ^ 1) & 1];
    let counters = &flow.counters[i];
    let handshake = flow.head.handshake.get() & !Head::HALF;
    let window = if handshake != 0 { handshake } else { REORDERING };
    let fast = behind
        && peer.duplicates.get() >= 2
        && peer.last_ack.get() == packet.seq
        && clock.coarse().wrapping_sub(peer.last.get()) < FAST_RETRANSMISSION;
    if !fast
        && behind
        && !acknowledged
        && clock.precise().saturating_sub(hot.advanced.get()) < window
        && hot.next_seq.get() != packet.seq.wrapping_add(advance)
    {
        counters.out_of_order.add(packet.segments);
    } else {
        counters.retransmissions.add(packet.segments);
    }
}

/// The peer's pending segment was acknowledged by `side`.
#[inline(always)]
fn round_trip<C: Clock>(flow: &Flow, side: Side, since: u64, clock: &C) {
    let peer = (side.index() ^ 1) & 1;
    flow.hot[peer].pending_since.set(0);
    let elapsed = clock.precise().saturating_sub(since);
    let t = &flow.timing[peer];
    t.rtt_sum.add(elapsed);
    t.rtt_samples.add(1);
    let micros = (elapsed / 1000) as u32;
    let low = t.rtt_min.get();
    if low == 0 || micros < low - 1 {
        t.rtt_min.set(micros.wrapping_add(1));
    }
    if micros > t.rtt_max.get() {
        t.rtt_max.set(micros);
    }
}

/// An ACK without SYN: the client's first ends the handshake.
#[inline(always)]
fn handshake<C: Clock>(flow: &Flow, side: Side, clock: &C) {
    let head = &flow.head;
    let (client, rule) = head.client();
    let server = &flow.hot[client.other().index() & 1];
    if rule != ClientRule::Syn || side != client {
        return;
    }
    let answered = server.bits.get() & bits::SYN != 0;
    if !answered && server.last.get() != 0 {
        return;
    }
    let elapsed = clock.precise().saturating_sub(head.syn_time.get()).max(1);
    if answered {
        head.handshake.set(elapsed);
        head.handshakes.add(1);
    } else {
        head.handshake.set(elapsed | Head::HALF);
    }
}

/// Payload before the server has answered: the client's starts the clock, the server's stops it.
#[inline(always)]
fn response<C: Clock>(flow: &Flow, side: Side, clock: &C) {
    let head = &flow.head;
    let (client, rule) = head.client();
    if rule == ClientRule::First {
        return;
    }
    if side == client {
        head.request_time.set(clock.precise());
    } else {
        let since = head.request_time.get();
        head.first_response.set(if since == 0 {
            Head::NO_RESPONSE_TIME
        } else {
            clock.precise().saturating_sub(since).max(1)
        });
    }
}
