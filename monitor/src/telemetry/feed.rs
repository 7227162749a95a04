//! The events that people who watch are told, with what they say.

use std::collections::VecDeque;
use std::sync::Mutex;

use monitor_core::record::Time;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::sync::lock;

/// Most events that are kept.
const KEPT: usize = 256;
/// Most events of one kind among them: many of one are not to push out all others.
const OF_KIND: usize = 64;

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Worth a look.
    Warning,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Tells it from all others, those before a restart included; later ones have greater ones.
    pub id: u64,
    /// When.
    pub time: Time,
    /// Which kind: the name of an event of the log.
    pub kind: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line for people.
    pub text: String,
}

/// The last of them.
#[derive(Debug)]
pub struct Feed {
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    next: u64,
    events: VecDeque<Happening>,
}

impl Default for Feed {
    fn default() -> Self {
        // The second of the start first: ids go on growing when the process begins anew. They stay below
        // 2^53, up to which JavaScript counts whole.
        let second = clock::wall().max(0) as u64 / 1_000_000_000;
        Self { ring: Mutex::new(Ring { next: second * 1_000_000, events: VecDeque::new() }) }
    }
}

impl Feed {
    /// Takes an event of now.
    pub(super) fn push(&self, kind: &str, severity: Severity, text: String) {
        let time = Time(clock::wall().max(0) as u64);
        let mut ring = lock(&self.ring);
        ring.next += 1;
        let event = Happening { id: ring.next, time, kind: kind.to_owned(), severity, text };
        let alike = |e: &Happening| e.kind == event.kind;
        if ring.events.iter().filter(|e| alike(e)).count() >= OF_KIND {
            if let Some(oldest) = ring.events.iter().position(alike) {
                ring.events.remove(oldest);
            }
        } else if ring.events.len() >= KEPT {
            ring.events.pop_front();
        }
        ring.events.push_back(event);
    }

    /// The last of them, newest first.
    pub fn latest(&self, count: usize) -> Vec<Happening> {
        lock(&self.ring).events.iter().rev().take(count).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_one_kind_do_not_push_out_the_others() {
        let feed = Feed::default();
        feed.push("attached", Severity::Info, "eth0".to_owned());
        for n in 0..100_000 {
            feed.push("risk", Severity::Warning, n.to_string());
        }
        let all = feed.latest(usize::MAX);
        assert_eq!(all.len(), OF_KIND + 1);
        assert_eq!((all[0].text.as_str(), all[OF_KIND].text.as_str()), ("99999", "eth0"));
        assert!(all.is_sorted_by(|a, b| a.id > b.id) && all[0].id < 1 << 53);
        for n in 0..1000 {
            feed.push(&format!("kind {n}"), Severity::Info, String::new());
        }
        assert_eq!(feed.latest(usize::MAX).len(), KEPT);
        assert_eq!(feed.latest(3).len(), 3);
    }
}
