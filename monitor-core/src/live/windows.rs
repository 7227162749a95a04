//! Windows of time that move on: buckets of three widths, twelve of each make a window.

use std::collections::{HashMap, VecDeque};

use super::{Asked, Bucket, Edge, Marks, Taken, Who, Window};
use crate::{record::Text, time::SECOND, top::Top};

/// Buckets of a window.
const BUCKETS: u64 = 12;
/// How much more a sum of buckets keeps than one of them.
const SUM: usize = 4;

/// Buckets of one width.
#[derive(Debug)]
struct Level {
    /// Nanoseconds.
    width: u64,
    /// Those that are full, oldest first.
    done: VecDeque<Bucket>,
    current: Bucket,
}

impl Level {
    fn new(window: Window, now: u64) -> Self {
        let width = window.seconds() * SECOND / BUCKETS;
        Self { width, done: VecDeque::new(), current: Bucket::new(now, Marks::default(), 1) }
    }

    /// Closes the current bucket if it is full at `now`. Returns it.
    fn roll(&mut self, now: u64, marks: &Marks) -> Option<&Bucket> {
        if now.saturating_sub(self.current.begin) < self.width {
            return None;
        }
        let full = std::mem::replace(&mut self.current, Bucket::new(now, marks.clone(), 1));
        self.done.push_back(full);
        self.done.back()
    }

    /// Forgets what ended before the window began: the end of a bucket is the begin of the next.
    fn forget(&mut self, now: u64) {
        let from = now.saturating_sub(self.width * BUCKETS);
        while !self.done.is_empty() && self.done.get(1).unwrap_or(&self.current).begin <= from {
            self.done.pop_front();
        }
    }
}

/// Sums by name of the last minute, five minutes and hour.
#[derive(Debug)]
pub struct Windows {
    levels: [Level; 3],
    now: u64,
}

impl Default for Windows {
    fn default() -> Self {
        Self::new(0)
    }
}

/// The sums of a window.
#[derive(Debug)]
pub struct Sums {
    /// Nanoseconds that they cover.
    pub covered: u64,
    /// By name.
    pub by_name: Bucket,
    /// What was counted before the window began.
    pub before: Marks,
    /// By domain over the last seconds, and how many nanoseconds these were.
    pub recent: (Top<Text, Taken>, Taken, u64),
}

impl Windows {
    /// Nothing yet, at `now`.
    pub fn new(now: u64) -> Self {
        Self { levels: Window::ALL.map(|window| Level::new(window, now)), now }
    }

    pub(super) fn named(&mut self, edge: Edge<'_>, taken: Taken) {
        self.levels[0].current.named(edge, taken);
    }

    pub(super) fn owned(&mut self, who: Who, taken: Taken) {
        self.levels[0].current.owned(who, taken);
    }

    pub(super) fn asked(&mut self, name: &Text, query: bool, failed: bool) {
        self.levels[0].current.asked(name, query, failed);
    }

    /// A drain at `now` has ended: full buckets are handed on. `marks` says what was counted by now.
    pub(super) fn drained(&mut self, now: u64, marks: impl FnOnce() -> Marks) {
        self.now = now;
        for level in &mut self.levels {
            level.forget(now);
        }
        let [fine, middle, coarse] = &mut self.levels;
        if now.saturating_sub(fine.current.begin) < fine.width {
            return;
        }
        let marks = marks();
        let Some(full) = fine.roll(now, &marks) else { return };
        middle.current.absorb(full);
        let Some(full) = middle.roll(now, &marks) else { return };
        coarse.current.absorb(full);
        coarse.roll(now, &marks);
    }

    /// The sums of a window: what its buckets and those on their way to it hold.
    pub fn sums(&self, window: Window) -> Sums {
        let level = window as usize;
        let begin = |level: &Level| level.done.front().unwrap_or(&level.current).begin;
        let mut sums = Bucket::new(self.now, Marks::default(), SUM);
        let mut first: Option<&Bucket> = None;
        for (at, of) in self.levels.iter().enumerate().take(level + 1) {
            let done = of.done.iter().filter(|_| at == level);
            for bucket in done.chain([&of.current]) {
                sums.absorb(bucket);
                if first.is_none_or(|first| bucket.begin < first.begin) {
                    first = Some(bucket);
                }
            }
        }
        let [fine, ..] = &self.levels;
        let mut recent = Bucket::new(self.now, Marks::default(), SUM);
        let mut since = fine.current.begin;
        for bucket in fine.done.back().into_iter().chain([&fine.current]) {
            recent.domains.absorb(&bucket.domains);
            recent.unresolved = Taken::sum([recent.unresolved, bucket.unresolved]);
            since = since.min(bucket.begin);
        }
        let covered = self.levels.get(level).map_or(0, |level| self.now.saturating_sub(begin(level)));
        Sums {
            covered,
            before: first.map(|first| first.before.clone()).unwrap_or_default(),
            by_name: sums,
            recent: (recent.domains, recent.unresolved, self.now.saturating_sub(since)),
        }
    }
}

impl Sums {
    /// At most `count` names behind a domain with their bytes, most first.
    pub fn names<'a>(&'a self, count: usize) -> impl Fn(&Text) -> Vec<(&'a Text, u64)> {
        let mut by_domain: HashMap<&Text, Vec<(&Text, u64)>> = HashMap::new();
        for ((domain, name), bytes) in self.by_name.names.sorted() {
            let names = by_domain.entry(domain).or_default();
            if names.len() < count {
                names.push((name, *bytes));
            }
        }
        move |domain| by_domain.get(domain).cloned().unwrap_or_default()
    }

    /// At most `count` names that were asked for, most queries first.
    pub fn asked(&self, count: usize) -> Vec<(Text, Asked)> {
        let sorted = self.by_name.asked.sorted();
        sorted.into_iter().take(count).map(|(name, asked)| (name.clone(), *asked)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use monitor_common::abi::Transport;

    use super::*;
    use crate::live::{Client, Counters, ServicePort};

    fn named(windows: &mut Windows, client: u32, name: &str, bytes: u64) {
        let text = Text::from(name);
        let edge = Edge {
            client: Client::Address(IpAddr::V4(Ipv4Addr::from_bits(client))),
            domain: Some(&text),
            name: Some(&text),
            service: Some(ServicePort { transport: Transport::Tcp, port: client as u16 }),
            hosts: [Some(IpAddr::V4(Ipv4Addr::from_bits(client))), None],
            owner: None,
        };
        windows.named(edge, Taken { received: bytes, transmitted: 0, connections: 1 });
    }

    fn all<K: Eq + std::hash::Hash + Ord + Clone>(top: &Top<K, Taken>) -> u64 {
        Taken::sum(top.iter().map(|(_, taken)| *taken).chain([*top.rest()])).bytes()
    }

    fn marks(windows: &Windows) -> impl FnOnce() -> Marks + use<> {
        let queries = windows.now;
        move || Marks {
            counters: Counters { dns_queries: queries, ..Counters::default() },
            ..Marks::default()
        }
    }

    fn drain(windows: &mut Windows, now: u64) {
        windows.now = now;
        let marks = marks(windows);
        windows.drained(now, marks);
    }

    #[test]
    fn a_window_has_what_came_in_it_and_at_most_a_bucket_more() {
        for interval in [SECOND / 3, SECOND, 7 * SECOND] {
            let mut windows = Windows::new(0);
            let mut now = 0;
            while now < 2 * 3600 * SECOND {
                now += interval;
                named(&mut windows, 1, "a.example", interval);
                drain(&mut windows, now);
            }
            for window in Window::ALL {
                let sums = windows.sums(window);
                let length = window.seconds() * SECOND;
                let most = length + length / 10 + 2 * interval;
                assert!((length..=most).contains(&sums.covered), "{window:?}: {}", sums.covered);
                assert_eq!(all(&sums.by_name.domains), sums.covered, "{window:?}, {interval}");
                let recent = sums.recent.2;
                assert!((5 * SECOND..=10 * SECOND + 2 * interval).contains(&recent), "{recent}");
                assert_eq!(all(&sums.recent.0), recent);
                // What was counted before is of the same moment.
                assert_eq!(sums.before.counters.dns_queries, now - sums.covered);
            }
        }
    }

    #[test]
    fn at_first_all_windows_have_all() {
        let mut windows = Windows::new(100 * SECOND);
        for second in 101..=130 {
            named(&mut windows, 1, "a.example", 10);
            drain(&mut windows, second * SECOND);
        }
        for window in Window::ALL {
            let sums = windows.sums(window);
            assert_eq!((all(&sums.by_name.domains), sums.covered), (300, 30 * SECOND));
            assert_eq!(sums.before.counters, Counters::default());
        }
    }

    #[test]
    fn a_flood_of_names_and_clients_is_bounded_and_loses_no_sum() {
        let mut windows = Windows::new(0);
        let mut total = 0;
        for second in 1..=90u64 {
            for n in 0..1500u32 {
                let unique = second as u32 * 10_000 + n;
                named(&mut windows, unique, &format!("n{unique}.flood.example"), 3);
                windows.asked(&Text::from(format!("q{unique}").as_str()), true, false);
                total += 3;
            }
            named(&mut windows, 7, "heavy.example", 10_000);
            total += 10_000;
            drain(&mut windows, second * SECOND);
        }
        let sums = windows.sums(Window::Hour);
        let by_name = &sums.by_name;
        assert_eq!(all(&by_name.domains), total);
        assert_eq!(all(&by_name.services), total);
        assert_eq!(all(&by_name.hosts), total);
        let edges = by_name.edges.iter().map(|(_, bytes)| bytes).sum::<u64>() + by_name.edges.rest();
        assert_eq!(edges, total);
        let names = by_name.names.iter().map(|(_, bytes)| bytes).sum::<u64>() + by_name.names.rest();
        assert_eq!(names, total);
        let heavy = by_name.domains.sorted()[0];
        assert_eq!((heavy.0.as_str(), heavy.1.bytes()), ("heavy.example", 900_000));
        assert_eq!(sums.names(5)(heavy.0), [(heavy.0, 900_000)]);
        for level in &windows.levels {
            for bucket in level.done.iter().chain([&level.current]) {
                assert!(bucket.domains.len() <= 2 * crate::live::DOMAINS);
                assert!(bucket.edges.len() <= 2 * crate::live::EDGES);
                assert!(bucket.hosts.len() <= 2 * crate::live::HOSTS);
                assert!(bucket.names.len() <= 2 * crate::live::NAMES);
                assert!(bucket.asked.len() <= 2 * crate::live::ASKED);
                assert!(bucket.services.len() <= 2 * crate::live::SERVICES);
            }
            assert!(level.done.len() <= BUCKETS as usize + 1);
        }
    }
}
