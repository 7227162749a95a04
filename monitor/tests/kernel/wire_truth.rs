//! Packets, bytes and flags of every flow are those on the wire: tcpdump on the same interface agrees.

use monitor::source::ebpf::{Ingress, Options, TcAttach};
use monitor_common::abi::Direction;

use crate::{
    capture::{self, Capture},
    differential,
    netns::Namespace,
    rig::{HERE, HERE6, Rig, THERE, THERE6, assert_same, endless},
    traffic::{self, Ending},
};

fn options(ingress: Ingress) -> Options {
    Options { max_flows: 4096, ingress, ..Options::default() }
}

/// Both directions of the mixture, on the watched end, against a capture there.
fn agrees(options: Options) {
    let mut rig = Rig::new(options, endless()).plain();
    rig.attach("eth0");
    let capture = Capture::start(&rig.here, "eth0");
    traffic::mixture(&rig.here, &rig.there, THERE, THERE6);
    traffic::mixture(&rig.there, &rig.here, HERE, HERE6);
    let theirs = capture.finish(|| capture::mark(&rig.here, THERE));
    assert_same(&rig.table(), &theirs);
    rig.drain();
}

#[test]
fn tcx_counts_what_tcpdump_sees() {
    agrees(options(Ingress::Tc));
}

#[test]
fn clsact_counts_what_tcpdump_sees() {
    agrees(Options { tc_attach: TcAttach::Clsact, ..options(Ingress::Tc) });
}

#[test]
fn native_xdp_counts_what_tcpdump_sees() {
    agrees(options(Ingress::Xdp));
}

#[test]
fn generic_xdp_counts_what_tcpdump_sees() {
    agrees(options(Ingress::XdpGeneric));
}

#[test]
fn super_packets_at_egress_count_as_the_segments_that_leave() {
    let mut rig = Rig::new(options(Ingress::Tc), endless());
    // Super-packets pass TC; behind it the stack cuts them, and tcpdump sees the pieces.
    rig.here.ethtool("eth0", "tso off gso on");
    rig.there.ethtool("eth1", "gro off");
    rig.attach("eth0");
    let capture = Capture::start(&rig.here, "eth0");
    for address in [THERE, THERE6] {
        traffic::tcp(&rig.here, &rig.there, address, 3_000_000, 10, Ending::Client);
    }
    let theirs = capture.finish(|| capture::mark(&rig.here, THERE));
    let hook = rig.hook(Direction::Transmit);
    assert!(hook.skbs * 3 < hook.packets, "no super-packets: {hook:?}");
    assert_same(&rig.table(), &theirs);
    rig.drain();
}

#[test]
fn merged_packets_at_ingress_count_as_the_segments_that_came() {
    let mut rig = Rig::new(options(Ingress::Tc), endless());
    rig.there.ethtool("eth1", "tso off gso on");
    rig.here.ethtool("eth0", "gro on");
    rig.attach("eth0");
    let capture = Capture::start(&rig.there, "eth1");
    for address in [HERE, HERE6] {
        traffic::tcp(&rig.there, &rig.here, address, 3_000_000, 10, Ending::Client);
    }
    let theirs = capture.finish(|| capture::mark(&rig.there, HERE));
    let hook = rig.hook(Direction::Receive);
    assert!(hook.skbs < hook.packets, "nothing was merged: {hook:?}");
    assert_same(&rig.table(), &theirs);
    rig.drain();
}

#[test]
fn loopback_counts_each_packet_once() {
    let mut rig = Rig::new(options(Ingress::Tc), endless());
    rig.here.ethtool("lo", "tso off");
    rig.attach("lo");
    let capture = Capture::start(&rig.here, "lo");
    traffic::mixture(&rig.here, &rig.here, "127.0.0.1", "::1");
    let theirs = capture.finish(|| capture::mark(&rig.here, "127.0.0.1"));
    assert_same(&rig.table(), &theirs);
    rig.drain();
}

#[test]
fn a_tun_device_has_no_link_header() {
    let mut rig = Rig::new(options(Ingress::Tc), endless());
    rig.here.ip("tuntap add dev tun0 mode tun");
    rig.here.ip("addr add 10.9.0.1/24 dev tun0");
    let tun = crate::frames::Tun::open(&rig.here, "tun0");
    rig.here.ip("link set tun0 up");
    rig.attach("tun0");
    let capture = Capture::start(&rig.here, "tun0");
    // In: datagrams to a closed port; out: the ICMP errors that answer them.
    for port in 1..=5 {
        tun.write(&crate::frames::ipv4(
            [10, 9, 0, 2],
            [10, 9, 0, 1],
            17,
            &crate::frames::udp(4000, port, b"over a tunnel"),
        ));
        tun.read();
    }
    let theirs = capture.finish(|| capture::mark(&rig.here, "10.9.0.2"));
    assert_eq!(theirs.len(), 6, "{theirs:?}");
    assert_same(&rig.table(), &theirs);
    rig.drain();
}

#[test]
fn fragments_count_on_the_flow_of_their_first() {
    let mut rig = Rig::new(options(Ingress::Tc), endless()).plain();
    rig.attach("eth0");
    for address in [THERE, THERE6] {
        traffic::udp(&rig.here, &rig.there, address, 2, 5_000);
    }
    let table = rig.table();
    let sent: Vec<_> = table.iter().filter(|(_, s)| s.bytes > 5_000).collect();
    assert_eq!(sent.len(), 2, "{table:?}");
    for (key, sent) in sent {
        // 5008 bytes in fragments of at most 1480 (IPv4) or 1448 (IPv6): four of them, twice.
        assert_eq!(sent.packets, 8, "{key:?}");
    }
    assert!(table.keys().all(|k| k.0 != 17 || k.2 != 0), "no flow without ports: {table:?}");
    assert_eq!(rig.hook(Direction::Transmit).fragments, 16);
    rig.drain();
}

#[test]
fn tc_and_user_space_agree_on_captured_traffic() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.join("eth0", &there, "eth1", 7);
    for (ns, device) in [(&here, "eth0"), (&there, "eth1")] {
        ns.ethtool(device, "tso off gso off gro off tx off");
    }
    let capture = Capture::start(&here, "eth0");
    for _ in 0..5 {
        traffic::mixture(&here, &there, THERE, THERE6);
    }
    let captured = capture.end(|| capture::mark(&here, THERE));
    let mut reader = monitor::source::pcap::Capture::open(&captured.file).expect("a capture");
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet().expect("a packet") {
        frames.push(packet.bytes.to_vec());
    }
    let count = frames.len();
    assert!(count > 2000, "{count} frames");
    let seen = differential::both_sides(Ingress::Tc, "weir_ingress", frames.into_iter());
    assert!(seen.flows > 30, "{} flows", seen.flows);
    assert_eq!(seen.counters.packets as usize + seen.skipped, count);
}
