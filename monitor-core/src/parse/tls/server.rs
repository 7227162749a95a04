//! The `ServerHello` (RFC 8446, 4.1.3; RFC 5246, 7.4.1.3).

use super::{Cursor, Error, Part, message};

/// The random of a `ServerHello` that is a `HelloRetryRequest` (RFC 8446, 4.1.3).
const HELLO_RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// Version.
    pub version: u16,
    /// Cipher suite.
    pub cipher: u16,
    /// Group of its key share; TLS 1.3 alone says it here.
    pub group: Option<u16>,
    /// It chose a key that both had (TLS 1.3).
    pub pre_shared_key: bool,
    /// It asks for another hello.
    pub hello_retry: bool,
    /// Application protocol, where that is not encrypted.
    pub alpn: Option<Box<[u8]>>,
    /// Session identifier: the client's repeated when a session is resumed (TLS 1.2 and before).
    pub session_id: Box<[u8]>,
}

impl ServerHello {
    /// Reads a handshake message with its header of four bytes.
    ///
    /// # Errors
    /// See [`Error`]; another message is [`Error::NotTls`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let body = super::body(bytes, message::SERVER_HELLO)?;
        Self::parse_body(body)
    }

    /// Reads a message without its header.
    ///
    /// # Errors
    /// A part of it is malformed.
    pub fn parse_body(body: &[u8]) -> Result<Self, Error> {
        let mut body = Cursor(body);
        let version = body.u16().ok_or(Error::malformed(Part::Version))?;
        if !matches!(version >> 8, 0x03 | 0xfe | 0x7f) {
            return Err(Error::malformed(Part::Version));
        }
        let random = body.array::<32>().ok_or(Error::malformed(Part::Length))?;
        let mut hello = Self {
            version,
            cipher: 0,
            group: None,
            pre_shared_key: false,
            hello_retry: random == HELLO_RETRY,
            alpn: None,
            session_id: Box::default(),
        };
        // Drafts of TLS 1.3 up to 21 have neither session identifier nor compression.
        let draft = version >> 8 == 0x7f;
        if !draft {
            hello.session_id = body.vector8().ok_or(Error::malformed(Part::SessionId))?.0.into();
        }
        hello.cipher = body.u16().ok_or(Error::malformed(Part::Ciphers))?;
        if !draft {
            body.u8().ok_or(Error::malformed(Part::Compression))?;
        }
        if let Some(mut extensions) = body.vector16() {
            while let (Some(kind), Some(data)) = (extensions.u16(), extensions.vector16()) {
                // As with the client's: what cannot be read is as if it were not there.
                let _ = hello.extension(kind, data);
            }
        }
        Ok(hello)
    }

    fn extension(&mut self, kind: u16, mut data: Cursor<'_>) -> Option<()> {
        match kind {
            16 => self.alpn = Some(data.vector16()?.vector8()?.0.into()),
            41 => self.pre_shared_key = true,
            43 => self.version = data.u16()?,
            40 | 51 => self.group = Some(data.u16()?),
            _ => {}
        }
        Some(())
    }
}
