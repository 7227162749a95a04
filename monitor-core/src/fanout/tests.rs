use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn ip(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(n).into()
}

fn fanout() -> Fanout {
    Fanout::new(FanoutConfig::default())
}

#[test]
fn a_scan_of_ports_is_told_once_when_it_passes_the_threshold() {
    let mut fanout = fanout();
    for port in 1..=1_000 {
        fanout.reached(ip(1), ip(2), port, SECOND + u64::from(port) * 1_000_000);
    }
    let news = fanout.take_news();
    assert_eq!(news.len(), 1);
    assert_eq!((news[0].source, news[0].kind, news[0].window), (ip(1), FanoutKind::Ports, 60 * SECOND));
    assert!((100..=160).contains(&news[0].count), "{news:?}");
    let over = fanout.over();
    assert_eq!((over.len(), over[0].source, over[0].since), (1, ip(1), news[0].time));
    assert!((800..1_200).contains(&over[0].count), "{over:?}");
    assert_eq!(
        fanout.totals(),
        FanoutTotals { sources: [0, 1], detected: [0, 1], watched: 1, ..FanoutTotals::default() }
    );
}

#[test]
fn a_scan_of_hosts_is_told_over_both_versions_of_ip() {
    let mut fanout = fanout();
    for n in 0..1_000 {
        fanout.reached(ip(1), ip(1000 + n), 445, SECOND);
        let six = |n: u128| IpAddr::from(Ipv6Addr::from_bits(n));
        fanout.reached(six(1), six(7 << 64 | u128::from(n)), 445, SECOND);
    }
    let mut kinds: Vec<_> = fanout.take_news().iter().map(|d| (d.source.is_ipv4(), d.kind)).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [(false, FanoutKind::Hosts), (true, FanoutKind::Hosts)]);
}

#[test]
fn many_connections_to_few_hosts_are_nothing_unusual() {
    let mut fanout = fanout();
    for n in 0..100_000_u32 {
        fanout.reached(
            ip(1),
            ip(100 + n % 40),
            [80, 443, 8080][n as usize % 3],
            SECOND + u64::from(n) * 100_000,
        );
    }
    assert_eq!(fanout.take_news(), []);
    assert_eq!(fanout.totals().detected, [0, 0]);
}

#[test]
fn spoofed_sources_keep_memory_flat_and_do_not_hide_a_scan() {
    let mut fanout = fanout();
    let mut most = 0;
    for n in 0..100_000_u32 {
        let now = SECOND + u64::from(n) * 10_000;
        fanout.reached(ip(0x0b00_0000 + n), ip(2), n as u16, now);
        if n % 100 == 0 {
            fanout.reached(ip(1), ip(2), (n / 100) as u16, now);
        }
        if n % 1_000 == 0 {
            most = most.max(fanout.memory());
        }
    }
    let totals = fanout.totals();
    assert_eq!(totals.watched, 4096);
    assert_eq!(totals.evicted, 100_001 - 4096);
    assert!(most < 4096 * 512, "{most}");
    assert_eq!(fanout.take_news().iter().map(|d| d.source).collect::<Vec<_>>(), [ip(1)]);
}

#[test]
fn sources_that_all_scan_hold_no_more_than_the_bound() {
    let mut fanout = Fanout::new(FanoutConfig { max_sources: 16, ..FanoutConfig::default() });
    for n in 0..50_000_u32 {
        fanout.reached(ip(n % 16), ip(1000 + n), n as u16, SECOND * u64::from(1 + n / 2_000));
    }
    assert!(fanout.memory() < 16 * 2_560, "{}", fanout.memory());
    assert_eq!(fanout.totals().sources, [16, 16]);
    for n in 0..16 {
        fanout.reached(ip(100 + n), ip(1), 1, 30 * SECOND);
    }
    assert_eq!(fanout.totals().sources, [0, 0], "who was evicted is not over any more");
}

#[test]
fn what_was_reached_a_window_ago_is_forgotten() {
    let mut fanout = fanout();
    for n in 0..200 {
        fanout.reached(ip(1), ip(1000 + n), 80, SECOND);
    }
    for n in 0..200 {
        fanout.reached(ip(1), ip(5000 + n), 80, 120 * SECOND);
    }
    assert_eq!(fanout.take_news(), []);
    // In the half window that follows both count.
    for n in 0..200 {
        fanout.reached(ip(1), ip(9000 + n), 80, 150 * SECOND);
    }
    assert_eq!(fanout.take_news().len(), 1);
}

#[test]
fn a_source_that_was_below_is_told_again() {
    let mut fanout = fanout();
    for round in 0..3_u64 {
        for port in 0..500 {
            fanout.reached(ip(1), ip(2), port, (1 + round * 90) * SECOND);
        }
        assert_eq!(fanout.totals().sources, [0, 1]);
        // Another flow after the window, and the gauge falls.
        fanout.reached(ip(1), ip(2), 1, (1 + round * 90 + 60) * SECOND);
        assert_eq!(fanout.totals().sources, [0, 0], "{round}");
    }
    assert_eq!(fanout.take_news().len(), 3);
    assert_eq!(fanout.totals().detected, [0, 3]);
}

#[test]
fn a_source_that_stopped_is_over_no_more() {
    let mut fanout = fanout();
    for port in 0..500 {
        fanout.reached(ip(1), ip(2), port, SECOND);
    }
    fanout.expire(61 * SECOND);
    assert_eq!(fanout.totals().sources, [0, 1]);
    fanout.expire(62 * SECOND);
    assert_eq!(fanout.totals(), FanoutTotals { detected: [0, 1], ..FanoutTotals::default() });
    assert_eq!(fanout.over(), []);
}

#[test]
fn a_threshold_of_zero_is_none() {
    let mut fanout = Fanout::new(FanoutConfig { ports: 0, ..FanoutConfig::default() });
    for port in 0..1_000 {
        fanout.reached(ip(1), ip(2), port, SECOND);
    }
    assert_eq!(fanout.take_news(), []);
}

#[test]
fn other_thresholds_begin_anew_and_keep_the_totals() {
    let mut fanout = fanout();
    for port in 0..500 {
        fanout.reached(ip(1), ip(2), port, SECOND);
    }
    fanout.reconfigure(FanoutConfig { ports: 5, ..FanoutConfig::default() });
    assert_eq!(fanout.totals(), FanoutTotals { detected: [0, 1], ..FanoutTotals::default() });
    for port in 0..5 {
        fanout.reached(ip(1), ip(2), port, SECOND);
    }
    assert_eq!(fanout.take_news().last().map(|d| d.count), Some(5), "small sets are exact");
}

#[test]
fn only_those_who_begin_reach() {
    use crate::label::ClientRule as Rule;
    assert!(reaches(Transport::Tcp, Rule::Syn) && reaches(Transport::Tcp, Rule::SynAck));
    assert!(!reaches(Transport::Tcp, Rule::First) && !reaches(Transport::Tcp, Rule::Port));
    assert!(reaches(Transport::Udp, Rule::First));
    assert!(!reaches(Transport::Icmp, Rule::First));
}
