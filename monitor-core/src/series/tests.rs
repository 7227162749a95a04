use super::*;
use crate::random::Random;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// How long new series are 0.
const ZERO: u64 = 30 * SECOND;

fn family(max_series: u32) -> Family<u32, 1> {
    limited(max_series, 1_000_000)
}

fn limited(max_series: u32, new_per_hour: u32) -> Family<u32, 1> {
    Family::new(SeriesConfig { max_series, new_per_hour, idle: 10 * MINUTE, zero_for: ZERO }, 0)
}

/// What a page shows at `now`, by key.
fn scrape<const N: usize>(f: &Family<u32, N>, now: u64) -> Vec<(u32, [u64; N])> {
    let mut page: Vec<_> = f.copied(now).iter().map(|s| (*s.key, s.values)).collect();
    page.sort_unstable();
    page
}

fn held<const N: usize>(f: &Family<u32, N>) -> [u64; N] {
    let mut sum = [0; N];
    for entry in &f.entries {
        accumulate(&mut sum, &entry.counts);
    }
    sum
}

fn assert_conserved<const N: usize>(f: &Family<u32, N>) {
    let mut sum = held(f);
    accumulate(&mut sum, f.other());
    accumulate(&mut sum, f.evicted());
    assert_eq!(&sum, f.total());
}

#[test]
fn a_new_series_is_0_for_two_scrapes_whoever_asks_and_then_has_all_it_counted() {
    let mut f = family(10);
    f.add(&1, [5], 0);
    f.add(&1, [7], SECOND);
    // A person, two Prometheus and another person.
    for now in [SECOND, SECOND, 2 * SECOND, 16 * SECOND, 17 * SECOND, ZERO - 1] {
        assert_eq!(scrape(&f, now), [(1, [0])]);
    }
    assert_eq!(scrape(&f, ZERO), [(1, [12])]);
    f.add(&1, [1], ZERO + SECOND);
    f.add(&2, [6], ZERO + SECOND);
    assert_eq!(scrape(&f, ZERO + 2 * SECOND), [(1, [13]), (2, [0])]);
    assert_eq!(scrape(&f, 2 * ZERO + SECOND), [(1, [13]), (2, [6])]);
}

#[test]
fn what_was_never_shown_is_lost_with_no_key() {
    let mut f = limited(1, 1_000_000);
    for n in 0..100u32 {
        f.add(&n, [u64::from(n + 1) * 100], u64::from(n) * SECOND / 10);
    }
    assert!(f.evictions() > 0);
    assert_eq!(f.evicted(), &[0], "no history was ever shown, so none may vanish");
    assert_eq!(f.other()[0] + held(&f)[0], f.total()[0]);
}

#[test]
fn the_creation_time_is_that_of_the_first_packet() {
    let mut f = family(10);
    f.add(&1, [5], 3 * SECOND);
    f.add(&1, [5], 9 * SECOND);
    assert_eq!(f.get(&1).unwrap().created, 3 * SECOND);
    assert_eq!(f.created(), 0);
}

#[test]
fn what_finds_no_place_counts_in_other() {
    let mut f = family(2);
    f.add(&1, [100], 0);
    f.add(&2, [100], 0);
    f.add(&3, [4], 0);
    f.add(&4, [5], 0);
    assert_eq!((f.len(), f.other()[0], f.overflow(), f.evictions()), (2, 9, 2, 0));
    assert_eq!(f.total(), &[209]);
    assert!(f.get(&3).is_none());
}

#[test]
fn an_evicted_key_vanishes_with_its_history_and_other_does_not_jump() {
    let mut f = family(1);
    f.add(&1, [1000], 0);
    assert_eq!(scrape(&f, MINUTE), [(1, [1000])]);
    f.add(&2, [3], 11 * MINUTE);
    assert_eq!(scrape(&f, 11 * MINUTE), [(2, [0])]);
    assert_eq!((f.other()[0], f.evicted()[0], f.evictions()), (0, 1000, 1));
    assert_eq!(f.total(), &[1003], "the sibling total keeps the history");
}

#[test]
fn later_increments_of_an_evicted_key_go_to_other() {
    let mut f = family(1);
    f.add(&1, [1000], 0);
    f.add(&2, [5000], 11 * MINUTE);
    f.add(&1, [7], 11 * MINUTE);
    assert_eq!(f.other(), &[7]);
    assert!(f.get(&1).is_none());
}

#[test]
fn a_key_that_comes_back_begins_at_zero() {
    let mut f = family(1);
    f.add(&1, [1000], 0);
    f.add(&2, [5], 11 * MINUTE);
    f.add(&1, [8], 22 * MINUTE);
    assert_eq!(scrape(&f, 22 * MINUTE), [(1, [0])]);
    assert_eq!(scrape(&f, 22 * MINUTE + ZERO), [(1, [8])]);
    assert_eq!(f.get(&1).unwrap().created, 22 * MINUTE);
}

#[test]
fn keys_idle_for_ten_minutes_go_first_however_heavy_they_were() {
    let mut f = family(3);
    f.add(&1, [1 << 40], 0);
    f.add(&2, [1], 5 * MINUTE);
    f.add(&3, [1], 6 * MINUTE);
    f.add(&4, [1], 10 * MINUTE);
    assert_eq!(scrape(&f, 11 * MINUTE).iter().map(|s| s.0).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn a_key_idle_for_less_stays() {
    let mut f = family(1);
    f.add(&1, [1000], 0);
    f.add(&2, [1], 10 * MINUTE - 1);
    assert!(f.get(&1).is_some() && f.get(&2).is_none());
}

#[test]
fn idle_keys_stay_while_there_is_room() {
    let mut f = family(2);
    f.add(&1, [1000], 0);
    f.add(&2, [1], 5 * HOUR);
    assert_eq!(f.len(), 2);
}

#[test]
fn of_idle_keys_the_one_idle_longest_goes() {
    let mut f = family(2);
    f.add(&1, [1], 0);
    f.add(&2, [1], 0);
    f.add(&1, [1], MINUTE);
    f.add(&3, [1], 30 * MINUTE);
    assert!(f.get(&1).is_some() && f.get(&2).is_none());
}

#[test]
fn a_heavy_newcomer_replaces_the_lightest() {
    let mut f = family(3);
    for (key, bytes) in [(1, 1000), (2, 10), (3, 500)] {
        f.add(&key, [bytes], 0);
    }
    f.add(&9, [15], SECOND);
    assert!(f.get(&9).is_none(), "not yet twice the lightest");
    f.add(&9, [15], SECOND);
    assert!(f.get(&9).is_some() && f.get(&2).is_none());
    assert_eq!((f.other()[0], f.len()), (15 + 10, 3), "its past and what nobody saw of 2");
}

#[test]
fn a_newcomer_brings_the_weight_that_it_proved() {
    let mut f = family(2);
    f.add(&1, [1000], 0);
    f.add(&2, [10], 0);
    f.add(&9, [15], 0);
    f.add(&9, [15], 0);
    f.add(&8, [40], 0);
    assert!(f.get(&9).is_some(), "40 is less than twice 30");
    f.add(&8, [21], 0);
    assert!(f.get(&8).is_some() && f.get(&9).is_none());
}

#[test]
fn a_key_that_lost_its_series_proves_itself_anew() {
    let mut f = family(1);
    f.add(&1, [10], 0);
    f.add(&2, [30], 0);
    assert!(f.get(&2).is_some());
    f.add(&3, [70], 0);
    f.add(&2, [115], 0);
    assert!(f.get(&2).is_none(), "its 30 are spent, and 115 is less than twice 70");
}

#[test]
fn a_heavy_newcomer_spares_the_light_where_one_is_idle() {
    let mut f = limited(2, 4);
    f.add(&1, [1000], 0);
    f.add(&2, [10], 15 * MINUTE);
    f.add(&3, [100_000], 15 * MINUTE);
    assert!(f.get(&1).is_none() && f.get(&2).is_some() && f.get(&3).is_some());
}

#[test]
fn recent_traffic_outweighs_old() {
    let mut f = family(2);
    f.add(&1, [1_000_000], 0);
    f.add(&2, [2_000], 0);
    for minute in 1..=60 {
        f.add(&1, [1], minute * MINUTE);
        f.add(&2, [2_000], minute * MINUTE);
    }
    f.add(&3, [2_000], 60 * MINUTE);
    assert!(f.get(&3).is_some() && f.get(&2).is_some() && f.get(&1).is_none());
}

#[test]
fn a_crowd_of_light_keys_evicts_no_heavy_one() {
    let mut f = family(10);
    for second in 0..600u64 {
        for key in 0..10 {
            f.add(&key, [10_000], second * SECOND);
        }
        for n in 0..100u32 {
            f.add(&(1000 + second as u32 * 100 + n), [64], second * SECOND);
        }
    }
    assert_eq!(f.evictions(), 0);
    assert_eq!(f.other()[0], 600 * 100 * 64);
}

#[test]
fn a_heavy_key_is_found_in_a_crowd_that_is_too_large_to_be_watched() {
    let mut f = family(10);
    for key in 0..10 {
        f.add(&key, [10], 0);
    }
    for second in 0..60u64 {
        for key in 0..10 {
            f.add(&key, [10], second * SECOND);
        }
        for n in 0..5_000u32 {
            f.add(&(1000 + second as u32 * 5_000 + n), [1], second * SECOND);
        }
        f.add(&99, [1_000], second * SECOND);
    }
    assert!(f.get(&99).is_some());
}

#[test]
fn new_series_an_hour_are_bounded_while_there_is_room() {
    let mut f = limited(100, 5);
    for key in 0..50 {
        f.add(&key, [1], 0);
    }
    assert_eq!((f.len(), f.other()[0], f.overflow()), (5, 45, 45));
    f.add(&60, [1], HOUR);
    assert_eq!(f.len(), 5);
    f.add(&60, [1], HOUR + MINUTE);
    assert_eq!(f.len(), 6);
}

#[test]
fn half_of_the_hours_new_series_are_kept_for_heavy_newcomers() {
    let mut f = limited(4, 8);
    for key in 0..4 {
        f.add(&key, [1000], 0);
    }
    for key in 10..30 {
        f.add(&key, [1], 20 * MINUTE);
    }
    assert_eq!(f.evictions(), 0, "a scan finds idle keys and no budget");
    f.add(&99, [1_000_000], 20 * MINUTE);
    assert!(f.get(&99).is_some());
}

#[test]
fn no_hour_holds_more_new_series_than_allowed_and_no_moment_more_series() {
    const PER_HOUR: usize = 40;
    let mut f = limited(20, PER_HOUR as u32);
    let mut random = Random(7);
    let (mut now, mut births, mut other) = (0, Vec::new(), 0);
    for _ in 0..200_000 {
        now += random.below(2 * SECOND);
        let key = random.below(200) as u32;
        let magnitude = random.below(20);
        let known = f.get(&key).is_some();
        f.add(&key, [1 + random.below(1 << magnitude)], now);
        if !known && f.get(&key).is_some() {
            births.push(now);
        }
        assert!(f.len() <= 20);
        assert!(f.other()[0] >= other);
        other = f.other()[0];
        if random.below(1000) == 0 {
            scrape(&f, now);
        }
    }
    assert_conserved(&f);
    assert!(births.len() > 10 * PER_HOUR, "{} births in {} hours", births.len(), now / HOUR);
    for window in births.windows(PER_HOUR + 1) {
        assert!(window[PER_HOUR] - window[0] > HOUR);
    }
}

#[test]
fn sums_are_whole_and_a_shown_series_never_falls() {
    let mut f: Family<u32, 3> =
        Family::new(SeriesConfig { max_series: 60, new_per_hour: 600, idle: MINUTE, zero_for: ZERO }, 0);
    let mut random = Random(11);
    let mut seen: HashMap<(u32, u64), [u64; 3]> = HashMap::new();
    let (mut now, mut total) = (0, [0; 3]);
    for _ in 0..300 {
        for _ in 0..100 {
            now += random.below(SECOND);
            let values = [random.below(1500), random.below(2), random.below(3)];
            f.add(&(random.below(50) as u32), values, now);
            accumulate(&mut total, &values);
        }
        assert_conserved(&f);
        assert_eq!(f.total(), &total);
        for s in f.iter() {
            let before = seen.insert((*s.key, s.created), s.values).unwrap_or([0; 3]);
            assert!(before.iter().zip(&s.values).all(|(a, b)| a <= b), "{s:?} after {before:?}");
        }
        assert!(f.len() <= 20 && f.series() <= 60);
    }
    assert!(f.evictions() > 10);
}

#[test]
fn the_budget_is_in_time_series_not_in_keys() {
    let mut f: Family<u32, 4> =
        Family::new(SeriesConfig { max_series: 10, new_per_hour: 100, idle: MINUTE, zero_for: ZERO }, 0);
    for key in 0..9 {
        f.add(&key, [1; 4], 0);
    }
    assert_eq!((f.len(), f.series()), (2, 8));
    let mut f: Family<u32, 4> =
        Family::new(SeriesConfig { max_series: 100, new_per_hour: 11, idle: MINUTE, zero_for: ZERO }, 0);
    for key in 0..9 {
        f.add(&key, [1; 4], 0);
    }
    assert_eq!((f.len(), f.series()), (2, 8));
}

#[test]
fn no_budget_is_all_other() {
    for mut f in [limited(0, 100), limited(100, 0)] {
        f.add(&1, [5], 0);
        f.add(&1, [5], HOUR * 5);
        assert_eq!((f.len(), f.other()[0], f.total()[0]), (0, 10, 10));
        assert_eq!(f.overflow(), 2);
        assert!(f.is_empty());
    }
}

#[test]
fn zeros_are_no_traffic() {
    let mut f = family(1);
    f.add(&1, [0], 0);
    assert!(f.is_empty());
    f.add(&1, [1], 0);
    f.add(&1, [0], 11 * MINUTE);
    f.add(&2, [1], 12 * MINUTE);
    assert!(f.get(&2).is_some(), "zeros do not keep a key");
}

#[test]
fn a_smaller_budget_drops_idle_keys_and_then_the_lightest() {
    let mut f = family(4);
    f.add(&1, [1 << 40], 0);
    for (key, bytes) in [(2, 10), (3, 1000), (4, 500)] {
        f.add(&key, [bytes], 15 * MINUTE);
    }
    let config = SeriesConfig { max_series: 2, new_per_hour: 100, idle: 10 * MINUTE, zero_for: ZERO };
    f.reconfigure(config, 15 * MINUTE);
    assert_eq!(scrape(&f, 15 * MINUTE + ZERO), [(3, [1000]), (4, [500])]);
    assert_eq!(f.evictions(), 2);
    assert_conserved(&f);
    f.add(&3, [1], 16 * MINUTE);
    f.add(&7, [100_000], 16 * MINUTE);
    assert_eq!(scrape(&f, 16 * MINUTE), [(3, [1001]), (7, [0])]);
    f.reconfigure(SeriesConfig { max_series: 3, ..config }, 16 * MINUTE);
    f.add(&8, [1], 16 * MINUTE);
    assert_eq!(f.len(), 3);
}

#[test]
fn weights_keep_their_age_through_another_configuration() {
    let mut f = family(2);
    f.add(&1, [1000], 0);
    f.add(&2, [1_000_000], 0);
    let config = SeriesConfig { max_series: 2, new_per_hour: 100, idle: HOUR, zero_for: ZERO };
    f.reconfigure(config, 30 * MINUTE);
    f.add(&3, [100], 30 * MINUTE);
    assert!(f.get(&3).is_some() && f.get(&1).is_none(), "six half-lives leave 16 of 1000");
}

#[test]
fn weights_survive_years_and_a_clock_that_steps_back() {
    let mut f = family(2);
    let mut now = 0;
    for day in 0..2_000u64 {
        now = day * 24 * HOUR;
        f.add(&1, [100], now);
        f.add(&2, [10], now);
    }
    f.add(&3, [30], now - HOUR);
    assert!(f.get(&1).is_some() && f.get(&2).is_none() && f.get(&3).is_some());
    assert_conserved(&f);
}

#[test]
fn bookkeeping_stays_bounded_under_churn() {
    for (step, idlest_only) in [(10 * SECOND, false), (11 * MINUTE, true)] {
        let mut f = family(10);
        for n in 0..50_000u32 {
            let bytes = if idlest_only { 1 } else { u64::from(n % 1000) + 1 };
            f.add(&n, [bytes], u64::from(n) * step);
        }
        assert!(f.evictions() > 1_000);
        assert_eq!((f.len(), f.index.len()), (10, 10));
        assert!(f.entries.capacity() < 64 && f.index.capacity() < 64);
        assert!(f.by_weight.len() < 64 && f.by_age.len() < 64);
    }
}
