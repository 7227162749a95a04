//! Later fragments count on the flow of their first.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use monitor_common::{
    abi::{FragmentKey, FragmentPorts},
    wire::{Fragment, Packet},
};

/// Datagrams that are remembered, as many as the kernel side remembers.
const CAPACITY: usize = 8192;

/// Ports of first fragments; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    ports: HashMap<FragmentKey, FragmentPorts, RandomState>,
    order: VecDeque<FragmentKey>,
}

impl Fragments {
    /// Remembers the ports of a first fragment, or gives them to a later one.
    pub(super) fn resolve(&mut self, packet: &mut Packet, ifindex: u32) {
        let key = FragmentKey {
            source: packet.source,
            destination: packet.destination,
            id: packet.fragment_id,
            ifindex,
            protocol: packet.protocol,
            ip_version: packet.ip_version,
            reserved: [0; 2],
        };
        if packet.fragment == Fragment::First as u8 {
            let ports = FragmentPorts { source: packet.source_port, destination: packet.destination_port };
            if self.ports.insert(key, ports).is_none() {
                self.order.push_back(key);
                if self.order.len() > CAPACITY
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
