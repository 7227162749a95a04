//! Tags and tunnels: the innermost flow counts, with the length of the whole frame.

use monitor::source::ebpf::{Ingress, Options};
use monitor_common::{
    abi::{Direction, Flow},
    wire::{Tunnel, TunnelPorts},
};

use crate::{
    frames::{Raw, bare_ethernet, ethernet, ipv4, tag, tcp, udp, vxlan},
    netns::wait_for,
    rig::{Rig, endless},
};

const CLIENT: [u8; 4] = [10, 1, 1, 1];
const SERVER: [u8; 4] = [10, 1, 1, 2];

/// The flow that all the frames below carry: 40 bytes of payload to port 443.
fn inner() -> Vec<u8> {
    ipv4(CLIENT, SERVER, 6, &tcp(40_000, 443, 1, 1, 0x18, &[7; 40]))
}

fn rig(ingress: Ingress) -> Rig {
    let mut rig = Rig::new(Options { max_flows: 64, ingress, ..Options::default() }, endless()).plain();
    rig.attach("eth0");
    rig
}

/// Sends a frame through the watched interface and looks at the flow that it became.
fn seen<T>(rig: &Rig, from: &Raw, direction: Direction, frame: &[u8], look: impl Fn(&Flow) -> T) -> T {
    let before = rig.hook(direction).packets;
    from.send(frame);
    wait_for("the frame", || (rig.hook(direction).packets > before).then_some(()));
    let flows = rig.source.slots().expect("slots");
    let flow = flows
        .iter()
        .filter(|f| f.head.live.get() != 0 && f.head.key.protocol() == 6)
        .max_by_key(|f| f.head.first.get())
        .expect("a TCP flow");
    look(flow)
}

/// A frame behind IPv6 with a segment routing header (RFC 8754) of one segment.
fn segment_route(frame: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((24 + frame.len() as u16).to_be_bytes());
    packet.extend([43, 64]);
    for host in [1, 2] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend([143, 2, 4, 0, 0, 0, 0, 0]);
    packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    packet.extend(frame);
    packet
}

fn bytes(flow: &Flow) -> u64 {
    flow.hot[0].bytes.get() + flow.hot[1].bytes.get()
}

fn payload(flow: &Flow) -> u64 {
    flow.hot[0].payload_bytes.get() + flow.hot[1].payload_bytes.get()
}

fn vlans(flow: &Flow) -> [u16; 2] {
    [flow.head.vlans[0].get(), flow.head.vlans[1].get()]
}

#[test]
fn a_tag_counts_the_same_in_the_data_and_in_metadata() {
    let frame = bare_ethernet(0x8100, &tag(42, 0x0800, &inner()));
    // At ingress the kernel has taken the tag out of the data; at egress of a packet socket it is in it.
    let rig_in = rig(Ingress::Tc);
    let raw = Raw::open(&rig_in.there, "eth1");
    let ingress = seen(&rig_in, &raw, Direction::Receive, &frame, |f| (bytes(f), payload(f), vlans(f)));
    let rig_out = rig(Ingress::Tc);
    let raw = Raw::open(&rig_out.here, "eth0");
    let egress = seen(&rig_out, &raw, Direction::Transmit, &frame, |f| (bytes(f), payload(f), vlans(f)));
    let xdp = rig(Ingress::Xdp);
    let raw = Raw::open(&xdp.there, "eth1");
    let native = seen(&xdp, &raw, Direction::Receive, &frame, |f| (bytes(f), payload(f), vlans(f)));
    assert_eq!(ingress, (frame.len() as u64, 40, [42, 0]));
    assert_eq!(egress, ingress);
    assert_eq!(native, ingress);
}

#[test]
fn two_tags_are_both_seen() {
    let frame = bare_ethernet(0x88a8, &tag(100, 0x8100, &tag(42, 0x0800, &inner())));
    for ingress in [Ingress::Tc, Ingress::Xdp] {
        let rig = rig(ingress);
        let raw = Raw::open(&rig.there, "eth1");
        let flow = seen(&rig, &raw, Direction::Receive, &frame, |f| (bytes(f), vlans(f)));
        assert_eq!(flow, (frame.len() as u64, [100, 42]), "{ingress:?}");
    }
}

#[test]
fn tunnels_count_on_their_innermost_flow() {
    let gre = [&[0, 0, 8, 0][..], &inner()].concat();
    let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0][..], &bare_ethernet(0x0800, &inner())].concat();
    let gtp = [&[0x30, 255, 0, 80, 0, 0, 0, 1][..], &inner()].concat();
    let outer = |protocol, payload: &[u8]| {
        bare_ethernet(0x0800, &ipv4([172, 16, 0, 1], [172, 16, 0, 2], protocol, payload))
    };
    let sgt = [&[1, 1, 0, 1, 0, 7, 8, 0][..], &inner()].concat();
    let gpe = [&[0x0c, 0, 0, 1, 0, 0, 7, 0][..], &inner()].concat();
    let l2tp = [&[0x40, 2, 0, 90, 0, 1, 0, 2, 0, 0x21][..], &inner()].concat();
    let frames: [(Tunnel, Vec<u8>); 13] = [
        (Tunnel::Vxlan, vxlan(4789, &bare_ethernet(0x0800, &inner()))),
        (Tunnel::Geneve, outer(17, &udp(5, 6081, &geneve))),
        (Tunnel::GtpU, outer(17, &udp(2152, 2152, &gtp))),
        (Tunnel::Gre, outer(47, &gre)),
        (Tunnel::Ipip, outer(4, &inner())),
        (Tunnel::Mpls, bare_ethernet(0x8847, &[&[0, 1, 0x00, 64, 0, 2, 0x01, 64][..], &inner()].concat())),
        (Tunnel::Pppoe, bare_ethernet(0x8864, &[&[0x11, 0, 0, 1, 0, 82, 0, 0x21][..], &inner()].concat())),
        (Tunnel::CiscoSgt, bare_ethernet(0x8909, &sgt)),
        (Tunnel::Gre, outer(47, &[&[0, 0, 0x89, 0x09][..], &sgt].concat())),
        (Tunnel::Vxlan, outer(17, &udp(5, 4790, &gpe))),
        (Tunnel::L2tp, outer(17, &udp(1701, 1701, &l2tp))),
        (Tunnel::Srv6, bare_ethernet(0x86dd, &segment_route(&bare_ethernet(0x0800, &inner())))),
        (Tunnel::EtherIp, outer(97, &[&[0x30, 0][..], &bare_ethernet(0x0800, &inner())].concat())),
    ];
    for ingress in [Ingress::Tc, Ingress::Xdp] {
        for (tunnel, frame) in &frames {
            let rig = rig(ingress);
            let raw = Raw::open(&rig.there, "eth1");
            let (key, length, data, kind) = seen(&rig, &raw, Direction::Receive, frame, |f| {
                (f.head.key.get(), bytes(f), payload(f), f.head.tunnel.get())
            });
            assert_eq!(kind, *tunnel as u8, "{tunnel:?} {ingress:?}");
            assert_eq!(
                (key.lower.octets()[12..].to_vec(), key.lower_port),
                (CLIENT.to_vec(), 40_000),
                "{tunnel:?}"
            );
            assert_eq!((length, data), (frame.len() as u64, 40), "{tunnel:?} {ingress:?}");
        }
    }
}

#[test]
fn fragments_of_a_tunnel_count_on_the_flow_in_it() {
    let datagram = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 47, &[&[0, 0, 8, 0][..], &inner()].concat());
    let (header, payload) = datagram.split_at(20);
    let part = |at: usize, end: usize, more: u16| {
        let mut bytes = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 47, &payload[at..end]);
        bytes[6..8].copy_from_slice(&((at / 8) as u16 | more).to_be_bytes());
        assert_eq!(bytes[4..6], header[4..6]);
        ethernet(0x0800, &bytes)
    };
    let parts = [part(0, 48, 0x2000), part(48, payload.len(), 0)];
    for ingress in [Ingress::Tc, Ingress::XdpGeneric] {
        let rig = rig(ingress);
        let raw = Raw::open(&rig.there, "eth1");
        raw.send(&parts[0]);
        let seen = seen(&rig, &raw, Direction::Receive, &parts[1], |f| f.head.key.get().upper_port);
        assert_eq!(seen, 443);
        let fragments = |f: &&Flow| f.counters[0].fragments.get() + f.counters[1].fragments.get() == 2;
        let counted = wait_for("both fragments in one flow", || {
            let flows = rig.source.slots().expect("slots");
            flows.iter().find(fragments).map(|flow| (bytes(flow), self::payload(flow)))
        });
        let length = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        assert_eq!(counted, (length, 40), "{ingress:?}");
    }
}

#[test]
fn ports_of_tunnels_are_the_users() {
    let tunnels = TunnelPorts { vxlan: [4790, 0], ..TunnelPorts::KERNEL };
    let mut rig = Rig::new(Options { max_flows: 64, tunnels, ..Options::default() }, endless()).plain();
    rig.attach("eth0");
    let raw = Raw::open(&rig.there, "eth1");
    let key =
        seen(&rig, &raw, Direction::Receive, &vxlan(4790, &ethernet(0x0800, &inner())), |f| f.head.key.get());
    assert_eq!(key.upper_port, 443);
    // What was a tunnel by default is a plain flow now.
    raw.send(&vxlan(4789, &ethernet(0x0800, &inner())));
    wait_for("the outer flow", || {
        rig.source.slots().expect("slots").iter().any(|f| f.head.key.get().upper_port == 4789).then_some(())
    });
}

#[test]
fn a_mirror_port_shows_both_directions_of_a_flow_as_one() {
    let mut rig = Rig::new(Options { max_flows: 64, ..Options::default() }, endless()).plain();
    let interface =
        monitor::source::ebpf::Interface { mirror: true, ..crate::rig::interface(&rig.here, "eth0") };
    rig.attach_as(&interface);
    let raw = Raw::open(&rig.there, "eth1");
    raw.send(&ethernet(0x0800, &inner()));
    let answer = ipv4(SERVER, CLIENT, 6, &tcp(443, 40_000, 1, 41, 0x10, b""));
    let both = seen(&rig, &raw, Direction::Receive, &ethernet(0x0800, &answer), |f| {
        (f.hot[0].packets.get(), f.hot[1].packets.get())
    });
    wait_for("both directions in one slot", || {
        let flows = rig.source.slots().expect("slots");
        flows.iter().any(|f| f.hot[0].packets.get() == 1 && f.hot[1].packets.get() == 1).then_some(())
    });
    assert_eq!(both, (1, 1));
    rig.drain();
}
