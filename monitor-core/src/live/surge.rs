//! When attempts to connect begin to fail much more often than before.

use super::Counters;
use crate::label::AttemptResult;

/// Time constant of what is usual, ns.
const USUAL: f64 = 300e9;
/// Time constant of what is now, ns.
const PRESENT: f64 = 10e9;
/// Failures a second from which on it may be one.
const LEAST: f64 = 5.0;
/// How many times what is usual it is.
const TIMES: f64 = 5.0;

/// Attempts that fail much more often than usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surge {
    /// How they end.
    pub result: AttemptResult,
    /// How many a second, smoothed.
    pub per_second: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    before: u64,
    present: f64,
    usual: f64,
    surging: bool,
}

/// Watches the results of attempts.
#[derive(Debug, Default)]
pub(super) struct Surges {
    watches: [Watch; AttemptResult::COUNT],
}

impl Surges {
    /// A drain that ended `interval` ns after the one before. Returns the surges that began.
    pub(super) fn drained(&mut self, interval: u64, counters: &Counters) -> Vec<Surge> {
        let mut found = Vec::new();
        for ((watch, result), now) in self.watches.iter_mut().zip(AttemptResult::ALL).zip(counters.attempts) {
            let gained = now.wrapping_sub(std::mem::replace(&mut watch.before, now));
            if result == AttemptResult::Established || interval == 0 {
                continue;
            }
            let rate = gained as f64 * 1e9 / interval as f64;
            let toward = |smooth: f64, constant: f64| {
                let left = (-(interval as f64) / constant).exp();
                smooth * left + rate * (1.0 - left)
            };
            watch.present = toward(watch.present, PRESENT);
            let bar = (watch.usual * TIMES).max(LEAST);
            // Once it has begun it ends well below where it began.
            if watch.surging {
                watch.surging = watch.present > bar / 2.0;
            } else if watch.present >= bar {
                watch.surging = true;
                found.push(Surge { result, per_second: watch.present });
            }
            watch.usual = toward(watch.usual, USUAL);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Seconds in which surges of refusals began.
    fn begins(rates: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let (mut surges, mut counters) = (Surges::default(), Counters::default());
        let mut begins = Vec::new();
        for (second, rate) in rates.into_iter().enumerate() {
            counters.attempts[AttemptResult::Refused.index()] += rate;
            counters.attempts[AttemptResult::Established.index()] += 1000 * rate;
            begins.extend(surges.drained(SECOND, &counters).iter().map(|surge| {
                assert_eq!(surge.result, AttemptResult::Refused);
                second
            }));
        }
        begins
    }

    #[test]
    fn many_refusals_at_once_are_told_once() {
        let burst = (0..400).map(|second| if (100..110).contains(&second) { 50 } else { 0 });
        assert_eq!(begins(burst), [101]);
    }

    #[test]
    fn what_is_usual_is_none_and_few_are_none() {
        assert!(begins(std::iter::repeat_n(4, 1000)).is_empty());
        // The first minutes are a surge: nothing was usual before.
        assert_eq!(begins(std::iter::repeat_n(20, 3000)).len(), 1);
        let growing = (0..3000).map(|second| 20 + second / 100);
        assert_eq!(begins(growing).len(), 1);
    }

    #[test]
    fn after_it_was_over_it_is_told_again() {
        let twice = (0..6000).map(|second| u64::from(second % 3000 < 10) * 100);
        assert_eq!(begins(twice).len(), 2);
    }
}
