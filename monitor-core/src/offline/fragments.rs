//! Later fragments count on the flow of their first.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use monitor_common::{
    abi::{FRAGMENTED_DATAGRAMS, FragmentKey, FragmentPorts},
    account::fragment_key,
    wire::{Fragment, Packet},
};

/// Ports of first fragments; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    ports: HashMap<FragmentKey, FragmentPorts, RandomState>,
    order: VecDeque<FragmentKey>,
}

impl Fragments {
    /// Remembers the ports of a first fragment, or gives them to a later one.
    pub(super) fn resolve(&mut self, packet: &mut Packet, ifindex: u32) {
        let mut key = FragmentKey::default();
        fragment_key(packet, ifindex, &mut key);
        if packet.fragment == Fragment::First as u8 {
            let ports = FragmentPorts { source: packet.source_port, destination: packet.destination_port };
            if self.ports.insert(key, ports).is_none() {
                self.order.push_back(key);
                if self.order.len() > FRAGMENTED_DATAGRAMS as usize
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.ports.remove(&oldest);
                }
            }
        } else if let Some(ports) = self.ports.get(&key) {
            packet.source_port = ports.source;
            packet.destination_port = ports.destination;
        }
    }
}
