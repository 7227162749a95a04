//! Sources that reach unusually many hosts or ports: scans, worms, and whatever looks like one.
//!
//! Each client has, for the present half of the window and the one before, the sets of the server
//! addresses and of the server ports that it began flows to. A source is over a threshold when both
//! halves together hold as many; it is told once, and again only after it was below. So what counts was
//! reached within the last window, of which up to half may already be forgotten.
//!
//! Memory is bounded: a set is exact while it is small and a sketch beyond that (see `sketch.rs`), and of
//! the sources the least recently active are forgotten. Nobody can push a source out that goes on.

mod sketch;

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, Hash},
    net::IpAddr,
};

use foldhash::quality::RandomState;
use monitor_common::abi::Transport;

use crate::{
    label::{ClientRule, FanoutKind},
    lru::Lru,
    record::{FanoutRecord, Time},
};
use sketch::{Set, union};

/// What is unusual, and how many sources are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanoutConfig {
    /// Nanoseconds in which a source is to reach a threshold.
    pub window: u64,
    /// Server addresses from which on a source counts; 0: never.
    pub hosts: u32,
    /// Server ports from which on a source counts; 0: never.
    pub ports: u32,
    /// Sources that are watched at once; each holds at most about 2 KiB.
    pub max_sources: u32,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self { window: 60_000_000_000, hosts: 256, ports: 128, max_sources: 4096 }
    }
}

impl FanoutConfig {
    const fn threshold(&self, kind: FanoutKind) -> u64 {
        let limit = match kind {
            FanoutKind::Hosts => self.hosts,
            FanoutKind::Ports => self.ports,
        };
        if limit == 0 { u64::MAX } else { limit as u64 }
    }

    /// Half of the window.
    const fn half(&self) -> u64 {
        if self.window < 2 { 1 } else { self.window / 2 }
    }
}

/// A source that passed a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// When, flow clock.
    pub time: u64,
    /// Its address.
    pub source: IpAddr,
    /// What it reached many of.
    pub kind: FanoutKind,
    /// How many then.
    pub count: u64,
    /// Length of the window, nanoseconds.
    pub window: u64,
}

impl Detection {
    /// The record of it.
    pub fn record(&self, wall_offset: i64) -> FanoutRecord {
        FanoutRecord {
            time: Time::from_clock(self.time, wall_offset),
            source: self.source,
            kind: self.kind,
            count: self.count,
            window_seconds: self.window as f64 / 1e9,
        }
    }
}

/// A source that is over a threshold now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Its address.
    pub source: IpAddr,
    /// What it reaches many of.
    pub kind: FanoutKind,
    /// How many, as far as the window goes back.
    pub count: u64,
    /// When it passed the threshold, flow clock.
    pub since: u64,
}

/// Numbers of a [`Fanout`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FanoutTotals {
    /// Sources that are over a threshold now, by [`FanoutKind`].
    pub sources: [u64; FanoutKind::COUNT],
    /// Of these, sources that are this host or within its networks, by [`FanoutKind`].
    pub inside: [u64; FanoutKind::COUNT],
    /// Times that a source passed a threshold, by [`FanoutKind`].
    pub detected: [u64; FanoutKind::COUNT],
    /// Sources that are watched.
    pub watched: u64,
    /// Sources that were forgotten within their window to make room for others.
    pub evicted: u64,
}

/// What is kept of a source.
#[derive(Clone, Debug, Default)]
struct Source {
    /// It is this host, or within its networks.
    inside: bool,
    /// Number of the present half window.
    half: u64,
    last: u64,
    /// Of the present half and the one before, by [`FanoutKind`].
    sets: [[Set; FanoutKind::COUNT]; 2],
    /// When it passed the threshold, by [`FanoutKind`].
    over: [Option<u64>; FanoutKind::COUNT],
}

impl Source {
    fn count(&self, kind: FanoutKind) -> u64 {
        let [now, before] = &self.sets;
        union(&now[kind.index()], &before[kind.index()])
    }

    /// Goes on to another half window. Returns whether it is another.
    fn advance(&mut self, half: u64) -> bool {
        match half.checked_sub(self.half) {
            // Flows are told nearly in order of their first packets.
            None | Some(0) => return false,
            Some(1) => self.sets.swap(0, 1),
            Some(_) => self.sets[1] = Default::default(),
        }
        self.sets[0] = Default::default();
        self.half = half;
        true
    }
}

/// Watches who reaches how many.
#[derive(Debug)]
pub struct Fanout {
    config: FanoutConfig,
    sources: Lru<IpAddr, Source>,
    hasher: RandomState,
    totals: FanoutTotals,
    news: Vec<Detection>,
}

/// Whether a flow says that its client reached for its server: TCP by a handshake, for otherwise it may
/// go on from before; UDP and SCTP always. ICMP answers what others sent.
pub const fn reaches(transport: Transport, rule: ClientRule) -> bool {
    match transport {
        Transport::Tcp => matches!(rule, ClientRule::Syn | ClientRule::SynAck),
        Transport::Udp | Transport::Sctp => true,
        _ => false,
    }
}

impl Fanout {
    /// One that has seen nothing.
    pub fn new(config: FanoutConfig) -> Self {
        Self {
            config,
            sources: Lru::new(config.max_sources),
            hasher: RandomState::default(),
            totals: FanoutTotals::default(),
            news: Vec::new(),
        }
    }

    /// Goes on with other thresholds: what is known of sources begins anew, the totals stay.
    pub fn reconfigure(&mut self, config: FanoutConfig) {
        if self.config != config {
            let totals = FanoutTotals { sources: [0; 2], inside: [0; 2], watched: 0, ..self.totals };
            *self = Self { totals, news: std::mem::take(&mut self.news), ..Self::new(config) };
        }
    }

    /// A client beyond the networks of this host began a flow to a server's port at `now`.
    pub fn reached(&mut self, source: IpAddr, server: IpAddr, port: u16, now: u64) {
        self.reached_from(source, false, server, port, now);
    }

    /// A client began a flow to a server's port at `now`; `inside`: it is this host, or within its networks.
    pub fn reached_from(&mut self, source: IpAddr, inside: bool, server: IpAddr, port: u16, now: u64) {
        self.expire(now);
        if self.sources.peek(&source).is_none()
            && let Some((_, gone)) = self.sources.insert(source, Source { inside, ..Source::default() })
        {
            self.totals.evicted += 1;
            self.leave(&gone);
        }
        let Self { config, sources, hasher, totals, news } = self;
        let Some(known) = sources.get(&source) else { return };
        known.last = known.last.max(now);
        let moved = known.advance(now / config.half());
        for kind in FanoutKind::ALL {
            let hash = match kind {
                FanoutKind::Hosts => hash(hasher, server),
                FanoutKind::Ports => hash(hasher, port),
            };
            let grew = known.sets[0][kind.index()].insert(hash);
            if !grew && !moved {
                continue;
            }
            let is_over = known.over[kind.index()].is_some();
            if is_over && !moved {
                continue;
            }
            let count = known.count(kind);
            let over = &mut known.over[kind.index()];
            match (is_over, count >= config.threshold(kind)) {
                (false, true) => {
                    *over = Some(now);
                    totals.sources[kind.index()] += 1;
                    totals.inside[kind.index()] += u64::from(known.inside);
                    totals.detected[kind.index()] += 1;
                    // Whoever takes them does so at each drain; a source is told once a window.
                    if news.len() < config.max_sources as usize {
                        news.push(Detection { time: now, source, kind, count, window: config.window });
                    }
                }
                (true, false) => {
                    *over = None;
                    totals.sources[kind.index()] -= 1;
                    totals.inside[kind.index()] -= u64::from(known.inside);
                }
                _ => {}
            }
        }
    }

    /// Forgets sources that began nothing within a window.
    pub fn expire(&mut self, now: u64) {
        while let Some((_, source)) = self.sources.oldest()
            && source.last.saturating_add(self.config.window) < now
            && let Some((_, gone)) = self.sources.pop_oldest()
        {
            self.leave(&gone);
        }
    }

    fn leave(&mut self, source: &Source) {
        let FanoutTotals { sources, inside, .. } = &mut self.totals;
        for ((sources, inside), over) in sources.iter_mut().zip(inside).zip(source.over) {
            *sources -= u64::from(over.is_some());
            *inside -= u64::from(over.is_some() && source.inside);
        }
    }

    /// The sources that passed a threshold since the last call, in that order.
    pub fn take_news(&mut self) -> Vec<Detection> {
        std::mem::take(&mut self.news)
    }

    /// The sources that are over a threshold now, those that reach most first.
    pub fn over(&self) -> Vec<Over> {
        let mut all: Vec<Over> = self
            .sources
            .iter()
            .flat_map(|(source, known)| {
                FanoutKind::ALL.into_iter().filter_map(|kind| {
                    let since = known.over[kind.index()]?;
                    Some(Over { source: *source, kind, count: known.count(kind), since })
                })
            })
            .collect();
        all.sort_unstable_by_key(|over| (std::cmp::Reverse(over.count), over.source, over.kind));
        all
    }

    /// Numbers.
    pub fn totals(&self) -> FanoutTotals {
        FanoutTotals { watched: self.sources.len() as u64, ..self.totals }
    }

    /// The configuration.
    pub const fn config(&self) -> &FanoutConfig {
        &self.config
    }

    /// Bytes of memory that the sets hold.
    pub fn memory(&self) -> usize {
        let sets = |source: &Source| source.sets.iter().flatten().map(Set::memory).sum::<usize>();
        self.sources.iter().map(|(_, source)| size_of::<Source>() + sets(source)).sum()
    }
}

fn hash(hasher: &RandomState, value: impl Hash) -> u64 {
    hasher.hash_one(value)
}
