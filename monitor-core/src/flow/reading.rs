//! One reading of a slot's counters, and what changed between two.

use monitor_common::abi::{Flow, Side};

use crate::label::TcpCounter;

/// Counters of one direction: cumulative, wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SideReading {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) ip_bytes: u64,
    /// Nanoseconds.
    pub(crate) rtt_sum: u64,
    pub(crate) rtt_samples: u32,
    /// By [`TcpCounter`].
    pub(crate) tcp: [u32; TcpCounter::COUNT],
    pub(crate) fragments: u32,
}

impl SideReading {
    fn of(flow: &Flow, side: Side) -> Self {
        let (i, hot, timing) = (side.index(), &flow.hot[side.index()], &flow.timing[side.index()]);
        // The number before the sum: a program adds to the sum first, so no sample lacks its time.
        let rtt_samples = timing.rtt_samples.get();
        Self {
            packets: hot.packets.get(),
            bytes: hot.bytes.get(),
            payload_bytes: hot.payload_bytes.get(),
            ip_bytes: flow.ip_bytes(side),
            rtt_sum: timing.rtt_sum.get(),
            rtt_samples,
            tcp: flow.counters[i].tcp(),
            fragments: flow.counters[i].fragments.get(),
        }
    }

    /// One counter of TCP.
    pub(crate) const fn tcp(&self, counter: TcpCounter) -> u32 {
        self.tcp[counter.index()]
    }

    /// What was added since `earlier`. The 32-bit counters may have wrapped once in between.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut tcp = self.tcp;
        for (now, then) in tcp.iter_mut().zip(&earlier.tcp) {
            *now = now.wrapping_sub(*then);
        }
        Self {
            packets: self.packets.wrapping_sub(earlier.packets),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
            payload_bytes: self.payload_bytes.wrapping_sub(earlier.payload_bytes),
            ip_bytes: self.ip_bytes.wrapping_sub(earlier.ip_bytes),
            rtt_sum: self.rtt_sum.wrapping_sub(earlier.rtt_sum),
            rtt_samples: self.rtt_samples.wrapping_sub(earlier.rtt_samples),
            tcp,
            fragments: self.fragments.wrapping_sub(earlier.fragments),
        }
    }

    /// Adds what was gained.
    pub(crate) fn add(&mut self, gained: &Self) {
        self.packets = self.packets.wrapping_add(gained.packets);
        self.bytes = self.bytes.wrapping_add(gained.bytes);
        self.payload_bytes = self.payload_bytes.wrapping_add(gained.payload_bytes);
        self.ip_bytes = self.ip_bytes.wrapping_add(gained.ip_bytes);
        self.rtt_sum = self.rtt_sum.wrapping_add(gained.rtt_sum);
        self.rtt_samples = self.rtt_samples.wrapping_add(gained.rtt_samples);
        for (sum, n) in self.tcp.iter_mut().zip(&gained.tcp) {
            *sum = sum.wrapping_add(*n);
        }
        self.fragments = self.fragments.wrapping_add(gained.fragments);
    }

    /// Each counter made by `rule` of the same counter of all `readings`. A sum that was read while it grew
    /// may be below zero for a moment, and is 0 then.
    pub(crate) fn combine(readings: &[Self], rule: impl Fn(&[u64]) -> u64) -> Self {
        let mut values = Vec::with_capacity(readings.len());
        let mut of = |get: &dyn Fn(&Self) -> u64| {
            values.clear();
            values.extend(readings.iter().map(get).map(|n| if n >> 63 == 0 { n } else { 0 }));
            if values.iter().all(|n| *n == 0) { 0 } else { rule(&values) }
        };
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let mut tcp = [0; TcpCounter::COUNT];
        for (i, n) in tcp.iter_mut().enumerate() {
            *n = narrow(of(&|r| r.tcp.get(i).copied().unwrap_or(0).into()));
        }
        Self {
            packets: of(&|r| r.packets),
            bytes: of(&|r| r.bytes),
            payload_bytes: of(&|r| r.payload_bytes),
            ip_bytes: of(&|r| r.ip_bytes),
            rtt_sum: of(&|r| r.rtt_sum),
            rtt_samples: narrow(of(&|r| r.rtt_samples.into())),
            tcp,
            fragments: narrow(of(&|r| r.fragments.into())),
        }
    }

    /// Mean round trip in seconds; `None` without a sample. A sample whose time another reading
    /// already took is none.
    pub(crate) fn mean_round_trip(&self) -> Option<f64> {
        (self.rtt_samples != 0 && self.rtt_sum != 0)
            .then(|| self.rtt_sum as f64 / f64::from(self.rtt_samples) / 1e9)
    }
}

/// Both directions, by [`Side`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading(pub(crate) [SideReading; 2]);

impl Reading {
    /// Lower and upper side change places.
    pub(crate) fn turn(&mut self) {
        self.0.swap(0, 1);
    }

    /// The same with its sides in the other order, if `turned`.
    pub(crate) fn turned(mut self, turned: bool) -> Self {
        if turned {
            self.turn();
        }
        self
    }

    /// The slot as it is now.
    pub(crate) fn of(flow: &Flow) -> Self {
        Self([SideReading::of(flow, Side::Lower), SideReading::of(flow, Side::Upper)])
    }

    /// What was added since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self([self.0[0].since(&earlier.0[0]), self.0[1].since(&earlier.0[1])])
    }

    /// Adds what was gained.
    pub(crate) fn add(&mut self, gained: &Self) {
        for (sum, gained) in self.0.iter_mut().zip(&gained.0) {
            sum.add(gained);
        }
    }

    /// Bytes of both directions.
    pub(crate) const fn bytes(&self) -> u64 {
        self.0[0].bytes.wrapping_add(self.0[1].bytes)
    }

    /// One direction.
    pub(crate) const fn side(&self, side: Side) -> &SideReading {
        &self.0[side.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_counter_that_wraps_gives_its_increment() {
        let flow = Flow::default();
        flow.counters[1].psh.set(u32::MAX - 1);
        flow.timing[1].rtt_samples.set(u32::MAX);
        let before = Reading::of(&flow);
        flow.counters[1].psh.add(5);
        flow.timing[1].rtt_samples.add(2);
        flow.timing[1].rtt_sum.add(4_000_000);
        let delta = Reading::of(&flow).since(&before);
        assert_eq!(delta.side(Side::Upper).tcp(TcpCounter::Psh), 5);
        assert_eq!(delta.side(Side::Upper).mean_round_trip(), Some(0.002));
        assert_eq!(delta.side(Side::Lower), &SideReading::default());
    }

    #[test]
    fn each_counter_reads_its_own_word() {
        let flow = Flow::default();
        let c = &flow.counters[0];
        let all = [
            (&c.syn, TcpCounter::Syn),
            (&c.cwr, TcpCounter::Cwr),
            (&c.retransmissions, TcpCounter::Retransmissions),
            (&c.zero_windows, TcpCounter::ZeroWindows),
            (&c.syn_retransmissions, TcpCounter::SynRetransmissions),
        ];
        for (n, (cell, _)) in all.iter().enumerate() {
            cell.set(n as u32 + 1);
        }
        c.fragments.set(9);
        let reading = Reading::of(&flow);
        let lower = reading.side(Side::Lower);
        for (n, (_, counter)) in all.iter().enumerate() {
            assert_eq!(lower.tcp(*counter), n as u32 + 1, "{counter:?}");
        }
        assert_eq!((lower.tcp.iter().sum::<u32>(), lower.fragments), (15, 9));
    }
}
