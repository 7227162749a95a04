//! Names by client and address, as DNS gave them.

use std::net::IpAddr;

use crate::{lru::Lru, record::Text, time::SECOND};

/// Bounds of a [`NameCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Pairs of client and address; those not used for longest are forgotten first.
    pub entries: u32,
    /// Seconds that an answer counts at least: clients keep using an address longer than they were told.
    pub floor: u32,
    /// Seconds that an answer counts at most: addresses change hands.
    pub ceiling: u32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { entries: 65_536, floor: 300, ceiling: 86_400 }
    }
}

#[derive(Clone, Debug)]
struct Named {
    name: Text,
    /// When it was told so first without a pause, flow clock.
    since: u64,
    /// Flow clock.
    until: u64,
    /// The name that it took the place of: what began under that one may be asked about later.
    before: Option<Box<Named>>,
}

impl Named {
    /// The name as of a time.
    fn at(&self, time: u64) -> Option<&Text> {
        if time < self.since {
            return self.before.as_ref()?.at(time);
        }
        (time <= self.until).then_some(&self.name)
    }
}

/// Which name a client asked for before it spoke to an address.
///
/// Kept by client: two clients may know one address by two names, and nobody but a client's own resolver
/// can say what it meant.
#[derive(Debug)]
pub struct NameCache {
    entries: Lru<(IpAddr, IpAddr), Named>,
    config: CacheConfig,
    evicted: u64,
}

impl NameCache {
    /// An empty cache.
    pub fn new(config: CacheConfig) -> Self {
        Self { entries: Lru::new(config.entries), config, evicted: 0 }
    }

    /// Notes that `client` was told that `name` has `address`, for `ttl` seconds. The last answer counts.
    pub fn insert(&mut self, client: IpAddr, address: IpAddr, name: Text, ttl: u32, now: u64) {
        let seconds = ttl.max(self.config.floor).min(self.config.ceiling);
        let until = now.saturating_add(u64::from(seconds) * SECOND);
        let key = (client, address);
        let named = match self.entries.peek(&key) {
            Some(same) if same.name == name && same.until >= now => Named { until, ..same.clone() },
            other => {
                // One is enough: a drain lies between what is asked and what was told.
                let before = other.map(|named| Box::new(Named { before: None, ..named.clone() }));
                Named { name, since: now, until, before }
            }
        };
        let gone = self.entries.insert(key, named);
        self.evicted += u64::from(gone.is_some_and(|(old, named)| old != key && named.until > now));
    }

    /// The name by which `client` had last asked for `address` at `now`, if the answer still counted. Packets of
    /// two CPUs may be read in another order than they came.
    pub fn lookup(&mut self, client: IpAddr, address: IpAddr, now: u64) -> Option<&Text> {
        let key = (client, address);
        if self.entries.peek(&key)?.until < now {
            self.entries.remove(&key);
            return None;
        }
        self.entries.get(&key)?.at(now)
    }

    /// The name that `client` knew for `address` at a time which may lie before the last answers.
    pub fn known_at(&self, client: IpAddr, address: IpAddr, time: u64) -> Option<&Text> {
        self.entries.peek(&(client, address))?.at(time)
    }

    /// Entries in the cache.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries that still counted and had to make room.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}
