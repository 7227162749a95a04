//! The state of the accounting in pinned memory: two places, of which the number of the last state says
//! which holds. A new one is written to the other place and comes into force with one store.

use std::{
    io,
    sync::atomic::{Ordering, fence},
};

use aya::maps::MapData;
use monitor_common::cell::Cell64;
use monitor_core::engine::Carried;
use serde::{Deserialize, Serialize};

use super::links::Filter;
use crate::source::ebpf::sys::Mapping;

/// Words of one place: 4 MiB are enough for every interface that can be watched or was.
const PLACE: usize = 1 << 19;
/// Words of the map: the number of the last state, a spare one, and both places.
pub(super) const WORDS: usize = 2 + 2 * PLACE;

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) carried: Carried,
    pub(super) filters: Vec<Filter>,
}

pub(super) struct State {
    words: Mapping<Cell64>,
}

impl State {
    pub(super) fn new(map: &MapData) -> io::Result<Self> {
        Ok(Self { words: Mapping::new(map, WORDS)? })
    }

    /// Number of the last state; 0: there is none.
    pub(super) fn generation(&self) -> u64 {
        self.words.get(0).map_or(0, Cell64::get)
    }

    fn place(&self, generation: u64) -> &[Cell64] {
        let from = 2 + PLACE * (generation & 1) as usize;
        self.words.first(WORDS).get(from..from + PLACE).unwrap_or_default()
    }

    /// The last state.
    pub(super) fn read(&self) -> io::Result<Content> {
        let generation = self.generation();
        if generation == 0 {
            return Ok(Content::default());
        }
        let Some((length, words)) = self.place(generation).split_first() else {
            return Ok(Content::default());
        };
        let length = (length.get() as usize).min(words.len() * 8);
        let mut bytes: Vec<u8> =
            words.iter().take(length.div_ceil(8)).flat_map(|word| word.get().to_le_bytes()).collect();
        bytes.truncate(length);
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Puts the next state into force.
    pub(super) fn write(&self, content: &Content) -> io::Result<()> {
        let bytes = serde_json::to_vec(content)?;
        let next = self.generation() + 1;
        let (Some((length, words)), Some(generation)) = (self.place(next).split_first(), self.words.get(0))
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if bytes.len() > words.len() * 8 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        length.set(bytes.len() as u64);
        for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            for (to, from) in padded.iter_mut().zip(bytes) {
                *to = *from;
            }
            word.set(u64::from_le_bytes(padded));
        }
        fence(Ordering::Release);
        generation.set(next);
        Ok(())
    }
}
