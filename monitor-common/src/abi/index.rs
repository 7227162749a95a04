//! A small index in front of the hash: from a key to the number of its slot, one cache line for sixteen flows.
//!
//! Its entries are hints. Whoever follows one compares the key in the slot ([`super::KeyCells::is`]), so that an entry may
//! be stale, lost or of another flow; the hash remains the authority. So the part of it that is in use may be changed
//! at any time, and nothing is locked.

use core::hint::black_box;

use super::KEY_WORDS;
use crate::cell::Cell32;

/// Entries of a line.
const ENTRIES: usize = 16;
/// Places in which the entry of a key may be.
pub const WAYS: usize = 4;
/// Bits of an entry that number a slot, plus 1; the others are of the hash.
const SLOT_BITS: u32 = 24;
const SLOTS: u32 = (1 << SLOT_BITS) - 1;
/// Lines that are in use at least.
const LEAST: u32 = 64;
/// Flows for which there is a line.
const FLOWS: u32 = 4;

/// Sixteen entries: a cache line.
#[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
#[repr(C, align(64))]
pub struct IndexLine {
    entries: [Cell32; ENTRIES],
}

const _: () = assert!(size_of::<IndexLine>() == 64);

/// Lines for so many flows, a power of two.
pub const fn index_lines(flows: u32) -> u32 {
    let lines = (flows / FLOWS).next_power_of_two();
    if lines < LEAST { LEAST } else { lines }
}

/// Where the entry of a key is, and what it has of the hash.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    hash: u64,
}

impl Place {
    /// Of a key.
    #[inline(always)]
    pub const fn of(words: &[u64; KEY_WORDS]) -> Self {
        // Multiplications by odd numbers, as in MurmurHash3 and splitmix64: an attacker who collides in it makes hints
        // useless, and no more than that.
        const A: u64 = 0x9e37_79b9_7f4a_7c15;
        const B: u64 = 0xc2b2_ae3d_27d4_eb4f;
        let mut hash = (words[0] ^ words[1].rotate_left(32)).wrapping_mul(A);
        hash ^= (words[2] ^ words[3].rotate_left(32)).wrapping_mul(B);
        hash ^= hash >> 29;
        hash = (hash ^ words[4] ^ words[5].rotate_left(16)).wrapping_mul(A);
        hash ^= hash >> 32;
        Self { hash: hash.wrapping_mul(B) }
    }

    /// The line.
    #[inline(always)]
    pub const fn line(self) -> u32 {
        (self.hash >> 32) as u32
    }

    /// The first of [`WAYS`] entries of the line.
    #[inline(always)]
    const fn first(self) -> usize {
        (self.hash >> 28) as usize & (ENTRIES - WAYS)
    }

    #[inline(always)]
    const fn tag(self) -> u32 {
        (self.hash as u32) & !SLOTS
    }
}

impl IndexLine {
    /// An entry. What bounds its number stands beside its use, where the verifier of kernel 5.10 looks for it: of a number
    /// that lay on the stack it has forgotten the bounds.
    #[inline(always)]
    fn entry(&self, at: usize) -> &Cell32 {
        &self.entries[black_box(at) & (ENTRIES - 1)]
    }

    /// The slot that an entry names, if it may be the key's.
    #[inline(always)]
    pub fn hint(&self, place: Place, way: usize) -> Option<u32> {
        let entry = self.entry(place.first() + way).get();
        (entry & !SLOTS == place.tag() && entry & SLOTS != 0).then(|| (entry & SLOTS) - 1)
    }

    /// Notes the slot of a key, in the place of an entry that is empty, or else of any.
    #[inline(always)]
    pub fn note(&self, place: Place, slot: u32) {
        if slot >= SLOTS {
            return;
        }
        let mut at = place.first() + (slot as usize & (WAYS - 1));
        let mut way = 0;
        while way < WAYS {
            let candidate = place.first() + way;
            if self.entry(candidate).get() == 0 {
                at = candidate;
            }
            way += 1;
        }
        self.entry(at).set(place.tag() | (slot + 1));
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, vec::Vec};

    use super::*;

    fn hinted(line: &IndexLine, place: Place) -> Vec<u32> {
        (0..WAYS).filter_map(|way| line.hint(place, way)).collect()
    }

    #[test]
    fn a_line_gives_the_slots_that_were_noted_and_forgets_them_for_others() {
        let line = IndexLine::default();
        let place = Place::of(&[1, 2, 3, 4, 5, 6]);
        assert!(hinted(&line, place).is_empty());
        for slot in 0..4 {
            line.note(place, slot);
        }
        let mut all = hinted(&line, place);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        line.note(place, 1_000_000);
        assert!(hinted(&line, place).contains(&1_000_000));
        line.note(place, SLOTS);
        assert!(!hinted(&line, place).contains(&SLOTS), "a number that does not fit is not noted");
    }

    #[test]
    fn keys_that_differ_in_one_word_spread_over_the_lines() {
        for at in 0..KEY_WORDS {
            let mut seen = HashSet::new();
            for n in 0..1024 {
                let mut words = [7; KEY_WORDS];
                words[at] = n << 24;
                let place = Place::of(&words);
                seen.insert((place.line() & 255, place.first()));
            }
            // 1,024 of 1,024 sets: two thirds are met by chance.
            assert!(seen.len() > 550, "word {at}: {}", seen.len());
        }
    }

    #[test]
    fn there_are_lines_for_all_flows_and_a_power_of_two_of_them() {
        assert_eq!([0, 1000, 30_000, 131_072].map(index_lines), [64, 256, 8192, 32_768]);
    }
}
