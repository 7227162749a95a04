//! Active flows as others see them.

use monitor_common::abi::{self, FlowKey, Side};

use super::Engine;
use crate::flow::{
    Endpoint, FlowView, Sent,
    entry::Entry,
    reading::{Event, SideReading},
    record, role,
};

impl Engine {
    /// The client of a flow, from its key and what its packets said.
    pub(crate) fn client(&self, key: &FlowKey, seen: (Side, abi::ClientRule)) -> Side {
        self.host.parties(key, seen, &self.config.services).client
    }

    /// The active flows, those that are duplicates of another interface's included.
    pub fn flows(&self) -> impl Iterator<Item = FlowView<'_>> {
        self.table.iter().map(|(slot, entry)| self.view(slot, entry))
    }

    pub(super) fn view<'a>(&'a self, slot: u32, entry: &'a Entry) -> FlowView<'a> {
        let parties = &entry.parties;
        let (client, server) = (parties.client, parties.client.other());
        let end = |side| Endpoint { ip: role::ip(&entry.key, side), port: entry.key.endpoint(side).1 };
        let transport = entry.transport();
        let service = self.config.services.name(transport, end(server).port);
        let connection = &entry.connection;
        FlowView {
            id: entry.id(slot),
            interface: self
                .hooks
                .interface_of(entry.attachment)
                .and_then(|at| self.totals.interfaces.get(at))
                .map_or("", |i| i.name.as_str()),
            ifindex: entry.key.ifindex,
            duplicate: entry.linked && !entry.counts,
            transport,
            protocol: entry.key.protocol,
            version: entry.key.version(),
            client: end(client),
            server: end(server),
            client_rule: parties.rule,
            service: (!service.is_empty()).then_some(service),
            name: entry.findings.name.as_ref(),
            application: record::application(entry, &self.config.services),
            role: parties.role,
            scope: parties.scope,
            state: entry.state(),
            start: self.wall(entry.first),
            last: self.wall(entry.last),
            sent: sent(entry.reading.side(client)),
            received: sent(entry.reading.side(server)),
            sent_direction: parties.direction(entry.view, client),
            sent_rate: entry.meters[client.index()].rate(&self.step),
            received_rate: entry.meters[server.index()].rate(&self.step),
            handshake_seconds: record::seconds(connection.handshake),
            first_response_seconds: record::seconds(connection.first_response),
            client_rtt: record::round_trip(entry, entry.reading.side(server), server),
            server_rtt: record::round_trip(entry, entry.reading.side(client), client),
        }
    }
}

const fn sent(reading: &SideReading) -> Sent {
    Sent {
        packets: reading.packets,
        bytes: reading.bytes,
        ip_bytes: reading.ip_bytes,
        payload_bytes: reading.payload_bytes,
        fragments: reading.event(Event::Fragments),
        flags: [
            reading.event(Event::Syn),
            reading.event(Event::SynAck),
            reading.event(Event::Fin),
            reading.event(Event::Rst),
            reading.event(Event::Psh),
            reading.event(Event::Urg),
            reading.event(Event::Ece),
            reading.event(Event::Cwr),
        ],
        retransmissions: reading.event(Event::Retransmissions),
        out_of_order: reading.event(Event::OutOfOrder),
        duplicate_acks: reading.event(Event::DuplicateAcks),
        zero_windows: reading.event(Event::ZeroWindows),
        keep_alives: reading.event(Event::KeepAlives),
        lost_segments: reading.event(Event::LostSegments),
        syn_retransmissions: reading.event(Event::SynRetransmissions),
    }
}
