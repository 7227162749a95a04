//! Who makes room in a table that is short of it.
//!
//! How much room is wanted follows what comes: three times the flows that began within a second, or since the drain
//! before if that is longer ago, between a tenth and half of the table. As long as that much is free, flows end by
//! their timeouts. Otherwise those go first that nobody misses, in the order of [`LetGo`], each kind by silence and
//! only as many as needed; who had a packet since the drain before stays. If that is not enough to keep a tenth of
//! the table free, whoever was silent longest goes, those that nobody answered before all others: so a flood from
//! made-up addresses ends itself and no connection.

use super::{entry::Entry, expiry::Timeouts, table::Table};
use crate::{
    flow::expiry,
    label::{EndReason, LetGo, TcpState},
    time::SECOND,
};

/// What a table wants to have free, as a part of it: at least a tenth, at most half.
const LEAST: usize = 10;
const MOST: usize = 2;
/// So many times what began lately.
const AHEAD: usize = 3;

/// Flows that began lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    /// Within a second, or within the interval of the drain where that is longer.
    recent: u64,
}

impl Demand {
    /// So many began in the interval of this drain, ns. Drains that come early do not make the demand look smaller.
    pub(crate) const fn take(&mut self, began: u32, interval: u64) {
        let kept = SECOND.saturating_sub(interval);
        self.recent = (self.recent as u128 * kept as u128 / SECOND as u128) as u64 + began as u64;
    }
}

/// A table that is looked at when a drain has read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pressure {
    /// Entries that there is room for.
    pub(crate) room: usize,
    /// What began lately.
    pub(crate) demand: Demand,
    /// Begin of the drain before.
    pub(crate) before: u64,
    /// Begin of this drain.
    pub(crate) now: u64,
}

impl Pressure {
    /// Entries that may stay, and those that may stay whoever must go for it.
    const fn bounds(&self) -> (usize, usize) {
        let most = self.room - self.room.div_ceil(LEAST);
        let wanted = (self.demand.recent as usize).saturating_mul(AHEAD);
        let half = self.room / MOST;
        let free = if wanted < half { wanted } else { half };
        let easy = self.room - free;
        (if easy < most { easy } else { most }, most)
    }

    /// The slots to be emptied now, beside those in `ending`, which are sorted by slot. `None`: the table has room.
    pub(crate) fn let_go(
        &self,
        table: &Table,
        timeouts: &Timeouts,
        ending: &[(u32, EndReason)],
    ) -> Option<Vec<(u32, LetGo)>> {
        let (easy, most) = self.bounds();
        let stay = table.len().saturating_sub(ending.len());
        if stay <= easy {
            return None;
        }
        let ends = |slot: &u32| ending.binary_search_by_key(slot, |(s, _)| *s).is_ok();
        let entries = || table.iter().filter(|(slot, _)| !ends(slot));
        let mut found: Vec<(LetGo, u64, u32)> = entries()
            .filter_map(|(slot, entry)| Some((self.kind(entry, timeouts)?, entry.last, slot)))
            .collect();
        first(&mut found, stay - easy);
        let mut gone: Vec<(u32, LetGo)> = found.into_iter().map(|(kind, _, slot)| (slot, kind)).collect();
        let still = (stay - gone.len()).saturating_sub(most);
        if still != 0 {
            gone.sort_unstable_by_key(|(slot, _)| *slot);
            let mut others: Vec<(bool, u64, u32)> = entries()
                .filter(|(slot, _)| gone.binary_search_by_key(slot, |(s, _)| *s).is_err())
                .map(|(slot, entry)| (is_mutual(entry), entry.last, slot))
                .collect();
            first(&mut others, still);
            gone.extend(others.into_iter().map(|(_, _, slot)| (slot, LetGo::Any)));
        }
        Some(gone)
    }

    /// As what a flow may go; `None`: it stays.
    fn kind(&self, entry: &Entry, timeouts: &Timeouts) -> Option<LetGo> {
        if entry.last >= self.before {
            return None;
        }
        let tcp = entry.key.protocol == 6;
        if tcp && (entry.track.connection().finished() || entry.track.connection().was_reset()) {
            Some(LetGo::Ended)
        } else if !is_mutual(entry) {
            Some(LetGo::Unanswered)
        } else if !tcp {
            Some(LetGo::Silent)
        } else if entry.last.saturating_add(timeouts.pressure) <= self.now {
            Some(LetGo::IdleTcp)
        } else {
            None
        }
    }
}

impl LetGo {
    /// What the record of such a flow says of its end.
    pub(crate) fn reason(self, entry: &Entry) -> EndReason {
        match self {
            Self::Ended => expiry::end(entry, &Timeouts::default()).1,
            Self::Unanswered | Self::Silent | Self::IdleTcp | Self::Any => EndReason::Evicted,
        }
    }
}

/// Keeps the `wanted` least.
fn first<T: Ord>(all: &mut Vec<T>, wanted: usize) {
    if wanted < all.len() {
        all.select_nth_unstable(wanted);
        all.truncate(wanted);
    }
}

/// Whether both ends take part: whoever makes up the address of one cannot have that.
fn is_mutual(entry: &Entry) -> bool {
    match entry.state() {
        Some(TcpState::Established | TcpState::HalfClosed) => true,
        Some(TcpState::Midstream) | None => entry.answered,
        Some(_) => false,
    }
}
