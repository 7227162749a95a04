//! The longest waits of one connection, and for whom.

use std::{cmp::Reverse, fmt::Write as _, net::IpAddr};

use monitor_core::record::FlowRecord;

/// A time without anything new that is worth a line, in nanoseconds; it also ends a run of packets.
pub(super) const SILENCE: u64 = 100_000_000;
/// Waits that are told.
const WAITS: usize = 3;

/// A time without anything new, and the packet that ended it.
#[derive(Debug)]
struct Wait {
    length: u64,
    frame: u64,
    from: (IpAddr, u16),
    /// It was sent before, and lost.
    again: bool,
    /// One side had said that it has no room.
    full: bool,
}

/// What nobody has to wait for does not count: acknowledgments and questions whether the other is still there.
#[derive(Debug, Default)]
pub(super) struct Waits {
    last: Option<u64>,
    frame: u64,
    full: bool,
    /// The longest first.
    longest: Vec<Wait>,
}

impl Waits {
    /// One side has no room for more.
    pub(super) fn full(&mut self) {
        self.full = true;
        // What filled the last of the room had waited for more of it.
        if let Some(wait) = self.longest.iter_mut().find(|wait| wait.frame == self.frame) {
            wait.full = true;
        }
    }

    /// A packet that has data, opens or closes.
    pub(super) fn packet(&mut self, time: u64, frame: u64, from: (IpAddr, u16), again: bool) {
        let length = time.saturating_sub(self.last.replace(time).unwrap_or(time));
        let full = std::mem::take(&mut self.full);
        self.frame = frame;
        if length >= SILENCE {
            self.longest.push(Wait { length, frame, from, again, full });
            self.longest.sort_by_key(|wait| (Reverse(wait.length), wait.frame));
            self.longest.truncate(WAITS);
        }
    }

    /// A line for each.
    pub(super) fn write(&self, out: &mut String, flow: &FlowRecord) {
        for wait in &self.longest {
            let (seconds, frame) = (wait.length as f64 / 1e9, wait.frame);
            // Writing to a string cannot fail.
            let _ = writeln!(out, "waited {seconds:.3} s until frame {frame} {}", cause(wait, seconds, flow));
        }
    }
}

/// What a wait was for.
fn cause(wait: &Wait, seconds: f64, flow: &FlowRecord) -> String {
    let client = (flow.identity.client_ip, flow.identity.client_port);
    let (sender, receiver) = if wait.from == client { ("client", "server") } else { ("server", "client") };
    // As in the report: up to three round trips may be the network's.
    let trip = flow.handshake_seconds.unwrap_or(0.0);
    if wait.full {
        format!("for the {receiver} to read")
    } else if wait.again {
        format!("for what was lost, sent again by the {sender}")
    } else if sender == "server" && seconds <= 3.0 * trip {
        format!("for the network, whose round trip takes {trip:.3} s")
    } else {
        format!("for the {sender}")
    }
}
