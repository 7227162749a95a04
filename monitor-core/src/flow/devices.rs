//! The host's devices as a graph of what is stacked on what.

use std::collections::HashMap;

use monitor_common::{abi::FlowKey, wire::Packet};

use crate::host::{Device, DeviceKind};

/// Devices that are followed from one to the next at most: deeper stacks the kernel does not build
/// (`MAX_NEST_DEV`, include/linux/netdevice.h), and a graph that changes while it is read may have circles.
const DEPTH: usize = 16;

/// Where packets of a flow were seen: at a device, perhaps inside a tunnel that passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) ifindex: u32,
    /// Inside a tunnel.
    pub(crate) inside: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    by_index: HashMap<u32, Device>,
    /// There are cards: packets enter and leave the host by them, and veths and taps lead inwards. In a
    /// container they lead outwards.
    has_cards: bool,
}

impl Devices {
    /// Returns whether they are others than before.
    pub(crate) fn set(&mut self, devices: &[Device]) -> bool {
        if self.by_index.len() == devices.len()
            && devices.iter().all(|d| self.by_index.get(&d.ifindex) == Some(d))
        {
            return false;
        }
        self.by_index = devices.iter().map(|d| (d.ifindex, d.clone())).collect();
        self.has_cards = devices.iter().any(|d| d.kind == DeviceKind::Card);
        true
    }

    /// Nothing is known of any device: places of a capture.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// See [`Self::has_cards`].
    pub(crate) const fn has_cards(&self) -> bool {
        self.has_cards
    }

    fn kind(&self, ifindex: u32) -> DeviceKind {
        self.by_index.get(&ifindex).map_or(DeviceKind::Card, |d| d.kind)
    }

    /// veth, tun or tap.
    pub(crate) fn is_inner(&self, place: Place) -> bool {
        self.kind(place.ifindex) == DeviceKind::Inner
    }

    /// Devices straight above one.
    fn above(&self, ifindex: u32) -> impl Iterator<Item = u32> {
        let master = self.by_index.get(&ifindex).and_then(|d| d.master);
        let stands_on = move |d: &&Device| d.lower == Some(ifindex) && d.kind != DeviceKind::Inner;
        master.into_iter().chain(self.by_index.values().filter(stands_on).map(|d| d.ifindex))
    }

    /// All devices above one.
    fn all_above(&self, ifindex: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut todo: Vec<(u32, usize)> = vec![(ifindex, 0)];
        while let Some((at, depth)) = todo.pop() {
            for up in self.above(at) {
                if depth < DEPTH && !found.contains(&up) {
                    found.push(up);
                    todo.push((up, depth + 1));
                }
            }
        }
        found
    }

    /// Which of these places are stacked on one another, by index of both.
    pub(crate) fn stacked(&self, places: &[Place]) -> Vec<Vec<bool>> {
        let above: Vec<_> = places.iter().map(|p| self.all_above(p.ifindex)).collect();
        let is_tunnel = |ifindex: u32| self.kind(ifindex) == DeviceKind::Tunnel;
        // On a tunnel's end: that end, or something that stands on one.
        let on_tunnel: Vec<bool> = places
            .iter()
            .map(|p| {
                is_tunnel(p.ifindex)
                    || self.by_index.keys().any(|t| is_tunnel(*t) && self.all_above(*t).contains(&p.ifindex))
            })
            .collect();
        let mut stacked = vec![vec![false; places.len()]; places.len()];
        for (i, a) in places.iter().enumerate() {
            for (j, b) in places.iter().enumerate() {
                let pair = above.get(i).is_some_and(|up| up.contains(&b.ifindex))
                    || (a.inside && !b.inside && on_tunnel.get(j) == Some(&true));
                if i != j && pair {
                    stacked[i][j] = true;
                    stacked[j][i] = true;
                }
            }
        }
        stacked
    }

    /// The bridge that a device is a port of, or stands below one, and that port: what the bridge floods leaves by
    /// all of them.
    pub(crate) fn port(&self, place: Place) -> Option<(u32, u32)> {
        let mut at = place.ifindex;
        for _ in 0..DEPTH {
            let master = self.by_index.get(&at)?.master?;
            if self.kind(master) == DeviceKind::Bridge {
                return Some((master, at));
            }
            at = master;
        }
        None
    }

    /// The device that this one shares with others, each of which may get a copy.
    pub(crate) fn share(&self, place: Place) -> Option<(u32, u32)> {
        let device = self.by_index.get(&place.ifindex).filter(|d| d.kind == DeviceKind::Shared)?;
        Some((device.lower?, device.ifindex))
    }

    /// The layer 2 network in which a packet of this key was seen, as far as it is one of its own: 0 where
    /// the host itself takes part in it, or nothing says that it is separate. `vlans` are the tags.
    pub(crate) fn domain(&self, key: &FlowKey, vlans: [u16; 2]) -> u64 {
        if self.is_empty() {
            return u64::from(key.segment);
        }
        if key.segment == 0 {
            return self.domain_of(key.ifindex);
        }
        let tags = Packet { tags: u32::from(vlans[0]) | u32::from(vlans[1]) << 12, ..Packet::default() };
        let network = key.segment ^ tags.segment();
        let joins = if network == 0 {
            self.vlan_device(key.ifindex, vlans)
        } else {
            let ends = |d: &&Device| d.kind == DeviceKind::Tunnel && d.network.is_none_or(|n| n == network);
            self.by_index.values().filter(ends).map(|d| (d.network.is_none(), d.ifindex)).min().map(|d| d.1)
        };
        joins.map_or(1 << 63 | u64::from(key.segment), |device| self.domain_of(device))
    }

    /// The VLAN device that takes these tags off what passes a device or one below it.
    fn vlan_device(&self, ifindex: u32, [outer, inner]: [u16; 2]) -> Option<u32> {
        let on = |base: u32, id: u16| {
            let bases = [vec![base], self.all_above(base)].concat();
            let takes =
                |d: &&Device| d.vlan == Some(id) && d.lower.is_some_and(|lower| bases.contains(&lower));
            self.by_index.values().filter(takes).map(|d| d.ifindex).min()
        };
        let outer = on(ifindex, outer)?;
        if inner == 0 { Some(outer) } else { on(outer, inner) }
    }

    /// The network of a device's plain frames: the bridge that it belongs to, if the host has no address there.
    fn domain_of(&self, ifindex: u32) -> u64 {
        let mut at = ifindex;
        for _ in 0..DEPTH {
            let Some(device) = self.by_index.get(&at) else { return 0 };
            if device.kind == DeviceKind::Bridge {
                let addressed = |up: &u32| self.by_index.get(up).is_some_and(|d| d.addressed);
                let host = device.addressed || self.all_above(at).iter().any(addressed);
                return if host { 0 } else { 1 << 32 | u64::from(at) };
            }
            match device.master {
                Some(master) => at = master,
                None => return 0,
            }
        }
        0
    }
}
