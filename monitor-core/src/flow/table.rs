//! The flows that are in slots: what each said last, found by slot and by 5-tuple.
//!
//! A slot costs a line of 32 bytes that is all an unchanged one needs. What is known of a flow lies
//! in entries of their own, which are used again; so a table that has reached its size allocates no
//! more.

use std::collections::{HashMap, hash_map};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::{
    entry::{Entry, Sighting},
    translation::Ends,
};

/// No entry, no slot.
pub(crate) const NONE: u32 = u32::MAX;
/// Nothing to wait for.
pub(crate) const NEVER: u64 = u64::MAX;

/// What an unchanged slot needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Packets by side, at the last reading.
    pub(crate) packets: [u64; 2],
    /// When something is to be done without a packet: it expires, an attempt has failed, a record is due.
    pub(crate) deadline: u64,
    /// Index of the entry; [`NONE`]: no flow.
    pub(crate) entry: u32,
    /// The last reading found the packets of the one before. A program counts packets first and the
    /// rest after: only a second reading of the same packets surely has the rest.
    pub(crate) settled: bool,
    /// Its owners are still to be found out.
    pub(crate) unowned: bool,
}

impl Line {
    const FREE: Self = Self { packets: [0; 2], deadline: NEVER, entry: NONE, settled: true, unowned: false };
}

const _: () = assert!(size_of::<Line>() == 32);

/// A 5-tuple in one layer 2 network, wherever it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tuple {
    ends: Ends,
    domain: u64,
}

impl Tuple {
    fn of(entry: &Entry) -> Self {
        Self { ends: entry.ends(), domain: entry.domain }
    }
}

/// What became of a flow's other sightings when an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was the one that counts, and no other sees the flow.
    Ended,
    /// It was the one that counts; the entry of this slot goes on.
    HandedOver(u32),
    /// It was a further sighting; nothing changes.
    Duplicate,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Slot of the entry that counts, for each 5-tuple; the others hang on it by `next`.
    tuples: HashMap<Tuple, u32, RandomState>,
}

impl Table {
    /// The line of a slot, which may never have been used.
    #[inline]
    pub(crate) fn line(&mut self, slot: u32) -> &mut Line {
        let at = slot as usize;
        if at >= self.lines.len() {
            self.grow(at);
        }
        &mut self.lines[at]
    }

    #[cold]
    fn grow(&mut self, at: usize) {
        self.lines.resize(at + 1, Line::FREE);
    }

    /// All slots that were ever used.
    pub(crate) const fn slots(&self) -> Range<u32> {
        0..self.lines.len() as u32
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The flow in a slot.
    pub(crate) fn entry(&self, slot: u32) -> Option<&Entry> {
        let line = self.lines.get(slot as usize)?;
        self.entries.get(line.entry as usize)
    }

    /// The flow in a slot.
    pub(crate) fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        let line = self.lines.get(slot as usize)?;
        self.entries.get_mut(line.entry as usize)
    }

    /// Line and flow of a slot.
    pub(crate) fn pair(&mut self, slot: u32) -> Option<(&mut Line, &mut Entry)> {
        let line = self.lines.get_mut(slot as usize)?;
        let entry = self.entries.get_mut(line.entry as usize)?;
        Some((line, entry))
    }

    /// All slots with a flow, and the flow.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.lines).filter_map(|(slot, line)| Some((slot, self.entries.get(line.entry as usize)?)))
    }

    /// The same as [`Self::iter`] for these slots alone.
    pub(crate) fn range(&self, slots: Range<u32>) -> impl Iterator<Item = (u32, &Entry)> {
        let end = self.lines.len().min(slots.end as usize);
        let lines = self.lines.get(slots.start as usize..end).unwrap_or_default();
        (slots.start..)
            .zip(lines)
            .filter_map(|(slot, line)| Some((slot, self.entries.get(line.entry as usize)?)))
    }

    /// Puts a flow into a slot that has none.
    pub(crate) fn insert(&mut self, slot: u32, entry: Entry) {
        let index = self.free.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(index as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        let line = self.line(slot);
        *line = Line { packets: [0; 2], deadline: NEVER, entry: index, settled: false, unowned: true };
    }

    /// Finds out whether the flow of a slot is the first sighting of its 5-tuple. A new flow under
    /// the very key of an older one follows it (whose slot is about to be emptied) and counts.
    pub(crate) fn link(&mut self, slot: u32) -> bool {
        let Some((key, tuple)) = self.entry(slot).map(|e| (e.key, Tuple::of(e))) else { return false };
        let first = match self.tuples.entry(tuple) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(slot);
                None
            }
            hash_map::Entry::Occupied(mut occupied) => {
                let first = *occupied.get();
                let same = self
                    .lines
                    .get(first as usize)
                    .and_then(|l| self.entries.get(l.entry as usize))
                    .is_some_and(|e| e.key == key);
                if same {
                    occupied.insert(slot);
                }
                Some((first, same))
            }
        };
        let (counts, next) = match first {
            None => (true, NONE),
            Some((first, same)) => {
                let next = self.entry_mut(first).map_or(NONE, |e| std::mem::replace(&mut e.next, NONE));
                if same {
                    (true, next)
                } else {
                    if let Some(e) = self.entry_mut(first) {
                        e.next = slot;
                    }
                    (false, next)
                }
            }
        };
        if let Some(e) = self.entry_mut(slot) {
            e.sighting = if counts { Sighting::Representative } else { Sighting::Further };
            e.next = next;
        }
        counts
    }

    /// Slot of the sighting that counts for the 5-tuple of the flow in a slot.
    pub(crate) fn first(&self, slot: u32) -> Option<u32> {
        self.tuples.get(&Tuple::of(self.entry(slot)?)).copied()
    }

    /// The sightings of the flow that counts in a slot, that one first.
    pub(crate) fn sightings(&self, first: u32) -> impl Iterator<Item = (u32, &Entry)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let entry = self.entry(at)?;
            let slot = std::mem::replace(&mut at, entry.next);
            Some((slot, entry))
        })
    }

    /// Takes the flow out of a slot; the slot's next reading is a new flow's. The entry that goes on
    /// in its place, if there is one, is marked as the one that counts.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<(Entry, Left)> {
        let line = self.lines.get_mut(slot as usize)?;
        let index = line.entry;
        let entry = self.entries.get_mut(index as usize).map(std::mem::take)?;
        *line = Line::FREE;
        self.free.push(index);
        let tuple = Tuple::of(&entry);
        let left = match self.tuples.get(&tuple).copied() {
            Some(first) if first == slot => {
                if entry.next == NONE {
                    self.tuples.remove(&tuple);
                    Left::Ended
                } else {
                    self.tuples.insert(tuple, entry.next);
                    if let Some(next) = self.entry_mut(entry.next) {
                        next.sighting = Sighting::Representative;
                    }
                    Left::HandedOver(entry.next)
                }
            }
            Some(first) if !entry.is_representative() => {
                self.unchain(first, slot, entry.next);
                Left::Duplicate
            }
            // Followed by a new flow under the same key, or never linked.
            _ => Left::Ended,
        };
        Some((entry, left))
    }

    /// Takes `slot` out of the chain that begins at `first`.
    fn unchain(&mut self, first: u32, slot: u32, next: u32) {
        let mut at = first;
        while let Some(e) = self.entry_mut(at) {
            if e.next == slot {
                e.next = next;
                return;
            }
            at = e.next;
        }
    }
}
