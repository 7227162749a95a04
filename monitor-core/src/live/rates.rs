//! What the last drain brought, by the second.

use monitor_common::abi::Direction;

use super::Counters;
use crate::{
    payload::Payloads,
    totals::{InterfaceTotals, Io, Totals},
};

/// Traffic of an interface at the last two drains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceRates {
    /// Its name.
    pub name: String,
    /// Since the start, by [`Direction`].
    pub io: [Io; 2],
    pub(super) before: [Io; 2],
}

/// Differences of the last two drains.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    now: u64,
    interval: u64,
    counters: Counters,
    before: Counters,
    interfaces: Vec<InterfaceRates>,
    drains: u64,
}

impl Rates {
    pub(super) fn drained(
        &mut self,
        now: u64,
        counted: [Io; 2],
        totals: &Totals,
        interfaces: &[InterfaceTotals],
        payloads: &Payloads,
    ) {
        let mut io = self.counters.io;
        for (sum, gained) in io.iter_mut().zip(counted) {
            sum.add(gained);
        }
        self.before = self.counters;
        self.counters = Counters::of(io, totals, payloads);
        self.interval = if self.drains == 0 { 0 } else { now.saturating_sub(self.now) };
        self.drains += 1;
        self.now = now;
        self.interfaces(interfaces);
    }

    fn interfaces(&mut self, interfaces: &[InterfaceTotals]) {
        let same = interfaces.len() == self.interfaces.len()
            && interfaces.iter().zip(&self.interfaces).all(|(a, b)| a.name == b.name);
        if !same {
            let known = std::mem::take(&mut self.interfaces);
            self.interfaces = interfaces
                .iter()
                .map(|i| {
                    let known = known.iter().find(|k| k.name == i.name).cloned();
                    known.unwrap_or_else(|| InterfaceRates {
                        name: i.name.clone(),
                        ..InterfaceRates::default()
                    })
                })
                .collect();
        }
        for (rates, totals) in self.interfaces.iter_mut().zip(interfaces) {
            rates.before = rates.io;
            rates.io = Direction::ALL.map(|direction| {
                let mut sum = Io::default();
                for io in &totals.io[direction.index()] {
                    sum.add(*io);
                }
                sum
            });
        }
    }

    /// Nanoseconds between the last two drains; 0 before the second.
    pub const fn interval(&self) -> u64 {
        self.interval
    }

    /// Sums since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How much of something came a second; 0 before the second drain.
    pub fn per_second(&self, of: impl Fn(&Counters) -> u64) -> f64 {
        self.rate(of(&self.before), of(&self.counters))
    }

    fn rate(&self, before: u64, now: u64) -> f64 {
        if self.interval == 0 { 0.0 } else { now.wrapping_sub(before) as f64 * 1e9 / self.interval as f64 }
    }

    /// Interfaces by name, those that are gone included.
    pub fn interfaces_seen(&self) -> &[InterfaceRates] {
        &self.interfaces
    }

    /// Bytes and packets a second of an interface in a direction.
    pub fn of_interface(&self, interface: &InterfaceRates, direction: Direction) -> (f64, f64) {
        let (before, now) = (interface.before[direction.index()], interface.io[direction.index()]);
        (self.rate(before.bytes, now.bytes), self.rate(before.packets, now.packets))
    }
}
