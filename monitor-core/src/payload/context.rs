//! What a protocol has at hand while it reads: who speaks, what all flows share, and where records go.

use std::net::IpAddr;

use monitor_common::abi::Side;

use super::{Subject, hello::Connections, moved::Moves, totals::PayloadTotals};
use crate::{
    application::Application,
    finding::{Finding, Told},
    names::{self, Known, Name, NameCache, PublicNames},
    parse::dns::QueryTable,
    protocol::ProtocolTotals,
    record::{AnyRecord, Id, Identity, NameSource, Text, Time},
};

/// What all flows have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queries: QueryTable,
    pub(super) names: NameCache,
    pub(super) public: PublicNames,
    pub(super) connections: Connections,
    pub(super) moves: Moves,
    pub(super) totals: PayloadTotals,
    pub(super) protocols: ProtocolTotals,
    pub(super) wall_offset: i64,
}

/// A sender's payload in its flow.
pub(super) struct Context<'a> {
    pub(super) flow: Subject<'a>,
    pub(super) id: Id,
    pub(super) sender: Side,
    pub(super) time: u64,
    pub(super) shared: &'a mut Shared,
    pub(super) known: &'a mut Known,
    pub(super) told: &'a mut Told,
    pub(super) out: &'a mut Vec<AnyRecord>,
}

impl Context<'_> {
    pub(super) fn ip(&self, side: Side) -> IpAddr {
        self.flow.key.endpoint(side).0.to_ip(self.flow.key.version())
    }

    pub(super) const fn port(&self, side: Side) -> u16 {
        self.flow.key.endpoint(side).1
    }

    /// Ports of sender and receiver.
    pub(super) const fn ports(&self) -> (u16, u16) {
        (self.port(self.sender), self.port(self.sender.other()))
    }

    pub(super) fn identity(&self) -> Identity {
        let identity = Identity::new(self.id, self.flow.key, self.flow.client, self.flow.interface);
        Identity { owned: self.flow.owned.cloned(), ..identity }
    }

    /// A time of the flow clock as records have it.
    pub(super) const fn wall(&self, time: u64) -> Time {
        Time::from_clock(time, self.shared.wall_offset)
    }

    /// The flow speaks this, unless something that says more is known.
    pub(super) const fn speaks(&mut self, application: Application) {
        if self.known.is_open() {
            self.known.application = Some(application);
        }
    }

    /// A name for the flow's server.
    pub(super) fn offer(&mut self, text: &str, source: NameSource) {
        if let Some(name) = Name::new(text, source) {
            names::offer(&mut self.known.name, name);
        }
    }

    /// A risk, which is told once a flow.
    pub(super) fn risk(&mut self, found: Finding, time: u64) {
        if self.told.is_new(found.kind) {
            let record = found.into_record(self.wall(time), self.identity());
            self.out.push(AnyRecord::Finding(Box::new(record)));
        }
    }

    /// Credentials in clear text.
    pub(super) fn credentials(&mut self, detail: &'static str) {
        let kind = crate::label::FindingKind::CleartextCredentials;
        self.risk(Finding { kind, detail: Text::from(detail) }, self.time);
    }

    /// A protocol was begun, and something in it cannot be read.
    pub(super) fn fail(&mut self, protocol: &'static str, reason: &'static str) {
        self.shared.protocols.fail(protocol, reason);
    }
}
