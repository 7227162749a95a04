//! What reads bytes that somebody else wrote, each as a function that must hold for all bytes.
//!
//! `cargo xtask fuzz` runs them under libFuzzer; the tests replay `corpus/` and a few thousand mutations
//! of it. A crash becomes a file of the corpus.
#![expect(clippy::panic, clippy::expect_used, reason = "a function that panics is how a finding is told")]

pub mod input;
mod target;

/// A function under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its directory in `corpus/`.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 20] = [
    Target { name: "wire", run: target::wire::run },
    Target { name: "tls", run: target::tls::run },
    Target { name: "dtls", run: target::tls::datagrams },
    Target { name: "quic", run: target::quic::run },
    Target { name: "dns", run: target::dns::run },
    Target { name: "http", run: target::http::run },
    Target { name: "reassembly", run: target::reassembly::run },
    Target { name: "session", run: target::session::run },
    Target { name: "continued", run: target::continued::run },
    Target { name: "pcap", run: target::pcap::run },
    Target { name: "config", run: target::text::config },
    Target { name: "web-config", run: target::text::web_config },
    Target { name: "filter", run: target::text::filter },
    Target { name: "request", run: target::request::run },
    Target { name: "stream", run: target::stream::run },
    Target { name: "names", run: target::text::names },
    Target { name: "peers", run: target::peers::answers },
    Target { name: "spool", run: target::peers::spool },
    Target { name: "host", run: target::host::run },
    Target { name: "detection", run: target::detection::run },
];

impl Target {
    /// The one with a name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}
