//! Names of flows: where they come from, which one counts, and to which domain they belong.
//!
//! The registrable domain is found with the crate psl: the Public Suffix List compiled into code, about
//! 400 KiB, no file to install, to find or to grow old unseen. A lookup allocates nothing. The
//! alternative, publicsuffix, reads the list at run time: it would have to be shipped or fetched, and an
//! agent should do neither. The crate is MIT or Apache-2.0; the list itself is under MPL-2.0, which asks
//! that its source stay available: it is published at publicsuffix.org, and changed in nothing.

mod cache;
mod ech;
mod learn;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use cache::{CacheConfig, NameCache};
pub use ech::PublicNames;
pub use learn::{Learnt, learn};

use crate::{
    application::Application,
    parse::http::without_port,
    record::{NameSource, Text},
};

/// What is known of a flow by its payload and by DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Name of the server.
    pub name: Option<Name>,
    /// What it speaks.
    pub application: Option<Application>,
    /// Its bytes are not what its server's port is registered for.
    pub refuted: bool,
    /// Address and port of the client in whose name a proxy opened it, by a header of the PROXY protocol.
    pub proxied: Option<(IpAddr, u16)>,
}

impl Known {
    /// Whether what it speaks is not known, or only what came before that.
    pub const fn is_open(&self) -> bool {
        matches!(self.application, None | Some(Application::Proxy | Application::Stun))
    }
}

/// A name and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// In lower case, without port and last dot.
    pub text: Text,
    /// Where it was seen.
    pub source: NameSource,
}

impl Name {
    /// The name that some text from the wire gives; `None` if it is empty or an address: an address is
    /// known without it.
    pub fn new(text: &str, source: NameSource) -> Option<Self> {
        let name = if source == NameSource::Http { without_port(text) } else { text };
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() || is_address(name) {
            return None;
        }
        let lower = name.bytes().any(|byte| byte.is_ascii_uppercase());
        let text = if lower { Text::from(name.to_ascii_lowercase().as_str()) } else { Text::from(name) };
        Some(Self { text, source })
    }

    /// Registrable domain of the name.
    pub fn domain(&self) -> Option<&str> {
        domain(self.text.as_str())
    }

    /// What people call a site: the registrable domain, or the name itself if it has none.
    pub fn site(&self) -> &str {
        self.domain().unwrap_or(self.text.as_str())
    }
}

/// How much a source says: that of a smaller number wins. A hello's name is what the client itself
/// wants, whether it is true or stands for a hidden one; a certificate says only what the server could be.
pub const fn rank(source: NameSource) -> u8 {
    match source {
        NameSource::Sni | NameSource::Ech => 0,
        NameSource::Quic => 1,
        NameSource::Http => 2,
        NameSource::Migration => 3,
        NameSource::Dns => 4,
        NameSource::Certificate => 5,
    }
}

/// Gives a flow a name if none is known that says more. The first of several of the same source stays:
/// requests to many hosts on one connection do not make it change.
pub fn offer(known: &mut Option<Name>, name: Name) {
    if known.as_ref().is_none_or(|known| rank(name.source) < rank(known.source)) {
        *known = Some(name);
    }
}

/// The registrable domain of a name by the Public Suffix List, its private part included: one label more
/// than the public suffix. `None` for an address, for a public suffix itself and for a name without dots.
pub fn domain(name: &str) -> Option<&str> {
    if is_address(name) {
        return None;
    }
    psl::domain_str(name)
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    // Names end with a letter or digit that no address in dotted form can have before it; trying is cheap.
    bare.parse::<IpAddr>().is_ok()
}
