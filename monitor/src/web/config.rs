//! TLS, passwords and headers in the form of Prometheus's exporter-toolkit:
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::form::FormError;
use super::tls::{self, TlsError};
use crate::telemetry::Event;

/// The file's whole content.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    tls_server_config: Option<tls::Settings>,
    http_server_config: Http,
    basic_auth_users: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    /// For files that are shared with other exporters: this server speaks HTTP/1.1 either way.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// Headers of every answer.
type Headers = Vec<(HeaderName, HeaderValue)>;

impl File {
    /// Reads the text of a file: what can be said of it without looking at others.
    fn parse(path: &Path, text: &str) -> Result<(Self, Headers), WebConfigError> {
        // An empty file is no YAML document, and it asks for nothing.
        let file: Self = if text.trim().is_empty() {
            Self::default()
        } else {
            serde_saphyr::from_str(text)
                .map_err(|e| WebConfigError::Form { path: path.to_owned(), source: FormError::from(&e) })?
        };
        for (user, hash) in &file.basic_auth_users {
            if hash.parse::<HashParts>().is_err() {
                // No user has a colon in the name: what follows one is a password that lacks its space.
                let user = user.split(':').next().unwrap_or_default().to_owned();
                return Err(WebConfigError::Password { path: path.to_owned(), user });
            }
        }
        if let Some(tls) = &file.tls_server_config {
            tls.check().map_err(|source| WebConfigError::Tls { path: path.to_owned(), source })?;
        }
        let headers = file
            .http_server_config
            .headers
            .iter()
            .map(|(name, value)| {
                let known = HEADERS.iter().any(|h| h.eq_ignore_ascii_case(name));
                match (name.parse(), value.parse()) {
                    (Ok(name), Ok(value)) if known => Ok((name, value)),
                    _ => Err(WebConfigError::Header { path: path.to_owned(), name: name.clone() }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok((file, headers))
    }
}

/// What the file means.
#[derive(Default)]
pub struct WebConfig {
    /// TLS, if connections are to be encrypted.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
    /// Bcrypt hashes by user; empty: nobody needs a password.
    pub users: BTreeMap<String, String>,
    /// Whether a client must show a certificate.
    pub asks_for_certificate: bool,
    /// Headers of every answer.
    pub headers: Headers,
    /// The files that it was read from, as they were then.
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file is written.
type Stamp = (SystemTime, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

impl std::fmt::Debug for WebConfig {
    /// Without the hashes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let users = self.users.keys();
        f.debug_struct("WebConfig")
            .field("tls", &self.tls.is_some())
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

/// Why the file is no web config.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}; give another with --web.config.file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has another form.
    #[error("{}: not a web config: {source}; docs/rights.md lists what is", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: FormError,
    },
    /// A password is no bcrypt hash.
    #[error("{}: the password of {user:?} is not a bcrypt hash; make one with `htpasswd -nBC 10 \"\"`", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// The user.
        user: String,
    },
    /// A header that cannot be sent.
    #[error("{}: {name:?} is not a header that can be set; give one of {}", path.display(), HEADERS.join(", "))]
    Header {
        /// The file.
        path: PathBuf,
        /// The header.
        name: String,
    },
    /// It would take away protection while the server runs.
    #[error("{}: {} would vanish; it takes a restart to serve without", path.display(), lost.join(" and "))]
    Unprotecting {
        /// The file.
        path: PathBuf,
        /// What would vanish.
        lost: Vec<&'static str>,
    },
    /// TLS cannot be set up.
    #[error("{}: {source}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
}

/// Headers that the exporter-toolkit lets a file set.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

impl WebConfig {
    /// Reads a file and the files that it names.
    pub fn read(path: &Path) -> Result<Self, WebConfigError> {
        let mut seen = vec![(path.to_owned(), stamp(path))];
        let text = std::fs::read_to_string(path)
            .map_err(|source| WebConfigError::Read { path: path.to_owned(), source })?;
        let (file, headers) = File::parse(path, &text)?;
        let tls = match &file.tls_server_config {
            Some(settings) => {
                let settings = settings.relative_to(path.parent().unwrap_or(Path::new(".")));
                seen.extend(settings.files().map(|p| (p.to_owned(), stamp(p))));
                let tls = settings.acceptor();
                Some(tls.map_err(|source| WebConfigError::Tls { path: path.to_owned(), source })?)
            }
            None => None,
        };
        let asks_for_certificate = file.tls_server_config.is_some_and(|tls| tls.asks_for_certificate());
        Ok(Self { tls, users: file.basic_auth_users, asks_for_certificate, headers, seen })
    }

    /// Reads a file to serve by it from now on. A file that is being written may be empty or end early, and still be
    /// a web config: one that protects less than this one does is for a start to accept.
    pub fn read_again(&self, path: &Path) -> Result<Self, WebConfigError> {
        let new = Self::read(path)?;
        let mut lost = Vec::new();
        if self.tls.is_some() && new.tls.is_none() {
            lost.push("TLS");
        }
        if new.proofs() < self.proofs() {
            if new.users.is_empty() && !self.users.is_empty() {
                lost.push("passwords");
            }
            if self.asks_for_certificate && !new.asks_for_certificate {
                lost.push("the need of a client certificate");
            }
        }
        if lost.is_empty() {
            Ok(new)
        } else {
            Err(WebConfigError::Unprotecting { path: path.to_owned(), lost })
        }
    }

    /// How many things a client must show: one may take the place of the other.
    fn proofs(&self) -> usize {
        usize::from(!self.users.is_empty()) + usize::from(self.asks_for_certificate)
    }

    /// Whether a text is a web config, as far as it can be told without the files that it names.
    #[doc(hidden)]
    pub fn check(path: &Path, text: &str) -> Result<(), WebConfigError> {
        File::parse(path, text).map(drop)
    }

    /// The same, with its files taken note of as they are now.
    #[must_use]
    pub fn as_seen_now(&self) -> Self {
        let seen = self.seen.iter().map(|(path, _)| (path.clone(), stamp(path))).collect();
        Self {
            seen,
            tls: self.tls.clone(),
            users: self.users.clone(),
            asks_for_certificate: self.asks_for_certificate,
            headers: self.headers.clone(),
        }
    }

    /// The files that it was read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.seen.iter().map(|(path, _)| path.as_path())
    }

    /// Whether strangers are turned away, by a password or for want of a certificate.
    pub fn is_guarded(&self) -> bool {
        self.proofs() > 0
    }

    /// What whoever serves an address by this has to be told.
    pub fn warning(&self, address: SocketAddr) -> Option<Event<'static>> {
        if address.ip().to_canonical().is_loopback() {
            None
        } else if !self.is_guarded() {
            Some(Event::Unprotected { address })
        } else if self.tls.is_none() {
            Some(Event::PasswordsInClear { address })
        } else {
            None
        }
    }

    /// Whether one of its files was written since it was read.
    pub fn is_stale(&self) -> bool {
        self.seen.iter().any(|(path, then)| stamp(path) != *then)
    }
}
