//! Hellos of TLS: versions, ciphers, names.

use std::net::IpAddr;

use super::Top;
use crate::record::{Carrier, Text, TlsRecord};

/// Values that each table keeps at least: registries have a few hundred, an enemy has all.
const VALUES: usize = 512;
/// Names and servers that are kept at least.
const NAMES: usize = 2_048;

/// Totals of all hellos.
#[derive(Debug)]
pub struct Tls {
    /// Handshakes: hellos, but for those that the server answered with a `HelloRetryRequest`, after which another
    /// comes.
    pub hellos: u64,
    /// Of those over TCP, DTLS and QUIC.
    pub carriers: [u64; 3],
    /// Hellos that a server answered.
    pub answered: u64,
    /// Hellos without a name, by server.
    pub nameless: Top<IpAddr, u64>,
    /// Hellos with the extension of an encrypted hello.
    pub ech: u64,
    /// Sessions that were resumed.
    pub resumed: u64,
    /// `HelloRetryRequest`s (RFC 8446, 4.1.4).
    pub retried: u64,
    /// By version that the server chose.
    pub versions: Top<Text, u64>,
    /// By cipher suite that the server chose.
    pub ciphers: Top<Text, u64>,
    /// By group that the server chose.
    pub groups: Top<Text, u64>,
    /// By application protocol that was offered first.
    pub alpn: Top<Text, u64>,
    /// By alert that ended the handshake.
    pub alerts: Top<Text, u64>,
    /// By fingerprint of the client.
    pub ja4: Top<Text, u64>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            hellos: 0,
            carriers: [0; 3],
            answered: 0,
            nameless: Top::new(NAMES),
            ech: 0,
            resumed: 0,
            retried: 0,
            versions: Top::new(VALUES),
            ciphers: Top::new(VALUES),
            groups: Top::new(VALUES),
            alpn: Top::new(VALUES),
            alerts: Top::new(VALUES),
            ja4: Top::new(NAMES),
        }
    }
}

impl Tls {
    pub(super) fn hello(&mut self, tls: &TlsRecord) {
        if tls.hello_retry == Some(true) {
            self.retried += 1;
            return;
        }
        self.hellos += 1;
        let carrier = match tls.carrier {
            Carrier::Tcp => 0,
            Carrier::Dtls => 1,
            Carrier::Quic => 2,
        };
        if let Some(count) = self.carriers.get_mut(carrier) {
            *count += 1;
        }
        self.answered += u64::from(tls.version.is_some());
        self.ech += u64::from(tls.ech);
        self.resumed += u64::from(tls.resumed == Some(true));
        if tls.server_name.is_none() {
            *self.nameless.entry(tls.identity.server_ip) += 1;
        }
        for (table, value) in [
            (&mut self.versions, tls.version.as_ref()),
            (&mut self.ciphers, tls.cipher.as_ref()),
            (&mut self.groups, tls.group.as_ref()),
            (&mut self.alpn, tls.alpn.first()),
            (&mut self.alerts, tls.alert.as_ref()),
            (&mut self.ja4, Some(&tls.ja4)),
        ] {
            if let Some(value) = value {
                *table.entry(value.clone()) += 1;
            }
        }
    }
}
