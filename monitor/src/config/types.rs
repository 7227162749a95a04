//! Values that are Weir's own.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use monitor_core::network::Network;
use monitor_core::services::ServicePort;

use super::value::{Key, Scalar, ValueError};

/// A closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The words, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Scalar for $name {
            fn read(text: &str) -> Result<Self, ValueError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(ValueError::NotOneOf { text: text.to_owned(), allowed: Self::WORDS }),
                }
            }

            fn toml(&self) -> toml::Value {
                toml::Value::String(self.as_str().to_owned())
            }
        }
    };
}

words!(
    /// Where packets that come in are counted.
    Ingress {
        /// At the traffic control hook.
        Tc = "tc",
        /// In the driver.
        Xdp = "xdp",
        /// After the driver, for drivers without XDP: slow, for tests.
        XdpGeneric = "xdp-generic",
    }
);

words!(
    /// The least severe event that is logged.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may be wrong.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// Why it happened.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
);

words!(
    /// How an event is written.
    LogFormat {
        /// A line for people.
        Text = "text",
        /// A JSON object a line.
        Json = "json",
    }
);

/// A name of interfaces: a name, or a glob of `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Every interface.
    const ANY: &'static str = "any";

    /// Whether an interface of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0 == Self::ANY || glob(self.0.as_bytes(), name.as_bytes())
    }

    /// The name, if it is one name and no glob: then its absence is an error.
    pub fn exact(&self) -> Option<&str> {
        (self.0 != Self::ANY && !self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Matches with one remembered star: linear in practice, quadratic at worst, on short names.
pub(crate) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

impl Scalar for Pattern {
    fn read(text: &str) -> Result<Self, ValueError> {
        // IFNAMSIZ is 16 with its zero; dev_valid_name of the kernel's net/core/dev.c.
        let long = text.len() > 15 && !text.contains('*');
        if text.is_empty() || long || text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
        {
            return Err(ValueError::Form {
                text: text.to_owned(),
                expected: "an interface name",
                example: "a name (eth0), a glob (veth*) or any",
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// An address to listen on; `:10058` is every address of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenAddress {
    /// An address and port.
    Internet(SocketAddr),
    /// The path of a unix socket.
    Local(PathBuf),
}

impl ListenAddress {
    /// Whether only this host can connect.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Internet(address) => address.ip().to_canonical().is_loopback(),
            Self::Local(_) => true,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Local(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Scalar for ListenAddress {
    fn read(text: &str) -> Result<Self, ValueError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() && path.file_name().is_some() {
                Ok(Self::Local(path))
            } else {
                Err(ValueError::Form {
                    text: text.to_owned(),
                    expected: "the whole path of a socket",
                    example: "unix:/run/weir-web/weir.sock",
                })
            };
        }
        let parsed = match text.rsplit_once(':') {
            Some(("", port)) => port.parse().ok().map(|p| SocketAddr::from((Ipv6Addr::UNSPECIFIED, p))),
            Some(("localhost", port)) => {
                port.parse().ok().map(|p| SocketAddr::from((IpAddr::from([127, 0, 0, 1]), p)))
            }
            _ => text.parse().ok(),
        };
        parsed.map(Self::Internet).ok_or_else(|| ValueError::Form {
            text: text.to_owned(),
            expected: "an address and port",
            example: "127.0.0.1:10058, [::1]:10058, :10058 or unix:/run/weir-web/weir.sock",
        })
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

/// A path of the web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPath(String);

impl UrlPath {
    /// The path, with its slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for UrlPath {
    fn read(text: &str) -> Result<Self, ValueError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
        let taken = text == "/" || ["/-/", "/api/", "/page/"].iter().any(|own| text.starts_with(own));
        if !text.starts_with('/') || !plain || taken || text.contains("//") {
            return Err(ValueError::Form {
                text: text.to_owned(),
                expected: "a path that is free",
                example: "/metrics",
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// What stands before each path of the web server: empty, or a path without its last slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePrefix(String);

impl RoutePrefix {
    /// The path, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A path as it may stand before others, without slashes at its end.
fn prefix(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
    let text = text.trim_end_matches('/');
    let whole = text.is_empty() || text.starts_with('/');
    (plain && whole && !text.contains("//") && text.split('/').all(|part| part != "..")).then_some(text)
}

impl Scalar for RoutePrefix {
    fn read(text: &str) -> Result<Self, ValueError> {
        let prefix = prefix(text).filter(|_| text.starts_with('/'));
        prefix.map(|prefix| Self(prefix.to_owned())).ok_or_else(|| ValueError::Form {
            text: text.to_owned(),
            expected: "a path",
            example: "/weir",
        })
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(format!("{}/", self.0))
    }
}

/// The URL under which others reach the web server, such as that of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    url: reqwest::Url,
    /// Its path without slashes at its end.
    path: String,
}

impl ExternalUrl {
    /// Its path, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of its host.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The whole, with a slash at its end.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

impl Scalar for ExternalUrl {
    fn read(text: &str) -> Result<Self, ValueError> {
        let form = || ValueError::Form {
            text: text.to_owned(),
            expected: "an http or https URL without user, query and fragment",
            example: "https://monitor.example.org/weir/",
        };
        let mut url: reqwest::Url = text.parse().map_err(|_| form())?;
        let bare = url.username().is_empty() && url.password().is_none();
        let path = prefix(url.path()).ok_or_else(form)?.to_owned();
        if !matches!(url.scheme(), "http" | "https")
            || !bare
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(form());
        }
        url.set_path(&format!("{path}/"));
        Ok(Self { url, path })
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.as_str().to_owned())
    }
}

/// A port that the configuration names: `8443` or `8443/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedPort(pub ServicePort);

impl NamedPort {
    /// Specific ports after general ones of the same number.
    const fn order(self) -> (u16, usize) {
        (
            self.0.port,
            match self.0.transport {
                None => 0,
                Some(transport) => transport.index() + 1,
            },
        )
    }
}

impl Ord for NamedPort {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for NamedPort {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Scalar for NamedPort {
    fn read(text: &str) -> Result<Self, ValueError> {
        Ok(Self(text.parse()?))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.text())
    }
}

impl Key for NamedPort {
    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Whom no detection is reported for: an address, a network, or a name with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Except(String);

impl AsRef<str> for Except {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Scalar for Except {
    fn read(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        // What looks like a network or an address and is none is no name.
        let is_name = name.len() <= 253
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if Network::parse(text).is_some() || is_name {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::Form {
            text: text.to_owned(),
            expected: "an address, a network or a name",
            example: "192.0.2.1, 192.0.2.0/24 or example.org",
        })
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// A protocol of the user's own, which looks like one that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// TCP ports on which it is spoken.
    pub ports: Vec<u16>,
}

impl Protocol {
    /// What it may look like.
    const LIKE: &'static [&'static str] = &["http"];
}

impl Scalar for Protocol {
    fn read(text: &str) -> Result<Self, ValueError> {
        let form = || ValueError::Form {
            text: text.to_owned(),
            expected: "a protocol",
            example: "like and ports, such as like = \"http\" and ports = [5030]",
        };
        let (mut like, mut ports) = (None, Vec::new());
        for part in text.split(';') {
            match part.split_once('=').ok_or_else(form)? {
                ("like", value) => like = Some(value),
                ("ports", value) => {
                    for port in value.split('+') {
                        ports.push(port.trim().parse().ok().filter(|port| *port != 0).ok_or_else(form)?);
                    }
                }
                _ => return Err(form()),
            }
        }
        match like {
            Some(like) if Self::LIKE.contains(&like) && !ports.is_empty() => Ok(Self { ports }),
            Some(like) if !Self::LIKE.contains(&like) => {
                Err(ValueError::NotOneOf { text: like.to_owned(), allowed: Self::LIKE })
            }
            _ => Err(form()),
        }
    }

    fn toml(&self) -> toml::Value {
        let ports = self.ports.iter().map(|port| toml::Value::Integer(i64::from(*port))).collect();
        let like = toml::Value::String(Self::LIKE[0].to_owned());
        let fields = [("like".to_owned(), like), ("ports".to_owned(), toml::Value::Array(ports))];
        toml::Value::Table(fields.into_iter().collect())
    }
}

/// A name of a family of metrics or of a protocol: lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Name {
    fn read(text: &str) -> Result<Self, ValueError> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if text.is_empty() || text.len() > 63 || !plain {
            return Err(ValueError::Form {
                text: text.to_owned(),
                expected: "a name",
                example: "up to 63 lower-case letters, digits, '-', '_' and '.'",
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

impl Key for Name {
    fn text(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth", true),
            ("*0", "veth10", true),
            ("v?th*1*", "veth0123", true),
            ("v?th*1*", "veth023", false),
            ("any", "lo", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_plain_names_are_exact() {
        assert_eq!(Pattern("eth0".to_owned()).exact(), Some("eth0"));
        assert_eq!(Pattern("eth*".to_owned()).exact(), None);
        assert_eq!(Pattern("any".to_owned()).exact(), None);
    }

    #[test]
    fn listen_addresses_know_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:10058", true),
            ("[::1]:1", true),
            ("localhost:2", true),
            ("[::ffff:127.0.0.1]:2", true),
            (":10058", false),
            ("0.0.0.0:1", false),
        ] {
            assert_eq!(ListenAddress::read(text).unwrap().is_loopback(), loopback, "{text}");
        }
        let socket = ListenAddress::read("unix:/run/weir-web/weir.sock").unwrap();
        assert_eq!(socket, ListenAddress::Local("/run/weir-web/weir.sock".into()));
        assert_eq!(socket.to_string(), "unix:/run/weir-web/weir.sock");
        for text in
            ["", "10058", "127.0.0.1", "127.0.0.1:99999", "example.org:1", "unix:", "unix:x", "unix:/"]
        {
            assert!(ListenAddress::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_behind_a_proxy_is_a_url_or_a_path() {
        for (text, path) in
            [("https://a.example/weir/", "/weir"), ("http://[::1]:90", ""), ("http://a/b/c", "/b/c")]
        {
            assert_eq!(ExternalUrl::read(text).unwrap().path(), path);
        }
        for text in [
            "weir",
            "ftp://a/",
            "http://u:p@a/",
            "http://a/?q",
            "http://a/#f",
            "http://a/b%20c",
            "http://a//b",
        ] {
            assert!(ExternalUrl::read(text).is_err(), "{text}");
        }
        for (text, prefix) in [("/", ""), ("/weir", "/weir"), ("/a/b/", "/a/b")] {
            assert_eq!(RoutePrefix::read(text).unwrap().as_str(), prefix);
        }
        for text in ["", "weir", "//weir", "/a/../b", "/a b", "/{x}"] {
            assert!(RoutePrefix::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn telemetry_path_leaves_other_pages_alone() {
        for text in ["metrics", "/", "/-/healthy", "/api/v1/flows", "/page/page.js", "/a b", "//x"] {
            assert!(UrlPath::read(text).is_err(), "{text}");
        }
        assert_eq!(UrlPath::read("/weir/metrics").unwrap().as_str(), "/weir/metrics");
    }
}
