//! What each drain found that is worth an event, told once and not again and again.

use std::net::IpAddr;

use monitor_core::label::FindingKind;
use monitor_core::lru::Lru;

use crate::clock;
use crate::state::State;
use crate::telemetry::Event;

/// Risks that are told after one drain: whoever makes many is not to fill the log.
const RISKS: usize = 8;
/// Risks that were told and are remembered.
const REMEMBERED: u32 = 4096;
/// How long a risk is not told again, ns.
const SILENCE: u64 = 3_600_000_000_000;
/// How long an overflow is not told again, ns.
const OVERFLOW_SILENCE: u64 = 60_000_000_000;

/// Remembers what was told.
#[derive(Debug)]
pub(super) struct Told {
    /// When a kind of risk was told of a server.
    risks: Lru<(FindingKind, IpAddr), u64>,
    overflow: u64,
    overflow_at: Option<u64>,
}

impl Default for Told {
    fn default() -> Self {
        Self { risks: Lru::new(REMEMBERED), overflow: 0, overflow_at: None }
    }
}

impl Told {
    /// Tells what the last drain found.
    pub(super) fn tell(&mut self, state: &State) {
        state.events.settle();
        let now = clock::now();
        let (scans, behaviour, risks, surges, overflow) = {
            let mut engine = state.engine();
            let overflow = engine.interfaces().overflow_packets();
            let outbox = engine.outbox_mut();
            let behaviour = outbox.take_detections();
            (outbox.take_fanout(), behaviour, outbox.take_risks(), outbox.take_surges(), overflow)
        };
        for detection in &scans {
            state.events.emit(&Event::Fanout { detection });
        }
        for record in &behaviour {
            state.events.emit(&Event::Detection { record });
        }
        for surge in &surges {
            state.events.emit(&Event::Surge { surge });
        }
        let new = risks.iter().filter(|risk| {
            let key = (risk.kind, risk.identity.server_ip);
            let known = self.risks.get(&key).is_some_and(|at| now.saturating_sub(*at) < SILENCE);
            if !known {
                self.risks.insert(key, now);
            }
            !known
        });
        for record in new.take(RISKS) {
            state.events.emit(&Event::Risk { record });
        }
        let packets = overflow.saturating_sub(std::mem::replace(&mut self.overflow, overflow));
        if packets > 0 {
            // One that goes on is one.
            if self.overflow_at.is_none_or(|at| now.saturating_sub(at) >= OVERFLOW_SILENCE) {
                state.events.emit(&Event::Overflow { packets });
            }
            self.overflow_at = Some(now);
        }
    }
}
