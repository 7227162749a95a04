//! Flow records: what a flow gained since the last one, and what is known of it.

use monitor_common::{
    abi::{Flow, Head, Side},
    wire::Tunnel,
};

use super::{
    entry::Entry,
    reading::{Reading, SideReading},
};
use crate::{
    application::Application,
    label::EndReason,
    record::{
        ApplicationSource, BySide, FlowRecord, Identity, Peer, RoundTrip, TcpTraffic, Text, Time, Traffic,
        Vlans,
    },
    services::ServiceTable,
};

/// What an entry keeps for its records.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    /// The reading as of the last record.
    written: Reading,
    /// When that was, flow clock; at first the flow's begin.
    pub(crate) at: u64,
    facts: Facts,
}

/// What a slot says that only records tell.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    vlans: [u16; 2],
    tunnel: u8,
    closed_by: Option<Side>,
    mss: [u16; 2],
    /// Plus 1; 0: none.
    window_scale: [u8; 2],
    ttl: [u8; 2],
}

impl Facts {
    fn of(flow: &Flow) -> Self {
        let (head, timing) = (&flow.head, &flow.timing);
        Self {
            vlans: [head.vlans[0].get(), head.vlans[1].get()],
            tunnel: head.tunnel.get(),
            closed_by: head.closed_by(),
            mss: [timing[0].mss.get(), timing[1].mss.get()],
            window_scale: [timing[0].window_scale.get(), timing[1].window_scale.get()],
            ttl: [timing[0].ttl.get(), timing[1].ttl.get()],
        }
    }
}

impl Unwritten {
    /// Nothing but `written` was written.
    pub(crate) fn new(written: Reading, at: u64) -> Box<Self> {
        Box::new(Self { written, at, facts: Facts::default() })
    }

    /// Takes what the slot says.
    pub(crate) fn take(&mut self, flow: &Flow) {
        self.facts = Facts::of(flow);
    }

    /// Everything up to `reading` was written.
    pub(crate) const fn wrote(&mut self, reading: Reading, at: u64) {
        self.written = reading;
        self.at = at;
    }

    /// Up to where and when records have told.
    pub(crate) const fn written(&self) -> (&Reading, u64) {
        (&self.written, self.at)
    }

    /// The flow is told together with other sightings: what was counted of it was `before` and is `whole` now.
    pub(crate) fn rebase(&mut self, before: &Reading, whole: &Reading) {
        self.written = whole.since(&before.since(&self.written));
    }

    /// Whether packets came since the last record.
    pub(crate) fn has_news(&self, reading: &Reading) -> bool {
        *reading != self.written
    }
}

/// What a record needs beside the entry.
pub(crate) struct Context<'a> {
    pub(crate) interface: &'a str,
    pub(crate) services: &'a ServiceTable,
    pub(crate) wall_offset: i64,
}

/// The record of what `entry` gained since its last one.
pub(crate) fn write(entry: &Entry, unwritten: &Unwritten, reason: EndReason, at: &Context<'_>) -> FlowRecord {
    let (client, server) = (entry.parties.client, entry.parties.client.other());
    let gained = entry.whole().since(&unwritten.written);
    let facts = &unwritten.facts;
    let tcp = entry.key.protocol == 6;
    let identity = Identity {
        owned: entry.owners.shown().cloned(),
        ..Identity::new(entry.talk.id, &entry.key, client, at.interface)
    };
    let (application, application_source) = application(entry, at.services).unzip();
    let name = entry.talk.known.name.as_ref();
    let connection = entry.track.connection();
    FlowRecord {
        start: Time::from_clock(entry.begun, at.wall_offset),
        // The kernel side reads the precise clock where a connection begins, and one that ticks for the rest.
        end: Time::from_clock(entry.last.max(entry.begun), at.wall_offset),
        identity,
        client_rule: entry.parties.rule,
        vlans: Vlans(facts.vlans.into_iter().filter(|id| *id != 0).collect()),
        tunnel: tunnel(facts.tunnel),
        sent: traffic(gained.side(client), tcp),
        received: traffic(gained.side(server), tcp),
        state: entry.state(),
        closed_by: facts.closed_by.map(|side| if side == client { Peer::Client } else { Peer::Server }),
        handshake_seconds: seconds(connection.handshake),
        rtt_seconds: BySide {
            client: round_trip(entry, gained.side(server), server),
            server: round_trip(entry, gained.side(client), client),
        },
        first_response_seconds: seconds(connection.first_response),
        mss: by_side(facts.mss, client, |v| v),
        window_scale: by_side(facts.window_scale, client, |v| v - 1),
        ttl: by_side(facts.ttl, client, |v| v),
        first_frame: None,
        last_frame: None,
        first_file: None,
        last_file: None,
        end_reason: Some(reason),
        name: name.map(|name| name.text.clone()),
        name_source: name.map(|name| name.source),
        domain: name.and_then(|name| name.domain()).map(Text::from),
        application: application.map(Text::from),
        application_source,
        proxied_client_ip: entry.talk.known.proxied.map(|(address, _)| address),
        proxied_client_port: entry.talk.known.proxied.map(|(_, port)| port),
    }
}

/// What a flow speaks, and how that is known: what the user calls a port stands above what its bytes look
/// like, and that above what the port is registered for.
pub(crate) fn application<'a>(
    entry: &Entry,
    services: &'a ServiceTable,
) -> Option<(&'a str, ApplicationSource)> {
    let (_, port) = entry.key.endpoint(entry.parties.client.other());
    let service = services.name(entry.transport(), port);
    if services.is_configured(entry.transport(), port) {
        return (!service.is_empty()).then_some((service, ApplicationSource::Config));
    }
    if let Some(application) = entry.talk.known.application {
        return Some((application.as_str(), ApplicationSource::Wire));
    }
    if service.is_empty() || entry.talk.known.refuted {
        return None;
    }
    let word = Application::of_service(service).map_or(service, |known| known.as_str());
    Some((word, ApplicationSource::Port))
}

/// A duration that a slot holds as nanoseconds, with 0 for none.
pub(crate) fn seconds(ns: u64) -> Option<f64> {
    (ns != 0 && ns != Head::NO_RESPONSE_TIME).then_some(ns as f64 / 1e9)
}

/// Values of both sides, of which 0 is none.
fn by_side<T: Copy + Default + PartialEq>(values: [T; 2], client: Side, value: impl Fn(T) -> T) -> BySide<T> {
    let of = |side: Side| Some(values[side.index()]).filter(|v| *v != T::default()).map(&value);
    BySide { client: of(client), server: of(client.other()) }
}

/// Round trips of what `side` sent: their mean and number in `gained`, the extremes since the flow
/// began.
pub(crate) fn round_trip(entry: &Entry, gained: &SideReading, side: Side) -> Option<RoundTrip> {
    let mean = gained.mean_round_trip()?;
    let (min, max) = entry.rtt[side.index()];
    Some(RoundTrip {
        min: f64::from(min.saturating_sub(1)) / 1e6,
        mean,
        max: f64::from(max) / 1e6,
        samples: gained.rtt_samples,
    })
}

fn traffic(gained: &SideReading, tcp: bool) -> Traffic {
    Traffic {
        packets: gained.packets,
        bytes: gained.bytes,
        ip_bytes: gained.ip_bytes,
        payload_bytes: gained.payload_bytes,
        fragments: gained.fragments.into(),
        tcp: tcp.then(|| TcpTraffic::of(|counter| gained.tcp(counter).into())),
    }
}

/// The encapsulation of a number in a slot.
fn tunnel(number: u8) -> Option<Tunnel> {
    Tunnel::ALL.into_iter().find(|t| *t as u8 == number)
}
