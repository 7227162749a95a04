//! Who reaches how many, from the beginnings of flows.

use monitor_common::abi::{self, FlowKey, Side, Transport};

use super::{Engine, payload::queue};
use crate::{
    fanout::{Detection, Fanout, reaches},
    flow::role::{self, Parties},
    record::AnyRecord,
};

impl Engine {
    /// Who reaches how many.
    pub const fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// The sources that passed a threshold since the last call.
    pub fn take_fanout(&mut self) -> Vec<Detection> {
        std::mem::take(&mut self.found)
    }

    /// Writes records of what was found.
    pub(super) fn tell_fanout(&mut self) {
        for detection in self.fanout.take_news() {
            if self.config.records {
                let record = AnyRecord::Fanout(Box::new(detection.record(self.config.wall_offset)));
                queue(&mut self.records, self.config.record_queue, &mut self.totals.records_dropped, record);
            }
            // Of a capture nobody takes them: records suffice.
            if !self.told_early {
                self.found.push(detection);
            }
        }
    }

    /// From now on flows are told of by [`Engine::begins`]: where slots are read when flows end, their
    /// beginnings would come in another order.
    pub(crate) const fn tell_early(&mut self) {
        self.told_early = true;
    }

    /// A flow began at `time`.
    pub(crate) fn begins(&mut self, key: &FlowKey, seen: (Side, abi::ClientRule), time: u64) {
        let parties = self.host.parties(key, seen, &self.config.services);
        note(&mut self.fanout, key, parties, time);
        self.tell_fanout();
    }
}

/// Tells who reached what, if the flow says so.
pub(super) fn note(fanout: &mut Fanout, key: &FlowKey, parties: Parties, time: u64) {
    let server = parties.client.other();
    let (_, port) = key.endpoint(server);
    // Fragments without their first have no ports.
    if port != 0 && reaches(Transport::from_protocol(key.protocol), parties.rule) {
        fanout.reached(role::ip(key, parties.client), role::ip(key, server), port, time);
    }
}
