//! Which way the packets of a capture passed its host: what the capture says, else what its user says of
//! addresses. Flows do not depend on it, metrics do.

use monitor_common::{
    abi::{Direction, Flow, HookCounters, Side, View},
    account,
};

/// What is known of the directions of flows, by slot.
#[derive(Debug, Default)]
pub(super) struct Ways {
    views: Vec<Option<View>>,
    ended: Sums,
}

/// Packets of flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    packets: u64,
    fragments: u64,
    /// Of flows of which nothing is known.
    pub(super) unknown: u64,
}

impl Ways {
    /// A flow begins in a slot.
    pub(super) fn begin(&mut self, slot: u32, view: Option<View>) {
        let slot = slot as usize;
        if slot >= self.views.len() {
            self.views.resize(slot + 1, None);
        }
        if let Some(place) = self.views.get_mut(slot) {
            *place = view;
        }
    }

    /// A frame of the flow in a slot says which way it passed.
    #[inline]
    pub(super) fn note(&mut self, slot: u32, sender: Side, way: Direction) {
        if let Some(unknown @ None) = self.views.get_mut(slot as usize) {
            *unknown = Some(view(sender, way));
        }
    }

    /// What is known of the flow in a slot.
    pub(super) fn view(&self, slot: u32) -> Option<View> {
        self.views.get(slot as usize).copied().flatten()
    }

    /// The flow in a slot is over.
    pub(super) fn end(&mut self, slot: u32, flow: &Flow) {
        let mut sums = self.ended;
        self.add(&mut sums, slot, flow);
        self.ended = sums;
    }

    /// What the host sent, with the flows that are live.
    pub(super) fn sums<'a>(&self, live: impl Iterator<Item = (u32, &'a Flow)>) -> Sums {
        let mut sums = self.ended;
        for (slot, flow) in live {
            self.add(&mut sums, slot, flow);
        }
        sums
    }

    fn add(&self, sums: &mut Sums, slot: u32, flow: &Flow) {
        let view = self.view(slot);
        for (side, (hot, counters)) in
            [Side::Lower, Side::Upper].into_iter().zip(flow.hot.iter().zip(&flow.counters))
        {
            match view.map(|view| account::direction(view, side)) {
                None => sums.unknown += hot.packets.get(),
                Some(Direction::Receive) => {}
                Some(Direction::Transmit) => {
                    sums.packets += hot.packets.get();
                    sums.fragments += u64::from(counters.fragments.get());
                }
            }
        }
    }
}

impl Sums {
    /// The counters of a hook for either direction, of those for both. What is on no flow counts as received.
    pub(super) fn split(&self, all: &HookCounters) -> [HookCounters; 2] {
        let transmitted = HookCounters {
            packets: self.packets,
            skbs: self.packets,
            fragments: self.fragments,
            ..HookCounters::default()
        };
        let received = HookCounters {
            packets: all.packets.saturating_sub(self.packets),
            skbs: all.skbs.saturating_sub(self.packets),
            fragments: all.fragments.saturating_sub(self.fragments),
            ..*all
        };
        [received, transmitted]
    }
}

const fn view(sender: Side, way: Direction) -> View {
    match (sender, way) {
        (Side::Lower, Direction::Transmit) | (Side::Upper, Direction::Receive) => View::LowerTransmits,
        (Side::Lower, Direction::Receive) | (Side::Upper, Direction::Transmit) => View::LowerReceives,
    }
}
