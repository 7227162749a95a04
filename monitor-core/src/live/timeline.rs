//! The lives of flows over time: of those with most bytes, and of those that somebody looks at.

use crate::{flow::FlowId, label::TcpState, time::SECOND};

/// Flows that have one.
const LINES: usize = 256;
/// Of these, flows that are kept because somebody asked for them.
const ASKED: usize = 64;
/// How long somebody's question keeps one, ns.
const INTEREST: u64 = 60 * SECOND;
/// Most steps. When there are more, two become one.
const STEPS: usize = 300;
/// Most changes of state that are kept; those that come later are not.
const PASSAGES: usize = 16;
/// A flow takes the place of another when it has this many times its bytes.
const ADVANTAGE: u64 = 2;

/// What came in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Bytes by side: client, server.
    pub bytes: [u64; 2],
    /// Packets by side.
    pub packets: [u32; 2],
    /// TCP segments sent again, by side.
    pub retransmissions: [u32; 2],
}

impl Sample {
    fn add(&mut self, other: Self) {
        for side in 0..2 {
            self.bytes[side] = self.bytes[side].saturating_add(other.bytes[side]);
            self.packets[side] = self.packets[side].saturating_add(other.packets[side]);
            self.retransmissions[side] =
                self.retransmissions[side].saturating_add(other.retransmissions[side]);
        }
    }
}

/// A change of a connection's state, at the drain that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Flow clock, ns.
    pub time: u64,
    /// The state that it came to.
    pub state: TcpState,
}

/// The life of a flow since it was followed: steps of equal length, aligned to the zero of the flow clock.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose; none: the place is free.
    id: Option<FlowId>,
    /// Length of a step, ns.
    width: u64,
    /// Number of the first step.
    first: u64,
    samples: Vec<Sample>,
    passages: Vec<Passage>,
    /// Bytes since the flow began.
    bytes: u64,
    /// When somebody asked last, ns; 0: nobody did.
    asked: u64,
}

impl Line {
    fn new(id: FlowId, width: u64, now: u64) -> Self {
        let first = now / width;
        Self { id: Some(id), width, first, samples: Vec::new(), passages: Vec::new(), bytes: 0, asked: 0 }
    }

    fn take(&mut self, now: u64, sample: Sample) {
        if self.samples.is_empty() {
            self.first = now / self.width;
        }
        let mut at = (now / self.width).saturating_sub(self.first);
        while at >= STEPS as u64 {
            let odd = (self.first & 1) as usize;
            let mut halved = Vec::with_capacity(STEPS / 2 + 1);
            for (i, sample) in self.samples.iter().enumerate() {
                let to = (i + odd) >> 1;
                if to >= halved.len() {
                    halved.resize(to + 1, Sample::default());
                }
                if let Some(sum) = halved.get_mut(to) {
                    sum.add(*sample);
                }
            }
            self.samples = halved;
            self.first /= 2;
            self.width *= 2;
            at = (now / self.width).saturating_sub(self.first);
        }
        let at = at as usize;
        if at >= self.samples.len() {
            self.samples.resize(at + 1, Sample::default());
        }
        if let Some(sum) = self.samples.get_mut(at) {
            sum.add(sample);
        }
    }

    /// Length of a step, ns.
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// Begin of the first step, flow clock.
    pub const fn begin(&self) -> u64 {
        self.first.saturating_mul(self.width)
    }

    /// The steps up to the last with traffic.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Changes of the connection's state.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    fn is_asked(&self, now: u64) -> bool {
        self.asked != 0 && now.saturating_sub(self.asked) < INTEREST
    }
}

/// A flow that may be followed from this drain on.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: FlowId,
    bytes: u64,
    sample: Sample,
}

/// Lives of at most 256 flows.
#[derive(Debug, Default)]
pub struct Timelines {
    lines: Vec<Line>,
    free: Vec<u32>,
    candidates: Vec<Candidate>,
    /// Bytes that a flow must have to be followed.
    floor: u64,
    /// Length of a step at first, ns.
    step: u64,
}

impl Timelines {
    pub(super) fn new(step: u64) -> Self {
        Self { step: step.max(SECOND), ..Self::default() }
    }

    /// A flow gained something. `at` is its place, if it has one; `bytes` what it has in all.
    #[inline]
    pub(crate) fn gained(&mut self, at: u32, id: FlowId, bytes: u64, now: u64, sample: Sample) {
        if let Some(line) = self.lines.get_mut(at as usize)
            && line.id == Some(id)
        {
            line.bytes = bytes;
            line.take(now, sample);
        } else if bytes > self.floor {
            self.candidate(Candidate { id, bytes, sample });
        }
    }

    #[cold]
    fn candidate(&mut self, candidate: Candidate) {
        if self.candidates.len() >= 2 * LINES {
            self.candidates.select_nth_unstable_by_key(LINES - 1, |c| std::cmp::Reverse(c.bytes));
            self.candidates.truncate(LINES);
        }
        self.candidates.push(candidate);
    }

    /// A connection came to another state.
    pub(crate) fn passed(&mut self, at: u32, id: FlowId, time: u64, state: TcpState) {
        if let Some(line) = self.lines.get_mut(at as usize)
            && line.id == Some(id)
            && line.passages.len() < PASSAGES
        {
            line.passages.push(Passage { time, state });
        }
    }

    /// A flow has ended: its place is free.
    pub(crate) fn ended(&mut self, at: u32, id: FlowId) {
        if let Some(line) = self.lines.get_mut(at as usize)
            && line.id == Some(id)
        {
            line.id = None;
            line.samples = Vec::new();
            self.free.push(at);
        }
    }

    /// The life of a flow.
    pub(crate) fn get(&self, at: u32, id: FlowId) -> Option<&Line> {
        self.lines.get(at as usize).filter(|line| line.id == Some(id))
    }

    /// Somebody looks at a flow: from now on it is followed, unless too many are for that reason. Returns its
    /// place.
    pub(crate) fn ask(&mut self, at: u32, id: FlowId, bytes: u64, now: u64) -> Option<u32> {
        if let Some(line) = self.lines.get_mut(at as usize)
            && line.id == Some(id)
        {
            line.asked = now.max(1);
            return Some(at);
        }
        if self.lines.iter().filter(|line| line.id.is_some() && line.is_asked(now)).count() >= ASKED {
            return None;
        }
        let at = self.place(u64::MAX, now)?;
        let line = self.lines.get_mut(at as usize)?;
        *line = Line { bytes, asked: now.max(1), ..Line::new(id, self.step.max(SECOND), now) };
        Some(at)
    }

    /// A place for a flow with this many bytes: a free one, or that of the lightest if it is light enough.
    fn place(&mut self, bytes: u64, now: u64) -> Option<u32> {
        if let Some(at) = self.free.pop() {
            return Some(at);
        }
        if self.lines.len() < LINES {
            self.lines.push(Line { id: None, ..Line::new(FlowId { slot: 0, first: 0 }, SECOND, now) });
            return Some(self.lines.len() as u32 - 1);
        }
        let (at, line) = self.lightest(now)?;
        (bytes / ADVANTAGE > line.bytes).then_some(at)
    }

    fn lightest(&self, now: u64) -> Option<(u32, &Line)> {
        (0..).zip(&self.lines).filter(|(_, line)| !line.is_asked(now)).min_by_key(|(_, line)| line.bytes)
    }

    /// A drain at `now` has ended: the heaviest that were not followed are from now on. `place` is told each
    /// and where its life is kept, and says whether it still is there.
    pub(crate) fn settle(&mut self, now: u64, mut place: impl FnMut(FlowId, u32) -> bool) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable_by_key(|c| std::cmp::Reverse(c.bytes));
        for candidate in candidates.drain(..) {
            let Some(at) = self.place(candidate.bytes, now) else { break };
            let Some(line) = self.lines.get_mut(at as usize) else { break };
            if !place(candidate.id, at) {
                line.id = None;
                self.free.push(at);
                continue;
            }
            *line = Line::new(candidate.id, self.step.max(SECOND), now);
            line.bytes = candidate.bytes;
            line.take(now, candidate.sample);
        }
        self.candidates = candidates;
        let full = self.free.is_empty() && self.lines.len() >= LINES;
        let lightest = self.lightest(now).map_or(u64::MAX / ADVANTAGE, |(_, line)| line.bytes);
        self.floor = if full { lightest.saturating_mul(ADVANTAGE) } else { 0 };
    }

    /// How many flows are followed.
    pub fn len(&self) -> usize {
        self.lines.len() - self.free.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(slot: u32) -> FlowId {
        FlowId { slot, first: 1 }
    }

    fn sample(bytes: u64) -> Sample {
        Sample { bytes: [bytes, 0], ..Sample::default() }
    }

    /// Follows what gains, as the engine does.
    struct Followed {
        lines: Timelines,
        places: std::collections::HashMap<FlowId, u32>,
    }

    impl Followed {
        fn new() -> Self {
            Self { lines: Timelines::new(SECOND), places: std::collections::HashMap::new() }
        }

        fn gain(&mut self, slot: u32, bytes: u64, total: u64, second: u64) {
            let at = self.places.get(&id(slot)).copied().unwrap_or(u32::MAX);
            self.lines.gained(at, id(slot), total, second * SECOND, sample(bytes));
        }

        fn drain(&mut self, second: u64) {
            let Self { lines, places } = self;
            lines.settle(second * SECOND, |id, at| {
                places.insert(id, at);
                true
            });
        }

        fn get(&self, slot: u32) -> Option<&Line> {
            self.lines.get(*self.places.get(&id(slot))?, id(slot))
        }
    }

    #[test]
    fn steps_hold_what_came_in_them_and_idle_ones_nothing() {
        let mut followed = Followed::new();
        for (second, bytes) in [(10, 100), (11, 50), (14, 7)] {
            followed.gain(1, bytes, 1000, second);
            followed.drain(second);
        }
        let line = followed.get(1).unwrap();
        let bytes: Vec<u64> = line.samples().iter().map(|s| s.bytes[0]).collect();
        assert_eq!(bytes, [100, 50, 0, 0, 7]);
        assert_eq!((line.begin(), line.width()), (10 * SECOND, SECOND));
    }

    #[test]
    fn a_long_life_has_wider_steps_and_the_same_sum() {
        let mut followed = Followed::new();
        for second in 7..5000 {
            followed.gain(1, 3, second, second);
            followed.drain(second);
        }
        let line = followed.get(1).unwrap();
        assert!(line.samples().len() <= STEPS && line.width() >= 16 * SECOND, "{}", line.width());
        assert_eq!(line.samples().iter().map(|s| s.bytes[0]).sum::<u64>(), 3 * 4993);
        assert!(line.begin() <= 7 * SECOND && line.begin() + line.width() > 7 * SECOND);
    }

    #[test]
    fn the_heaviest_are_followed_and_memory_is_bounded() {
        let mut followed = Followed::new();
        for second in 1..20u64 {
            for slot in 0..5000u32 {
                let heavy = if slot % 50 == 0 { 1_000_000 } else { 10 };
                followed.gain(slot, heavy, second * heavy, second);
            }
            followed.drain(second);
            assert!(followed.lines.lines.len() <= LINES && followed.lines.candidates.is_empty());
        }
        for slot in (0..5000).step_by(50) {
            assert_eq!(followed.get(slot).map(|l| l.samples().len()), Some(19), "{slot}");
        }
    }

    #[test]
    fn who_is_asked_for_is_followed_whatever_its_weight_and_not_too_many() {
        let mut followed = Followed::new();
        for slot in 0..300 {
            followed.gain(slot, 1000, 1000, 1);
        }
        followed.drain(1);
        let mut got = 0;
        for slot in 1000..1100 {
            if let Some(at) = followed.lines.ask(u32::MAX, id(slot), 1, 2 * SECOND) {
                followed.places.insert(id(slot), at);
                got += 1;
            }
        }
        assert_eq!(got, ASKED);
        followed.gain(1000, 1, 2, 3);
        followed.gain(9999, 900, 900_000, 3);
        followed.drain(3);
        assert_eq!(followed.get(1000).map(|l| l.samples().len()), Some(1), "it is not replaced");
        assert!(followed.get(9999).is_some(), "others still are");
        // Nobody asks any more: heavier ones may have the places.
        for slot in 20_000..20_400 {
            followed.gain(slot, 900, 900_000, 100);
        }
        followed.drain(100);
        assert!(followed.get(1000).is_none());
    }

    #[test]
    fn who_ended_before_it_was_followed_takes_no_place() {
        let mut lines = Timelines::new(SECOND);
        for slot in 0..2000 {
            lines.gained(u32::MAX, id(slot), 10, SECOND, sample(10));
        }
        lines.settle(SECOND, |_, _| false);
        assert!(lines.is_empty());
    }

    #[test]
    fn who_has_ended_leaves_a_place() {
        let mut followed = Followed::new();
        for slot in 0..LINES as u32 {
            followed.gain(slot, 10, 10, 1);
        }
        followed.drain(1);
        followed.lines.ended(followed.places[&id(3)], id(3));
        assert_eq!((followed.lines.len(), followed.get(3).is_none()), (LINES - 1, true));
        followed.drain(2);
        followed.gain(999, 1, 1, 3);
        followed.drain(3);
        assert!(followed.get(999).is_some());
    }
}
