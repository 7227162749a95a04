//! Payload samples: what is copied, how much of it, and that every loss is counted.

use monitor::source::ebpf::Options;
use monitor_common::abi::{SampleKind, Sampling};

use crate::{
    frames::{self, Raw},
    netns::wait_for,
    rig::{Rig, THERE, THERE6, endless},
    traffic::{self, Ending},
};

fn sampling() -> Sampling {
    Sampling { flow_bytes: 16_384, per_second: 100_000, sample_bytes: 4096, udp_packets: 4 }
}

fn rig(sampling: Sampling) -> Rig {
    let options = Options { max_flows: 4096, sampling: Some(sampling), ..Options::default() };
    let mut rig = Rig::new(options, endless());
    rig.attach("eth0");
    rig
}

/// Samples so far as (kind, payload length, captured, first byte, side's port).
fn read(rig: &mut Rig) -> Vec<(SampleKind, u32, usize, u8)> {
    let mut out = Vec::new();
    rig.source.read_samples(|s| {
        out.push((s.kind().expect("a kind"), s.header.payload_length, s.data.len(), s.data[0]));
    });
    out
}

#[test]
fn the_first_bytes_of_each_direction_are_copied() {
    let mut rig = rig(sampling());
    for address in [THERE, THERE6] {
        traffic::tcp(&rig.here, &rig.there, address, 5000, 9000, Ending::Client);
        let samples = read(&mut rig);
        assert!(samples.iter().all(|s| s.0 == SampleKind::Tcp));
        for (byte, bytes) in [(b'u', 5000), (b'd', 9000)] {
            let sent: u32 = samples.iter().filter(|s| s.3 == byte).map(|s| s.1).sum();
            assert_eq!(sent, bytes, "{samples:?}");
        }
        // A super-packet's sample holds at least 2 KiB of it.
        assert!(samples.iter().any(|s| s.1 > 2048 && s.2 >= 2048), "{samples:?}");
    }
    assert_eq!(rig.source.lost_samples().expect("losses"), monitor::source::ebpf::LostSamples::default());
}

#[test]
fn a_flow_has_a_budget() {
    let mut rig = rig(sampling());
    traffic::tcp(&rig.here, &rig.there, THERE, 10, 3_000_000, Ending::Client);
    let down: u32 = read(&mut rig).iter().filter(|s| s.3 == b'd').map(|s| s.1).sum();
    // The packet that crosses the budget is the last.
    assert!((16_384..16_384 + 65_536).contains(&down), "{down}");
}

#[test]
fn enough_is_enough() {
    let mut rig = rig(Sampling { flow_bytes: u32::MAX, ..sampling() });
    traffic::udp(&rig.here, &rig.there, THERE, 2, 100);
    let slot = rig
        .source
        .slots()
        .expect("slots")
        .iter()
        .position(|f| f.head.key.protocol() == 17)
        .expect("the flow");
    assert_eq!(read(&mut rig).len(), 4);
    for side in [monitor_common::abi::Side::Lower, monitor_common::abi::Side::Upper] {
        rig.source.enough(slot as u32, side);
    }
    let key = rig.source.slots().expect("slots")[slot].head.key.get();
    // The same 5-tuple once more, by hand.
    let raw = Raw::open(&rig.there, "eth1");
    let (lower, upper) =
        (key.endpoint(monitor_common::abi::Side::Lower).1, key.endpoint(monitor_common::abi::Side::Upper).1);
    let packets = |rig: &Rig| rig.source.slots().expect("slots")[slot].hot[1].packets.get();
    let before = packets(&rig);
    raw.send(&frames::ethernet(
        0x0800,
        &frames::ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &frames::udp(upper, lower, b"more")),
    ));
    wait_for("the packet", || (packets(&rig) > before).then_some(()));
    assert_eq!(read(&mut rig), []);
}

#[test]
fn dns_is_copied_whatever_the_flow_has_had() {
    let mut rig = rig(Sampling { udp_packets: 0, ..sampling() });
    let raw = Raw::open(&rig.there, "eth1");
    for n in 0..10 {
        let query = frames::udp(5000, 53, &[n; 40]);
        raw.send(&frames::ethernet(0x0800, &frames::ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &query)));
        let other = frames::udp(5000, 54, &[n; 40]);
        raw.send(&frames::ethernet(0x0800, &frames::ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &other)));
    }
    let mut samples = Vec::new();
    wait_for("ten samples", || {
        samples.extend(read(&mut rig));
        (samples.len() >= 10).then_some(())
    });
    assert!(samples.iter().all(|s| (s.0, s.1, s.2) == (SampleKind::Dns, 40, 40)), "{samples:?}");
}

#[test]
fn every_lost_sample_is_counted() {
    // A ring of one page takes a few samples of 1000 bytes; nobody reads it meanwhile.
    let options = Options {
        max_flows: 4096,
        sampling: Some(Sampling { udp_packets: u32::MAX, ..sampling() }),
        ring_bytes: 4096,
        ..Options::default()
    };
    let mut rig = Rig::new(options, endless());
    rig.attach("eth0");
    traffic::udp(&rig.there, &rig.here, crate::rig::HERE, 50, 1000);
    let kept = read(&mut rig).len() as u64;
    let lost = rig.source.lost_samples().expect("losses");
    assert!(kept > 0 && lost.ring_full > 0, "{kept} {lost:?}");
    assert_eq!(kept + lost.ring_full, 100, "fifty datagrams and fifty answers");
    // The budget of a second.
    rig.source.set_sampling(Sampling { per_second: 0, udp_packets: u32::MAX, ..sampling() }).expect("bounds");
    traffic::udp(&rig.there, &rig.here, crate::rig::HERE, 5, 1000);
    assert_eq!(rig.source.lost_samples().expect("losses").over_budget, 10);
    assert_eq!(read(&mut rig), []);
}
