//! Outputs that send records to other hosts: what their kinds have in common, and what is their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::secret::{Secret, SecretError, SecretFile};
use super::super::value::{Number, Period, Scalar, ValueError};
use super::Options;

/// Bytes of a spool.
type SpoolSize = Number<{ 64 << 10 }, { u32::MAX }>;
/// How long records wait: a second to four weeks.
type SpoolAge = Period<1_000, 2_419_200_000>;
/// How long an answer may take.
type Patience = Period<100, 300_000>;
/// Records that are sent together.
type Batch = Number<1, 1_000_000>;
/// Bytes of a message in one packet: IPv6's least MTU less its headers would be 1,232.
type Mtu = Number<256, 65_000>;

/// Where spools are when nobody says otherwise.
const SPOOLS: &str = "/var/lib/weir/spool";

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Peer {
    /// From `HOST:PORT`, where an address of IPv6 stands in brackets.
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let plain = !host.is_empty() && host.len() <= 255 && bare.is_some() == host.contains(':');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        plain.then(|| Self { host: host.to_owned(), port })
    }
}

/// Who speaks for a peer over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates that may vouch for it; `None`: those that this system trusts.
    pub authority: Option<PathBuf>,
    /// The name in its certificate; `None`: the host's in `to`.
    pub name: Option<String>,
    /// What stands in `authority`, once it was read.
    pub certificates: Option<Vec<u8>>,
}

/// Who we are to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is.
    pub file: SecretFile,
    /// The password, once it was read.
    pub password: Option<Secret>,
}

/// An output to another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What is spoken there.
    pub kind: Kind,
    /// Where; of several, one that answers.
    pub to: Vec<Peer>,
    /// Whether and how it is spoken within TLS.
    pub tls: Option<Tls>,
    /// Who we are.
    pub login: Option<Login>,
    /// Directory of what waits.
    pub spool: PathBuf,
    /// Bytes that wait at most.
    pub spool_bytes: u64,
    /// How long records wait at most.
    pub spool_age: Duration,
    /// Records that are sent together; `None`: as many as suit the kind.
    pub batch: Option<u32>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What is spoken, with what only that has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPFIX or NetFlow version 9.
    Ipfix(Ipfix),
    /// ClickHouse over HTTP.
    ClickHouse(ClickHouse),
    /// NATS with JetStream.
    Nats {
        /// Subjects begin with it: `weir` gives `weir.flow`.
        subject: String,
    },
    /// OpenTelemetry over HTTP.
    Otlp {
        /// Path of logs.
        path: String,
    },
    /// Kafka.
    Kafka(Kafka),
}

/// IPFIX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipfix {
    /// By TCP; else by UDP.
    pub tcp: bool,
    /// NetFlow version 9 instead.
    pub version_9: bool,
    /// Number of the observation domain.
    pub domain: u32,
    /// Bytes of a message at most.
    pub mtu: u32,
    /// How often templates are told again over UDP.
    pub templates: Duration,
}

/// ClickHouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickHouse {
    /// Database that has the tables.
    pub database: String,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

/// Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// The topic of all records.
    pub topic: String,
    /// How a password is shown.
    pub sasl: Sasl,
    /// Hosts that the cluster may name beside those in `to`, on the same ports.
    pub advertised: Vec<String>,
}

/// How a password is shown to Kafka (RFC 4616, RFC 5802).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// In clear text.
    Plain,
    /// As a proof, with SHA-256.
    Scram256,
    /// The same with SHA-512.
    Scram512,
}

impl Sasl {
    /// Its name in the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram256 => "SCRAM-SHA-256",
            Self::Scram512 => "SCRAM-SHA-512",
        }
    }
}

impl Network {
    /// Its kinds.
    pub(super) const KINDS: [&'static str; 5] = ["ipfix", "otlp", "clickhouse", "kafka", "nats"];

    /// The kind, as in the configuration and in metrics.
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Ipfix(_) => "ipfix",
            Kind::ClickHouse(_) => "clickhouse",
            Kind::Nats { .. } => "nats",
            Kind::Otlp { .. } => "otlp",
            Kind::Kafka(_) => "kafka",
        }
    }

    pub(super) fn read(kind: &str, options: &mut Options<'_>) -> Result<Self, ValueError> {
        let to: Vec<String> = options.list("to");
        if to.is_empty() {
            let what = format!("kind={kind}");
            return Err(ValueError::Missing { what, key: "to", example: "HOST:PORT" });
        }
        let peer = |text: &String| {
            Peer::read(text).ok_or_else(|| ValueError::Form {
                text: text.clone(),
                expected: "a host with its port",
                example: "collector.example:4739 or [2001:db8::1]:4739",
            })
        };
        let to = to.iter().map(peer).collect::<Result<Vec<_>, _>>()?;
        let kind_of = Kind::read(kind, options)?;
        let authority = options.one("tls-ca")?;
        let name = options.one("tls-name")?;
        let tls = options.one::<bool>("tls")?.unwrap_or(authority.is_some() || name.is_some());
        if tls && matches!(&kind_of, Kind::Ipfix(ipfix) if !ipfix.tcp) {
            return Err(ValueError::Form {
                text: "tls".to_owned(),
                expected: "possible over UDP",
                example: "transport = tcp",
            });
        }
        let user: Option<String> = options.one("user")?;
        let password = options.one::<SecretFile>("password-file")?;
        let login = match (user, password) {
            (Some(user), Some(file)) => Some(Login { user, file, password: None }),
            (None, None) => None,
            (Some(_), None) => {
                let what = "user".to_owned();
                return Err(ValueError::Missing { what, key: "password-file", example: "FILE" });
            }
            (None, Some(_)) => {
                let what = "password-file".to_owned();
                return Err(ValueError::Missing { what, key: "user", example: "NAME" });
            }
        };
        let spool = options.one("spool")?.unwrap_or_else(|| Path::new(SPOOLS).join(kind));
        Ok(Self {
            kind: kind_of,
            to,
            tls: tls.then_some(Tls { authority, name, certificates: None }),
            login,
            spool,
            spool_bytes: options.one::<SpoolSize>("spool-size")?.map_or(1 << 30, |size| size.get().into()),
            spool_age: options.one::<SpoolAge>("spool-age")?.map_or(Duration::from_hours(24), Period::get),
            batch: options.one::<Batch>("batch")?.map(Number::get),
            timeout: options.one::<Patience>("timeout")?.map_or(Duration::from_secs(10), Period::get),
        })
    }

    pub(super) fn toml(&self, table: &mut toml::Table) {
        let mut put = |key: &str, value: toml::Value| drop(table.insert(key.to_owned(), value));
        let text = |text: &str| toml::Value::String(text.to_owned());
        let period = |period| toml::Value::String(super::super::value::duration_text(period));
        put("to", toml::Value::Array(self.to.iter().map(|peer| text(&peer.to_string())).collect()));
        self.kind.toml(&mut put);
        put("tls", toml::Value::Boolean(self.tls.is_some()));
        if let Some(Tls { authority, name, .. }) = &self.tls {
            if let Some(authority) = authority {
                put("tls-ca", Scalar::toml(authority));
            }
            if let Some(name) = name {
                put("tls-name", text(name));
            }
        }
        if let Some(login) = &self.login {
            put("user", text(&login.user));
            put("password-file", Scalar::toml(&login.file));
        }
        put("spool", Scalar::toml(&self.spool));
        put("spool-size", toml::Value::Integer(self.spool_bytes as i64));
        put("spool-age", period(self.spool_age));
        if let Some(batch) = self.batch {
            put("batch", toml::Value::Integer(batch.into()));
        }
        put("timeout", period(self.timeout));
    }

    /// Reads password and certificates, which a thread that keeps root's number for files does.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read_files(&mut self) -> Result<(), SecretError> {
        if let Some(login) = &mut self.login {
            login.password = Some(login.file.read()?);
        }
        if let Some(Tls { authority: Some(path), certificates, .. }) = &mut self.tls {
            let read = std::fs::read(&*path);
            *certificates =
                Some(read.map_err(|source| SecretError::Certificates { path: path.clone(), source })?);
        }
        Ok(())
    }

    /// Files that are read again when the configuration is.
    pub fn files(&self) -> Vec<PathBuf> {
        let secret = self.login.as_ref().and_then(|login| login.file.file());
        let authority = self.tls.as_ref().and_then(|tls| tls.authority.clone());
        secret.into_iter().chain(authority).collect()
    }
}

impl Kind {
    fn read(kind: &str, options: &mut Options<'_>) -> Result<Self, ValueError> {
        let word = |text: Option<String>, allowed: &'static [&'static str]| match text {
            Some(text) if !allowed.contains(&text.as_str()) => Err(ValueError::NotOneOf { text, allowed }),
            text => Ok(text),
        };
        let name = |text: Option<String>, default: &str| {
            let text = text.unwrap_or_else(|| default.to_owned());
            let plain =
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if plain {
                return Ok(text);
            }
            Err(ValueError::Form { text, expected: "letters, digits, `.`, `_` and `-`", example: "weir" })
        };
        Ok(match kind {
            "ipfix" => {
                let tcp = word(options.one("transport")?, &["udp", "tcp"])?.as_deref() == Some("tcp");
                let version = options.one::<Number<9, 10>>("version")?.map_or(10, Number::get);
                Self::Ipfix(Ipfix {
                    tcp,
                    version_9: version == 9,
                    domain: options.one::<Number<0, { u32::MAX }>>("domain")?.map_or(0, Number::get),
                    mtu: options.one::<Mtu>("mtu")?.map_or(1400, Number::get),
                    templates: options
                        .one::<SpoolAge>("template-interval")?
                        .map_or(Duration::from_mins(1), Period::get),
                })
            }
            "clickhouse" => Self::ClickHouse(ClickHouse {
                database: name(options.one("database")?, "weir")?,
                gzip: word(options.one("compression")?, &["gzip", "none"])?.as_deref() != Some("none"),
            }),
            "nats" => Self::Nats { subject: name(options.one("subject")?, "weir")? },
            "otlp" => Self::Otlp {
                path: options
                    .one::<super::super::types::UrlPath>("path")?
                    .map_or_else(|| "/v1/logs".to_owned(), |path| path.as_str().to_owned()),
            },
            _ => {
                let sasl = word(options.one("sasl")?, &["plain", "scram-sha-256", "scram-sha-512"])?;
                Self::Kafka(Kafka {
                    topic: name(options.one("topic")?, "weir")?,
                    sasl: match sasl.as_deref() {
                        Some("plain") => Sasl::Plain,
                        Some("scram-sha-256") => Sasl::Scram256,
                        _ => Sasl::Scram512,
                    },
                    advertised: options.list("advertised"),
                })
            }
        })
    }

    fn toml(&self, put: &mut dyn FnMut(&str, toml::Value)) {
        let text = |text: &str| toml::Value::String(text.to_owned());
        match self {
            Self::Ipfix(ipfix) => {
                put("transport", text(if ipfix.tcp { "tcp" } else { "udp" }));
                put("version", toml::Value::Integer(if ipfix.version_9 { 9 } else { 10 }));
                put("domain", toml::Value::Integer(ipfix.domain.into()));
                put("mtu", toml::Value::Integer(ipfix.mtu.into()));
                put("template-interval", text(&super::super::value::duration_text(ipfix.templates)));
            }
            Self::ClickHouse(clickhouse) => {
                put("database", text(&clickhouse.database));
                put("compression", text(if clickhouse.gzip { "gzip" } else { "none" }));
            }
            Self::Nats { subject } => put("subject", text(subject)),
            Self::Otlp { path } => put("path", text(path)),
            Self::Kafka(kafka) => {
                put("topic", text(&kafka.topic));
                put("sasl", text(&kafka.sasl.as_str().to_ascii_lowercase()));
                if !kafka.advertised.is_empty() {
                    put("advertised", toml::Value::Array(kafka.advertised.iter().map(|a| text(a)).collect()));
                }
            }
        }
    }
}
