//! When flows of a capture end.
//!
//! A capture is to say of each flow one thing, so a flow ends as late as memory allows: a closed connection a
//! minute after its last packet, in case something comes late; any other when the capture ends. Only while
//! more than [`PATIENCE`] flows are held do they end as those of a host, by the timeouts of a live run; and where so
//! many begin that this is too late, closed connections end without waiting for their timeouts: those that were
//! silent while the last [`CROWD`] flows began.

use monitor_common::abi::{Flow, Transport, bits};

use super::Table;
use crate::{
    flow::{
        Timeouts,
        expiry::{ATTEMPT, Lifetime},
    },
    label::EndReason,
    time::SECOND,
};

/// Flows that are held until the capture ends, however long they are idle.
pub const PATIENCE: usize = 16_384;

/// Flows that begin between two looks for closed connections, while there are more than [`PATIENCE`]. A look costs
/// what there are slots: where they are very many, so many more flows begin before the next.
pub const CROWD: u64 = 8_192;

/// Between two looks at all flows, ns.
const INTERVAL: u64 = 5 * SECOND;

/// A look at all flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// For those whose time has come.
    Due,
    /// For closed connections without a packet since this time: there are many, and more come.
    Crowded(u64),
}

/// When all flows are looked at next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Time of the packet before.
    before: u64,
    /// The latest time that two packets agreed on.
    now: u64,
    due: u64,
    /// Packets since the last look.
    packets: u32,
    /// Flows that had begun by the last look for closed connections, and when that was.
    crowd: (u64, u64),
}

impl Pace {
    /// Takes a packet's time. Returns the time now if flows are to be looked at, and for which.
    ///
    /// It is the earlier one of two packets: a single one with a time from nowhere ends nothing. And there
    /// were packets enough that looking at all slots costs each of them little.
    #[inline]
    pub(super) fn tick(&mut self, time: u64, table: &Table) -> Option<(u64, Look)> {
        let now = time.min(self.before);
        self.before = time;
        self.now = self.now.max(now);
        self.packets = self.packets.saturating_add(1);
        if now >= self.due && self.packets >= table.slots() / 8 {
            self.due = now.saturating_add(INTERVAL);
            self.packets = 0;
            return Some((now, Look::Due));
        }
        let (begun, at) = self.crowd;
        if table.opened - begun >= CROWD.max(u64::from(table.slots() / 8)) {
            self.crowd = (table.opened, self.now);
            if table.len() > PATIENCE {
                return Some((self.now, Look::Crowded(at)));
            }
        }
        None
    }

    /// The time now.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }
}

/// The slots whose flows end now, in the order in which they began, and why.
pub(super) fn ending(table: &Table, timeouts: &Timeouts, now: u64, look: Look) -> Vec<(u32, EndReason)> {
    let patient = table.len() <= PATIENCE;
    let timeouts = if patient { &Timeouts::PATIENT } else { timeouts };
    let due = |flow: &Flow| {
        let (mut end, reason) = lifetime(flow).end(timeouts);
        if !patient && reason == EndReason::Idle && is_unanswered(flow) {
            end = end.min(last(flow).saturating_add(ATTEMPT));
        }
        (end <= now).then_some(reason)
    };
    let closed = |flow: &Flow, before: u64| {
        let lifetime = lifetime(flow);
        let reason = if lifetime.finished { EndReason::Fin } else { EndReason::Rst };
        ((lifetime.finished || lifetime.reset) && lifetime.last < before).then_some(reason)
    };
    let mut ending: Vec<_> = table
        .live()
        .filter_map(|(slot, flow)| {
            let reason = match look {
                Look::Due => due(flow),
                Look::Crowded(before) => closed(flow, before),
            };
            reason.map(|reason| (slot, reason))
        })
        .collect();
    ending.sort_unstable_by_key(|(slot, _)| table.frames(*slot).opened);
    ending
}

fn lifetime(flow: &Flow) -> Lifetime {
    let transport = Transport::from_protocol(flow.head.key.protocol());
    let [lower, upper] = [flow.hot[0].bits.get(), flow.hot[1].bits.get()];
    let tcp = transport == Transport::Tcp;
    Lifetime {
        transport,
        last: last(flow),
        finished: tcp && lower & upper & bits::FIN_ACKED != 0,
        reset: tcp && (lower | upper) & bits::RST != 0,
        open: tcp && lower & upper & bits::ACK != 0 && (lower | upper) & (bits::FIN | bits::RST) == 0,
    }
}

fn last(flow: &Flow) -> u64 {
    flow.hot[0].last.get().max(flow.hot[1].last.get())
}

/// An attempt to connect that nobody answered. Many of them are a flood or a scan.
fn is_unanswered(flow: &Flow) -> bool {
    let [lower, upper] = [flow.hot[0].bits.get(), flow.hot[1].bits.get()];
    let tcp = Transport::from_protocol(flow.head.key.protocol()) == Transport::Tcp;
    tcp && (lower == 0 || upper == 0) && (lower | upper) & bits::SYN != 0
}
