//! A client of a running instance: a GET, or a stream of events, over TCP or TLS.

mod events;
mod tls;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::timeout;

use crate::config::Setting;

#[doc(hidden)]
pub use events::events;
pub use events::{Event, Events};
use tls::Trust;
pub use tls::TrustError;

/// Most bytes of an answer.
const ANSWER_BYTES: usize = 1 << 30;
/// For the whole exchange.
const EXCHANGE: Duration = Duration::from_secs(30);
/// What stands for itself in a value of a query: the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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
        source: Box<rustls::Error>,
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

/// What addresses of Unix sockets begin with.
const UNIX: &str = "unix:";

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Without user and password, as it is shown.
    url: String,
    /// What paths are put behind: the address, with user and password.
    base: String,
    tls: bool,
    socket: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Instance {
    /// The instance at an address such as `https://user:password@host:10058/prefix`, or `unix:/run/weir/web`.
    pub fn new(url: &str, ca_file: Option<PathBuf>) -> Result<Self, ClientError> {
        let socket = url.strip_prefix(UNIX);
        let base = Url::parse(if socket.is_some() { "http://localhost" } else { url });
        let base = base.ok().filter(|base| is_address(base) && socket.is_none_or(|path| !path.is_empty()));
        let base = base.ok_or_else(|| ClientError::Url { url: url.to_owned() })?;
        Ok(Self {
            url: socket.map_or_else(|| shown(&base), |_| url.to_owned()),
            tls: base.scheme() == "https",
            base: base.as_str().trim_end_matches('/').to_owned(),
            socket: socket.map(PathBuf::from),
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
        Ok(Events::new(self.url.clone(), response.into()))
    }

    fn late(&self) -> ClientError {
        ClientError::Timeout { url: self.url.clone() }
    }

    /// Asks; the answer is one that promises what was asked for.
    async fn open(&self, path: &str) -> Result<Response, ClientError> {
        let (client, asked) = self.client()?;
        let response = client.get(format!("{}{path}", self.base)).send().await;
        let response = response.map_err(|error| self.failed(&error, asked.is()))?;
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

    /// A client for one exchange, so that certificates that were renewed meanwhile are trusted, and whether it
    /// is asked for one.
    fn client(&self) -> Result<(Client, Arc<tls::Asked>), ClientError> {
        let trust = match &self.ca_file {
            _ if !self.tls => Trust::Nobody,
            None => Trust::System,
            Some(path) => Trust::File(path),
        };
        let (config, asked) = tls::config(trust).map_err(|source| ClientError::Certificates { source })?;
        // An instance is asked itself: neither a proxy nor where it would send us.
        let builder = Client::builder().no_proxy().redirect(Policy::none()).tls_backend_preconfigured(config);
        let builder = match &self.socket {
            Some(path) => builder.unix_socket(path.as_path()),
            None => builder,
        };
        Ok((builder.build().map_err(|error| broken(&self.url, error))?, asked))
    }

    async fn body(&self, mut response: Response) -> Result<Bytes, ClientError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| broken(&self.url, bottom(&error)))? {
            if body.len() + piece.len() > ANSWER_BYTES {
                return Err(broken(&self.url, format!("an answer of more than {ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.into())
    }

    /// Why there is no answer, by what lies at the bottom of the library's error; `asked`: for a certificate.
    fn failed(&self, error: &reqwest::Error, asked: bool) -> ClientError {
        let url = || self.url.clone();
        // TLS 1.3 lets the client speak before the server has looked at what it shows.
        if asked {
            return ClientError::CertificateAsked { url: url() };
        }
        if let Some(tls) = tls::cause(error) {
            return ClientError::Tls { url: url(), source: Box::new(tls.clone()) };
        }
        match tls::find::<io::Error>(error).filter(|_| error.is_connect()) {
            Some(source) => {
                let source = io::Error::new(source.kind(), source.to_string());
                ClientError::Connect { url: url(), source }
            }
            None => broken(&self.url, bottom(error)),
        }
    }
}

/// What the last of the errors below one says: those above name the library's steps, and the address with its
/// password.
fn bottom(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn broken(url: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::Exchange { url: url.to_owned(), source: source.into() }
}

/// Whether an instance can be there.
fn is_address(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
}

/// An address without user and password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both are refused by addresses without a host, which are none of an instance.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.as_str().trim_end_matches('/').to_owned()
}

/// Percent-encoding (RFC 3986, 2.1) on, for a value in a query.
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_user_and_password() {
        let shown = |url| Instance::new(url, None).map(|i| i.url().to_owned()).ok();
        assert_eq!(shown("http://ann:p%40ss@example.org:80").as_deref(), Some("http://example.org"));
        assert_eq!(shown("http://[::1]:10058/").as_deref(), Some("http://[::1]:10058"));
        assert_eq!(shown("http://ann@host/monitor/").as_deref(), Some("http://host/monitor"));
        assert_eq!(shown("unix:/run/weir/web").as_deref(), Some("unix:/run/weir/web"));
        assert_eq!(shown(&default_url()), Some(default_url()));
        for url in ["", "127.0.0.1:10058", "ftp://x", "http://", "/x", "unix:", "http://host/?a=b"] {
            assert!(matches!(Instance::new(url, None), Err(ClientError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn escaping_can_be_undone() {
        for text in ["port 443 and bytes > 1M", "%", "a&b=ü", "\u{11}\u{0}", "-_.~"] {
            let escaped = escape(text);
            assert!(escaped.bytes().all(|b| b.is_ascii_graphic() && b != b'&'), "{text}");
            assert_eq!(percent_encoding::percent_decode_str(&escaped).decode_utf8().unwrap(), text);
        }
        assert_eq!(escape("-_.~"), "-_.~");
    }

    /// What a server hears of an exchange with it.
    async fn heard(listener: tokio::net::TcpListener, instance: &Instance) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(head).unwrap().to_lowercase()
        };
        let (heard, answer) = tokio::join!(server, instance.get("/-/healthy"));
        answer.unwrap();
        heard
    }

    #[tokio::test]
    async fn an_address_may_have_a_path_and_be_of_ipv6() {
        let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let instance = Instance::new(&format!("http://ann:p%40ss@[::1]:{port}/weir/"), None).unwrap();
        let heard = heard(listener, &instance).await;
        assert!(heard.starts_with("get /weir/-/healthy http/1.1\r\n"), "{heard}");
        assert!(heard.contains(&format!("\r\nhost: [::1]:{port}\r\n")), "{heard}");
        // ann:p@ss
        assert!(heard.contains("\r\nauthorization: basic yw5uonbac3m=\r\n"), "{heard}");
    }

    #[tokio::test]
    async fn what_is_said_of_a_failure_holds_no_password() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let instance = Instance::new(&format!("http://ann:secret@{address}"), None).unwrap();
        let server = async { drop(listener.accept().await.unwrap()) };
        let (answer, ()) = tokio::join!(instance.get("/"), server);
        let error = answer.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        drop(listener);
        let error = instance.get("/").await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
