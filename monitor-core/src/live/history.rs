//! The past in steps of equal length: the last hour, and the last day in coarser steps.

use std::collections::VecDeque;

use super::Counters;
use crate::{label::TcpCounter, time::SECOND};

/// How far it goes back unless told, ns.
const SPAN: u64 = 3600 * SECOND;
/// Steps that one reading fills without being a gap: drains are not quite as long as steps.
const JITTER: u64 = 2;

/// What came in one step, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Bytes received and transmitted, each flow counted once.
    pub bytes: [f32; 2],
    /// Packets received and transmitted.
    pub packets: [f32; 2],
    /// Flows in the table at its end.
    pub active: f32,
    /// TCP segments sent again.
    pub retransmitted: f32,
    /// Connection attempts that failed.
    pub failed_attempts: f32,
    /// DNS queries.
    pub dns_queries: f32,
    /// DNS responses with an error.
    pub dns_errors: f32,
    /// How many steps the reading that it comes from spans, where that is a gap; else 0.
    pub gap: u32,
}

/// One point a step, oldest first.
#[derive(Clone, Debug)]
pub struct History {
    /// Length of a step, ns.
    step: u64,
    /// Most points.
    most: u64,
    points: VecDeque<Point>,
    /// Number of the step after the last point, since the zero of the flow clock.
    next: u64,
    /// When the last point was made, and what was counted by then.
    at: u64,
    before: Counters,
}

impl Default for History {
    fn default() -> Self {
        Self::new(SECOND, 0)
    }
}

impl History {
    /// Nothing yet, at `now`; `step` in nanoseconds. It goes back an hour.
    pub fn new(step: u64, now: u64) -> Self {
        Self::spanning(SPAN, step, now)
    }

    /// One that goes back `span` nanoseconds.
    pub fn spanning(span: u64, step: u64, now: u64) -> Self {
        let step = step.max(SECOND);
        Self {
            step,
            most: (span / step).max(1),
            points: VecDeque::new(),
            next: now / step,
            at: now,
            before: Counters::default(),
        }
    }

    /// What was counted before it began is of no step.
    pub(super) const fn begin(&mut self, counters: &Counters) {
        self.before = *counters;
    }

    /// Takes what was counted by `now`. A reading fills all steps since the one before.
    pub(super) fn drained(&mut self, now: u64, counters: &Counters, active: u64) {
        let end = now / self.step + 1;
        let elapsed = now.saturating_sub(self.at);
        // Half a step at least: what comes in an instant has no rate.
        if end <= self.next || elapsed < self.step / 2 {
            return;
        }
        let most = self.most;
        let steps = end - self.next;
        let rate = |of: fn(&Counters) -> u64| {
            (of(counters).wrapping_sub(of(&self.before)) as f64 * 1e9 / elapsed as f64) as f32
        };
        let point = Point {
            bytes: [rate(|c| c.io[0].bytes), rate(|c| c.io[1].bytes)],
            packets: [rate(|c| c.io[0].packets), rate(|c| c.io[1].packets)],
            active: active as f32,
            retransmitted: rate(|c| c.tcp(TcpCounter::Retransmissions)),
            failed_attempts: rate(Counters::failed_attempts),
            dns_queries: rate(|c| c.dns_queries),
            dns_errors: rate(|c| c.dns_errors),
            gap: if steps > JITTER { steps.min(most) as u32 } else { 0 },
        };
        for _ in 0..steps.min(most) {
            if self.points.len() as u64 >= most {
                self.points.pop_front();
            }
            self.points.push_back(point);
        }
        (self.next, self.at, self.before) = (end, now, *counters);
    }

    /// Length of a step, ns.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// Number of the step after the last.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The points from step number `from` on, and the number of the first of them. A step begins at its
    /// number times [`Self::step`], flow clock.
    pub fn since(&self, from: u64) -> (u64, impl Iterator<Item = &Point>) {
        let first = self.next - self.points.len() as u64;
        let skip = from.saturating_sub(first).min(self.points.len() as u64);
        (first + skip, self.points.iter().skip(skip as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::Io;

    fn counted(bytes: u64) -> Counters {
        Counters { io: [Io { packets: 1, bytes }, Io::default()], ..Counters::default() }
    }

    fn bytes(history: &History) -> Vec<f32> {
        history.since(0).1.map(|point| point.bytes[0]).collect()
    }

    #[test]
    fn each_second_has_its_rate() {
        let mut history = History::new(SECOND, 10 * SECOND);
        let mut sum = 0;
        for second in 11..=14u64 {
            sum += second * 100;
            history.drained(second * SECOND, &counted(sum), second);
        }
        // The second in which it began, and the four.
        assert_eq!(bytes(&history), [1100.0, 1100.0, 1200.0, 1300.0, 1400.0]);
        assert_eq!(history.since(0).0, 10);
        assert_eq!(history.since(13).1.map(|p| p.active as u64).collect::<Vec<_>>(), [13, 14]);
        assert_eq!(history.since(15).1.count(), 0);
        assert_eq!(history.next(), 15);
    }

    #[test]
    fn drains_of_another_length_give_rates_a_second() {
        for interval in [SECOND / 10, SECOND / 3, SECOND * 101 / 100] {
            let mut history = History::new(SECOND, 0);
            let mut now = 0;
            while now < 500 * SECOND {
                now += interval;
                history.drained(now, &counted(now / 1_000_000), 1);
            }
            let bytes = bytes(&history);
            assert!((500..=501).contains(&bytes.len()), "{interval}: {}", bytes.len());
            assert!(bytes.iter().all(|b| (b - 1000.0).abs() < 2.0), "{bytes:?}");
            assert!(history.since(0).1.all(|point| point.gap == 0));
        }
    }

    #[test]
    fn a_reading_of_many_seconds_is_their_mean_and_said_to_be_a_gap() {
        let mut history = History::new(SECOND, 0);
        history.drained(SECOND, &counted(0), 1);
        history.drained(11 * SECOND, &counted(1000), 1);
        assert_eq!(bytes(&history)[2..], [100.0; 10]);
        let gaps: Vec<u32> = history.since(0).1.map(|point| point.gap).collect();
        assert_eq!((&gaps[..2], &gaps[2..]), (&[0, 0][..], &[10; 10][..]));
    }

    #[test]
    fn a_day_is_kept_in_minutes_each_with_its_mean() {
        const MINUTE: u64 = 60 * SECOND;
        let mut day = History::spanning(1440 * MINUTE, MINUTE, 0);
        for second in 1..=3 * 86_400u64 {
            // Nine seconds of silence, then what came in ten.
            day.drained(second * SECOND, &counted(second / 10 * 10_000), 1);
        }
        let bytes = bytes(&day);
        assert_eq!(bytes.len(), 1440);
        assert!(bytes.iter().all(|rate| (rate - 1000.0).abs() < 200.0), "{:?}", &bytes[..9]);
        assert!((bytes.iter().sum::<f32>() / 1440.0 - 1000.0).abs() < 1.0);
        assert!(day.since(0).1.all(|point| point.gap == 0));
    }

    #[test]
    fn it_goes_back_an_hour_and_no_further() {
        let mut history = History::new(SECOND, 0);
        for second in 1..10_000 {
            history.drained(second * SECOND, &counted(second), 1);
        }
        assert_eq!(history.since(0).1.count(), 3600);
        history.drained(1_000_000 * SECOND, &counted(20_000), 1);
        assert_eq!(history.since(0).1.count(), 3600);
        assert_eq!(history.since(0).0, 1_000_001 - 3600);
        let mut wide = History::new(60 * SECOND, 0);
        for minute in 1..100 {
            wide.drained(minute * 60 * SECOND, &counted(minute), 1);
        }
        assert_eq!(wide.since(0).1.count(), 60);
    }
}
