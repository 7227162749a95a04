//! Later fragments count on the flow of their first.

use monitor_common::{
    abi::{FragmentKey, FragmentPorts},
    account::fragment_key,
    wire::{Fragment, Packet},
};

use crate::maps::FRAGMENTS;

/// Remembers the ports of a first fragment, or gives them to a later one.
#[inline(always)]
pub(crate) fn resolve(packet: &mut Packet, ifindex: u32, key: &mut FragmentKey) {
    fragment_key(packet, ifindex, key);
    if packet.fragment == Fragment::First as u8 {
        let ports = FragmentPorts { source: packet.source_port, destination: packet.destination_port };
        // A table that takes nothing more costs a later fragment its ports, never a count.
        let _ = FRAGMENTS.insert(&*key, ports, 0);
    } else if let Some(ports) = lookup(key) {
        packet.source_port = ports.source;
        packet.destination_port = ports.destination;
    }
}

#[inline(always)]
#[expect(unsafe_code, reason = "a map value by reference")]
fn lookup(key: &FragmentKey) -> Option<FragmentPorts> {
    // SAFETY: copied at once; at worst the ports of another datagram after a reuse of the element.
    unsafe { FRAGMENTS.get(key) }.copied()
}
