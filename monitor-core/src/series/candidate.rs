//! Keys without a series, and how much recent traffic each is known to have.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use super::lightest::{Lightest, score};

/// A Space-Saving summary (Metwally, Agrawal, El Abbadi 2005) of the keys that were turned away: a
/// fixed number of counters, in which any key with more than its share of the traffic has a place.
#[derive(Clone, Debug)]
pub(super) struct Candidates<K> {
    capacity: usize,
    index: HashMap<K, u32, RandomState>,
    entries: Vec<Candidate<K>>,
    by_weight: Lightest,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Candidate<K> {
    key: K,
    weight: f64,
    /// How much of the weight may belong to those that had the place before.
    inherited: f64,
    sequence: u64,
}

impl<K: Hash + Eq + Clone> Candidates<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            index: HashMap::default(),
            entries: Vec::new(),
            by_weight: Lightest::default(),
            sequence: 0,
        }
    }

    /// Adds to a key's weight, and says how much of it is certainly its own.
    pub(super) fn offer(&mut self, key: &K, weight: f64) -> f64 {
        if let Some(entry) = self.index.get(key).and_then(|&slot| self.entries.get_mut(slot as usize)) {
            entry.weight += weight;
            return entry.weight - entry.inherited;
        }
        self.sequence += 1;
        let sequence = self.sequence;
        if self.entries.len() < self.capacity {
            let slot = self.entries.len() as u32;
            self.entries.push(Candidate { key: key.clone(), weight, inherited: 0.0, sequence });
            self.index.insert(key.clone(), slot);
            self.by_weight.push(slot, sequence, score(weight));
            return weight;
        }
        let entries = &self.entries;
        let current = |slot: u32| entries.get(slot as usize).map(|e| (e.sequence, score(e.weight)));
        let Some((slot, _)) = self.by_weight.lowest(current) else { return weight };
        let Some(entry) = self.entries.get_mut(slot as usize) else { return weight };
        self.index.remove(&entry.key);
        *entry =
            Candidate { key: key.clone(), weight: entry.weight + weight, inherited: entry.weight, sequence };
        self.index.insert(key.clone(), slot);
        self.by_weight.push(slot, sequence, score(entry.weight));
        self.compact();
        weight
    }

    /// Forgets a key: it got its series.
    pub(super) fn remove(&mut self, key: &K) {
        let Some(slot) = self.index.remove(key) else { return };
        self.entries.swap_remove(slot as usize);
        if let Some(moved) = self.entries.get_mut(slot as usize) {
            self.sequence += 1;
            moved.sequence = self.sequence;
            self.by_weight.push(slot, moved.sequence, score(moved.weight));
            self.index.insert(moved.key.clone(), slot);
        }
        self.compact();
    }

    /// Multiplies all weights.
    pub(super) fn scale(&mut self, by: f64) {
        self.by_weight.clear();
        for (slot, entry) in (0..).zip(&mut self.entries) {
            entry.weight *= by;
            entry.inherited *= by;
            self.by_weight.push(slot, entry.sequence, score(entry.weight));
        }
    }

    fn compact(&mut self) {
        let entries = &self.entries;
        let current = |slot: u32| entries.get(slot as usize).map(|e| (e.sequence, score(e.weight)));
        self.by_weight.compact(entries.len(), current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heavy_key_is_found_among_many_light_ones_in_few_places() {
        let mut c = Candidates::new(8);
        let mut best = 0.0f64;
        for i in 0..10_000u32 {
            c.offer(&(i + 1), 1.0);
            if i % 4 == 0 {
                best = c.offer(&0, 5.0);
            }
        }
        assert!(best > 5.0 * 2_000.0, "{best} of 12,500");
        assert_eq!((c.entries.len(), c.index.len()), (8, 8));
    }

    #[test]
    fn what_a_key_inherits_is_not_its_own() {
        let mut c = Candidates::new(1);
        assert_eq!(c.offer(&1, 100.0).to_bits(), 100f64.to_bits());
        assert_eq!(c.offer(&2, 1.0).to_bits(), 1f64.to_bits());
        assert_eq!(c.offer(&2, 1.0).to_bits(), 2f64.to_bits());
        c.scale(0.5);
        assert_eq!(c.offer(&2, 1.0).to_bits(), 2f64.to_bits());
    }

    #[test]
    fn a_removed_key_leaves_the_others_findable() {
        let mut c = Candidates::new(4);
        for key in 0..4 {
            c.offer(&key, f64::from(key) + 1.0);
        }
        c.remove(&0);
        assert_eq!(c.offer(&3, 1.0).to_bits(), 5f64.to_bits());
        assert_eq!(c.offer(&0, 1.0).to_bits(), 1f64.to_bits());
        // Key 0 is the lightest again and gives way first.
        c.offer(&9, 1.0);
        assert!(!c.index.contains_key(&0) && c.index.contains_key(&3));
    }
}
