//! When flows of a capture end.
//!
//! A capture is to say of each flow one thing, so a flow ends as late as memory allows: a closed connection a
//! minute after its last packet, in case something comes late; any other when the capture ends. Only while
//! more than [`PATIENCE`] flows are held do they end as those of a host, by the timeouts of a live run.

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

/// Between two looks at all flows, ns.
const INTERVAL: u64 = 5 * SECOND;

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
}

impl Pace {
    /// Takes a packet's time. Returns the time now if flows are to be looked at.
    ///
    /// It is the earlier one of two packets: a single one with a time from nowhere ends nothing. And there
    /// were packets enough that looking at all slots costs each of them little.
    #[inline]
    pub(super) fn tick(&mut self, time: u64, slots: u32) -> Option<u64> {
        let now = time.min(self.before);
        self.before = time;
        self.now = self.now.max(now);
        self.packets = self.packets.saturating_add(1);
        if now < self.due || self.packets < slots / 8 {
            return None;
        }
        self.due = now.saturating_add(INTERVAL);
        self.packets = 0;
        Some(now)
    }

    /// The time now.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }
}

/// The slots whose flows end now, in the order in which they began, and why.
pub(super) fn ending(table: &Table, timeouts: &Timeouts, now: u64) -> Vec<(u32, EndReason)> {
    let patient = table.len() <= PATIENCE;
    let timeouts = if patient { &Timeouts::PATIENT } else { timeouts };
    let mut ending: Vec<_> = table
        .live()
        .filter_map(|(slot, flow)| {
            let (mut end, reason) = lifetime(flow).end(timeouts);
            if !patient && reason == EndReason::Idle && is_unanswered(flow) {
                end = end.min(last(flow).saturating_add(ATTEMPT));
            }
            (end <= now).then_some((slot, reason))
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
