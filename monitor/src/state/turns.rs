//! Who has the engine when: readers take short turns, one at a time, and a drain goes before all of them.
//!
//! A reader copies what it needs during its turn and writes its answer afterwards. While a drain is under way no
//! turn begins, so a drain waits for one turn at most, however many read and however slow they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::sync::lock;

/// Slots of the flow table that a reader looks at in one turn.
pub const SLOTS: u32 = 2048;
/// Flows that a reader copies in one turn.
pub const FLOWS: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    draining: AtomicBool,
    gate: Mutex<()>,
    over: Condvar,
}

impl Turns {
    /// Waits for a turn, which lasts until this is dropped.
    pub(super) fn take(&self) -> MutexGuard<'_, ()> {
        let mut gate = lock(&self.gate);
        while self.draining.load(Ordering::Acquire) {
            gate = self.over.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        gate
    }

    /// No turn begins as long as this is there.
    pub(super) fn hold_back(&self) -> Drain<'_> {
        self.draining.store(true, Ordering::Release);
        Drain { turns: self }
    }
}

/// A drain is under way.
#[derive(Debug)]
pub struct Drain<'a> {
    turns: &'a Turns,
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        // With the gate: who has just looked is waiting by now, and hears of it.
        let _gate = lock(&self.turns.gate);
        self.turns.draining.store(false, Ordering::Release);
        self.turns.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn no_turn_begins_while_a_drain_is_under_way() {
        let turns = Turns::default();
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let drain = turns.hold_back();
            let (begun, has_begun) = channel();
            for _ in 0..4 {
                let (begun, turns, taken) = (begun.clone(), &turns, &taken);
                scope.spawn(move || {
                    begun.send(()).unwrap();
                    let _turn = turns.take();
                    taken.fetch_add(1, Ordering::Relaxed);
                });
            }
            for _ in 0..4 {
                has_begun.recv().unwrap();
            }
            assert_eq!(taken.load(Ordering::Relaxed), 0);
            drop(drain);
        });
        assert_eq!(taken.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_drain_waits_for_the_turn_under_way_and_for_none_of_those_behind_it() {
        let turns = Turns::default();
        let engine = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let turn = turns.take();
            let held = lock(&engine);
            // Another reader stands behind the one whose turn it is.
            let next = scope.spawn(|| {
                let _turn = turns.take();
                lock(&engine).push("reader");
            });
            let drain = turns.hold_back();
            drop((held, turn));
            lock(&engine).push("drain");
            drop(drain);
            next.join().unwrap();
        });
        assert_eq!(*lock(&engine), ["drain", "reader"]);
    }
}
