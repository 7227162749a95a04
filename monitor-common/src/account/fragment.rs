//! Later fragments count on the flow of their first, also where that carries a tunnel.

use crate::abi::{FragmentFlow, FragmentKey};
use crate::wire::{Fragment, Packet, ParseState};

/// Where the flows of first fragments are remembered. It holds no counts: what it forgets costs a later
/// fragment its ports, nothing else.
pub trait FragmentTable {
    /// The flow that was remembered.
    fn get(&self, key: &FragmentKey) -> Option<FragmentFlow>;
    /// Remembers a flow.
    fn insert(&mut self, key: &FragmentKey, flow: &FragmentFlow);
}

/// Remembers the flow of a first fragment, or gives it to a later one. `packet` and `state` are as the parser
/// left them.
#[inline(always)]
pub fn resolve<T: FragmentTable>(
    packet: &mut Packet,
    state: &mut ParseState,
    ifindex: u32,
    flow: &mut FragmentFlow,
    table: &mut T,
) {
    let (first, own) = state.fragment_keys();
    first.ifindex = ifindex;
    own.ifindex = ifindex;
    if packet.fragment == Fragment::Later as u8 {
        match table.get(own) {
            Some(found) => credit(packet, &found),
            None => forget_header(packet),
        }
    }
    if first.ip_version == 0 {
        return;
    }
    flow.source = packet.source;
    flow.destination = packet.destination;
    flow.segment = packet.segment();
    flow.seq = packet.seq;
    flow.source_port = packet.source_port;
    flow.destination_port = packet.destination_port;
    flow.protocol = packet.protocol;
    flow.ip_version = packet.ip_version;
    flow.tunnel = packet.tunnel;
    flow.split = (packet.protocol == 6 && packet.tcp_flags == 0) as u8;
    table.insert(first, flow);
    // A fragment whose parts are in fragments themselves.
    if own.ip_version != 0 && packet.fragment == Fragment::First as u8 && *own != *first {
        table.insert(own, flow);
    }
}

/// Gives a later fragment the flow of its first.
#[inline(always)]
fn credit(packet: &mut Packet, first: &FragmentFlow) {
    let same = packet.protocol == first.protocol
        && packet.ip_version == first.ip_version
        && packet.source == first.source
        && packet.destination == first.destination;
    if same && first.split != 0 && packet.tcp_flags != 0 {
        packet.payload_length = packet.payload_length.saturating_sub(packet.seq);
        packet.seq = first.seq;
    } else {
        forget_header(packet);
    }
    if !same {
        // The header inside the first fragment has said how long the packet is.
        packet.ip_length = 0;
        packet.payload_length = 0;
        packet.source = first.source;
        packet.destination = first.destination;
        packet.protocol = first.protocol;
        packet.ip_version = first.ip_version;
        packet.tunnel = first.tunnel;
    }
    packet.set_segment(first.segment);
    packet.source_port = first.source_port;
    packet.destination_port = first.destination_port;
}

/// What looked like the rest of a TCP header is none, or none that can be understood.
#[inline(always)]
fn forget_header(packet: &mut Packet) {
    packet.seq = 0;
    packet.ack = 0;
    packet.tcp_flags = 0;
    packet.window = 0;
    packet.mss = 0;
    packet.window_scale = 0;
}
