//! Hellos of TLS: in a TCP stream, in datagrams, in QUIC.

use monitor_common::abi::{Side, Transport};

use super::{
    Subject,
    context::Context,
    protocol::{Begins, Opening, Protocol, Step},
};
use crate::{
    application::Application,
    finding,
    lru::Lru,
    parse::{
        quic::{self, Initials},
        tls::{self, ClientHello, Dtls, Handshake},
    },
    reassembly::GivenUp,
    record::{AnyRecord, Carrier, Id, NameSource, Text},
};

/// Most connections of QUIC that are remembered, so that one that moves is not told of again.
const CONNECTIONS_MAX: u32 = 4096;

/// What flows of QUIC share.
#[derive(Debug)]
pub(super) struct Connections {
    /// Packets that are opened.
    scratch: Vec<u8>,
    /// Connections whose hello was read, and by which flow.
    known: Lru<quic::ConnectionId, Id>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { scratch: Vec::new(), known: Lru::new(CONNECTIONS_MAX) }
    }

    /// Whether another flow has had this connection.
    fn moved(&mut self, connection: quic::ConnectionId, flow: Id) -> bool {
        let before = self.known.insert(connection, flow);
        before.is_some_and(|(known, before)| known == connection && before != flow)
    }
}

pub(super) fn tls(opening: &Opening<'_>) -> Begins {
    let begins = match opening.transport {
        Transport::Tcp if opening.first => tls::begins(opening.bytes),
        Transport::Tcp if tls::begins_whole(opening.bytes) => tls::Begins::Yes,
        _ => tls::Begins::No,
    };
    match begins {
        tls::Begins::No => Begins::No,
        tls::Begins::Perhaps => Begins::Unclear,
        tls::Begins::Yes => Begins::Yes(Box::new(Tls::default())),
    }
}

pub(super) fn quic(opening: &Opening<'_>) -> Begins {
    let begins = opening.transport == Transport::Udp && quic::begins(opening.bytes);
    if begins { Begins::Yes(Box::new(Initials::default())) } else { Begins::No }
}

pub(super) fn dtls(opening: &Opening<'_>) -> Begins {
    let begins = opening.transport == Transport::Udp && tls::is_dtls(opening.bytes);
    if begins { Begins::Yes(Box::new(Dtls::default())) } else { Begins::No }
}

/// TLS over TCP. A stream with a hole cannot be read further.
#[derive(Debug, Default)]
struct Tls {
    connection: tls::Connection,
    lost: [bool; 2],
}

impl Protocol for Tls {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        to.speaks(Application::Tls);
        let mut all = 0;
        loop {
            let read = self.connection.read(to.sender, bytes.get(all..).unwrap_or_default(), to.time);
            handshake(to, read.finished);
            if let Some(hello) = read.hello {
                begun(to, &hello);
            }
            if let Some(error) = read.failure {
                to.fail("tls", reason(error));
            }
            all += read.consumed;
            if read.consumed == 0 || all == bytes.len() || self.connection.is_done(to.sender) {
                return Step::Read(all);
            }
        }
    }

    fn gap(&mut self, to: &mut Context<'_>, _: u64, why: Option<GivenUp>) {
        if let Some(why) = why {
            to.fail("tls", why.as_str());
        }
        self.lost[to.sender.index()] = true;
    }

    fn is_done(&self, side: Side) -> bool {
        self.lost[side.index()] || self.connection.is_done(side)
    }

    fn waits(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.connection.memory()
    }

    fn close(&mut self, to: &mut Context<'_>) {
        handshake(to, self.connection.close());
    }
}

impl Protocol for Dtls {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        to.speaks(Application::Dtls);
        let read = self.read(to.sender, bytes, to.time);
        handshake(to, read.finished);
        if let Some(hello) = read.hello {
            begun(to, &hello);
        }
        if let Some(error) = read.failure {
            to.fail("dtls", reason(error));
        }
        Step::Read(bytes.len())
    }

    fn gap(&mut self, _: &mut Context<'_>, _: u64, _: Option<GivenUp>) {}

    fn is_done(&self, side: Side) -> bool {
        self.is_done(side)
    }

    fn waits(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.memory()
    }

    fn close(&mut self, to: &mut Context<'_>) {
        handshake(to, self.close());
    }
}

impl Protocol for Initials {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        to.speaks(Application::Quic);
        identify(to, bytes);
        let read = self.read(to.sender, bytes, to.time, &mut to.shared.connections.scratch);
        handshake(to, read.finished);
        if let Some(hello) = read.hello {
            if read.connection.is_some_and(|connection| to.shared.connections.moved(connection, to.id)) {
                self.disown();
            }
            begun(to, &hello);
        }
        if let Some(name) = read.google_name {
            to.shared.protocols.google_quic(read.version.unwrap_or_default());
            named(to, Application::Quic, &name, NameSource::Quic);
        }
        if to.known.name.is_some() {
            let Subject { slot, key, client, .. } = to.flow;
            to.shared.moves.learn(slot, to.id, key, client, to.known);
        }
        match read.failure {
            None => {}
            Some(quic::Failure::Hello(error)) => to.fail("quic", reason(error)),
            Some(quic::Failure::Sealed) => to.fail("quic", "sealed"),
            Some(quic::Failure::Version(_)) => to.fail("quic", "version"),
        }
        Step::Read(bytes.len())
    }

    fn gap(&mut self, _: &mut Context<'_>, _: u64, _: Option<GivenUp>) {}

    fn is_done(&self, _: Side) -> bool {
        self.is_done()
    }

    fn waits(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.memory()
    }

    fn close(&mut self, to: &mut Context<'_>) {
        handshake(to, self.close());
    }
}

/// Long headers show the identifiers of their connection: that of the sender is learnt, and that of the receiver may be
/// one of a connection that has moved.
fn identify(to: &mut Context<'_>, datagram: &[u8]) {
    let Some(packet) = quic::Long::read(datagram) else { return };
    if packet.kind == quic::LongKind::VersionNegotiation {
        return;
    }
    let (Subject { key, client, .. }, sender) = (to.flow, to.sender);
    let moves = &mut to.shared.moves;
    if to.known.name.is_none()
        && packet.kind == quic::LongKind::Other
        && let Some(known) = moves.by_identifier(packet.destination, to.id, key).cloned()
    {
        if let Some(name) = known.name {
            crate::names::offer(&mut to.known.name, name);
        }
        to.known.application = known.application.or(to.known.application);
        return;
    }
    moves.identifier(packet.source, to.id, key, client);
    // What a client calls its server at first is a number by chance; what a server calls its client is that one's own.
    if sender != client {
        moves.identifier(packet.destination, to.id, key, client);
    }
}

/// The word for an error of TLS.
const fn reason(error: tls::Error) -> &'static str {
    match error {
        tls::Error::Incomplete { .. } => "incomplete",
        tls::Error::Malformed { what } => what.as_str(),
        tls::Error::NotTls => "not_tls",
    }
}

/// A client began TLS: its hello, as soon as it is whole.
fn begun(to: &mut Context<'_>, hello: &ClientHello) {
    let name = hello.server_name.as_deref().unwrap_or_default();
    let port = to.port(to.flow.client.other());
    let application = Application::of_hello(hello.carrier, name, &hello.alpn, port);
    let hidden = hello.ech && to.shared.public.contains(&Text::escaped(name));
    let source = match hello.carrier {
        _ if hidden => NameSource::Ech,
        Carrier::Quic => NameSource::Quic,
        Carrier::Tcp | Carrier::Dtls => NameSource::Sni,
    };
    named(to, application, name, source);
}

/// A hello says what its flow speaks, and with whom. Its first bytes may have shown that it is one before it was
/// whole.
fn named(to: &mut Context<'_>, application: Application, name: &[u8], source: NameSource) {
    let hello =
        matches!(to.known.application, Some(Application::Tls | Application::Dtls | Application::Quic));
    if hello || to.known.is_open() {
        to.known.application = Some(application);
    }
    to.offer(&Text::escaped(name), source);
}

/// A hello with what came of it. Of its certificate the first name counts; one for many names says only the
/// domain that they have in common.
fn handshake(to: &mut Context<'_>, finished: Option<Box<Handshake>>) {
    let Some(handshake) = finished else { return };
    if let Some(name) =
        handshake.answer.certificate.as_ref().and_then(|certificate| certificate.names.first())
    {
        let name = name.strip_prefix(b"*.").unwrap_or(name);
        to.offer(&Text::escaped(name), NameSource::Certificate);
    }
    for found in finding::tls(&handshake, to.wall(handshake.time)) {
        to.risk(found, handshake.time);
    }
    let record = handshake.record(to.identity(), to.shared.wall_offset);
    to.out.push(AnyRecord::Tls(Box::new(record)));
}
