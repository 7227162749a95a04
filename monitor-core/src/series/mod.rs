//! The series budget: counters by a key that traffic chooses, in bounded number.
//!
//! A time series database is filled by labels whose values come from outside: ports, addresses,
//! names. A [`Family`] gives the keys with the most recent traffic a series each and counts the rest in
//! `other`, by these rules:
//!
//! * **Admission.** A new key gets a series while there are fewer than [`SeriesConfig::max_series`] and
//!   fewer than [`SeriesConfig::new_per_hour`] came in the last hour. When all are taken, it takes the
//!   place of the key that has been idle longest, if that is [`SeriesConfig::idle`] or longer; else of
//!   the key with the least recent traffic, once it has twice as much itself. Half of the hour's new
//!   series are kept for such heavy newcomers, so that a scan cannot use them up.
//! * **Eviction.** A key that is evicted vanishes with its history: `other` does not jump. What it
//!   counts later goes to `other`, or to a new series from 0 if it comes back.
//! * **Start.** A new series is 0 for [`SeriesConfig::zero_for`], which is to be two scrape intervals, so that every
//!   scraper sees it so and `rate()` sees its first increment, whoever else asks meanwhile. Nothing is lost: the
//!   increments are held, and of a key that leaves before they were shown they go to `other`.
//!
//! So `rate()` summed over the keys and `other` is right but for what an evicted key counted after its
//! last scrape, and the sum of the values themselves falls with each eviction. [`Family::total`] does
//! neither: it is what the sibling family without the key shows.

mod candidate;
mod lightest;
mod pace;

use std::collections::HashMap;
use std::hash::Hash;

use candidate::Candidates;
use foldhash::fast::RandomState;
use lightest::{Lightest, score};
use pace::{Births, Decay};

/// Bounds of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesConfig {
    /// Time series at a time, not counting `other`. A key with `N` counters is `N` of them.
    pub max_series: u32,
    /// New time series in any hour.
    pub new_per_hour: u32,
    /// Time without traffic after which a key gives way to any other, ns. Its half is the half-life of
    /// "recent".
    pub idle: u64,
    /// How long a new series is shown as 0, ns.
    pub zero_for: u64,
}

impl Default for SeriesConfig {
    fn default() -> Self {
        Self { max_series: 10_000, new_per_hour: 10_000, idle: 600_000_000_000, zero_for: 0 }
    }
}

/// How much more recent traffic than the lightest key a newcomer must have: without a margin, two
/// keys of like traffic would take turns, and each turn costs a new series.
const ADVANTAGE: f64 = 2.0;

/// Bounds of the number of keys that are watched without having a series.
const CANDIDATES: (usize, usize) = (16, 1024);

/// `N` counters for each key, for a bounded number of keys; the rest in `other`.
#[derive(Clone, Debug)]
pub struct Family<K, const N: usize> {
    config: SeriesConfig,
    index: HashMap<K, u32, RandomState>,
    entries: Vec<Entry<K, N>>,
    by_weight: Lightest,
    by_age: Lightest,
    candidates: Candidates<K>,
    births: Births,
    decay: Decay,
    now: u64,
    created: u64,
    /// Sequence of the newest key.
    newest: u64,
    total: [u64; N],
    other: [u64; N],
    evicted: [u64; N],
    overflow: u64,
    evictions: u64,
}

#[derive(Clone, Debug)]
struct Entry<K, const N: usize> {
    key: K,
    counts: [u64; N],
    weight: f64,
    last: u64,
    created: u64,
    sequence: u64,
}

/// A key with its numbers as a page shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series<'a, K, const N: usize> {
    /// The key.
    pub key: &'a K,
    /// Its counters; 0 while the series is new.
    pub values: [u64; N],
    /// When the series began, ns of the flow clock.
    pub created: u64,
}

impl<K: Hash + Eq + Clone, const N: usize> Family<K, N> {
    /// An empty family that begins now.
    pub fn new(config: SeriesConfig, now: u64) -> Self {
        Self {
            config,
            index: HashMap::default(),
            entries: Vec::new(),
            by_weight: Lightest::default(),
            by_age: Lightest::default(),
            candidates: Candidates::new(Self::watched(config)),
            births: Births::new(now),
            decay: Decay::new(config.idle / 2, now),
            now,
            created: now,
            newest: 0,
            total: [0; N],
            other: [0; N],
            evicted: [0; N],
            overflow: 0,
            evictions: 0,
        }
    }

    fn max_keys(config: SeriesConfig) -> usize {
        config.max_series as usize / N.max(1)
    }

    fn watched(config: SeriesConfig) -> usize {
        Self::max_keys(config).clamp(CANDIDATES.0, CANDIDATES.1)
    }

    /// Counts. Traffic of a key is the sum of its counters. O(1) for a key with a series, without
    /// allocation; amortized O(log n) for others. Zeros are no traffic and do nothing.
    pub fn add(&mut self, key: &K, values: [u64; N], now: u64) {
        let traffic = values.iter().fold(0.0, |sum, &v| sum + v as f64);
        self.add_weighing(key, values, traffic, now);
    }

    /// Counts what weighs something else than the sum of its counters: they have different units.
    pub fn add_weighing(&mut self, key: &K, values: [u64; N], traffic: f64, now: u64) {
        if traffic == 0.0 {
            return;
        }
        self.advance(now);
        let weight = traffic * self.decay.factor(self.now);
        accumulate(&mut self.total, &values);
        if let Some(entry) = self.index.get(key).and_then(|&slot| self.entries.get_mut(slot as usize)) {
            accumulate(&mut entry.counts, &values);
            entry.weight += weight;
            entry.last = self.now;
        } else if !self.admit(key, values, weight) {
            accumulate(&mut self.other, &values);
            self.overflow += 1;
        }
    }

    /// Counts in `other` what has no key that deserves a series.
    pub fn add_other(&mut self, values: &[u64; N]) {
        accumulate(&mut self.total, values);
        accumulate(&mut self.other, values);
    }

    /// Gives a new key a series, if the rules allow.
    fn admit(&mut self, key: &K, values: [u64; N], weight: f64) -> bool {
        let max_keys = Self::max_keys(self.config);
        let per_hour = self.config.new_per_hour / (N as u32).max(1);
        let recent = self.births.recent(self.now);
        let full = self.entries.len() >= max_keys;
        let own = if full { self.candidates.offer(key, weight) } else { weight };
        if max_keys == 0 || recent >= per_hour {
            return false;
        }
        let slot = if full {
            let Some(victim) = self.victim(own, recent < per_hour.div_ceil(2)) else { return false };
            self.retire(victim);
            self.candidates.remove(key);
            victim
        } else {
            self.entries.len() as u32
        };
        self.newest += 1;
        let entry = Entry {
            key: key.clone(),
            counts: values,
            weight: own,
            last: self.now,
            created: self.now,
            sequence: self.newest,
        };
        match self.entries.get_mut(slot as usize) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        self.index.insert(key.clone(), slot);
        self.births.add(self.now);
        self.by_weight.push(slot, self.newest, score(own));
        self.by_age.push(slot, self.newest, self.now);
        let entries = &self.entries;
        self.by_weight.compact(entries.len(), |slot| weight_of(entries, slot));
        self.by_age.compact(entries.len(), |slot| age_of(entries, slot));
        true
    }

    /// The slot that a newcomer with this much traffic of its own may take.
    fn victim(&mut self, own: f64, any_for_idle: bool) -> Option<u32> {
        let entries = &self.entries;
        let (idlest, last) = self.by_age.lowest(|slot| age_of(entries, slot))?;
        let idle = self.now.saturating_sub(last) >= self.config.idle;
        if idle && any_for_idle {
            return Some(idlest);
        }
        let (lightest, least) = self.by_weight.lowest(|slot| weight_of(entries, slot))?;
        let heavier = own > ADVANTAGE * f64::from_bits(least);
        heavier.then_some(if idle { idlest } else { lightest })
    }

    /// Takes the key of a slot off the page.
    fn retire(&mut self, slot: u32) {
        let Some(entry) = self.entries.get(slot as usize) else { return };
        self.index.remove(&entry.key);
        self.evictions += 1;
        // What no page can have shown is no history: it is counted where it can still be seen.
        let held = self.is_new(entry);
        accumulate(if held { &mut self.other } else { &mut self.evicted }, &entry.counts);
    }

    /// Time only goes forward here.
    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        if let Some(shrink) = self.decay.advance(self.now) {
            self.scale(shrink);
        }
    }

    fn scale(&mut self, by: f64) {
        for entry in &mut self.entries {
            entry.weight *= by;
        }
        self.candidates.scale(by);
        self.rebuild();
    }

    /// Fills index and heaps from the entries.
    fn rebuild(&mut self) {
        self.index.clear();
        self.by_weight.clear();
        self.by_age.clear();
        for (slot, entry) in (0..).zip(&self.entries) {
            self.index.insert(entry.key.clone(), slot);
            self.by_weight.push(slot, entry.sequence, score(entry.weight));
            self.by_age.push(slot, entry.sequence, entry.last);
        }
    }

    /// Other bounds from here on. Where fewer series are allowed than there are, idle keys go first,
    /// then the lightest.
    pub fn reconfigure(&mut self, config: SeriesConfig, now: u64) {
        self.advance(now);
        let shrink = self.decay.restart(config.idle / 2, self.now);
        self.config = config;
        self.candidates = Candidates::new(Self::watched(config));
        for entry in &mut self.entries {
            entry.weight *= shrink;
        }
        let max_keys = Self::max_keys(config);
        if self.entries.len() > max_keys {
            let active = |e: &Entry<K, N>| self.now.saturating_sub(e.last) < config.idle;
            self.entries.sort_by(|a, b| {
                (active(b).cmp(&active(a)))
                    .then(b.weight.total_cmp(&a.weight))
                    .then(a.sequence.cmp(&b.sequence))
            });
            for slot in max_keys..self.entries.len() {
                self.retire(slot as u32);
            }
            self.entries.truncate(max_keys);
        }
        self.rebuild();
    }

    /// A copy to write a page from: the series and sums as they are at `now`, without what decides about new keys.
    #[must_use]
    pub fn copied(&self, now: u64) -> Self {
        let mut copy = Self::new(self.config, self.now.max(now));
        copy.entries.clone_from(&self.entries);
        Self {
            created: self.created,
            newest: self.newest,
            total: self.total,
            other: self.other,
            evicted: self.evicted,
            overflow: self.overflow,
            evictions: self.evictions,
            ..copy
        }
    }

    /// Whether a series is still shown as 0.
    fn is_new(&self, entry: &Entry<K, N>) -> bool {
        self.now.saturating_sub(entry.created) < self.config.zero_for
    }

    /// All keys with a series, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Series<'_, K, N>> {
        self.entries.iter().map(|entry| self.series_of(entry))
    }

    /// The series of a key, if it has one.
    pub fn get(&self, key: &K) -> Option<Series<'_, K, N>> {
        let slot = *self.index.get(key)?;
        self.entries.get(slot as usize).map(|entry| self.series_of(entry))
    }

    fn series_of<'a>(&self, entry: &'a Entry<K, N>) -> Series<'a, K, N> {
        let values = if self.is_new(entry) { [0; N] } else { entry.counts };
        Series { key: &entry.key, values, created: entry.created }
    }

    /// Keys with a series.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key has a series.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Time series of keys: `N` for each.
    pub fn series(&self) -> u64 {
        (self.entries.len() * N) as u64
    }

    /// What keys without a series counted, and those that lost theirs before it was ever shown.
    /// Never falls.
    pub fn other(&self) -> &[u64; N] {
        &self.other
    }

    /// Everything that was ever added: the values of the sibling family without the key. Never falls.
    pub fn total(&self) -> &[u64; N] {
        &self.total
    }

    /// History that left the pages with its keys: [`Self::total`] less `other` less what the keys hold.
    pub fn evicted(&self) -> &[u64; N] {
        &self.evicted
    }

    /// When the family, and with it `other`, began; ns of the flow clock.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Additions that went to `other`.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Keys that lost their series.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }
}

fn accumulate<const N: usize>(sums: &mut [u64; N], values: &[u64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(*value);
    }
}

fn weight_of<K, const N: usize>(entries: &[Entry<K, N>], slot: u32) -> Option<(u64, u64)> {
    entries.get(slot as usize).map(|e| (e.sequence, score(e.weight)))
}

fn age_of<K, const N: usize>(entries: &[Entry<K, N>], slot: u32) -> Option<(u64, u64)> {
    entries.get(slot as usize).map(|e| (e.sequence, e.last))
}

#[cfg(test)]
mod tests;
