//! What differs where slots are those of a capture: they are read when their flows end.

use monitor_common::abi::{self, Flow, FlowKey, Side, View};

use super::{Engine, flows::packets};
use crate::{
    flow::silent::{Silent, Tuple},
    label::EndReason,
    payload::Talk,
    record::Id,
};

impl Engine {
    /// From now on beginnings of flows are noted by [`Self::begins`]: where slots are read when flows end, they
    /// would come in another order.
    pub(crate) const fn note_early(&mut self) {
        self.flows.noted_early = true;
    }

    /// A flow began at `time`.
    pub(crate) fn begins(&mut self, key: &FlowKey, seen: (Side, abi::ClientRule), time: u64) {
        let Self { flows, books } = self;
        let parties = flows.host.parties(key, seen, &books.config.services);
        books.ledger.reached(key, parties, time);
        books.tell_fanout(!flows.noted_early);
    }

    /// Which way the directions of a flow pass by its addresses, if one is this host's.
    pub(crate) fn view_by_address(&self, key: &FlowKey) -> Option<View> {
        self.flows.host.view(key)
    }

    /// Reads a slot for the first time whose flow's directions pass otherwise than its key says.
    pub(crate) fn open_as(&mut self, slot: u32, flow: &Flow, view: View) {
        self.flows.open_as(&mut self.books, slot, flow, view);
    }

    /// Says what is known of the flow in a slot, whose talk lies elsewhere.
    pub(crate) fn learn(&mut self, slot: u32, talk: &Talk) {
        if let Some(entry) = self.flows.table.entry_mut(slot) {
            entry.talk = talk.clone();
        }
    }

    /// As a live flow does, one of a capture gets the name of the connection of QUIC with which it goes on, perhaps.
    /// `last` says when the flow of a number in a slot had its last packet.
    pub(crate) fn find_moved(&self, flow: &Flow, talk: &mut Talk, last: impl Fn(u32, Id) -> Option<u64>) {
        self.flows.payloads.find_moved(&flow.head.key.get(), talk, flow.head.first.get(), last);
    }

    /// The talk of the connection that goes on in a slot of a capture that was taken for it, and what is known of its
    /// client; `None`: it is a new one.
    pub(crate) fn resumes(&self, flow: &Flow) -> Option<(Talk, (Side, abi::ClientRule))> {
        let key = flow.head.key.get();
        let vlans = [flow.head.vlans[0].get(), flow.head.vlans[1].get()];
        let tuple = Tuple::new(&key, self.flows.devices.domain(&key, vlans));
        self.flows.silents.find(&tuple, flow).map(Silent::said)
    }

    /// As [`Self::close`], of a flow whose talk lay elsewhere.
    pub(crate) fn close_with(&mut self, slot: u32, flow: &Flow, talk: Talk, reason: EndReason) {
        let Self { flows, books } = self;
        flows.observe_changed(books, slot, flow, packets(flow));
        if let Some(entry) = flows.table.entry_mut(slot) {
            entry.talk = talk;
        }
        flows.leave(books, slot, reason);
    }

    /// The capture has ended, and all its flows.
    pub(crate) fn conclude(&mut self) {
        self.books.detection.finish();
        self.books.tell_detections(false);
    }

    /// Gives up waiting for responses of DNS alone: of a capture, time is no reason to forget a hello.
    pub(crate) fn expire_queries(&mut self, now: u64) {
        self.flows.payloads.expire_queries(now);
    }
}
