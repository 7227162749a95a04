//! Link, IP and transport headers, lengths and super-packets.

use super::builder::v6;
use super::*;

#[test]
fn a_plain_segment_is_read_whole() {
    let frame = usual().ethernet(0x0800);
    let p = ethernet(&frame);
    assert_inner(&p, None);
    assert_eq!((p.seq, p.ack, p.window, p.tcp_flags, p.ttl), (1000, 2000, 500, 0x18, 64));
    assert_eq!((p.ip_offset, p.payload_offset, p.wire_length, p.segments), (14, 54, 154, 1));
    assert_eq!(fast(Link::Ethernet, frame.bytes(), 154), Some(p));
}

#[test]
fn bare_ip_is_read_by_its_version() {
    let p = parsed(Link::Ip, usual().bytes()).expect("IPv4");
    assert_inner(&p, None);
    let frame = Frame::payload(9).udp(1, 2).ipv6(1, 2, 17);
    let p = parsed(Link::Ip, frame.bytes()).expect("IPv6");
    assert_eq!((p.ip_version, p.payload_length, p.ip_length, p.ttl), (6, 9, 57, 63));
    assert_eq!(p.source, Address::from_octets(v6(1)));
    assert_eq!(p.destination, Address::from_octets(v6(2)));
}

#[test]
fn padding_of_short_frames_is_no_payload() {
    let frame = Frame::payload(0).tcp_with(1, 2, 0x10, &[]).inner(6).ethernet(0x0800);
    let mut bytes = frame.bytes().to_vec();
    bytes.resize(60, 0);
    let p = parsed(Link::Ethernet, &bytes).expect("an ACK");
    assert_eq!((p.payload_length, p.ip_length, p.wire_length), (0, 40, 60));
}

#[test]
fn a_cut_frame_has_its_true_lengths() {
    let frame = usual().ethernet(0x0800);
    let p = parsed_as(Link::Ethernet, &frame.bytes()[..54], 154).expect("headers are whole");
    assert_inner(&p, None);
    assert_eq!(fast(Link::Ethernet, &frame.bytes()[..54], 154), Some(p));
}

#[test]
fn a_cut_transport_header_keeps_addresses_and_what_ports_there_are() {
    let frame = usual().ethernet(0x0800);
    for length in 34..54 {
        let p = parsed_as(Link::Ethernet, &frame.bytes()[..length], 154).expect("addresses are whole");
        assert_eq!(p.source, Address::from_v4_octets(CLIENT));
        assert_eq!(p.source_port, if length < 38 { 0 } else { 40000 }, "{length} bytes");
        let behind_the_window = length >= 50;
        assert_eq!(p.tcp_flags, if behind_the_window { 0x18 } else { 0 }, "{length} bytes");
        assert_eq!(p.payload_length, if behind_the_window { 100 } else { 0 }, "{length} bytes");
    }
    assert_eq!(parsed_as(Link::Ethernet, &frame.bytes()[..33], 154), Err(ParseError::Truncated));
}

#[test]
fn padding_behind_a_tiny_fragment_is_no_transport_header() {
    for (protocol, body, ports) in [(6, 8, (7, 8)), (17, 4, (7, 8)), (6, 2, (0, 0)), (132, 0, (0, 0))] {
        let whole = Frame::payload(0).udp(7, 8);
        let fragment =
            Frame::payload(0).push(&whole.bytes()[..body]).ipv4_with((CLIENT, SERVER), protocol, 0x2000, &[]);
        let mut bytes = fragment.ethernet(0x0800).bytes().to_vec();
        bytes.resize(60, 0xff);
        let p = parsed(Link::Ethernet, &bytes).expect("addresses");
        assert_eq!(((p.source_port, p.destination_port), p.tcp_flags, p.payload_length), (ports, 0, 0));
    }
}

#[test]
fn a_syn_goes_the_general_way_and_has_its_options() {
    let options = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let frame = Frame::payload(0).tcp_with(1, 2, 0x02, &options).inner(6).ethernet(0x0800);
    assert_eq!(fast(Link::Ethernet, frame.bytes(), 74), None);
    let p = ethernet(&frame);
    assert_eq!((p.mss, p.window_scale, p.payload_offset), (1460, 8, 74));
}

#[test]
fn hostile_options_end_the_search() {
    for options in [[3, 0, 2, 4], [3, 1, 2, 4], [2, 200, 0, 0], [0, 2, 4, 1], [2, 4, 0xff, 0xff]] {
        let frame = Frame::payload(0).tcp_with(1, 2, 0x02, &options).inner(6).ethernet(0x0800);
        let p = ethernet(&frame);
        assert_eq!((p.mss, p.window_scale), (if options[3] == 0xff { 0xffff } else { 0 }, 0));
    }
}

#[test]
fn a_tcp_header_shorter_than_itself_gives_ports_only() {
    let mut bytes = usual().ethernet(0x0800).bytes().to_vec();
    bytes[14 + 20 + 12] = 0x40;
    let p = parsed(Link::Ethernet, &bytes).expect("addresses are whole");
    assert_eq!((p.source_port, p.tcp_flags, p.payload_length), (40000, 0, 0));
    assert_eq!(fast(Link::Ethernet, &bytes, 154), None);
}

#[test]
fn ipv4_options_are_skipped() {
    let frame =
        Frame::payload(100).tcp(40000, 443).ipv4_with((CLIENT, SERVER), 6, 0, &[1; 8]).ethernet(0x0800);
    let p = ethernet(&frame);
    assert_eq!((p.source_port, p.payload_offset, p.payload_length, p.ip_length), (40000, 62, 100, 148));
    assert_eq!(fast(Link::Ethernet, frame.bytes(), 162), None);
}

#[test]
fn contradicting_ipv4_lengths_are_malformed() {
    let good = usual().ethernet(0x0800);
    for (at, value) in [(14, 0x44), (14, 0x55), (17, 19)] {
        let mut bytes = good.bytes().to_vec();
        bytes[16] = 0;
        bytes[at] = value;
        assert_eq!(parsed(Link::Ethernet, &bytes), Err(ParseError::Malformed), "{at}");
    }
}

#[test]
fn extension_headers_lead_to_the_transport() {
    // Hop-by-hop, destination, routing, AH, destination, TCP.
    let frame = Frame::payload(100)
        .tcp(40000, 443)
        .push(&[6, 0, 0, 0, 0, 0, 0, 0])
        .push(&[60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .push(&[51, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .push(&[43, 0, 0, 0, 0, 0, 0, 0])
        .push(&[60, 0, 0, 0, 0, 0, 0, 0])
        .ipv6(1, 2, 0)
        .ethernet(0x86dd);
    let p = ethernet(&frame);
    assert_eq!((p.protocol, p.source_port, p.payload_length), (6, 40000, 100));
    assert_eq!(p.ip_length, p.wire_length - 14);
    assert_eq!(fast(Link::Ethernet, frame.bytes(), p.wire_length), None);
}

#[test]
fn what_ah_protects_is_the_flow_where_it_is_a_transport() {
    let header = |next| [next, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (next, protocol) in [(17, 17), (1, 1), (50, 51), (112, 51)] {
        let p = ethernet(&Frame::payload(4).udp(7, 8).push(&header(next)).inner(51).ethernet(0x0800));
        assert_eq!((p.protocol, p.source_port), (protocol, if next == 17 { 7 } else { 0 }));
    }
}

#[test]
fn mobility_without_next_header_is_its_own_protocol() {
    let frame = Frame::payload(0).push(&[59, 0, 5, 0, 0, 0, 0, 0]).ipv6(1, 2, 135);
    assert_eq!(parsed(Link::Ip, frame.bytes()).map(|p| p.protocol), Ok(135));
    let frame = Frame::payload(4).udp(7, 8).push(&[17, 0, 5, 0, 0, 0, 0, 0]).ipv6(1, 2, 135);
    assert_eq!(parsed(Link::Ip, frame.bytes()).map(|p| (p.protocol, p.source_port)), Ok((17, 7)));
}

#[test]
fn ipv4_fragments_know_their_datagram() {
    let first = Frame::payload(32).udp(7, 8).ipv4_with((CLIENT, SERVER), 17, 0x2000, &[]).ethernet(0x0800);
    let p = ethernet(&first);
    assert_eq!((p.fragment, p.fragment_id, p.source_port), (Fragment::First as u8, 0x1234, 7));
    assert_eq!(p.payload_length, 32);
    let later = Frame::payload(32).ipv4_with((CLIENT, SERVER), 17, 0x0005, &[]).ethernet(0x0800);
    let p = ethernet(&later);
    assert_eq!((p.fragment, p.fragment_id, p.source_port), (Fragment::Later as u8, 0x1234, 0));
    assert_eq!((p.protocol, p.payload_length, p.payload_offset), (17, 32, 34));
    for frame in [first, later] {
        assert_eq!(fast(Link::Ethernet, frame.bytes(), frame.bytes().len() as u32), None);
    }
}

#[test]
fn ipv6_fragments_know_their_datagram() {
    let header = |offset_and_more: u16| {
        let [a, b] = offset_and_more.to_be_bytes();
        [17, 0, a, b, 0xde, 0xad, 0xbe, 0xef]
    };
    let first = Frame::payload(16).udp(7, 8).push(&header(1)).ipv6(1, 2, 44);
    let p = parsed(Link::Ip, first.bytes()).expect("a fragment");
    assert_eq!((p.fragment, p.fragment_id, p.source_port), (Fragment::First as u8, 0xdead_beef, 7));
    let later = Frame::payload(16).push(&header(24)).ipv6(1, 2, 44);
    let p = parsed(Link::Ip, later.bytes()).expect("a fragment");
    assert_eq!((p.fragment, p.protocol, p.source_port), (Fragment::Later as u8, 17, 0));
    let atomic = Frame::payload(16).udp(7, 8).push(&header(0)).ipv6(1, 2, 44);
    let p = parsed(Link::Ip, atomic.bytes()).expect("a whole packet");
    assert_eq!((p.fragment, p.fragment_id, p.source_port), (Fragment::None as u8, 0, 7));
}

#[test]
fn vlan_tags_are_listed_outermost_first() {
    let frame = usual().vlan(30, 0x0800).vlan(20, 0x8100).vlan(10, 0x9100).ethernet(0x88a8);
    let p = ethernet(&frame);
    assert_inner(&p, None);
    assert_eq!((p.vlan_tags, p.vlans), (3, [10, 20]));
}

#[test]
fn snap_and_bare_llc_carry_ip() {
    let snap = usual().push(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    let length = snap.bytes().len() as u16;
    assert_inner(&ethernet(&snap.clone().ethernet(length)), None);
    assert_inner(&ethernet(&snap.vlan(5, length).ethernet(0x8100)), None);
    assert_inner(&ethernet(&usual().push(&[6, 6, 3]).ethernet(143)), None);
    let bridge = Frame::payload(40).push(&[0x42, 0x42, 3]).ethernet(43);
    assert_eq!(parsed(Link::Ethernet, bridge.bytes()), Err(ParseError::NotIp));
}

#[test]
fn udp_payload_is_what_header_and_packet_allow() {
    let mut bytes = Frame::payload(50).udp(7, 8).inner(17).ethernet(0x0800).bytes().to_vec();
    for (length, expected) in [(58u16, 50), (18, 10), (400, 50), (3, 0), (0, 50)] {
        bytes[38..40].copy_from_slice(&length.to_be_bytes());
        assert_eq!(parsed(Link::Ethernet, &bytes).map(|p| p.payload_length), Ok(expected), "{length}");
    }
}

#[test]
fn a_length_of_zero_is_the_rest_of_a_super_packet() {
    let mut bytes = Frame::payload(1000).tcp(1, 2).inner(6).ethernet(0x0800).bytes().to_vec();
    bytes[16..18].fill(0);
    let p = parsed_as(Link::Ethernet, &bytes, 80106).expect("BIG TCP");
    assert_eq!((p.ip_length, p.payload_length), (80092, 80052));
    let mut bytes = Frame::payload(1000).tcp(1, 2).ipv6(1, 2, 6).ethernet(0x86dd).bytes().to_vec();
    bytes[18..20].fill(0);
    let p = parsed_as(Link::Ethernet, &bytes, 100_074).expect("BIG TCP");
    assert_eq!((p.ip_length, p.payload_length), (100_060, 100_000));
    assert_eq!(fast(Link::Ethernet, &bytes, 100_074), None);
}

#[test]
fn an_empty_ipv6_packet_is_forty_bytes() {
    let mut bytes = Frame::payload(0).ipv6(1, 2, 59).ethernet(0x86dd).bytes().to_vec();
    bytes.resize(60, 0);
    let p = parsed(Link::Ethernet, &bytes).expect("addresses");
    assert_eq!((p.ip_length, p.protocol), (40, 59));
}

#[test]
fn other_protocols_have_no_ports() {
    for protocol in [1, 2, 50, 89, 112, 255] {
        let p = ethernet(&Frame::payload(64).inner(protocol).ethernet(0x0800));
        assert_eq!((p.protocol, p.source_port, p.payload_length), (protocol, 0, 0));
    }
    let p =
        ethernet(&Frame::payload(20).push(&[0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]).inner(132).ethernet(0x0800));
    assert_eq!((p.protocol, p.source_port, p.destination_port, p.payload_length), (132, 7, 8, 0));
}

#[test]
fn an_icmp_error_is_not_the_packet_that_it_quotes() {
    let frame = usual().push(&[3, 1, 0, 0, 0, 0, 0, 0]).ipv4(builder::OUTER, 1).ethernet(0x0800);
    let p = ethernet(&frame);
    assert_eq!((p.protocol, p.source_port), (1, 0));
    assert_eq!(p.source, Address::from_v4_octets(builder::OUTER.0));
}

#[test]
fn no_ip_is_said_to_be_none() {
    for number in [0x0806, 0x88cc, 0x8863, 0x0600, 0xffff] {
        let frame = Frame::payload(46).ethernet(number);
        assert_eq!(parsed(Link::Ethernet, frame.bytes()), Err(ParseError::NotIp), "{number:04x}");
    }
}

#[test]
fn a_super_packet_counts_as_its_packets_on_the_wire() {
    let mut p = ethernet(&Frame::payload(3000).tcp(1, 2).inner(6).ethernet(0x0800));
    super_packet(&mut p, 1448, 0, 0);
    // 1448 + 1448 + 104 bytes, each with 54 bytes of headers.
    assert_eq!((p.segments, p.wire_length, p.ip_length, p.payload_length), (3, 3162, 3120, 3000));
    push_outer_vlan(&mut p, 0x6064);
    assert_eq!((p.wire_length, p.vlan_tags, p.vlans), (3174, 1, [100, 0]));
}

#[test]
fn segments_said_by_the_kernel_are_believed() {
    let mut p = ethernet(&Frame::payload(3000).tcp(1, 2).inner(6).ethernet(0x0800));
    super_packet(&mut p, 1448, 5, 0);
    assert_eq!((p.segments, p.wire_length), (5, 3054 + 4 * 54));
    let mut p = ethernet(&Frame::payload(3000).tcp(1, 2).inner(6).ethernet(0x0800));
    super_packet(&mut p, 0, 0, 0);
    assert_eq!((p.segments, p.wire_length), (1, 3054));
}

#[test]
fn a_tag_in_metadata_stands_before_those_in_the_frame() {
    let mut p = ethernet(&usual().vlan(20, 0x0800).ethernet(0x8100));
    push_outer_vlan(&mut p, 10);
    assert_eq!((p.vlan_tags, p.vlans, p.wire_length), (2, [10, 20], 162));
}

#[test]
fn the_jumbo_header_of_a_super_packet_never_reaches_the_wire() {
    let mut bytes = Frame::payload(3000)
        .tcp(1, 2)
        .push(&[6, 0, 0xc2, 4, 0, 1, 0x0b, 0xd0])
        .ipv6(1, 2, 0)
        .ethernet(0x86dd)
        .bytes()
        .to_vec();
    bytes[18..20].fill(0);
    let (mut state, mut p) = (dirty(), Packet::default());
    let length = bytes.len() as u32;
    parse(&bytes[..], Link::Ethernet, length, &TunnelPorts::default(), &mut state, &mut p).expect("IPv6");
    assert_eq!((p.protocol, p.payload_length, p.wire_length), (6, 3000, 3082));
    super_packet(&mut p, 1448, 0, state.transient());
    // 1448 + 1448 + 104 bytes, each with 74 bytes of headers.
    assert_eq!((p.segments, p.wire_length, p.ip_length), (3, 3000 + 3 * 74, 3000 + 3 * 60));
    // Other options are sent with each.
    let other = Frame::payload(3000).tcp(1, 2).push(&[6, 0, 5, 2, 0, 0, 1, 0]).ipv6(1, 2, 0).ethernet(0x86dd);
    let mut p = Packet::default();
    parse(other.bytes(), Link::Ethernet, length, &TunnelPorts::default(), &mut state, &mut p).expect("IPv6");
    assert_eq!(state.transient(), 0);
}
