//! The drain: reads every slot in place, and ends flows without losing a packet.
//!
//! 1. H0: the hooks' totals.
//! 2. Every slot that was ever taken, through the mapping.
//! 3. What went elsewhere (overflow, no IP, undecodable).
//! 4. The keys of flows that end are deleted; a grace period passes; nobody holds their slots now.
//! 5. Payload samples are read: those of the flows that end are all in the ring now. See [`Source::understand`].
//! 6. Those slots are read a last time, emptied and given back.
//! 7. H1: the hooks' totals again. H0 ≤ slots + elsewhere ≤ H1.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{Ordering, fence},
};

use monitor_core::engine::{DrainReport, EndReason, Engine};

use super::{Error, Source};

fn lock(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    // A panic elsewhere while it was held is no reason to stop counting.
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    /// Brings the engine up to date. The engine is not locked while the grace period passes.
    pub fn drain(&mut self, engine: &Mutex<Engine>, now: u64) -> Result<DrainReport, Error> {
        let before = self.hooks.read()?;
        let ended = {
            let mut engine = lock(engine);
            engine.begin_drain(now, &before);
            self.live = self.observe(&mut engine)?;
            let elsewhere = self.hooks.read()?;
            engine.expired(&elsewhere)
        };
        self.unpublish(&ended)?;
        self.grace.wait()?;
        let mut engine = lock(engine);
        self.understand(&mut engine);
        for &(slot, reason) in &ended {
            let Some(flow) = self.slots.get(slot) else { continue };
            engine.close(slot, flow, reason);
            flow.clear();
            self.slots.give_back(slot)?;
        }
        self.live = self.live.saturating_sub(ended.len() as u32);
        let after = self.hooks.read()?;
        Ok(engine.end_drain(now, &after))
    }

    /// Shows the engine every live slot; returns their number.
    fn observe(&self, engine: &mut Engine) -> Result<u32, Error> {
        let mut live = 0;
        let slots = self.slots.first(self.slots.high_water()?);
        for (index, flow) in slots.iter().enumerate() {
            if flow.head.live.get() != 0 {
                // The key was written before the slot became live.
                fence(Ordering::Acquire);
                engine.observe(index as u32, flow);
                live += 1;
            }
        }
        Ok(live)
    }

    fn unpublish(&self, ended: &[(u32, EndReason)]) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> =
            ended.iter().filter_map(|&(slot, _)| self.slots.get(slot).map(|flow| flow.head.key)).collect();
        self.slots.delete_keys(&keys)
    }
}
