//! The `ClientHello` (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2; RFC 9147, 5.3).

use super::{Cursor, Error, Ja4, Part, ja4, message};
use crate::record::Carrier;

/// Types of extensions (IANA, TLS `ExtensionType` Values) that are read.
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    /// Number of the key share in drafts of TLS 1.3 before 23.
    pub(super) const KEY_SHARE_DRAFT: u16 = 40;
    pub(super) const KEY_SHARE: u16 = 51;
    pub(super) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
}

/// What OpenSSL wrote before RFC 4347.
const DTLS_BEFORE_STANDARD: u16 = 0x0100;

/// What a client offers. Numbers are as on the wire, GREASE (RFC 8701) and unknown ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// What carried it.
    pub carrier: Carrier,
    /// Random bytes, the same when it is sent again (RFC 8446, 4.1.2; RFC 9147, 5.1).
    pub random: [u8; 32],
    /// Name of the server that is asked for (RFC 6066, 3), bytes as sent.
    pub server_name: Option<Box<[u8]>>,
    /// Application protocols (RFC 7301), the preferred first.
    pub alpn: Vec<Box<[u8]>>,
    /// Versions of the extension of that name; empty without it.
    pub versions: Vec<u16>,
    /// Version in the fixed part.
    pub legacy_version: u16,
    /// Groups for key exchange.
    pub groups: Vec<u16>,
    /// Groups for which a key share was sent.
    pub key_shares: Vec<u16>,
    /// Whether the extension of an encrypted hello is there (RFC 9849).
    pub ech: bool,
    /// Cipher suites.
    pub ciphers: Vec<u16>,
    /// Types of the extensions, in order.
    pub extensions: Vec<u16>,
    /// Signature algorithms.
    pub signature_algorithms: Vec<u16>,
    /// Session identifier, which a server of TLS 1.2 and before repeats when it resumes.
    pub session_id: Box<[u8]>,
    /// Fingerprint.
    pub ja4: Ja4,
}

impl ClientHello {
    /// Reads a handshake message with its header of four bytes. Of DTLS the header is the one that the
    /// whole message would have over TCP.
    ///
    /// An extension that is malformed within counts as present and empty.
    ///
    /// # Errors
    /// See [`Error`]; another message is [`Error::NotTls`].
    pub fn parse(bytes: &[u8], carrier: Carrier) -> Result<Self, Error> {
        let body = super::body(bytes, message::CLIENT_HELLO)?;
        Self::parse_body(body, carrier)
    }

    /// Reads a message without its header.
    ///
    /// # Errors
    /// A part of it is malformed.
    pub fn parse_body(body: &[u8], carrier: Carrier) -> Result<Self, Error> {
        let mut body = Cursor(body);
        let legacy_version = body.u16().ok_or(Error::malformed(Part::Version))?;
        // TLS 1.x and SSL 3.0, DTLS 1.x, and what drafts wrote there.
        let early = carrier == Carrier::Dtls && legacy_version == DTLS_BEFORE_STANDARD;
        if !matches!(legacy_version >> 8, 0x03 | 0xfe | 0x7f) && !early {
            return Err(Error::malformed(Part::Version));
        }
        let random = *body.take(32).and_then(<[u8]>::first_chunk).ok_or(Error::malformed(Part::Length))?;
        let session_id = body.vector8().ok_or(Error::malformed(Part::SessionId))?;
        if carrier == Carrier::Dtls {
            body.vector8().ok_or(Error::malformed(Part::Cookie))?;
        }
        let ciphers = body.vector16().ok_or(Error::malformed(Part::Ciphers))?;
        if ciphers.left() % 2 != 0 {
            return Err(Error::malformed(Part::Ciphers));
        }
        body.vector8().ok_or(Error::malformed(Part::Compression))?;
        let mut hello = Self {
            random,
            carrier,
            server_name: None,
            alpn: Vec::new(),
            versions: Vec::new(),
            legacy_version,
            groups: Vec::new(),
            key_shares: Vec::new(),
            ech: false,
            ciphers: ciphers.numbers(),
            extensions: Vec::new(),
            signature_algorithms: Vec::new(),
            session_id: session_id.0.into(),
            ja4: Ja4::default(),
        };
        // Before RFC 3546 there were none.
        if !body.is_empty() {
            let mut extensions = body.vector16().ok_or(Error::malformed(Part::Extensions))?;
            hello.extensions.reserve(24);
            while !extensions.is_empty() {
                let kind = extensions.u16().ok_or(Error::malformed(Part::Extensions))?;
                let data = extensions.vector16().ok_or(Error::malformed(Part::Extensions))?;
                hello.extensions.push(kind);
                // A part that cannot be read is left empty: the rest of the hello still counts.
                let _ = hello.extension(kind, data);
            }
        }
        hello.ja4 = ja4::fingerprint(&hello);
        Ok(hello)
    }

    fn extension(&mut self, kind: u16, mut data: Cursor<'_>) -> Option<()> {
        match kind {
            extension::SERVER_NAME => {
                let mut list = data.vector16()?;
                while self.server_name.is_none() && !list.is_empty() {
                    let host_name = list.u8()? == 0;
                    let name = list.vector16()?;
                    if host_name {
                        self.server_name = Some(name.0.into());
                    }
                }
            }
            extension::ALPN => {
                let mut list = data.vector16()?;
                while !list.is_empty() {
                    self.alpn.push(list.vector8()?.0.into());
                }
            }
            extension::SUPPORTED_VERSIONS => self.versions = data.vector8()?.numbers(),
            extension::SUPPORTED_GROUPS => self.groups = data.vector16()?.numbers(),
            extension::SIGNATURE_ALGORITHMS => self.signature_algorithms = data.vector16()?.numbers(),
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => {
                let mut list = data.vector16()?;
                while !list.is_empty() {
                    let group = list.u16()?;
                    list.vector16()?;
                    self.key_shares.push(group);
                }
            }
            extension::ENCRYPTED_CLIENT_HELLO => self.ech = true,
            _ => {}
        }
        Some(())
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let numbers = self.versions.len()
            + self.groups.len()
            + self.key_shares.len()
            + self.ciphers.len()
            + self.extensions.len()
            + self.signature_algorithms.len();
        let alpn: usize = self.alpn.iter().map(|name| name.len() + 16).sum();
        size_of::<Self>() + 2 * numbers + alpn + self.server_name.as_ref().map_or(0, |name| name.len())
    }
}
