//! How many different things there were, in bounded memory.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

/// Hashes that are kept one by one.
const EXACT: usize = 256;
/// Registers of the estimate: a power of two. The standard error is 1.04/√1024, 3 %.
const REGISTERS: usize = 1024;

/// Counts different values: exactly up to 256, after that by `HyperLogLog` (Flajolet and others, 2007).
#[derive(Clone, Debug)]
pub struct Distinct(Form);

#[derive(Clone, Debug)]
enum Form {
    /// Hashes, ascending.
    Exact(Vec<u64>),
    /// By register the longest run of zeros plus 1.
    Registers(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self(Form::Exact(Vec::new()))
    }
}

impl Distinct {
    /// Takes a value.
    pub fn insert(&mut self, value: &impl Hash) {
        self.hashed(FixedState::with_seed(0).hash_one(value));
    }

    fn hashed(&mut self, hash: u64) {
        match &mut self.0 {
            Form::Exact(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                if hashes.len() < EXACT {
                    hashes.insert(at, hash);
                    return;
                }
                let mut registers = Box::new([0; REGISTERS]);
                for &hash in hashes.iter().chain([&hash]) {
                    register(&mut registers, hash);
                }
                self.0 = Form::Registers(registers);
            }
            Form::Registers(registers) => register(registers, hash),
        }
    }

    /// Takes all values of another.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, Form::Exact(hashes)) => hashes.iter().for_each(|&hash| self.hashed(hash)),
            (Form::Registers(mine), Form::Registers(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                    *mine = (*mine).max(*theirs);
                }
            }
            (Form::Exact(hashes), Form::Registers(theirs)) => {
                let mut registers = theirs.clone();
                for &hash in hashes.iter() {
                    register(&mut registers, hash);
                }
                self.0 = Form::Registers(registers);
            }
        }
    }

    /// How many different values there were.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Form::Exact(hashes) => hashes.len() as u64,
            Form::Registers(registers) => estimate(registers),
        }
    }

    /// Whether the count is exact.
    pub const fn is_exact(&self) -> bool {
        matches!(self.0, Form::Exact(_))
    }
}

fn register(registers: &mut [u8; REGISTERS], hash: u64) {
    // The low bits choose the register, the others are the sample.
    let rank = (hash >> REGISTERS.ilog2()).trailing_zeros().min(53) as u8 + 1;
    if let Some(register) = registers.get_mut(hash as usize % REGISTERS) {
        *register = (*register).max(rank);
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let n = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|&rank| (-f64::from(rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / n) * n * n / sum;
    let empty: usize = registers.iter().map(|rank| usize::from(*rank == 0)).sum();
    // Few values leave registers empty, which says more than the ranks do.
    if raw <= 2.5 * n && empty > 0 {
        (n * (n / empty as f64).ln()).round() as u64
    } else {
        raw.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u32>) -> Distinct {
        let mut distinct = Distinct::default();
        values.for_each(|value| distinct.insert(&value));
        distinct
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let distinct = of((0..10_000).map(|i| i % 256));
        assert_eq!((distinct.count(), distinct.is_exact()), (256, true));
    }

    #[test]
    fn many_values_are_estimated_within_a_tenth() {
        for n in [257u32, 1_000, 3_000, 20_000, 300_000] {
            let distinct = of((0..n).chain(0..n / 2));
            let error = (distinct.count() as f64 / f64::from(n) - 1.0).abs();
            assert!(error < 0.1 && !distinct.is_exact(), "{n}: {}", distinct.count());
        }
    }

    #[test]
    fn merging_is_counting_together() {
        for (a, b) in [(0..100, 50..150), (0..100, 0..5000), (0..5000, 4000..4100), (0..5000, 2500..7500)] {
            let mut merged = of(a.clone());
            merged.merge(&of(b.clone()));
            assert_eq!(merged.count(), of(a.chain(b)).count());
        }
    }
}
