//! The drain: reads every slot in place, and ends flows without losing a packet.
//!
//! 1. H0: the hooks' totals.
//! 2. Every slot that was ever taken, through the mapping.
//! 3. What went elsewhere (overflow, no IP, undecodable).
//! 4. The keys of flows that end are deleted; a grace period passes; nobody holds their slots now.
//! 5. Payload samples are read: those of the flows that end are all in the ring now. See [`Source::understand`].
//! 6. Those slots are read a last time.
//! 7. H1: the hooks' totals again. H0 ≤ slots + elsewhere ≤ H1.
//! 8. What was told is written to the pins, if there are any; see [`super::pin`].
//! 9. Those slots are emptied and given back.

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
            let mut ended = engine.expired(&elsewhere);
            let lost = std::mem::take(&mut self.lost).into_iter().map(|slot| (slot, EndReason::Idle));
            ended.retain(|(slot, _)| !lost.clone().any(|(other, _)| other == *slot));
            ended.extend(lost);
            ended
        };
        self.unpublish(&ended)?;
        self.grace.wait()?;
        let mut engine = lock(engine);
        self.understand(&mut engine);
        for &(slot, reason) in &ended {
            let Some(flow) = self.slots.get(slot) else { continue };
            engine.close(slot, flow, reason);
        }
        self.live = self.live.saturating_sub(ended.len() as u32);
        let after = self.hooks.read()?;
        let report = engine.end_drain(now, &after);
        let committed = self.commit(&mut engine, &ended);
        // Giving back is a system call a slot: whoever wants a page need not wait for that.
        drop(engine);
        for &(slot, _) in &ended {
            self.slots.empty(slot)?;
        }
        committed.map(|()| report)
    }

    /// Writes to the pins what was told, the flows of slots that are about to be emptied included.
    fn commit(&mut self, engine: &mut Engine, ended: &[(u32, EndReason)]) -> Result<(), Error> {
        let Some(pins) = &mut self.pins else { return Ok(()) };
        let generation = pins.next_generation();
        for &(slot, _) in ended {
            if let Some(flow) = self.slots.get(slot) {
                flow.head.retired.set(generation);
            }
        }
        pins.commit(engine)
    }

    /// After the last drain of a process whose pins stay: flows go on, and what was told of them is kept.
    pub fn suspend(&mut self, engine: &Mutex<Engine>, now: u64) -> Result<(), Error> {
        let mut engine = lock(engine);
        engine.succession().suspend(now);
        self.commit(&mut engine, &[])
    }

    /// Shows the engine every live slot; returns their number.
    fn observe(&mut self, engine: &mut Engine) -> Result<u32, Error> {
        let adopts = std::mem::take(&mut self.adopts);
        let mut live = 0;
        let slots = self.slots.first(self.slots.high_water()?);
        for (index, flow) in slots.iter().enumerate() {
            if flow.head.live.get() != 0 {
                // The key was written before the slot became live.
                fence(Ordering::Acquire);
                if adopts && let Some(told) = self.pins.as_ref().and_then(|p| p.reported(index as u32)) {
                    engine.succession().adopt(index as u32, flow, told);
                }
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
        let mut keys = Vec::with_capacity(ended.len());
        for &(slot, _) in ended {
            let Some(flow) = self.slots.get(slot) else { continue };
            // The key of a flow that lost it may be another slot's by now.
            if self.pins.is_none() || self.slots.find(&flow.head.key)? == Some(slot) {
                keys.push(flow.head.key);
            }
        }
        if keys.is_empty() { Ok(()) } else { self.slots.delete_keys(&keys) }
    }
}
