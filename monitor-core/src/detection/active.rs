//! Detections that go on: from the first sign until none came for a while.

use std::{collections::HashMap, net::IpAddr};

use super::DetectionTotals;
use crate::{
    label::DetectionKind,
    record::{DetectionCounts, DetectionRecord, Id, Text, Time},
};

/// Detections that go on at once; signs of further ones are counted as dropped.
const ACTIVE_MAX: usize = 1024;
/// Begins and ends that wait to be taken.
const NEWS_MAX: usize = 4096;

/// Something was seen that a kind of behaviour consists of.
#[derive(Clone, Debug)]
pub struct Sign {
    /// Of what.
    pub kind: DetectionKind,
    /// Of which sort of it.
    pub detail: &'static str,
    /// Who does it.
    pub source: Option<IpAddr>,
    /// To whom.
    pub target: Option<IpAddr>,
    /// On which port of it.
    pub port: Option<u16>,
    /// By which name.
    pub name: Option<Text>,
    /// How sure, from 0 to 1.
    pub score: f64,
    /// What was counted.
    pub counts: DetectionCounts,
    /// When what was counted began, flow clock.
    pub since: u64,
    /// When it was seen, flow clock.
    pub time: u64,
    /// The first flow that was counted.
    pub first: Id,
    /// The last one.
    pub last: Id,
}

impl Sign {
    /// The record of what was detected at `detected`; `until`: it is over. `wall_offset` makes Unix time of the flow
    /// clock.
    pub fn record(&self, detected: u64, until: Option<u64>, wall_offset: i64) -> DetectionRecord {
        let time = |time| Time::from_clock(time, wall_offset);
        DetectionRecord {
            time: time(until.unwrap_or(detected)),
            kind: self.kind,
            detail: Text::from(self.detail),
            source_ip: self.source,
            target_ip: self.target,
            target_port: self.port,
            name: self.name.clone(),
            since: time(self.since),
            until: until.map(time),
            score: self.score,
            counts: self.counts.clone(),
            first_flow: self.first,
            last_flow: self.last,
        }
    }
}

/// What makes two signs those of one detection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: DetectionKind,
    detail: &'static str,
    source: Option<IpAddr>,
    target: Option<IpAddr>,
    name: Option<Text>,
}

impl Key {
    fn of(sign: &Sign) -> Self {
        let Sign { kind, detail, source, target, ref name, .. } = *sign;
        // Of a flood one source is known in one step and many in the next; a server may have a name or not.
        let source = if kind == DetectionKind::Flood { None } else { source };
        let name = if target.is_some() && kind != DetectionKind::New { None } else { name.clone() };
        Self { kind, detail, source, target, name }
    }
}

/// A detection that goes on.
#[derive(Clone, Debug)]
pub struct Active {
    /// Its last sign, with the begin of the first.
    pub sign: Sign,
    /// When it was detected, flow clock.
    pub detected: u64,
}

/// All that go on.
#[derive(Debug, Default)]
pub(super) struct Actives {
    active: HashMap<Key, Active>,
    news: Vec<(Active, bool)>,
    detected: [u64; DetectionKind::COUNT],
    dropped: u64,
}

impl Actives {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A sign: it begins a detection or says that one goes on.
    pub(super) fn sign(&mut self, sign: Sign, hold: u64) {
        let key = Key::of(&sign);
        if let Some(known) = self.active.get_mut(&key) {
            if sign.time.saturating_sub(known.sign.time) <= hold {
                let Sign { since, first, .. } = known.sign;
                let time = sign.time.max(known.sign.time);
                known.sign = Sign { since: since.min(sign.since), first, time, ..sign };
                return;
            }
            // So long ago that it is another one.
            if let Some(over) = self.active.remove(&key) {
                self.tell(over, true);
            }
        }
        if self.active.len() >= ACTIVE_MAX {
            self.dropped += 1;
            return;
        }
        self.detected[sign.kind.index()] += 1;
        let active = Active { detected: sign.time, sign };
        self.tell(active.clone(), false);
        self.active.insert(key, active);
    }

    /// Ends those of which no sign came for `hold`.
    pub(super) fn expire(&mut self, now: u64, hold: u64) {
        let over: Vec<Key> = self
            .active
            .iter()
            .filter(|(_, active)| active.sign.time.saturating_add(hold) < now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if let Some(active) = self.active.remove(&key) {
                self.tell(active, true);
            }
        }
    }

    pub(super) fn end_all(&mut self) {
        let mut over: Vec<Active> = self.active.drain().map(|(_, active)| active).collect();
        over.sort_by_key(|active| (active.sign.since, active.sign.first.0));
        for active in over {
            self.tell(active, true);
        }
    }

    fn tell(&mut self, active: Active, over: bool) {
        if self.news.len() < NEWS_MAX {
            self.news.push((active, over));
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn take(&mut self, wall_offset: i64) -> Vec<DetectionRecord> {
        std::mem::take(&mut self.news)
            .into_iter()
            .map(|(Active { sign, detected }, over)| {
                sign.record(detected, over.then_some(sign.time), wall_offset)
            })
            .collect()
    }

    pub(super) fn all(&self) -> Vec<&Active> {
        let mut all: Vec<&Active> = self.active.values().collect();
        all.sort_by_key(|active| (std::cmp::Reverse(active.detected), active.sign.first.0));
        all
    }

    pub(super) fn totals(&self) -> DetectionTotals {
        let mut totals =
            DetectionTotals { detected: self.detected, dropped: self.dropped, ..DetectionTotals::default() };
        for key in self.active.keys() {
            totals.active[key.kind.index()] += 1;
        }
        totals
    }
}
