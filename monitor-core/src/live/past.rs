//! What goes back further than the page's hour, or is of one interface: in coarser steps, in bounded memory.

use std::collections::BTreeMap;

use super::{Counters, History, InterfaceRates};
use crate::time::SECOND;

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 1440 * MINUTE;
/// Steps of an interface's last hour.
const STEP: u64 = 10 * SECOND;
/// Interfaces with a past of their own: of more, those with most bytes. About 70 KiB each.
const INTERFACES: usize = 32;

/// The last hour and the last day of one interface.
#[derive(Clone, Debug)]
struct Way {
    hour: History,
    day: History,
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Past {
    /// Length of a drain, which no step is shorter than.
    step: u64,
    day: History,
    interfaces: BTreeMap<String, Way>,
}

impl Default for Past {
    fn default() -> Self {
        Self::new(SECOND, 0)
    }
}

impl Past {
    /// Nothing yet, at `now`.
    pub(super) fn new(step: u64, now: u64) -> Self {
        Self { step, day: History::spanning(DAY, MINUTE.max(step), now), interfaces: BTreeMap::new() }
    }

    /// Takes what was counted by `now`.
    pub(super) fn drained(&mut self, now: u64, counters: &Counters, active: u64, seen: &[InterfaceRates]) {
        self.day.drained(now, counters, active);
        for interface in seen {
            let bytes = interface.io.iter().map(|io| io.bytes).sum();
            let counters = Counters { io: interface.io, ..Counters::default() };
            if let Some(way) = self.interfaces.get_mut(&interface.name) {
                way.bytes = bytes;
                way.hour.drained(now, &counters, 0);
                way.day.drained(now, &counters, 0);
            } else if bytes > 0 && self.has_room(bytes) {
                // What it had counted before is no rate of now.
                let mut hour = History::new(STEP.max(self.step), now);
                let mut day = History::spanning(DAY, MINUTE.max(self.step), now);
                hour.begin(&counters);
                day.begin(&counters);
                self.interfaces.insert(interface.name.clone(), Way { hour, day, bytes });
            }
        }
    }

    /// Whether an interface with so many bytes has a place, which that with the fewest may give up.
    fn has_room(&mut self, bytes: u64) -> bool {
        if self.interfaces.len() < INTERFACES {
            return true;
        }
        let least = self.interfaces.iter().min_by_key(|(_, way)| way.bytes);
        // Twice as many, so that two that are alike do not take turns.
        let Some((name, _)) = least.filter(|(_, way)| way.bytes.saturating_mul(2) < bytes) else {
            return false;
        };
        let name = name.clone();
        self.interfaces.remove(&name);
        true
    }

    /// The last day.
    pub(super) const fn day(&self) -> &History {
        &self.day
    }

    /// The last hour of an interface, or its last day.
    pub(super) fn interface(&self, name: &str, day: bool) -> Option<&History> {
        self.interfaces.get(name).map(|way| if day { &way.day } else { &way.hour })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::Io;

    fn interface(name: &str, bytes: u64) -> InterfaceRates {
        InterfaceRates {
            name: name.to_owned(),
            io: [Io { packets: 1, bytes }, Io::default()],
            ..InterfaceRates::default()
        }
    }

    #[test]
    fn each_interface_has_its_rate_and_what_it_counted_before_is_none() {
        let mut past = Past::new(SECOND, 0);
        for second in 1..=100u64 {
            let seen = [interface("lan0", 1_000_000 + second * 100), interface("wan0", 0)];
            past.drained(second * SECOND, &Counters::default(), 0, &seen);
        }
        let (_, points) = past.interface("lan0", false).unwrap().since(0);
        let rates: Vec<f32> = points.map(|point| point.bytes[0]).collect();
        assert!(rates.len() >= 9 && rates.iter().all(|rate| (rate - 100.0).abs() < 1.0), "{rates:?}");
        assert!(past.interface("wan0", false).is_none(), "nothing passed");
        assert!(past.interface("lan0", true).is_some());
        assert_eq!(past.day().since(0).1.count(), 2);
    }

    #[test]
    fn of_five_hundred_interfaces_those_with_most_bytes_have_a_past() {
        let mut past = Past::new(SECOND, 0);
        let seen: Vec<_> = (0..500u64).map(|n| interface(&format!("veth{n}"), 1 << (n / 10))).collect();
        for second in 1..=3 {
            past.drained(second * SECOND, &Counters::default(), 0, &seen);
        }
        assert_eq!(past.interfaces.len(), INTERFACES);
        assert!(past.interface("veth499", false).is_some() && past.interface("veth0", false).is_none());
    }
}
