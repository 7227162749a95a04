//! HTTP in its flows: messages of HTTP/1.x, and of HTTP/2 whom the first request asks for.

use monitor_common::abi::{Side, Transport};

use super::{
    context::Context,
    protocol::{Begins, Opening, Protocol, Step},
};
use crate::{
    application::Application,
    parse::{
        http::{self, Begin, Connection, Tunnel},
        http2,
    },
    reassembly::GivenUp,
    record::{AnyRecord, NameSource, Text},
};

fn kind(opening: &Opening<'_>) -> Begin {
    match opening.transport {
        Transport::Tcp => http::begins(opening.bytes, opening.dialect),
        _ => Begin::Other,
    }
}

pub(super) fn begins(opening: &Opening<'_>) -> Begins {
    match kind(opening) {
        Begin::Message => {
            Begins::Yes(Box::new(Http { connection: Connection::midway(opening.dialect), over: false }))
        }
        Begin::Unclear => Begins::Unclear,
        Begin::Http2 | Begin::Other => Begins::No,
    }
}

pub(super) fn begins_2(opening: &Opening<'_>) -> Begins {
    match kind(opening) {
        Begin::Http2 => Begins::Yes(Box::new(Http2(Some(http2::Beginning::new(opening.sender))))),
        _ => Begins::No,
    }
}

/// HTTP/1.x.
#[derive(Debug)]
struct Http {
    connection: Connection,
    over: bool,
}

impl Protocol for Http {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        to.speaks(Application::Http);
        let handover = self.connection.push(to.sender, to.time, bytes, |message| {
            to.shared.totals.http_messages += 1;
            if let Some(host) = &message.host {
                to.offer(host.as_str(), NameSource::Http);
            }
            if let Some(detail) = message.credentials {
                to.credentials(detail);
            }
            let record = message.into_record(to.wall(to.time), to.identity());
            to.out.push(AnyRecord::Http(Box::new(record)));
        });
        let Some(handover) = handover else { return Step::Read(bytes.len()) };
        let read = bytes.len() - handover.rest;
        if handover.tunnel == Tunnel::WebSocket {
            to.known.application = Some(Application::WebSocket);
            self.over = true;
            return Step::Read(read);
        }
        Step::Leave(read)
    }

    fn gap(&mut self, to: &mut Context<'_>, missing: u64, _: Option<GivenUp>) {
        self.connection.gap(to.sender, missing);
    }

    fn is_done(&self, _: Side) -> bool {
        self.over
    }

    fn memory(&self) -> usize {
        self.connection.memory()
    }
}

/// HTTP/2 up to its first request.
#[derive(Debug)]
struct Http2(Option<http2::Beginning>);

impl Protocol for Http2 {
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step {
        to.known.application = Some(Application::Http2);
        let Some(beginning) = self.0.as_mut().filter(|beginning| beginning.client() == to.sender) else {
            return Step::Read(bytes.len());
        };
        match beginning.read(bytes) {
            http2::Step::More(read) => Step::Read(read),
            http2::Step::Done { authority } => {
                if let Some(host) = authority {
                    to.offer(Text::new(&host).as_str(), NameSource::Http);
                }
                self.0 = None;
                Step::Read(bytes.len())
            }
        }
    }

    fn gap(&mut self, _: &mut Context<'_>, _: u64, _: Option<GivenUp>) {
        self.0 = None;
    }

    fn is_done(&self, _: Side) -> bool {
        self.0.is_none()
    }

    fn memory(&self) -> usize {
        0
    }
}
