//! When flows end.

use monitor_common::abi::Transport;

use super::{
    entry::Entry,
    table::{NEVER, NONE, Table},
};
use crate::{label::EndReason, time::SECOND};

/// An attempt without an answer for this long came to nothing, ns. Longer than the longest pause
/// between two SYNs of common systems (32 s).
pub(crate) const ATTEMPT: u64 = 60 * SECOND;

/// A TCP flow that is no open connection (an attempt, one side alone, a close that was not answered) is waited for no
/// longer than this without a packet, ns.
const NOT_OPEN: u64 = 300 * SECOND;

/// When flows end and records are written. Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// An open TCP connection without a packet; other TCP flows end after 5 minutes, or this if it is less.
    pub idle_tcp: u64,
    /// A UDP flow without a packet.
    pub idle_udp: u64,
    /// Any other flow without a packet.
    pub idle_other: u64,
    /// Interval of the records of a flow that goes on.
    pub active: u64,
    /// After both directions of a TCP connection were closed and acknowledged.
    pub fin: u64,
    /// After a RST.
    pub rst: u64,
    /// A TCP connection without a packet, while the table is short of room.
    pub pressure: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // RFC 5382, REQ-5: keep-alives come every two hours.
            idle_tcp: (2 * 60 + 4) * 60 * SECOND,
            idle_udp: 60 * SECOND,
            idle_other: 30 * SECOND,
            active: 60 * SECOND,
            fin: 5 * SECOND,
            rst: 2 * SECOND,
            pressure: 30 * SECOND,
        }
    }
}

impl Timeouts {
    /// Those of flows that are to be told whole, once: a closed connection lingers a minute, in case something
    /// comes late, and all others are waited for without end.
    pub(crate) const PATIENT: Self = Self {
        idle_tcp: NEVER,
        idle_udp: NEVER,
        idle_other: NEVER,
        active: NEVER,
        fin: 60 * SECOND,
        rst: 60 * SECOND,
        pressure: NEVER,
    };

    /// The idle timeout of a transport.
    pub const fn idle(&self, transport: Transport) -> u64 {
        match transport {
            Transport::Tcp => self.idle_tcp,
            Transport::Udp => self.idle_udp,
            _ => self.idle_other,
        }
    }
}

/// What decides when a flow ends, wherever that is known from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) transport: Transport,
    /// Last packet, flow clock.
    pub(crate) last: u64,
    /// TCP: both directions were closed, and both closes acknowledged.
    pub(crate) finished: bool,
    /// TCP: a RST was seen.
    pub(crate) reset: bool,
    /// TCP: both sides are there, and neither has closed.
    pub(crate) open: bool,
}

impl Lifetime {
    /// When the flow ends if no packet comes, and why.
    pub(crate) fn end(self, timeouts: &Timeouts) -> (u64, EndReason) {
        let mut idle = timeouts.idle(self.transport);
        if self.transport == Transport::Tcp && !self.open && idle != NEVER {
            idle = idle.min(NOT_OPEN);
        }
        let idle = (self.last.saturating_add(idle), EndReason::Idle);
        let closed = if self.finished {
            (self.last.saturating_add(timeouts.fin), EndReason::Fin)
        } else if self.reset {
            (self.last.saturating_add(timeouts.rst), EndReason::Rst)
        } else {
            return idle;
        };
        if closed.0 <= idle.0 { closed } else { idle }
    }
}

/// When a flow ends if no packet comes, and why.
pub(crate) fn end(entry: &Entry, timeouts: &Timeouts) -> (u64, EndReason) {
    let (transport, connection) = (entry.transport(), entry.track.connection());
    let tcp = transport == Transport::Tcp;
    let lifetime = Lifetime {
        transport,
        last: entry.last,
        finished: tcp && connection.finished(),
        reset: tcp && connection.was_reset(),
        open: tcp && connection.is_open(),
    };
    lifetime.end(timeouts)
}

/// When the attempt that waits for its answer is given up.
pub(crate) fn attempt(entry: &Entry) -> u64 {
    if entry.track.is_pending() { entry.last.saturating_add(ATTEMPT) } else { NEVER }
}

/// When a record of a flow that goes on is due.
pub(crate) fn record(entry: &Entry, timeouts: &Timeouts) -> u64 {
    match &entry.unwritten {
        Some(unwritten) if entry.is_representative() => unwritten.at.saturating_add(timeouts.active.max(1)),
        _ => NEVER,
    }
}

/// The earliest time at which something is to be done with a flow if no packet comes.
pub(crate) fn deadline(entry: &Entry, timeouts: &Timeouts) -> u64 {
    end(entry, timeouts).0.min(attempt(entry)).min(record(entry, timeouts))
}

/// Adds the other sightings of the connections that end because they were closed or reset: each may
/// have seen only half of that. `ending` is sorted by slot and stays so.
pub(crate) fn with_sightings(
    table: &Table,
    timeouts: &Timeouts,
    now: u64,
    ending: &mut Vec<(u32, EndReason)>,
) {
    let mut more = Vec::new();
    for &(slot, reason) in ending.iter() {
        let linger = match reason {
            EndReason::Fin => timeouts.fin,
            EndReason::Rst => timeouts.rst,
            _ => continue,
        };
        let mut next = table.entry(slot).filter(|e| e.is_representative()).map_or(NONE, |e| e.next);
        while let Some(entry) = table.entry(next) {
            if entry.last.saturating_add(linger) <= now {
                more.push((next, reason));
            }
            next = entry.next;
        }
    }
    if !more.is_empty() {
        ending.append(&mut more);
        ending.sort_unstable_by_key(|(slot, _)| *slot);
        ending.dedup_by_key(|(slot, _)| *slot);
    }
}
