//! The heaviest of many keys in bounded memory, with sums that stay whole.

use std::{collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

/// What is kept of a key, and of all keys that were let go.
pub trait Weighed: Default {
    /// How heavy it is: what is light goes first.
    fn weight(&self) -> u64;
    /// Takes what another has counted.
    fn merge(&mut self, other: Self);
}

impl Weighed for u64 {
    fn weight(&self) -> u64 {
        *self
    }

    fn merge(&mut self, other: Self) {
        *self += other;
    }
}

/// Values by key. Up to twice `limit` keys everything is exact; when there are more, the lighter half is
/// folded into one rest. A key that comes again after that begins anew, so that its value may be too small,
/// but no sum ever is.
#[derive(Clone, Debug)]
pub struct Top<K, V> {
    limit: usize,
    kept: HashMap<K, V, RandomState>,
    rest: V,
    folded: u64,
}

impl<K: Eq + Hash + Ord + Clone, V: Weighed> Top<K, V> {
    /// Nothing yet; between `limit` and twice as many keys are kept.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), kept: HashMap::default(), rest: V::default(), folded: 0 }
    }

    /// The value of a key.
    pub fn entry(&mut self, key: K) -> &mut V {
        if self.kept.len() >= 2 * self.limit && !self.kept.contains_key(&key) {
            self.fold();
        }
        self.kept.entry(key).or_default()
    }

    /// Counts for no key.
    pub fn add_rest(&mut self, value: V) {
        self.rest.merge(value);
    }

    /// Takes what another has counted.
    pub fn absorb(&mut self, other: &Self)
    where
        V: Clone,
    {
        for (key, value) in &other.kept {
            self.entry(key.clone()).merge(value.clone());
        }
        self.rest.merge(other.rest.clone());
        self.folded += other.folded;
    }

    #[cold]
    fn fold(&mut self) {
        let mut all: Vec<(K, V)> = self.kept.drain().collect();
        all.select_nth_unstable_by(self.limit, |a, b| b.1.weight().cmp(&a.1.weight()));
        let light = all.split_off(self.limit);
        self.folded += light.len() as u64;
        for (_, value) in light {
            self.rest.merge(value);
        }
        self.kept.extend(all);
    }

    /// All that are kept, heaviest first, those of one weight by key.
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<_> = self.kept.iter().collect();
        all.sort_unstable_by(|a, b| b.1.weight().cmp(&a.1.weight()).then_with(|| a.0.cmp(b.0)));
        all
    }

    /// All that are kept, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.kept.iter()
    }

    /// What a key has, where it is kept.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.kept.get(key)
    }

    /// What was let go, together.
    pub const fn rest(&self) -> &V {
        &self.rest
    }

    /// How many times a key was let go; 0: everything is exact.
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    /// Keys that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there was nothing.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_exact_and_in_order() {
        let mut top = Top::new(4);
        for (key, weight) in [("b", 2u64), ("a", 2), ("c", 9), ("b", 1)] {
            *top.entry(key) += weight;
        }
        assert_eq!(top.sorted(), [(&"c", &9), (&"b", &3), (&"a", &2)]);
        assert_eq!((top.folded(), *top.rest()), (0, 0));
    }

    #[test]
    fn many_keys_are_bounded_the_heavy_stay_and_no_sum_is_lost() {
        let mut top = Top::new(10);
        for key in 0..10_000u64 {
            *top.entry(key) += 1;
            *top.entry(7) += 5;
        }
        assert!(top.len() <= 20, "{}", top.len());
        assert_eq!(top.sorted().first(), Some(&(&7, &50_001)));
        assert_eq!(top.iter().map(|(_, v)| v).sum::<u64>() + top.rest(), 60_000);
        assert!(top.folded() > 0);
    }

    #[test]
    fn what_another_has_counted_is_taken_whole() {
        let (mut all, mut part) = (Top::new(4), Top::new(1));
        *all.entry(0) += 1;
        for key in 0..9u64 {
            *part.entry(key) += key;
        }
        part.add_rest(5);
        all.absorb(&part);
        assert_eq!(all.iter().map(|(_, v)| v).sum::<u64>() + all.rest(), 36 + 5 + 1);
        assert_eq!(all.folded(), part.folded());
    }
}
