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
//! 9. Those slots are emptied and given back, and the kernel side is told at how few free ones to wake this one.
//!
//! Any of these may fail, and the next drain goes on where this one broke off: [`Ending`] remembers which slots are on
//! their way out.

use std::collections::HashSet;
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

/// Slots on their way out.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Their flows are to be closed. No key may lead to them any more.
    begun: Vec<(u32, EndReason)>,
    /// Their flows were closed, all that they have is counted: they wait to be emptied.
    closed: Vec<u32>,
}

impl Ending {
    /// Flows to which no key leads already.
    pub(super) fn of(lost: Vec<u32>) -> Self {
        let begun = lost.into_iter().map(|slot| (slot, EndReason::Idle)).collect();
        Self { begun, closed: Vec::new() }
    }
}

impl Source {
    /// Brings the engine up to date. The engine is not locked while the grace period passes.
    pub fn drain(&mut self, engine: &Mutex<Engine>, now: u64) -> Result<DrainReport, Error> {
        if let Some(owners) = &mut self.owners {
            owners.learn(self.slots.high_water()?);
        }
        let before = self.hooks.read()?;
        let expired = {
            let mut engine = lock(engine);
            engine.begin_drain(now, &before);
            self.live = self.observe(&mut engine)?;
            // The kernel told of a connection before its packets went on.
            self.hear_translations(&mut engine);
            engine.expired(&self.hooks.read()?)
        };
        self.unpublish(expired)?;
        self.grace.wait()?;
        let mut engine = lock(engine);
        self.hear_translations(&mut engine);
        self.understand(&mut engine);
        for (slot, reason) in self.ending.begun.drain(..) {
            let Some(flow) = self.slots.get(slot) else { continue };
            engine.close(slot, flow, reason);
            self.ending.closed.push(slot);
        }
        self.live = self.live.saturating_sub(self.ending.closed.len() as u32);
        let after = self.hooks.read()?;
        let report = engine.end_drain(now, &after);
        let committed = self.commit(&mut engine);
        // Giving back is a system call a slot: whoever wants a page need not wait for that.
        drop(engine);
        while let Some(&slot) = self.ending.closed.last() {
            if let Some(owners) = &self.owners {
                owners.clear(slot);
            }
            self.slots.empty(slot)?;
            self.ending.closed.pop();
        }
        self.slots.fit_index(self.live)?;
        self.set_alarm();
        committed.map(|()| report)
    }

    fn hear_translations(&mut self, engine: &mut Engine) {
        if let Some(translations) = &mut self.translations {
            translations(engine);
        }
    }

    /// Writes to the pins what was told, the flows of slots that are about to be emptied included.
    fn commit(&mut self, engine: &mut Engine) -> Result<(), Error> {
        let Some(pins) = &mut self.pins else { return Ok(()) };
        let generation = pins.next_generation();
        for &slot in &self.ending.closed {
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
        self.commit(&mut engine)
    }

    /// Shows the engine every live slot whose flow it has not closed; returns their number.
    fn observe(&mut self, engine: &mut Engine) -> Result<u32, Error> {
        let adopts = std::mem::take(&mut self.adopts);
        let mut live = 0;
        let closed: HashSet<u32> = self.ending.closed.iter().copied().collect();
        let Self { slots, pins, owners, .. } = self;
        let slots = slots.first(slots.high_water()?);
        for (index, flow) in slots.iter().enumerate() {
            let index = index as u32;
            if flow.head.live.get() != 0 && !closed.contains(&index) {
                // The key was written before the slot became live.
                fence(Ordering::Acquire);
                if adopts && let Some(told) = pins.as_ref().and_then(|p| p.reported(index)) {
                    engine.succession().adopt(index, flow, told);
                }
                match owners {
                    Some(owners) => engine.observe_owned(index, flow, |key| owners.claims(index, key)),
                    None => engine.observe(index, flow),
                }
                live += 1;
            }
        }
        Ok(live)
    }

    /// Sees to it that no key leads to the slots of flows that end: neither the hash nor a hint. A program that comes by
    /// in between finds the slot through the hash, and has let go of it when the grace period ends.
    fn unpublish(&mut self, mut expired: Vec<(u32, EndReason)>) -> Result<(), Error> {
        let Self { ending, slots, .. } = self;
        let begun: HashSet<u32> = ending.begun.iter().map(|(slot, _)| *slot).collect();
        // One that is just being published is named again in the next drain.
        let ends = |slot| slots.get(slot).is_some_and(|flow| flow.head.key.end());
        expired.retain(|(slot, _)| !begun.contains(slot) && ends(*slot));
        let mut keys = Vec::with_capacity(expired.len());
        for &(slot, _) in &ending.begun {
            let Some(flow) = slots.get(slot) else { continue };
            flow.head.key.end();
            // Where it was deleted before, the key may be another slot's by now.
            let key = flow.head.key.get();
            if slots.find(&key)? == Some(slot) {
                keys.push(key);
            }
        }
        let own = self.pins.is_none();
        for &(slot, _) in &expired {
            let Some(flow) = slots.get(slot) else { continue };
            let key = flow.head.key.get();
            // The key of a flow that a predecessor lost may be another slot's by now.
            if own || slots.find(&key)? == Some(slot) {
                keys.push(key);
            }
        }
        // From here on some may be deleted, whatever else happens.
        ending.begun.append(&mut expired);
        if keys.is_empty() { Ok(()) } else { slots.delete_keys(&keys) }
    }
}
