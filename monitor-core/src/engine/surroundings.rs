//! What an engine is told of its host, whenever it changes.

use monitor_common::abi;

use super::Engine;
use crate::{
    host::{Device, Interface, Listener, LocalNetwork, Translating},
    label::ClientRule,
    network::Network,
};

/// The host around an engine; see [`Engine::surroundings`].
#[derive(Debug)]
pub struct Surroundings<'a>(pub(super) &'a mut Engine);

impl Surroundings<'_> {
    /// What turns a time of the flow clock into nanoseconds since the Unix epoch, from now on: the
    /// wall clock may be set, and `CLOCK_MONOTONIC` stands still while a host sleeps.
    pub fn set_wall_offset(&mut self, wall_offset: i64) {
        self.0.books.config.wall_offset = wall_offset;
        self.0.flows.payloads.set_wall_offset(wall_offset);
    }

    /// The interfaces that are watched now. New ones are added, renamed ones count under their new
    /// name from now on, the numbers of removed ones stay under theirs. Flows of a removed interface
    /// end at the next drain, for which its hooks may still be read.
    pub fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.0.books.interfaces.set_interfaces(interfaces);
    }

    /// How all network devices of the host are stacked, watched or not: what is told of a flow that several
    /// see. None: nothing is known, and of what several saw of it the most counts.
    pub fn set_devices(&mut self, devices: &[Device]) {
        let Engine { flows, books } = &mut *self.0;
        flows.devices_changed(books, devices);
    }

    /// Translations of addresses on this host began or ended: what is seen before and behind one is one flow. Those of
    /// flows that begin are to be told before the drain that reads these first ends them.
    pub fn translate(&mut self, news: &Translating) {
        self.0.flows.translate(news);
    }

    /// The interface is gone, and so are its hook counters: another one may begin at 0 under the same
    /// index. Call it after the last drain that reads them.
    pub fn forget_interface(&mut self, ifindex: u32) {
        self.0.books.interfaces.publish();
        self.0.books.interfaces.forget(ifindex);
    }

    /// The host's own addresses. Role and scope of active flows follow.
    pub fn set_local_networks(&mut self, networks: &[LocalNetwork]) {
        let Engine { flows, books } = &mut *self.0;
        if flows.host.set_networks(networks) {
            flows.review(&books.config, |_| true);
        }
    }

    /// The interfaces that lead outwards: by them it is known which side of forwarded traffic is within the edge
    /// that this host is. None: addresses say it.
    pub fn set_uplinks(&mut self, ifindexes: &[u32]) {
        let Engine { flows, books } = &mut *self.0;
        if flows.host.set_uplinks(ifindexes) {
            flows.review(&books.config, |_| true);
        }
    }

    /// Networks of which every address counts as this host's: whose side a capture is looked at from.
    pub fn set_inside(&mut self, networks: &[Network]) {
        let Engine { flows, books } = &mut *self.0;
        flows.host.set_inside(networks);
        flows.review(&books.config, |_| true);
    }

    /// The listening sockets of this host, for flows whose beginning was not seen. Whose client was
    /// found by its listener keeps it when that closes.
    pub fn set_listeners(&mut self, listeners: &[Listener]) {
        let Engine { flows, books } = &mut *self.0;
        if flows.host.set_listeners(listeners) {
            flows.review(&books.config, |e| {
                e.seen.1 == abi::ClientRule::First && e.parties.rule != ClientRule::Listener
            });
        }
    }
}
