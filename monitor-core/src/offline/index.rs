//! Finds slots by key.
//!
//! A place is a part of the key's hash and the slot, eight bytes: the index of many thousands of flows stays
//! in a core's cache, where one that holds the keys would not. Keys are compared in the slots.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use monitor_common::abi::FlowKey;

/// A part of a key's hash. The seed is this process's own: who sends packets cannot make them collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    /// The hash under which the table places it.
    const fn hash(self) -> u64 {
        (self.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    tag: Tag,
    slot: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: HashTable<Place>,
    seed: RandomState,
}

impl Index {
    /// The tag of a key.
    #[inline]
    pub(super) fn tag(&self, key: &FlowKey) -> Tag {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u128(u128::from_ne_bytes(key.lower.octets()));
        hasher.write_u128(u128::from_ne_bytes(key.upper.octets()));
        let ports = u64::from(key.lower_port) << 48 | u64::from(key.upper_port) << 32;
        hasher.write_u64(ports | u64::from(key.ifindex));
        hasher.write_u32(u32::from_ne_bytes([key.protocol, key.ip_version, key.view, 0]));
        Tag(hasher.finish() as u32)
    }

    /// A slot whose key has this tag: nearly always the one of the key in mind.
    #[inline]
    pub(super) fn guess(&self, tag: Tag) -> Option<u32> {
        self.places.find(tag.hash(), |place| place.tag == tag).map(|place| place.slot)
    }

    /// The slot of a key; `is` says whether a slot has it.
    #[inline]
    pub(super) fn get(&self, tag: Tag, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.places.find(tag.hash(), |place| place.tag == tag && is(place.slot)).map(|place| place.slot)
    }

    /// Puts in a slot under a key that has none.
    pub(super) fn insert(&mut self, tag: Tag, slot: u32) {
        self.places.insert_unique(tag.hash(), Place { tag, slot }, |place| place.tag.hash());
    }

    /// Takes out a slot.
    pub(super) fn remove(&mut self, tag: Tag, slot: u32) {
        if let Ok(place) = self.places.find_entry(tag.hash(), |place| place.slot == slot) {
            place.remove();
        }
    }

    /// Slots in it.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
