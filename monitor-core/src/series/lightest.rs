//! Which of many slots has the lowest score, when scores only grow.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// A heap of slots whose scores may have grown since they were written down.
///
/// A score that is written down is never above the true one, so the top of the heap is the lowest as
/// soon as what is written there is true. That makes counting free (nothing here is touched) and
/// asking amortized O(log n): an entry is corrected at most once for each time that its score grew.
#[derive(Clone, Debug, Default)]
pub(super) struct Lightest {
    heap: BinaryHeap<Reverse<(u64, u32, u64)>>,
}

/// The bits of a weight, which sort as the weight does: it is never negative or NaN.
pub(super) fn score(weight: f64) -> u64 {
    weight.to_bits()
}

impl Lightest {
    /// Enters a slot. `sequence` tells it from what the slot held before.
    pub(super) fn push(&mut self, slot: u32, sequence: u64, score: u64) {
        self.heap.push(Reverse((score, slot, sequence)));
    }

    /// The slot with the lowest score. `current` gives each slot's sequence and true score, or `None`
    /// for a slot that holds nothing.
    pub(super) fn lowest(&mut self, current: impl Fn(u32) -> Option<(u64, u64)>) -> Option<(u32, u64)> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let Reverse((written, slot, sequence)) = *top;
            match current(slot) {
                Some((now, score)) if now == sequence => {
                    if score <= written {
                        return Some((slot, score));
                    }
                    top.0.0 = score;
                }
                _ => {
                    PeekMut::pop(top);
                }
            }
        }
    }

    /// Drops what `current` no longer knows once that may be half of the heap.
    pub(super) fn compact(&mut self, live: usize, current: impl Fn(u32) -> Option<(u64, u64)>) {
        if self.heap.len() > 2 * live + 16 {
            self.heap
                .retain(|Reverse((_, slot, sequence))| current(*slot).is_some_and(|(s, _)| s == *sequence));
        }
    }

    /// Entries, old ones included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_is_found_although_scores_grew_behind_its_back() {
        let mut scores = [5u64, 1, 3];
        let mut heap = Lightest::default();
        for (slot, &s) in scores.iter().enumerate() {
            heap.push(slot as u32, 0, s);
        }
        assert_eq!(heap.lowest(|s| Some((0, scores[s as usize]))), Some((1, 1)));
        scores[1] = 9;
        scores[2] = 6;
        assert_eq!(heap.lowest(|s| Some((0, scores[s as usize]))), Some((0, 5)));
    }

    #[test]
    fn a_slot_that_was_given_away_is_not_the_lowest_under_its_old_score() {
        let mut heap = Lightest::default();
        heap.push(0, 0, 1);
        heap.push(1, 1, 4);
        heap.push(0, 2, 8);
        let current = |slot| Some(if slot == 0 { (2, 8) } else { (1, 4) });
        assert_eq!(heap.lowest(current), Some((1, 4)));
    }

    #[test]
    fn it_does_not_grow_with_replacements() {
        let mut heap = Lightest::default();
        for sequence in 0..10_000 {
            heap.push(0, sequence, sequence);
            heap.compact(1, |_| Some((sequence, sequence)));
        }
        assert!(heap.len() <= 18);
    }

    #[test]
    fn bits_of_weights_sort_as_weights() {
        let weights = [0.0, 1e-300, 0.5, 1.0, 1.5, 1e19, 1e300];
        assert!(weights.windows(2).all(|w| score(w[0]) < score(w[1])));
    }
}
