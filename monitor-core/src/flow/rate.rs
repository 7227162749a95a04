//! Rates of what was counted: means over the last 2, 10 and 40 seconds.
//!
//! Drains are put together to ticks of at least a second. A flow keeps what it gained in the last two ticks and in the
//! last twenty pairs of them; how long these took is the same for all flows and kept once, in [`Step`]. So a mean is
//! over a time that is known exactly, also where drains are far apart or late.

use super::Rate;

/// Lengths of the windows, nanoseconds: those of iftop.
const WINDOWS: [u64; 3] = [2_000_000_000, 10_000_000_000, 40_000_000_000];
/// A tick is over when it is this long. Drains once a second come a little early or late.
const TICK: u64 = 950_000_000;
/// Ticks whose beginnings are known: those of the longest window.
const TICKS: usize = 42;
/// Ticks that a flow keeps one by one.
const FINE: u64 = 2;
/// Pairs of ticks that a flow keeps.
const PAIRS: u64 = 20;

/// Turns increments of one drain into rates; the same for all flows of the drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// When the drain began.
    now: u64,
    /// Since the drain before, ns; 0: unknown, no rate.
    interval: u64,
    /// Number of the current tick.
    tick: u64,
    /// When the last ticks began, by number modulo [`TICKS`].
    begins: [u64; TICKS],
    /// By window.
    spans: [Span; 3],
}

/// What a mean is over: the first tick, and the time since that began.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: u64,
    seconds: f64,
}

impl Step {
    /// The first drain, at `now`: there is no rate yet.
    pub(crate) const fn first(now: u64) -> Self {
        const NONE: Span = Span { first: 0, seconds: 0.0 };
        Self { now, interval: 0, tick: 0, begins: [now; TICKS], spans: [NONE; 3] }
    }

    /// The drain after this, at `now`.
    pub(crate) fn next(&self, now: u64) -> Self {
        let mut next = Self { now, interval: now.saturating_sub(self.now), ..*self };
        if next.interval == 0 {
            return next;
        }
        if self.now.saturating_sub(self.begin(self.tick)) >= TICK {
            next.tick += 1;
            if let Some(begin) = next.begins.get_mut((next.tick % TICKS as u64) as usize) {
                *begin = self.now;
            }
        }
        next.spans = [
            next.span(WINDOWS[0], 1, FINE),
            next.span(WINDOWS[1], 2, PAIRS),
            next.span(WINDOWS[2], 2, PAIRS),
        ];
        next
    }

    /// Begin of the drain.
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    fn begin(&self, tick: u64) -> u64 {
        self.begins.get((tick % TICKS as u64) as usize).copied().unwrap_or(self.now)
    }

    /// The last groups of `group` ticks, at most `kept`, whose time is nearest to `window`.
    fn span(&self, window: u64, group: u64, kept: u64) -> Span {
        let last = self.tick / group;
        let time = |first: u64| self.now.saturating_sub(self.begin(first * group));
        let candidates = (last.saturating_sub(kept - 1)..=last).rev();
        let nearest = candidates.min_by_key(|first| time(*first).abs_diff(window)).unwrap_or(last);
        Span { first: nearest * group, seconds: time(nearest) as f64 / 1e9 }
    }

    /// Begin of the drain before.
    pub(crate) const fn before(&self) -> u64 {
        self.now - self.interval
    }
}

/// Rates of one direction. Takes memory once there is one, so never in a capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Option<Box<Gains>>);

/// What was gained of late, by tick.
#[derive(Clone, Debug)]
struct Gains {
    /// The last tick with a gain.
    tick: u64,
    /// Bytes and packets, by tick modulo [`FINE`].
    fine: [(f32, f32); FINE as usize],
    /// Bytes, by half of the tick modulo [`PAIRS`].
    pairs: [f32; PAIRS as usize],
}

impl Gains {
    const NONE: Self = Self { tick: 0, fine: [(0.0, 0.0); FINE as usize], pairs: [0.0; PAIRS as usize] };

    /// Goes on to a later tick: what is out of its reach is forgotten.
    fn advance(&mut self, tick: u64) {
        let first = (self.tick + 1).max(tick.saturating_sub(FINE - 1));
        for between in first..=tick {
            if let Some(fine) = self.fine.get_mut((between % FINE) as usize) {
                *fine = (0.0, 0.0);
            }
        }
        let first = (self.tick / 2 + 1).max((tick / 2).saturating_sub(PAIRS - 1));
        for between in first..=tick / 2 {
            if let Some(pair) = self.pairs.get_mut((between % PAIRS) as usize) {
                *pair = 0.0;
            }
        }
        self.tick = tick;
    }

    fn add(&mut self, packets: u64, bytes: u64) {
        if let Some(fine) = self.fine.get_mut((self.tick % FINE) as usize) {
            fine.0 += bytes as f32;
            fine.1 += packets as f32;
        }
        if let Some(pair) = self.pairs.get_mut((self.tick / 2 % PAIRS) as usize) {
            *pair += bytes as f32;
        }
    }

    /// Bytes and packets since the tick `first`, of those kept one by one.
    fn since(&self, first: u64) -> (f64, f64) {
        let ticks = first.max(self.tick.saturating_sub(FINE - 1))..=self.tick;
        let kept = ticks.filter_map(|tick| self.fine.get((tick % FINE) as usize));
        kept.fold((0.0, 0.0), |sum, (bytes, packets)| {
            (sum.0 + f64::from(*bytes), sum.1 + f64::from(*packets))
        })
    }

    /// Bytes since the tick `first`, which begins a pair.
    fn since_pair(&self, first: u64) -> f64 {
        let pairs = (first / 2).max((self.tick / 2).saturating_sub(PAIRS - 1))..=self.tick / 2;
        pairs.filter_map(|pair| self.pairs.get((pair % PAIRS) as usize)).map(|bytes| f64::from(*bytes)).sum()
    }
}

impl Meter {
    /// Takes the increments of a drain.
    pub(crate) fn update(&mut self, step: &Step, packets: u64, bytes: u64) {
        if step.interval == 0 || packets == 0 && bytes == 0 {
            return;
        }
        let gains = self.0.get_or_insert_with(|| Box::new(Gains { tick: step.tick, ..Gains::NONE }));
        gains.advance(step.tick);
        gains.add(packets, bytes);
    }

    /// The rates at the drain `step`, which may have brought nothing.
    pub(crate) fn rate(&self, step: &Step) -> Rate {
        let [short, medium, long] = step.spans;
        let Some(gains) = self.0.as_deref().filter(|_| short.seconds > 0.0) else { return Rate::default() };
        let (bytes, packets) = gains.since(short.first);
        Rate {
            bytes: bytes / short.seconds,
            packets: packets / short.seconds,
            bytes_10s: gains.since_pair(medium.first) / medium.seconds,
            bytes_40s: gains.since_pair(long.first) / long.seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Rates after drains at `times`, each of which brings what `gain` says of its time.
    fn after(times: impl IntoIterator<Item = u64>, gain: impl Fn(u64) -> u64) -> Rate {
        let (mut meter, mut step) = (Meter::default(), Step::first(0));
        for time in times {
            step = step.next(time);
            let bytes = gain(time);
            meter.update(&step, u64::from(bytes > 0), bytes);
        }
        meter.rate(&step)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= b.abs() * 0.001
    }

    #[test]
    fn a_stream_has_its_rate_after_two_seconds() {
        // The agent runs for a minute; the stream for its last two seconds.
        let rate = after((1..=60).map(|n| n * SECOND), |t| if t > 58 * SECOND { 5_000_000 } else { 0 });
        assert!(near(rate.bytes, 5e6), "{rate:?}");
        assert!(near(rate.packets, 1.0), "{rate:?}");
        assert!(near(rate.bytes_10s, 1e6), "{rate:?}");
        assert!(near(rate.bytes_40s, 250e3), "{rate:?}");
    }

    #[test]
    fn a_constant_rate_is_the_mean_of_every_window() {
        for interval in [SECOND / 5, SECOND, 3 * SECOND / 2, 5 * SECOND, 15 * SECOND] {
            let rate = after((1..=400).map(|n| n * interval), |_| interval / 1000);
            for mean in [rate.bytes, rate.bytes_10s, rate.bytes_40s] {
                assert!(near(mean, 1e6), "each {interval} ns: {rate:?}");
            }
        }
    }

    #[test]
    fn late_and_early_drains_change_no_mean() {
        let jitter = |n: u64| n * SECOND + [0, 30_000_000, 0, 45_000_000, 10_000_000][(n % 5) as usize];
        let (mut meter, mut step) = (Meter::default(), Step::first(jitter(0)));
        for n in 1..=100 {
            step = step.next(jitter(n));
            meter.update(&step, 1, jitter(n) - jitter(n - 1));
            let rate = meter.rate(&step);
            assert!(near(rate.bytes, 1e9), "{n}: {rate:?}");
        }
    }

    #[test]
    fn what_is_silent_falls_to_nothing_within_each_window() {
        let (mut meter, mut step) = (Meter::default(), Step::first(0));
        for n in 1..=60 {
            step = step.next(n * SECOND);
            meter.update(&step, 10, 1000);
        }
        for n in 61..=103 {
            step = step.next(n * SECOND);
            let rate = meter.rate(&step);
            assert_eq!(rate.bytes == 0.0, n >= 62, "{n}: {rate:?}");
            if n >= 71 {
                assert!(rate.bytes_10s == 0.0, "{n}: {rate:?}");
            }
            if n >= 101 {
                assert!(rate.bytes_40s == 0.0, "{n}: {rate:?}");
            }
        }
    }

    #[test]
    fn what_comes_after_a_pause_is_not_added_to_what_was_before() {
        for pause in [2, 3, 41, 42, 43, 80, 1000] {
            let times = (1..=50).chain([50 + pause]).map(|n| n * SECOND);
            let rate = after(times, |t| if t <= 50 * SECOND { 1_000_000 } else { 40 });
            let seconds = pause as f64;
            assert!(near(rate.bytes, 40.0 / seconds), "{pause}: {rate:?}");
            if pause >= 40 {
                assert!(near(rate.bytes_40s, 40.0 / seconds), "{pause}: {rate:?}");
            }
        }
    }

    #[test]
    fn a_drain_without_duration_has_no_rate() {
        let mut meter = Meter::default();
        let step = Step::first(SECOND).next(SECOND);
        meter.update(&step, 1, 1);
        assert_eq!(meter.rate(&step), Rate::default());
    }
}
