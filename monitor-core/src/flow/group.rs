//! A flow that was seen in several places: each packet counts once.
//!
//! Of each counter of a side the total by hook is kept. Of those that received, the heaviest set of places of
//! which none is stacked on another counts, or the fullest of veths and taps, through which a packet may pass
//! again; the same of those that sent, where what a bridge floods counts by its fullest port. The side's total
//! is the largest of these. Hooks are read one after the other while packets are on their way, so it is taken of
//! totals and never falls: what it gains is what the flow gained.

use monitor_common::abi::{Direction, Side};

use super::{
    devices::{Devices, Place},
    heaviest::{Graph, Plan, all},
    reading::{Reading, SideReading},
    state::Connection,
};

/// A 32-bit counter that comes this far begins a new epoch.
const HALF: u32 = 1 << 31;

/// What was counted in one place, by [`Side`]; of each side either received or sent.
#[derive(Clone, Debug)]
struct Seen {
    place: Place,
    direction: Direction,
    counted: [SideReading; 2],
}

/// What of the places that received, or of those that sent, counts.
#[derive(Clone, Debug)]
struct Way {
    /// veths and taps, by number in [`Group::seen`].
    inner: Vec<usize>,
    /// The others.
    outer: Option<Plan>,
    /// All of them.
    any: Option<Plan>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    seen: Vec<Seen>,
    /// By [`Direction`]; none: to be made anew.
    ways: Option<[Way; 2]>,
    /// What was counted in earlier epochs.
    base: Reading,
    /// What the rule made of `seen`.
    best: Reading,
    /// It changed since [`Self::take`].
    pub(crate) changed: bool,
    left: Option<Gone>,
}

/// What sightings saw of the connection before their slots ended.
#[derive(Clone, Copy, Debug)]
struct Gone {
    client: Side,
    connection: Connection,
    /// Connections that those which stayed had seen then: a later one is another.
    reused: u32,
}

impl Group {
    /// A flow of which this much was counted so far, in one place alone.
    pub(crate) fn new(place: Place, directions: [Direction; 2], counted: &Reading) -> Self {
        let mut group = Self::default();
        group.add(place, directions, counted);
        group.best = *counted;
        group.changed = false;
        group
    }

    /// Counts what a place gained.
    pub(crate) fn add(&mut self, place: Place, directions: [Direction; 2], gained: &Reading) {
        for side in [Side::Lower, Side::Upper] {
            let gained = gained.side(side);
            if *gained == SideReading::default() {
                continue;
            }
            self.changed = true;
            let direction = directions[side.index()];
            let found = self.seen.iter_mut().find(|s| s.place == place && s.direction == direction);
            if let Some(seen) = found {
                seen.counted[side.index()].add(gained);
                continue;
            }
            self.ways = None;
            let mut seen = Seen { place, direction, counted: [SideReading::default(); 2] };
            seen.counted[side.index()].add(gained);
            self.seen.push(seen);
        }
    }

    /// Interfaces that saw it, by index, since the devices were as they are.
    pub(crate) fn ifindexes(&self) -> Vec<u32> {
        let mut seen: Vec<u32> = self.seen.iter().map(|seen| seen.place.ifindex).collect();
        seen.dedup();
        seen
    }

    /// All that was counted of the flow.
    pub(crate) fn counted(&self) -> Reading {
        let mut counted = self.base;
        counted.add(&self.best);
        counted
    }

    /// Lower and upper side change places: another sighting stands for the flow.
    pub(crate) fn turn(&mut self) {
        if let Some(left) = &mut self.left {
            left.client = left.client.other();
        }
        for seen in &mut self.seen {
            seen.counted.swap(0, 1);
        }
        self.base.turn();
        self.best.turn();
    }

    /// A sighting ends that saw this of the connection, and others, which had seen `reused` connections, stay.
    pub(crate) fn leave(&mut self, client: Side, connection: Connection, reused: u32) {
        let before = self.left.filter(|left| left.reused >= reused);
        let all = [Some((client, connection)), before.map(|left| (left.client, left.connection))];
        let connection = Connection::together(all.iter().flatten().map(|(side, part)| (*side, part)));
        self.left = Some(Gone { client, connection, reused });
    }

    /// What was seen by sightings that ended, of the connection of which those that are there make `whole`.
    pub(crate) fn left(&self, whole: &Connection) -> Option<(Side, Connection)> {
        let left = self.left.filter(|left| left.reused >= whole.reused);
        left.map(|left| (left.client, left.connection))
    }

    /// What the flow gained since the last call.
    pub(crate) fn take(&mut self, devices: &Devices) -> Reading {
        self.changed = false;
        let before = self.best;
        let ways = self.ways.take().unwrap_or_else(|| self.plan(devices));
        for side in [Side::Lower, Side::Upper] {
            let total = self.total(devices, &ways, side);
            let best = &mut self.best.0[side.index()];
            *best = SideReading::combine(&[*best, total], |values| values.iter().copied().max().unwrap_or(0));
        }
        self.ways = Some(ways);
        let gained = self.best.since(&before);
        let is_far = |side: &SideReading| side.tcp.iter().chain([&side.rtt_samples]).any(|n| *n >= HALF);
        if self.best.0.iter().any(is_far) {
            self.renew();
        }
        gained
    }

    /// Begins a new epoch: the graph is another, or counters have come far.
    pub(crate) fn renew(&mut self) {
        self.base.add(&self.best);
        self.best = Reading::default();
        self.seen.clear();
        self.ways = None;
    }

    /// The graph may be another. What was not taken yet is to be taken before.
    pub(crate) fn graph_changed(&mut self, devices: &Devices) {
        let Some(before) = &self.ways else { return };
        let now = self.plan(devices);
        let plans = |ways: &[Way; 2]| format!("{ways:?}");
        if plans(before) != plans(&now) {
            self.renew();
        }
    }

    /// Where packets of a side were counted most.
    pub(crate) fn fullest(&self, side: Side) -> Option<(Place, Direction)> {
        let packets = |seen: &&Seen| seen.counted[side.index()].packets;
        let fullest = self.seen.iter().rev().filter(|seen| packets(seen) != 0).max_by_key(packets)?;
        Some((fullest.place, fullest.direction))
    }

    fn plan(&self, devices: &Devices) -> [Way; 2] {
        let places: Vec<_> = self.seen.iter().map(|seen| seen.place).collect();
        let stacked = devices.stacked(&places);
        [Direction::Receive, Direction::Transmit].map(|direction| {
            let here: Vec<usize> =
                all(&places).into_iter().filter(|i| self.seen[*i].direction == direction).collect();
            let copies: Vec<_> = places
                .iter()
                .map(|place| match direction {
                    Direction::Receive => devices.share(*place),
                    Direction::Transmit => devices.port(*place),
                })
                .collect();
            let graph = Graph { stacked: &stacked, copies: &copies };
            let plan = |of: &[usize]| (!of.is_empty()).then(|| Plan::new(&graph, of));
            let (inner, outer): (Vec<_>, Vec<_>) =
                here.iter().partition(|i| devices.is_inner(self.seen[**i].place));
            Way { outer: plan(&outer), any: plan(&here), inner }
        })
    }

    /// The rule.
    fn total(&self, devices: &Devices, ways: &[Way; 2], side: Side) -> SideReading {
        let counted = |i: usize| self.seen.get(i).map_or(SideReading::default(), |s| s.counted[side.index()]);
        let all: Vec<SideReading> = (0..self.seen.len()).map(counted).collect();
        let packets = |way: &Way| way.inner.iter().any(|i| all.get(*i).is_some_and(|s| s.packets != 0));
        let again = [packets(&ways[1]), packets(&ways[0])];
        SideReading::combine(&all, |values| {
            let weight = |i: usize| values.get(i).copied().unwrap_or(0);
            let fullest = |of: &[usize]| of.iter().map(|i| weight(*i)).max().unwrap_or(0);
            if devices.is_empty() {
                return values.iter().copied().max().unwrap_or(0);
            }
            let totals = ways.iter().zip(again).map(|(way, again)| {
                // In a container veths lead outwards, and add up as cards do, unless packets pass them
                // again: then they passed another the other way before.
                if !devices.has_cards() && !again {
                    return way.any.as_ref().map_or(0, |plan| plan.weigh(&weight));
                }
                let outer = way.outer.as_ref().map_or(0, |plan| plan.weigh(&weight));
                outer.max(fullest(&way.inner))
            });
            totals.max().unwrap_or(0)
        })
    }
}
