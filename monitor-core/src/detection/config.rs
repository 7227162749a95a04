//! What is looked for, from which thresholds on, and who is excepted.

use std::net::IpAddr;

use super::Sign;
use crate::network::Network;

const SECOND: u64 = 1_000_000_000;

/// How detections are made.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionConfig {
    /// Whether anything is looked for.
    pub enabled: bool,
    /// Entries of each table; a kind has one or two.
    pub max_entries: u32,
    /// How long a detection goes on without another sign, nanoseconds.
    pub hold: u64,
    /// Scans.
    pub scan: ScanConfig,
    /// Password guessing.
    pub guessing: GuessingConfig,
    /// Beacons.
    pub beacon: BeaconConfig,
    /// Tunnels.
    pub tunnel: TunnelConfig,
    /// Floods.
    pub flood: FloodConfig,
    /// Unusual uploads.
    pub upload: UploadConfig,
    /// First contacts.
    pub new: NewConfig,
    /// Whom nothing is told of.
    pub exceptions: Exceptions,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_entries: 8192,
            hold: 300 * SECOND,
            scan: ScanConfig::default(),
            guessing: GuessingConfig::default(),
            beacon: BeaconConfig::default(),
            tunnel: TunnelConfig::default(),
            flood: FloodConfig::default(),
            upload: UploadConfig::default(),
            new: NewConfig::default(),
            exceptions: Exceptions::default(),
        }
    }
}

/// When failing contacts are a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanConfig {
    /// Whether scans are looked for.
    pub enabled: bool,
    /// Hosts on which one port failed.
    pub hosts: u32,
    /// Ports of one host that failed.
    pub ports: u32,
    /// Time in which so many are reached, nanoseconds.
    pub window: u64,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self { enabled: true, hosts: 16, ports: 32, window: 3600 * SECOND }
    }
}

/// When short sessions are guesses of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessingConfig {
    /// Whether guessing is looked for.
    pub enabled: bool,
    /// Sessions of one source with one service.
    pub sessions: u32,
    /// Time in which so many are made, nanoseconds.
    pub window: u64,
}

impl Default for GuessingConfig {
    fn default() -> Self {
        Self { enabled: true, sessions: 20, window: 600 * SECOND }
    }
}

/// When connections are those of a beacon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeaconConfig {
    /// Whether beacons are looked for.
    pub enabled: bool,
    /// Connections of a client with a server.
    pub connections: u32,
    /// Score from which on they are, from 0 to 1.
    pub score: f64,
}

impl Default for BeaconConfig {
    fn default() -> Self {
        Self { enabled: true, connections: 16, score: 0.9 }
    }
}

/// When messages carry something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Whether tunnels are looked for.
    pub enabled: bool,
    /// Bytes of different names below one domain.
    pub name_bytes: u64,
    /// Bytes of answers of types TXT, NULL and private ones below one domain.
    pub answer_bytes: u64,
    /// Time in which so many come, nanoseconds.
    pub window: u64,
    /// Echoes of a pair of hosts each way.
    pub echoes: u64,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self { enabled: true, name_bytes: 2500, answer_bytes: 16_384, window: 600 * SECOND, echoes: 16 }
    }
}

/// From which rates on a victim is flooded, a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodConfig {
    /// Whether floods are looked for.
    pub enabled: bool,
    /// SYNs without a connection.
    pub syn: u64,
    /// Datagrams without an answer.
    pub udp: u64,
    /// Echo requests and other messages of ICMP.
    pub icmp: u64,
    /// Answers that nobody asked for.
    pub reflection: u64,
}

impl Default for FloodConfig {
    fn default() -> Self {
        Self { enabled: true, syn: 100, udp: 1000, icmp: 500, reflection: 100 }
    }
}

/// When somebody sends more than ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UploadConfig {
    /// Whether uploads are watched.
    pub enabled: bool,
    /// Bytes in ten minutes below which nothing is told.
    pub bytes: u64,
    /// Deviations above the median.
    pub deviations: f64,
    /// Steps of ten minutes from which the past is known.
    pub steps: u32,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self { enabled: true, bytes: 100_000_000, deviations: 8.0, steps: 18 }
    }
}

/// When a contact is a first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewConfig {
    /// Whether first contacts are told.
    pub enabled: bool,
    /// How long a client's contacts are learnt before, nanoseconds.
    pub learning: u64,
}

impl Default for NewConfig {
    fn default() -> Self {
        Self { enabled: false, learning: 24 * 3600 * SECOND }
    }
}

/// Addresses, networks and names of which nothing is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    networks: Vec<Network>,
    names: Vec<String>,
}

impl Exceptions {
    /// Of words: an address, a network (`192.0.2.0/24`), or a name that stands for all below it, too.
    pub fn new<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Self {
        let mut all = Self::default();
        for word in words {
            let word = word.as_ref().trim();
            match Network::parse(word) {
                Some(network) => all.networks.push(network),
                None if word.is_empty() => {}
                None => all.names.push(word.trim_end_matches('.').to_ascii_lowercase()),
            }
        }
        all
    }

    /// Whether a sign is of somebody in the list: its source, its target, or its name.
    pub(super) fn has(&self, sign: &Sign) -> bool {
        let has_address = |address: Option<IpAddr>| {
            address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
        };
        let has_name = sign.name.as_ref().is_some_and(|name| {
            self.names.iter().any(|known| {
                name.as_str()
                    .strip_suffix(known.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        });
        has_address(sign.source) || has_address(sign.target) || has_name
    }
}
