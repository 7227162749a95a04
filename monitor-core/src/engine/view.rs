//! Active flows as others see them.

use std::ops::Range;

use monitor_common::account;

use super::{Engine, books::Books, ended::Gone};
use crate::{
    flow::{
        Endpoint, FlowId, FlowView, Sent,
        entry::{Entry, Sighting},
        reading::SideReading,
        record, role,
    },
    live::{Line, Risks},
    totals::Translations,
};

impl Engine {
    /// The active flows, those that are duplicates of another interface's included.
    pub fn flows(&self) -> impl Iterator<Item = FlowView<'_>> {
        self.flows.table.iter().map(|(slot, entry)| self.view(slot, entry))
    }

    /// Slots that may hold a flow: all below this number.
    pub fn slots(&self) -> u32 {
        self.flows.table.slots().end
    }

    /// The active flows in these slots, in the order of the slots: a part of [`Self::flows`], for whoever may not
    /// look at all of them at once.
    pub fn flows_in(&self, slots: Range<u32>) -> impl Iterator<Item = FlowView<'_>> {
        self.flows.table.range(slots).map(|(slot, entry)| self.view(slot, entry))
    }

    /// An active flow, or one that ended a short while ago.
    pub fn flow(&self, id: FlowId) -> Option<FlowView<'_>> {
        match self.flows.entry(id) {
            Some(entry) => Some(self.view(id.slot, entry)),
            None => self.books.ended.find(id).map(|gone| self.gone(gone)),
        }
    }

    /// Flows that ended a short while ago: at most [`ENDED_MAX`](super::ENDED_MAX) of those that failed (refused,
    /// timed out, reset, never answered, or let go to make room) and as many others, those that ended last first.
    /// Kept where somebody may watch.
    pub fn ended_flows(&self) -> impl Iterator<Item = FlowView<'_>> {
        self.books.ended.iter().map(|gone| self.gone(gone))
    }

    fn gone<'a>(&'a self, gone: &'a Gone) -> FlowView<'a> {
        let mut view = self.books.view(gone.slot, &gone.entry);
        view.interface = &gone.interface;
        view.further_interfaces = gone.further_interfaces.iter().map(String::as_str).collect();
        view.end = Some(gone.end);
        view
    }

    /// A flow, its directions as an interface that it passes sees them.
    pub fn flow_at(&self, id: FlowId, interface: &str) -> Option<FlowView<'_>> {
        let mut view = self.flow(id)?;
        let table = &self.flows.table;
        let mut sightings = table.first(id.slot).into_iter().flat_map(|first| table.sightings(first));
        let there = sightings.find(|(_, e)| self.books.interfaces.name(e.attachment) == interface);
        if let Some((_, entry)) = there {
            let client = self.flows.entry(id)?.parties.client;
            view.sent_direction = account::direction(entry.view, client);
        }
        Some(view)
    }

    /// Translations of addresses on this host that are known.
    pub const fn translations(&self) -> Translations {
        self.flows.translations.totals
    }

    /// Names of the interfaces that a flow was seen on, each once: that of the sighting that counts first.
    pub fn interfaces_of(&self, id: FlowId) -> Vec<&str> {
        let mut names = Vec::new();
        let first = self.flows.entry(id).and_then(|_| self.flows.table.first(id.slot));
        for (_, entry) in first.into_iter().flat_map(|first| self.flows.table.sightings(first)) {
            let name = self.books.interfaces.name(entry.attachment);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The flow in a slot; of one with several sightings also what the others know.
    fn view<'a>(&'a self, slot: u32, entry: &'a Entry) -> FlowView<'a> {
        let mut view = self.books.view(slot, entry);
        if entry.is_representative() && entry.group.is_none() {
            return view;
        }
        let table = &self.flows.table;
        let Some(first) = table.first(slot) else { return view };
        if first == slot {
            for (_, further) in table.sightings(first).skip(1) {
                let name = self.books.interfaces.name(further.attachment);
                if name != view.interface && !view.further_interfaces.contains(&name) {
                    view.further_interfaces.push(name);
                }
            }
        } else if let Some(first) = table.entry(first) {
            // Only the representative listens to what the flow says.
            view.record_id = first.talk.id;
            view.name = first.talk.known.name.as_ref();
            view.application = record::application(first, &self.books.config.services);
            view.owned = first.owners.shown().map(|owned| &**owned);
        }
        view
    }

    /// Somebody looks at a flow. Returns it, its life, which may begin only now (there is none while too many are
    /// looked at), and the risks among which its own are. One that ended has no life any more.
    pub fn look_at(&mut self, id: FlowId) -> Option<(FlowView<'_>, Option<&Line>, &Risks)> {
        if self.flows.entry(id).is_none() {
            return Some((self.flow(id)?, None, self.books.ledger.live().risks()));
        }
        let entry = self.flows.table.entry_mut(id.slot).filter(|entry| entry.first == id.first)?;
        if self.books.ledger.live().is_on() {
            let (bytes, now) = (entry.whole().bytes(), self.books.now());
            let timelines = self.books.ledger.live_mut().timelines_mut();
            entry.timeline = timelines.ask(entry.timeline, id, bytes, now).unwrap_or(entry.timeline);
        }
        let (at, live) = (entry.timeline, self.books.ledger.live());
        Some((self.flow(id)?, live.timelines().get(at, id), live.risks()))
    }
}

impl Books {
    fn view<'a>(&'a self, slot: u32, entry: &'a Entry) -> FlowView<'a> {
        let parties = &entry.parties;
        let (client, server) = (parties.client, parties.client.other());
        let end = |side| Endpoint { ip: role::ip(&entry.key, side), port: entry.key.endpoint(side).1 };
        let transport = entry.transport();
        let service = self.config.services.name(transport, end(server).port);
        let connection = entry.track.connection();
        let whole = entry.whole();
        FlowView {
            id: entry.id(slot),
            record_id: entry.talk.id,
            interface: self.interfaces.name(entry.attachment),
            further_interfaces: Vec::new(),
            ifindex: entry.key.ifindex,
            duplicate: matches!(entry.sighting, Sighting::Further),
            transport,
            protocol: entry.key.protocol,
            version: entry.key.version(),
            client: end(client),
            server: end(server),
            client_rule: parties.rule,
            service: (!service.is_empty()).then_some(service),
            name: entry.talk.known.name.as_ref(),
            application: record::application(entry, &self.config.services),
            owned: entry.owners.shown().map(|owned| &**owned),
            role: parties.role,
            scope: parties.scope,
            state: entry.state(),
            end: None,
            start: self.wall(entry.first),
            last: self.wall(entry.last),
            sent: sent(whole.side(client)),
            received: sent(whole.side(server)),
            sent_direction: parties.direction(entry.view, client),
            sent_rate: entry.meters[client.index()].rate(&self.step),
            received_rate: entry.meters[server.index()].rate(&self.step),
            handshake_seconds: record::seconds(connection.handshake),
            first_response_seconds: record::seconds(connection.first_response),
            client_rtt: record::round_trip(entry, whole.side(server), server),
            server_rtt: record::round_trip(entry, whole.side(client), client),
        }
    }
}

const fn sent(reading: &SideReading) -> Sent {
    Sent {
        packets: reading.packets,
        bytes: reading.bytes,
        ip_bytes: reading.ip_bytes,
        payload_bytes: reading.payload_bytes,
        fragments: reading.fragments,
        tcp: reading.tcp,
    }
}
