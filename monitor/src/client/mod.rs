//! A client of a running instance: a GET, or a stream of events, over TCP or TLS.

mod events;
mod tls;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Setting;

pub use events::{Event, Events, Parser};
pub use tls::TrustError;

/// Most bytes of an answer.
const ANSWER_BYTES: usize = 1 << 30;
/// For the whole exchange.
const EXCHANGE: Duration = Duration::from_secs(30);
/// Certificates of the system, where Debian and its kin keep them.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{url}: not an address of an instance; give one such as http://127.0.0.1:10058")]
    Url {
        /// What was given.
        url: String,
    },
    /// Nobody listens there.
    #[error("{url}: {source}; is `weir run` running there? Name another instance with --url")]
    Connect {
        /// The address.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// No TLS.
    #[error("{url}: TLS: {}", tls::reason(source))]
    Tls {
        /// The address.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// There is nobody to trust.
    #[error("{source}; name a file that has certificates with --ca-file")]
    Certificates {
        /// Why.
        source: TrustError,
    },
    /// The server wants a certificate of its clients.
    #[error(
        "{url}: the server asks for a client certificate, and this client has none; ask with one that has, such as curl --cert"
    )]
    CertificateAsked {
        /// The address.
        url: String,
    },
    /// It took too long.
    #[error("{url}: no answer in {} s; try again or name another instance with --url", EXCHANGE.as_secs())]
    Timeout {
        /// The address.
        url: String,
    },
    /// The exchange broke.
    #[error("{url}: {source}; is it an instance of Weir? If it serves TLS, its address begins with https://")]
    Exchange {
        /// The address.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stream has ended.
    #[error("{url}: the instance has ended")]
    Ended {
        /// The address.
        url: String,
    },
    /// The instance refused.
    #[error("{url}: {status}{}", refusal(url, *status, reason))]
    Refused {
        /// The address.
        url: String,
        /// The answer's status.
        status: StatusCode,
        /// What it said.
        reason: String,
    },
}

fn refusal(url: &str, status: StatusCode, reason: &str) -> String {
    match status {
        StatusCode::UNAUTHORIZED => {
            format!(
                "; give user and password in the address: --url {}",
                url.replacen("://", "://USER:PASSWORD@", 1)
            )
        }
        _ if reason.is_empty() => "; is it an instance of Weir?".into(),
        _ => format!(": {reason}"),
    }
}

/// Where an instance serves unless it is told otherwise.
pub fn default_url() -> String {
    let address = Setting::named("web.listen-address").map_or("", |setting| setting.default);
    format!("http://{address}")
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Without user and password.
    url: String,
    host: String,
    port: u16,
    tls: bool,
    authorization: Option<String>,
    ca_file: Option<PathBuf>,
}

impl Instance {
    /// The instance at an address such as `https://user:password@host:10058`.
    pub fn new(url: &str, ca_file: Option<PathBuf>) -> Result<Self, ClientError> {
        let bad = || ClientError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad());
        }
        let shown = if authority.host().contains(':') { format!("[{host}]") } else { host.clone() };
        Ok(Self {
            url: format!("{}://{shown}:{port}", if tls { "https" } else { "http" }),
            authorization: user.map(|u| format!("Basic {}", BASE64_STANDARD.encode(unescape(u)))),
            host,
            port,
            tls,
            ca_file,
        })
    }

    /// Its address, without user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The body of a path's answer.
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        let exchange = async {
            let response = self.open(path).await?;
            self.body(response).await
        };
        timeout(EXCHANGE, exchange).await.map_err(|_| self.late())?
    }

    /// The events of a path's stream (`text/event-stream`).
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let response = timeout(EXCHANGE, self.open(path)).await.map_err(|_| self.late())??;
        Ok(Events::new(self.url.clone(), response.into_body()))
    }

    fn late(&self) -> ClientError {
        ClientError::Timeout { url: self.url.clone() }
    }

    /// Asks; the answer is one that promises what was asked for.
    async fn open(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|source| ClientError::Connect { url: self.url.clone(), source })?;
        let response = if self.tls {
            let tls = |source| ClientError::Tls { url: self.url.clone(), source };
            let asked_for = || ClientError::CertificateAsked { url: self.url.clone() };
            let name = ServerName::try_from(self.host.clone()).map_err(|e| tls(io::Error::other(e)))?;
            let trusted = self.ca_file.as_deref().unwrap_or(Path::new(SYSTEM_CERTIFICATES));
            let (config, asked) =
                tls::config(trusted).map_err(|source| ClientError::Certificates { source })?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            let stream = stream.map_err(|e| if tls::is_refusal(&e) { asked_for() } else { tls(e) })?;
            // TLS 1.3 lets the client speak before the server has looked at what it shows.
            let response = self.request(stream, path).await;
            response.map_err(|error| if asked.is() { asked_for() } else { error })?
        } else {
            self.request(stream, path).await?
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        let reason = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|v| v.get("error")?.as_str().map(str::to_owned))
            .unwrap_or_default();
        Err(ClientError::Refused { url: self.url.clone(), status, reason })
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|e| self.broken(e))
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> ClientError {
        ClientError::Exchange { url: self.url.clone(), source }
    }

    async fn request<S>(&self, stream: S, path: &str) -> Result<Response<Incoming>, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.broken(e.into()))?;
        // It ends with the exchange; what goes wrong shows in the answer.
        tokio::spawn(connection);
        let mut request = Request::get(path).header(HOST, format!("{}:{}", self.host, self.port));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| self.broken(e.into()))?;
        sender.send_request(request).await.map_err(|e| self.broken(e.into()))
    }
}

/// Percent-encoding (RFC 3986, 2.1) off; what is no encoding stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        if let (b'%', Some(byte)) = (first, code) {
            out.push(byte);
            rest = &tail[2..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Percent-encoding on, for a value in a query.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_give_host_port_and_user() {
        let i = Instance::new("https://ann:p%40ss@example.org", None).unwrap();
        assert_eq!((i.host.as_str(), i.port, i.tls), ("example.org", 443, true));
        assert_eq!(i.url, "https://example.org:443", "the password is not shown");
        assert_eq!(i.authorization, Some(format!("Basic {}", BASE64_STANDARD.encode("ann:p@ss"))));
        let i = Instance::new("http://[::1]:10058", None).unwrap();
        assert_eq!((i.host.as_str(), i.port), ("::1", 10058));
        let i = Instance::new(&default_url(), None).unwrap();
        assert_eq!((i.host.as_str(), i.port, i.tls), ("127.0.0.1", 10058, false));
        for url in ["", "127.0.0.1:10058", "ftp://x", "http://", "/x"] {
            assert!(Instance::new(url, None).is_err(), "{url}");
        }
    }

    #[test]
    fn escaping_can_be_undone() {
        for text in ["port 443 and bytes > 1M", "%", "a&b=ü", "\u{11}\u{0}"] {
            assert!(escape(text).bytes().all(|b| b.is_ascii_graphic() && b != b'&'), "{text}");
            assert_eq!(unescape(&escape(text)), text.as_bytes());
        }
    }
}
