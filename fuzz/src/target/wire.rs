//! Frames: the short parser says nothing that the general one does not say too.

use monitor_common::wire::{
    Link, Packet, ParseState, TunnelPorts, parse, parse_capture, parse_fast, push_outer_vlan, super_packet,
};

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let first = input.byte();
    let link = match first & 3 {
        0 => Link::Ethernet,
        1 => Link::Ip,
        2 => Link::Ppp,
        _ => Link::EtherType(input.word()),
    };
    let (gso_size, gso_segs, cut) = (input.word(), input.word(), u32::from(input.byte()));
    let frame = input.0;
    let length = frame.len() as u32 + cut;
    let mut state = ParseState::default();
    let mut packet = Packet::default();
    let parse = if first & 4 == 0 { parse::<[u8]> } else { parse_capture::<[u8]> };
    let known = parse(frame, link, length, &TunnelPorts::default(), &mut state, &mut packet);
    if link == Link::Ethernet
        && let Some(fast) = parse_fast(frame, length, TunnelPorts::default)
    {
        assert_eq!(known, Ok(()), "the short parser reads what the general one does not");
        assert_eq!(fast, packet, "both parsers read the same");
    }
    if known.is_ok() {
        assert!(matches!(packet.ip_version, 4 | 6), "an IP packet");
        super_packet(&mut packet, u32::from(gso_size), u32::from(gso_segs), state.transient());
        push_outer_vlan(&mut packet, gso_segs);
        assert!(packet.segments != 0, "a frame is at least one packet");
    }
}
