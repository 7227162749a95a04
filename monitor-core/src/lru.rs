//! A table of fixed capacity that forgets what was not used for longest.
//!
//! Its entries are linked by their places in one allocation, so that finding, using and forgetting each
//! take constant time and a full table allocates nothing. Written here because the crates for it either
//! link by raw pointers or copy the key for each lookup.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;

/// No entry.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    /// The entry that was used before this one; [`NONE`] for the oldest.
    older: u32,
    /// The entry that was used after this one; [`NONE`] for the newest.
    newer: u32,
}

/// The table. Keys are hashed with a seed of the process's own: who sends them cannot make them collide.
#[derive(Clone, Debug)]
pub struct Lru<K, V, S = RandomState> {
    places: HashMap<K, u32, S>,
    entries: Vec<Entry<K, V>>,
    oldest: u32,
    newest: u32,
    capacity: u32,
}

impl<K: Hash + Eq + Copy, V> Lru<K, V> {
    /// An empty table of at most `capacity` entries, at least 1. Memory grows as it fills.
    pub fn new(capacity: u32) -> Self {
        Self {
            places: HashMap::default(),
            entries: Vec::new(),
            oldest: NONE,
            newest: NONE,
            capacity: capacity.clamp(1, NONE - 1),
        }
    }
}

impl<K: Hash + Eq + Copy, V, S: BuildHasher> Lru<K, V, S> {
    /// Entries in the table.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Most entries.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// An entry's value, which thereby becomes the newest.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.unlink(place);
        self.link(place);
        self.entries.get_mut(place as usize).map(|entry| &mut entry.value)
    }

    /// An entry's value; its age stays.
    pub fn peek(&self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        self.entries.get(place as usize).map(|entry| &entry.value)
    }

    /// The same, to be changed.
    pub fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.entries.get_mut(place as usize).map(|entry| &mut entry.value)
    }

    /// Adds or replaces an entry, which becomes the newest. Returns what had to go for it: the oldest
    /// entry if the table was full, or the one that had this key.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if let Some(known) = self.get(&key) {
            return Some((key, std::mem::replace(known, value)));
        }
        let gone = if self.entries.len() >= self.capacity as usize { self.pop_oldest() } else { None };
        let place = self.entries.len() as u32;
        self.entries.push(Entry { key, value, older: NONE, newer: NONE });
        self.places.insert(key, place);
        self.link(place);
        gone
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        Some(self.take(place).1)
    }

    /// All entries, in no order; their age stays.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// The entry that was not used for longest.
    pub fn oldest(&self) -> Option<(&K, &V)> {
        self.entries.get(self.oldest as usize).map(|entry| (&entry.key, &entry.value))
    }

    /// Takes the entry out that was not used for longest.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.entries.get(self.oldest as usize)?.key;
        let place = self.places.remove(&key)?;
        Some(self.take(place))
    }

    /// Takes the entry out of its place, where the last one moves to.
    fn take(&mut self, place: u32) -> (K, V) {
        self.unlink(place);
        let gone = self.entries.swap_remove(place as usize);
        if let Some(moved) = self.entries.get(place as usize) {
            let (key, older, newer) = (moved.key, moved.older, moved.newer);
            self.places.insert(key, place);
            self.set_newer(older, place);
            self.set_older(newer, place);
        }
        (gone.key, gone.value)
    }

    fn unlink(&mut self, place: u32) {
        let Some(entry) = self.entries.get(place as usize) else { return };
        let (older, newer) = (entry.older, entry.newer);
        self.set_newer(older, newer);
        self.set_older(newer, older);
    }

    /// Makes an entry that is not linked the newest.
    fn link(&mut self, place: u32) {
        let newest = self.newest;
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.older = newest;
            entry.newer = NONE;
        }
        self.set_newer(newest, place);
        self.newest = place;
    }

    /// Says which entry comes after `place`, or which is the oldest if that is none.
    fn set_newer(&mut self, place: u32, newer: u32) {
        match self.entries.get_mut(place as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Says which entry comes before `place`, or which is the newest if that is none.
    fn set_older(&mut self, place: u32, older: u32) {
        match self.entries.get_mut(place as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut table = Lru::new(3);
        for n in 0..3 {
            assert_eq!(table.insert(n, n), None);
        }
        assert_eq!(table.get(&0), Some(&mut 0));
        assert_eq!(table.peek(&1), Some(&1));
        assert_eq!(table.insert(3, 3), Some((1, 1)));
        assert_eq!(table.insert(2, 22), Some((2, 2)));
        assert_eq!(table.pop_oldest(), Some((0, 0)));
        assert_eq!(table.pop_oldest(), Some((3, 3)));
        assert_eq!(table.pop_oldest(), Some((2, 22)));
        assert_eq!(table.pop_oldest(), None);
        assert!(table.is_empty());
    }

    #[test]
    fn behaves_as_a_list_in_order_of_use() {
        let mut random = Random(7);
        let mut table = Lru::new(20);
        let mut model: Vec<(u64, u64)> = Vec::new();
        for step in 0..20_000 {
            let key = random.below(40);
            let known = model.iter().position(|(k, _)| *k == key);
            match random.below(5) {
                0 | 1 => {
                    let gone = match known {
                        Some(at) => Some(model.remove(at)),
                        None if model.len() == 20 => Some(model.remove(0)),
                        None => None,
                    };
                    model.push((key, step));
                    assert_eq!(table.insert(key, step), gone);
                }
                2 => assert_eq!(table.remove(&key), known.map(|at| model.remove(at).1)),
                3 => {
                    if let Some(at) = known {
                        let entry = model.remove(at);
                        model.push(entry);
                    }
                    assert_eq!(table.get(&key).copied(), known.and(model.last().map(|e| e.1)));
                }
                _ => {
                    let gone = (!model.is_empty() && step % 3 == 0).then(|| model.remove(0));
                    if gone.is_some() {
                        assert_eq!(table.pop_oldest(), gone);
                    }
                }
            }
            assert_eq!(table.len(), model.len());
            assert_eq!(table.oldest().map(|(k, v)| (*k, *v)), model.first().copied());
        }
    }
}
