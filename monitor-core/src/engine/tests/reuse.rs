//! Many connections on one 5-tuple within a drain: what the slot forgets is told otherwise.

use monitor_common::wire::tcp_flags;

use super::world::*;
use crate::{histogram::Histogram, label::Role, random::Random};

/// A connection from the SYN to the RST that frees its port: a handshake of 12 ms, a response after 5 ms.
fn visit(w: &mut World, isn: u32) {
    let mut tcp = inbound(40_000, isn);
    tcp.handshake(w);
    w.eth(&tcp.data(CLIENT, 100));
    w.now += 5 * MS;
    w.eth(&tcp.data(SERVER, 300));
    w.eth(&tcp.segment(CLIENT, tcp_flags::RST, 0));
}

fn sum<const N: usize>(histograms: &[[Histogram<N>; 2]; 3]) -> (u64, f64) {
    let all = || histograms.iter().flatten();
    (all().map(Histogram::count).sum(), all().map(Histogram::sum).sum())
}

/// Handshakes, first responses, and connections that were not measured.
fn measured(w: &World) -> (u64, u64, u64) {
    let latency = &w.totals().latency;
    (sum(&latency.handshake).0, sum(&latency.first_response).0, latency.unmeasured)
}

#[test]
fn every_handshake_and_response_of_a_port_that_is_used_again_and_again_counts_once() {
    let mut w = World::with_slots(8);
    for n in 0..50 {
        visit(&mut w, n * 1_000_000);
    }
    w.wait(MS);
    for n in 50..60 {
        visit(&mut w, n * 1_000_000);
    }
    w.wait(10 * SECOND);
    assert_eq!(w.attempts(Role::Server), [60, 0, 0, 0]);
    assert_eq!(measured(&w), (60, 60, 0));
    let latency = &w.totals().latency;
    assert!((sum(&latency.handshake).1 - 60.0 * 0.012).abs() < 1e-9);
    assert!((sum(&latency.first_response).1 - 60.0 * 0.005).abs() < 1e-9);
}

#[test]
fn what_found_no_room_is_counted() {
    let mut w = World::with_slots(8);
    w.superseded = None;
    for n in 0..20 {
        visit(&mut w, n * 1_000_000);
    }
    w.wait(MS);
    // The last one of each reading is in the slot.
    assert_eq!(measured(&w), (1, 1, 19));
    for n in 20..30 {
        visit(&mut w, n * 1_000_000);
    }
    w.wait(10 * SECOND);
    assert_eq!(measured(&w), (2, 2, 28), "of the one that was read nothing is missed");
}

#[test]
fn however_drains_fall_each_connection_is_measured_once_or_counted_as_missed() {
    for seed in 1..=200 {
        let mut random = Random(seed * 4391);
        let mut w = World::with_slots(8);
        let (mut begun, mut lost) = (0_u32, 0);
        for n in 0..60 {
            let mut tcp = inbound(40_000 + random.below(2) as u16, n * 1_000_000 + 1);
            for step in 0..6 {
                match step {
                    0 => w.eth(&tcp.syn()),
                    1 => w.eth(&tcp.syn_ack()),
                    2 => w.eth(&tcp.ack(CLIENT)),
                    3 => w.eth(&tcp.data(CLIENT, 10)),
                    4 => w.eth(&tcp.data(SERVER, 10)),
                    _ => w.eth(&tcp.segment(CLIENT, tcp_flags::RST, 0)),
                }
                w.now += MS;
                match random.below(9) {
                    0 => drop(w.wait(MS)),
                    // Between reading the slots and reading the ring.
                    1 if step == 5 => drop(w.drain_while(|w| visit_late(w, n))),
                    2 if random.below(8) == 0 => {
                        let gone = w.superseded.as_mut().map(std::mem::take).unwrap_or_default();
                        lost += gone.len() as u64;
                    }
                    _ => {}
                }
            }
            begun += 1;
        }
        w.wait(10 * SECOND);
        let (handshakes, responses, missed) = measured(&w);
        let all = w.attempts(Role::Server)[0];
        assert!(all >= u64::from(begun), "seed {seed}");
        assert!(missed <= lost, "seed {seed}: {missed} of {lost}");
        assert!(
            handshakes <= all && handshakes + missed >= all,
            "seed {seed}: {handshakes} + {missed} of {all}"
        );
        assert!(
            responses <= all && responses + missed >= all,
            "seed {seed}: {responses} + {missed} of {all}"
        );
    }
}

fn visit_late(w: &mut World, n: u32) {
    let mut tcp = inbound(40_000, n * 1_000_000 + 500_000_000);
    tcp.handshake(w);
    w.eth(&tcp.data(CLIENT, 100));
    w.eth(&tcp.data(SERVER, 300));
    w.eth(&tcp.segment(CLIENT, tcp_flags::RST, 0));
}
