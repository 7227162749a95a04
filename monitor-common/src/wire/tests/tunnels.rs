//! Each encapsulation, alone and nested, down to the flow inside.

use super::builder::OUTER;
use super::*;

fn frame() -> Frame {
    usual().ethernet(0x0800)
}

fn outer(packet: &Packet) -> bool {
    packet.source == Address::from_v4_octets(OUTER.0)
}

#[test]
fn label_stacks_lead_to_ip_and_to_pseudowires() {
    let bottom = [0, 1, 0x11, 64];
    for number in [0x8847, 0x8848] {
        let stack = usual().push(&bottom).push(&[0, 1, 0x10, 64]).ethernet(number);
        assert_inner(&ethernet(&stack), Some(Tunnel::Mpls));
    }
    let with_control_word = frame().push(&[0; 4]).push(&bottom).ethernet(0x8847);
    assert_inner(&ethernet(&with_control_word), Some(Tunnel::Mpls));
    let without = frame().push(&bottom).ethernet(0x8847);
    assert_inner(&ethernet(&without), Some(Tunnel::Mpls));
    let channel = Frame::payload(20).push(&[0x10, 0, 0, 7]).push(&bottom).ethernet(0x8847);
    assert_eq!(parsed(Link::Ethernet, channel.bytes()), Err(ParseError::NotIp));
}

#[test]
fn pppoe_sessions_carry_ip_and_discovery_does_not() {
    let session = [0x11, 0, 0, 1, 0, 142];
    let p = ethernet(&usual().push(&[0, 0x21]).push(&session).ethernet(0x8864));
    assert_inner(&p, Some(Tunnel::Pppoe));
    let compressed = ethernet(&usual().push(&[0x21]).push(&session).ethernet(0x8864));
    assert_inner(&compressed, Some(Tunnel::Pppoe));
    let control = Frame::payload(10).push(&[0xc0, 0x21]).push(&session).ethernet(0x8864);
    assert_eq!(parsed(Link::Ethernet, control.bytes()), Err(ParseError::NotIp));
}

#[test]
fn backbone_and_port_extender_tags_are_taken_off() {
    assert_inner(&ethernet(&frame().push(&[0, 0, 1, 2]).ethernet(0x88e7)), Some(Tunnel::Pbb));
    assert_inner(&ethernet(&usual().push(&[0, 1, 0, 2, 8, 0]).ethernet(0x8926)), Some(Tunnel::VnTag));
    let e_tag = usual().push(&[0, 1, 0, 2, 0, 0, 8, 0]).ethernet(0x893f);
    assert_inner(&ethernet(&e_tag), Some(Tunnel::VnTag));
}

#[test]
fn vxlan_and_geneve_carry_frames() {
    assert_inner(&ethernet(&frame().vxlan().ethernet(0x0800)), Some(Tunnel::Vxlan));
    let geneve = [2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 0, 0, 0, 0];
    let p = ethernet(&frame().push(&geneve).udp(1, 6081).ipv4(OUTER, 17).ethernet(0x0800));
    assert_inner(&p, Some(Tunnel::Geneve));
    let bare = [0, 0, 0x08, 0x00, 0, 0, 7, 0];
    let p = ethernet(&usual().push(&bare).udp(1, 6081).ipv4(OUTER, 17).ethernet(0x0800));
    assert_inner(&p, Some(Tunnel::Geneve));
}

#[test]
fn a_tunnel_without_ip_counts_on_the_flow_around_it() {
    let arp = Frame::payload(28).ethernet(0x0806).vxlan().ethernet(0x0800);
    let p = ethernet(&arp);
    assert!(outer(&p));
    assert_eq!((p.source_port, p.destination_port, p.tunnel), (50000, 4789, 0));
    assert_eq!(p.payload_length, 28 + 14 + 8);
}

#[test]
fn a_broken_inner_header_counts_on_the_flow_around_it() {
    let mut bytes = frame().vxlan().ethernet(0x0800).bytes().to_vec();
    bytes[14 + 20 + 8 + 8 + 14] = 0x41;
    let p = parsed(Link::Ethernet, &bytes).expect("the outer flow");
    assert!(outer(&p));
    assert_eq!(p.destination_port, 4789);
}

#[test]
fn a_packet_beyond_the_end_of_the_one_around_it_is_padding() {
    let mut bytes = usual().ipv4(OUTER, 4).ethernet(0x0800).bytes().to_vec();
    bytes[16..18].copy_from_slice(&39u16.to_be_bytes());
    let p = parsed(Link::Ethernet, &bytes).expect("the outer packet");
    assert!(outer(&p));
    bytes[16..18].copy_from_slice(&90u16.to_be_bytes());
    let p = parsed(Link::Ethernet, &bytes).expect("the inner packet");
    assert_eq!((p.source_port, p.ip_length, p.payload_length), (40000, 140, 90 - 60));
}

#[test]
fn gre_with_every_optional_field_carries_ip_and_frames() {
    for (flags, optional) in [(0x00, 0), (0x80, 4), (0x20, 4), (0x10, 4), (0xb0, 12)] {
        let fields = std::vec![0; optional];
        let p = ethernet(&usual().push(&fields).push(&[flags, 0, 8, 0]).ipv4(OUTER, 47).ethernet(0x0800));
        assert_inner(&p, Some(Tunnel::Gre));
        let p =
            ethernet(&frame().push(&fields).push(&[flags, 0, 0x65, 0x58]).ipv4(OUTER, 47).ethernet(0x0800));
        assert_inner(&p, Some(Tunnel::Gre));
    }
    let routed = usual().push(&[0; 4]).push(&[8, 0, 0, 4, 1, 2, 3, 4]).push(&[0; 4]).push(&[0x40, 0, 8, 0]);
    assert_inner(&ethernet(&routed.ipv4(OUTER, 47).ethernet(0x0800)), Some(Tunnel::Gre));
}

#[test]
fn pptp_carries_ppp() {
    let ppp = usual().push(&[0xff, 3, 0, 0x21]);
    for header in [
        &[0x30u8, 0x01, 0x88, 0x0b, 0, 144, 0, 1, 0, 0, 0, 1][..],
        &[0x30, 0x81, 0x88, 0x0b, 0, 144, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2],
    ] {
        let p = ethernet(&ppp.clone().push(header).ipv4(OUTER, 47).ethernet(0x0800));
        assert_inner(&p, Some(Tunnel::Gre));
    }
    let acknowledgment =
        Frame::payload(0).push(&[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2]).ipv4(OUTER, 47);
    let p = ethernet(&acknowledgment.ethernet(0x0800));
    assert!(outer(&p));
    assert_eq!(p.protocol, 47);
}

#[test]
fn mirrored_frames_of_all_three_kinds_are_opened() {
    let first = frame().push(&[0, 0, 0x88, 0xbe]);
    let second = frame().push(&[0x10, 1, 0, 1, 0, 0, 0, 0]).push(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1]);
    let third =
        frame().push(&[0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).push(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1]);
    let platform = frame()
        .push(&[0; 8])
        .push(&[0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        .push(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1]);
    let bare =
        usual().push(&[0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0x08, 0]).push(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1]);
    for mirrored in [first, second, third, platform, bare] {
        let p = ethernet(&mirrored.ipv4(OUTER, 47).ethernet(0x0800));
        assert_inner(&p, Some(Tunnel::Erspan));
    }
}

#[test]
fn ip_in_ip_in_all_four_forms() {
    assert_inner(&ethernet(&usual().ipv4(OUTER, 4).ethernet(0x0800)), Some(Tunnel::Ipip));
    assert_inner(&ethernet(&usual().ipv6(1, 2, 4).ethernet(0x86dd)), Some(Tunnel::Ipip));
    for outer in [
        Frame::payload(5).udp(7, 8).ipv6(3, 4, 17).ipv4(OUTER, 41).ethernet(0x0800),
        Frame::payload(5).udp(7, 8).ipv6(3, 4, 17).ipv6(1, 2, 41).ethernet(0x86dd),
    ] {
        let p = ethernet(&outer);
        assert_eq!(p.source, Address::from_octets(builder::v6(3)));
        assert_eq!((p.tunnel, p.source_port), (Tunnel::Ipv6 as u8, 7));
    }
}

#[test]
fn gre_and_labels_travel_in_udp() {
    let p = ethernet(&usual().push(&[0, 0, 8, 0]).udp(1, 4754).ipv4(OUTER, 17).ethernet(0x0800));
    assert_inner(&p, Some(Tunnel::GreUdp));
    let p = ethernet(&usual().push(&[0, 1, 0x11, 64]).udp(1, 6635).ipv4(OUTER, 17).ethernet(0x0800));
    assert_inner(&p, Some(Tunnel::MplsUdp));
}

#[test]
fn teredo_with_authentication_and_origin_carries_ipv6() {
    let inner = Frame::payload(5).tcp(7, 8).ipv6(3, 4, 6);
    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    let mut authentication = std::vec![0, 1, 3, 2];
    authentication.extend([0; 3 + 2 + 9]);
    for body in [inner.clone(), inner.clone().push(&origin), inner.push(&origin).push(&authentication)] {
        for (source, destination) in [(50000, 3544), (3544, 50000)] {
            let p = ethernet(&body.clone().udp(source, destination).ipv4(OUTER, 17).ethernet(0x0800));
            assert_eq!((p.tunnel, p.source_port, p.payload_length), (Tunnel::Teredo as u8, 7, 5));
        }
    }
    let bubble = Frame::payload(30).udp(50000, 3544).ipv4(OUTER, 17).ethernet(0x0800);
    assert!(outer(&ethernet(&bubble)));
}

#[test]
fn gtp_with_and_without_extension_headers_carries_ip() {
    let plain = usual().push(&[0x30, 0xff, 0, 140, 0, 0, 0, 1]);
    let sequence = usual().push(&[0, 9, 0, 0]).push(&[0x32, 0xff, 0, 144, 0, 0, 0, 1]);
    let extended = usual()
        .push(&[2, 0, 0, 0, 0, 0, 0, 0])
        .push(&[1, 0, 0, 0x85])
        .push(&[0, 9, 0, 0x85])
        .push(&[0x34, 0xff, 0, 148, 0, 0, 0, 1]);
    for body in [plain, sequence, extended] {
        let p = ethernet(&body.udp(2152, 2152).ipv4(OUTER, 17).ethernet(0x0800));
        assert_inner(&p, Some(Tunnel::GtpU));
    }
    let echo = Frame::payload(4).push(&[0x32, 1, 0, 4, 0, 0, 0, 0]).udp(2152, 2152).ipv4(OUTER, 17);
    assert!(outer(&ethernet(&echo.ethernet(0x0800))));
}

#[test]
fn eight_layers_of_tunnels_are_opened_and_the_outermost_is_named() {
    let mut nested = frame();
    for _ in 0..8 {
        nested = nested.vxlan().vlan(7, 0x0800).ethernet(0x8100);
    }
    assert_eq!(ethernet(&nested).protocol, 17, "with a tag in each of them it is too deep, and still counts");
    let mut nested = frame();
    for _ in 0..8 {
        nested = nested.vxlan().ethernet(0x0800);
    }
    assert_inner(&ethernet(&nested), Some(Tunnel::Vxlan));
    let mut nested = usual();
    for _ in 0..9 {
        nested = nested.push(&[0, 0, 8, 0]).ipv4(OUTER, 47);
    }
    assert_inner(&ethernet(&nested.ethernet(0x0800)), Some(Tunnel::Gre));
}

#[test]
fn beyond_all_steps_the_last_layer_counts() {
    let mut nested = usual();
    for _ in 0..60 {
        nested = nested.ipv4(OUTER, 4);
    }
    let p = ethernet(&nested.ethernet(0x0800));
    assert!(outer(&p));
    assert_eq!((p.protocol, p.tunnel), (4, Tunnel::Ipip as u8));
}

#[test]
fn labels_without_end_are_too_deep() {
    let mut labels = usual();
    for _ in 0..100 {
        labels = labels.push(&[0, 1, 0x10, 64]);
    }
    assert_eq!(parsed(Link::Ethernet, labels.ethernet(0x8847).bytes()), Err(ParseError::TooDeep));
}

#[test]
fn a_port_of_zero_switches_a_tunnel_off() {
    let ports = TunnelPorts { vxlan: [0, 0], ..TunnelPorts::default() };
    for destination in [4789, 0] {
        let body =
            frame().push(&[8, 0, 0, 0, 0, 0, 7, 0]).udp(0, destination).ipv4(OUTER, 17).ethernet(0x0800);
        let (mut state, mut packet) = (ParseState::default(), Packet::default());
        let length = body.bytes().len() as u32;
        parse(body.bytes(), Link::Ethernet, length, &ports, &mut state, &mut packet).expect("the outer flow");
        assert!(outer(&packet));
        assert!(parse_fast(body.bytes(), length, || ports).is_some());
    }
}

#[test]
fn ppp_is_a_link_of_its_own() {
    for header in [&[0xffu8, 3, 0, 0x21][..], &[0, 0x21], &[0x21]] {
        let p = parsed(Link::Ppp, usual().push(header).bytes()).expect("IPv4");
        assert_inner(&p, None);
    }
}

/// A frame with the usual flow in it, of the kernel's encapsulations, and the tunnel's name.
fn kernel_encapsulations() -> std::vec::Vec<(Tunnel, Frame)> {
    let udp = |frame: Frame, port| frame.udp(50000, port).ipv4(OUTER, 17).ethernet(0x0800);
    let metadata = [1, 1, 0, 1, 0, 7];
    let sgt = usual().push(&[8, 0]).push(&metadata);
    let ppp = usual().push(&[0, 0x21]);
    let route = |frame: Frame, next| {
        let header = [next, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        frame.push(&header).ipv6(1, 2, 43).ethernet(0x86dd)
    };
    std::vec![
        (Tunnel::CiscoSgt, sgt.clone().ethernet(0x8909)),
        (Tunnel::CiscoSgt, sgt.clone().vlan(7, 0x8909).ethernet(0x8100)),
        (Tunnel::Gre, sgt.push(&[0, 0, 0x89, 0x09]).ipv4(OUTER, 47).ethernet(0x0800)),
        (Tunnel::Vxlan, udp(frame().push(&[0x0c, 0, 0, 3, 0, 0, 7, 0]), 4790)),
        (Tunnel::Vxlan, udp(usual().push(&[0x0c, 0, 0, 1, 0, 0, 7, 0]), 4790)),
        (Tunnel::Vxlan, udp(frame().push(&[0x08, 0, 0, 0, 0, 0, 7, 0]), 4790)),
        (Tunnel::L2tp, udp(ppp.clone().push(&[0x00, 2, 0, 1, 0, 2]), 1701)),
        (Tunnel::L2tp, udp(ppp.clone().push(&[0x40, 2, 0, 150, 0, 1, 0, 2]), 1701)),
        (Tunnel::L2tp, udp(ppp.push(&[0x0b, 2, 0, 1, 0, 2, 0, 5, 0, 6, 0, 2, 9, 9]), 1701)),
        (Tunnel::Srv6, route(frame(), 143)),
        (Tunnel::Ipip, route(usual(), 4)),
        (Tunnel::EtherIp, frame().push(&[0x30, 0]).ipv4(OUTER, 97).ethernet(0x0800)),
    ]
}

#[test]
fn tags_of_groups_l2tp_and_segment_routes_are_followed() {
    for (tunnel, frame) in kernel_encapsulations() {
        assert_inner(&ethernet(&frame), Some(tunnel));
        let p = captured_as(Link::Ethernet, frame.bytes(), frame.bytes().len() as u32);
        assert_inner(&p.expect("IP"), Some(tunnel));
    }
}

#[test]
fn what_controls_l2tp_is_no_tunnel() {
    for header in [[0xc8, 2, 0, 12, 0, 1, 0, 0], [0x40, 3, 0, 12, 0, 1, 0, 0], [0x44, 2, 0, 12, 0, 1, 0, 0]] {
        let p = ethernet(&usual().push(&header).udp(1701, 1701).ipv4(OUTER, 17).ethernet(0x0800));
        assert!(outer(&p));
        assert_eq!((p.source_port, p.tunnel), (1701, 0));
    }
}

#[test]
fn what_only_captures_show_is_followed_there_and_nowhere_else() {
    let udp = |frame: Frame, port| frame.udp(50000, port).ipv4(OUTER, 17).ethernet(0x0800);
    let wireless = usual().push(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]).push(&{
        let mut header = [0; 24];
        header[0] = 0x08;
        header
    });
    let protected = usual().push(&[8, 0]);
    let with_channel = protected.clone().push(&[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 0, 1]);
    let behind = |frame: Frame, rest: usize| {
        let mut bytes = frame.bytes().to_vec();
        bytes.resize(bytes.len() + rest, 0xee);
        Frame::payload(0).push(&bytes)
    };
    let frames = [
        (Tunnel::FabricPath, frame().push(&[0x0a, 0x0b]).ethernet(0x8903), 0),
        (Tunnel::Macsec, behind(protected.push(&[0, 0, 0, 0, 0, 1]), 16).ethernet(0x88e5), 16),
        (Tunnel::Macsec, behind(with_channel, 16).ethernet(0x88e5), 16),
        (Tunnel::Nsh, usual().push(&[0, 2, 1, 1, 0, 0, 1, 0xff]).ethernet(0x894f), 0),
        (Tunnel::Nsh, frame().push(&[0; 16]).push(&[0, 6, 1, 3, 0, 0, 1, 0xff]).ethernet(0x894f), 0),
        (
            Tunnel::Vxlan,
            udp(usual().push(&[0, 2, 2, 1, 0, 0, 1, 0xff]).push(&[0x0c, 0, 0, 4, 0, 0, 7, 0]), 4790),
            0,
        ),
        (
            Tunnel::PimRegister,
            usual().push(&[0x21, 0, 0, 0, 0, 0, 0, 0]).ipv4(OUTER, 103).ethernet(0x0800),
            0,
        ),
        (Tunnel::Lisp, udp(usual().push(&[0x88, 0, 0, 1, 0, 0, 0, 1]), 4341), 0),
        (Tunnel::GtpU, udp(usual().push(&[0; 18]).push(&[0x1e, 0xff]), 3386), 0),
        (Tunnel::GtpU, udp(usual().push(&[0; 18]).push(&[0x1e, 0xff]), 2152), 0),
        (Tunnel::GtpU, udp(usual().push(&[0; 4]).push(&[0x0f, 0xff]), 3386), 0),
        (Tunnel::Gre, wireless.push(&[0, 0, 0x82, 0x10]).ipv4(OUTER, 47).ethernet(0x0800), 0),
    ];
    for (tunnel, frame, rest) in frames {
        let length = frame.bytes().len() as u32;
        let mut p = captured_as(Link::Ethernet, frame.bytes(), length).expect("IP");
        p.wire_length -= rest;
        assert_inner(&p, Some(tunnel));
        assert_ne!(parsed(Link::Ethernet, frame.bytes()).map(|p| p.source_port), Ok(40000), "{tunnel:?}");
    }
    let hidden = usual().push(&[8, 0]).push(&[0x0c, 0, 0, 0, 0, 1]).ethernet(0x88e5);
    let length = hidden.bytes().len() as u32;
    assert_eq!(captured_as(Link::Ethernet, hidden.bytes(), length), Err(ParseError::NotIp), "encrypted");
}

#[test]
fn the_length_of_pppoe_bounds_the_packet() {
    // The packet says to be longer than its session: what stands behind is padding.
    let mut bytes = usual().push(&[0, 0x21]).push(&[0x11, 0, 0, 1, 0, 62]).ethernet(0x8864).bytes().to_vec();
    bytes.resize(bytes.len() + 10, 0);
    let p = parsed(Link::Ethernet, &bytes).expect("IP");
    assert_eq!((p.source_port, p.payload_length), (40000, 60 - 40));
}

#[test]
fn tags_and_networks_make_the_segment_in_which_the_innermost_packet_is() {
    let plain = ethernet(&frame()).segment();
    assert_eq!(plain, 0);
    assert_eq!(ethernet(&usual().vlan(10, 0x0800).ethernet(0x8100)).segment(), 10);
    let double = usual().vlan(20, 0x0800).vlan(10, 0x8100).ethernet(0x88a8);
    assert_eq!(ethernet(&double).segment(), 0xa | 0x14 << 12);
    let vxlan = ethernet(&frame().vxlan().ethernet(0x0800)).segment();
    assert_eq!(vxlan, network(Tunnel::Vxlan, 7));
    let tagged = frame().vxlan().vlan(10, 0x0800).ethernet(0x8100);
    assert_eq!(ethernet(&tagged).segment(), vxlan ^ 0xa);
    let key = [0x20, 0, 8, 0, 0, 0, 0, 7];
    let gre = ethernet(&usual().push(&key).ipv4(OUTER, 47).ethernet(0x0800));
    assert_eq!(gre.segment(), network(Tunnel::Gre, 7));
    let keyless = ethernet(&usual().push(&[0, 0, 8, 0]).ipv4(OUTER, 47).ethernet(0x0800));
    assert_eq!(keyless.segment(), 0);
}

#[test]
fn the_flow_around_a_tunnel_without_ip_is_not_in_the_network_inside() {
    let arp = Frame::payload(28).vlan(10, 0x0806).ethernet(0x8100).vxlan();
    assert_eq!(ethernet(&arp.ethernet(0x0800)).segment(), 0);
}

#[test]
fn a_tag_beside_the_frame_makes_the_same_segment_as_one_in_it() {
    let single = usual().vlan(20, 0x0800).ethernet(0x8100);
    let mut packet = ethernet(&single);
    push_outer_vlan(&mut packet, 0x200a);
    let double = usual().vlan(20, 0x0800).vlan(10, 0x8100).ethernet(0x88a8);
    assert_eq!(packet.segment(), ethernet(&double).segment());
}
