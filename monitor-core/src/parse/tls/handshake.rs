//! A hello and what came of it.

use std::{borrow::Cow, sync::Arc};

use monitor_common::abi::Side;

use super::{Certificate, ClientHello, ServerHello, alert_name, cipher_name, group_name, version_name};
use crate::record::{Identity, Text, Time, TlsRecord};

/// What the server answered, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Version that it chose.
    pub version: Option<u16>,
    /// Cipher suite that it chose.
    pub cipher: Option<u16>,
    /// Group that it chose.
    pub group: Option<u16>,
    /// Application protocol that it chose, where that is not encrypted.
    pub alpn: Option<Box<[u8]>>,
    /// Whether a session was resumed.
    pub resumed: Option<bool>,
    /// Whether it asked for another hello.
    pub hello_retry: Option<bool>,
    /// Description of the alert that ended the handshake.
    pub alert: Option<u8>,
    /// Its certificate (TLS 1.2 and before).
    pub certificate: Option<Box<Certificate>>,
    /// When it answered.
    pub time: Option<u64>,
}

/// A `ClientHello` and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// When the packet came that completed the hello.
    pub time: u64,
    /// Who sent the hello.
    pub client: Side,
    /// What the client offered.
    pub hello: Arc<ClientHello>,
    /// Version of QUIC.
    pub quic_version: Option<u32>,
    /// What the server answered.
    pub answer: Answer,
}

impl Handshake {
    /// The record of it.
    pub fn record(&self, identity: Identity, wall_offset: i64) -> TlsRecord {
        let text = |name: Cow<'static, str>| Text::from(&*name);
        let hello = &*self.hello;
        let answer = &self.answer;
        TlsRecord {
            time: Time::from_clock(self.time, wall_offset),
            identity,
            carrier: hello.carrier,
            server_name: hello.server_name.as_deref().map(Text::new),
            alpn: hello.alpn.iter().map(|name| Text::new(name)).collect(),
            ech: hello.ech,
            versions: hello.versions.iter().map(|v| text(version_name(*v))).collect(),
            groups: hello.groups.iter().map(|g| text(group_name(*g))).collect(),
            key_shares: hello.key_shares.iter().map(|g| text(group_name(*g))).collect(),
            ja4: Text::from(hello.ja4.as_str()),
            quic_version: self.quic_version.map(|v| text(crate::parse::quic::version_name(v))),
            version: answer.version.map(|v| text(version_name(v))),
            cipher: answer.cipher.map(|c| text(cipher_name(c))),
            group: answer.group.map(|g| text(group_name(g))),
            resumed: answer.resumed,
            hello_retry: answer.hello_retry,
            alert: answer.alert.map(|a| text(alert_name(a))),
            answer_seconds: answer.time.map(|at| at.saturating_sub(self.time) as f64 / 1e9),
        }
    }
}

/// The handshake that goes on: at most one at a time on a connection.
#[derive(Debug, Default)]
pub(crate) struct Pending(Option<Box<Handshake>>);

impl Pending {
    /// A hello begins another handshake; the one before is returned.
    pub(crate) fn begin(
        &mut self,
        client: Side,
        hello: Arc<ClientHello>,
        quic_version: Option<u32>,
        time: u64,
    ) -> Option<Box<Handshake>> {
        self.0.replace(Box::new(Handshake { time, client, hello, quic_version, answer: Answer::default() }))
    }

    /// Whether a hello is the one that goes on, sent again as it was or, with a token or of another version, because
    /// the server `asked` for that before it began to speak TLS.
    pub(crate) fn is_again(&self, client: Side, hello: &ClientHello, asked: bool) -> bool {
        self.0.as_ref().is_some_and(|handshake| {
            handshake.client == client
                && handshake.answer.version.is_none()
                && (asked || handshake.hello.random == hello.random)
        })
    }

    /// The hello was sent again: it counts from when it was first sent, with what it says now.
    pub(crate) fn again(&mut self, hello: Arc<ClientHello>, quic_version: Option<u32>) {
        if let Some(handshake) = &mut self.0 {
            handshake.hello = hello;
            handshake.quic_version = quic_version;
        }
    }

    /// The server answered. Returns whether the rest is encrypted, or is another hello's.
    pub(crate) fn answer(&mut self, server: &ServerHello, time: u64) -> bool {
        let Some(handshake) = &mut self.0 else { return server.version == 0x0304 || server.hello_retry };
        let answer = &mut handshake.answer;
        if answer.version.is_some() {
            return false;
        }
        answer.time = Some(time);
        answer.version = Some(server.version);
        answer.cipher = Some(server.cipher);
        answer.group = server.group;
        answer.alpn.clone_from(&server.alpn);
        answer.hello_retry = Some(server.hello_retry);
        // TLS 1.3 and its drafts, DTLS 1.3.
        let modern = matches!(server.version, 0x0304 | 0xfefc | 0x7f00..=0x7fff);
        if !server.hello_retry {
            answer.resumed = Some(if modern {
                server.pre_shared_key
            } else {
                !server.session_id.is_empty() && server.session_id == handshake.hello.session_id
            });
        }
        modern || server.hello_retry
    }

    /// The answer, to which more is added.
    pub(crate) fn answer_mut(&mut self) -> Option<&mut Answer> {
        self.0.as_mut().map(|handshake| &mut handshake.answer)
    }

    /// Ends it.
    pub(crate) fn take(&mut self) -> Option<Box<Handshake>> {
        self.0.take()
    }

    /// The one that goes on.
    pub(crate) fn get(&self) -> Option<&Handshake> {
        self.0.as_deref()
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |handshake| size_of::<Handshake>() + handshake.hello.memory())
    }
}
