//! Scans: contacts of one source that mostly fail, on one port of many hosts or on many ports of one host.
//!
//! Each first contact is a step of a random walk, up if it failed and down if it succeeded: the sequential test of
//! Jung, Paxson, Berger and Balakrishnan (2004), by which a client that is busy and successful is no scanner
//! however many it reaches. Beyond the test a number of failures is wanted, since some clients fail in the open:
//! those of networks between peers, and those whose servers are down.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use super::{Contact, Outcome, ScanConfig, Sign};
use crate::{
    application::Application,
    label::DetectionKind,
    lru::Lru,
    record::{DetectionCounts, Id},
};

/// Up for a failure: a scanner's contact fails with 0.8, another's with 0.2, so each speaks for a scanner four
/// times as much, and each success against it.
const STEP: i32 = 2;
/// Height from which on it is one: the binary logarithm of 99, for one wrong decision of a hundred.
const DECIDED: i32 = 7;
/// A client that only succeeds does not get further down, so that one that begins to scan is seen.
const FLOOR: i32 = -16;

/// Contacts of a group that are told apart; what comes beyond is counted.
const CONTACTS: usize = 4096;

/// Ports of traceroute: it counts them up towards one host, and none of them is to answer.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_690;

/// What is alike in the contacts of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reach {
    /// One port of many hosts. Of ICMP the port is the length of the packets.
    Hosts(Transport, u16),
    /// Many ports of one host, by the probe if it is none that begins a connection.
    Ports(Transport, IpAddr, Option<&'static str>),
}

/// First contacts of one source.
#[derive(Clone, Debug)]
struct Group {
    since: u64,
    /// Hashes of those that were reached, sorted.
    reached: Vec<u32>,
    beyond: u64,
    failed: u64,
    walk: i32,
    first: Id,
}

#[derive(Debug)]
pub(super) struct Scans {
    groups: Lru<(IpAddr, Reach), Group>,
    evicted: u64,
}

impl Scans {
    pub(super) fn new(max: u32) -> Self {
        Self { groups: Lru::new(max.saturating_mul(2)), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.groups.len() as u64, self.evicted)
    }

    /// A contact ended.
    pub(super) fn contact(&mut self, contact: &Contact, config: &ScanConfig, signs: &mut Vec<Sign>) {
        let failed = match contact.outcome {
            Outcome::Unknown if contact.probe.is_none() => return,
            outcome => outcome != Outcome::Success,
        };
        if !is_one(contact.server) || contact.application == Some(Application::BitTorrent) {
            return;
        }
        match contact.transport {
            Transport::Icmp | Transport::Icmpv6 => {
                if let Some(length) = echo_length(contact) {
                    let reach = Reach::Hosts(contact.transport, length);
                    self.count(contact, failed, reach, hash(contact.server), config, signs);
                }
            }
            Transport::Tcp | Transport::Udp | Transport::Sctp if contact.port != 0 => {
                let reach = Reach::Ports(contact.transport, contact.server, contact.probe);
                if contact.transport != Transport::Udp || !TRACEROUTE.contains(&contact.port) {
                    self.count(contact, failed, reach, u32::from(contact.port), config, signs);
                }
                if contact.probe.is_none() {
                    let reach = Reach::Hosts(contact.transport, contact.port);
                    self.count(contact, failed, reach, hash(contact.server), config, signs);
                }
            }
            _ => {}
        }
    }

    fn count(
        &mut self,
        contact: &Contact,
        failed: bool,
        reach: Reach,
        reached: u32,
        config: &ScanConfig,
        signs: &mut Vec<Sign>,
    ) {
        let key = (contact.client, reach);
        let fresh = || Group {
            since: contact.start,
            reached: Vec::new(),
            beyond: 0,
            failed: 0,
            walk: 0,
            first: contact.id,
        };
        if self.groups.peek(&key).is_none() && self.groups.insert(key, fresh()).is_some() {
            self.evicted += 1;
        }
        let Some(group) = self.groups.get(&key) else { return };
        let threshold = match reach {
            // Datagrams are lost, and many are sent to where nobody need answer.
            Reach::Hosts(Transport::Udp, _) => u64::from(config.hosts) * 2,
            Reach::Hosts(..) => config.hosts.into(),
            Reach::Ports(..) => config.ports.into(),
        };
        let over = group.failed >= threshold;
        if !over && contact.start.saturating_sub(group.since) > config.window {
            *group = fresh();
        }
        match group.reached.binary_search(&reached) {
            // Only the first contact with each says something.
            Ok(_) => return,
            Err(at) if group.reached.len() < CONTACTS => group.reached.insert(at, reached),
            Err(_) => group.beyond += 1,
        }
        group.failed += u64::from(failed);
        group.walk = (group.walk + if failed { STEP } else { -STEP }).clamp(FLOOR, DECIDED * 2);
        let all = group.reached.len() as u64 + group.beyond;
        // Tools that look for hosts send echoes without data, those that look whether one is well send some. So many
        // of the first kind are a scan even where all are answered.
        let sweeps = matches!(reach, Reach::Hosts(Transport::Icmp, 28) | Reach::Hosts(Transport::Icmpv6, 48));
        let decided = failed && group.walk >= DECIDED && group.failed >= threshold;
        if threshold == 0 || !(decided || (sweeps && all >= threshold)) {
            return;
        }
        let (hosts, ports, target, port) = match reach {
            Reach::Hosts(Transport::Icmp | Transport::Icmpv6, _) => (all, None, None, None),
            Reach::Hosts(_, port) => (all, Some(1), None, Some(port)),
            Reach::Ports(_, server, _) => (1, Some(all), Some(server), None),
        };
        signs.push(Sign {
            kind: DetectionKind::Scan,
            detail: detail(reach),
            source: Some(contact.client),
            target,
            port,
            name: None,
            // The share of those that failed.
            score: group.failed as f64 / all as f64,
            counts: DetectionCounts {
                flows: Some(all),
                hosts: Some(hosts),
                ports,
                failed: Some(group.failed),
                window_seconds: contact.start.saturating_sub(group.since) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: group.since,
            time: contact.start,
            first: group.first,
            last: contact.id,
        });
    }
}

const fn detail(reach: Reach) -> &'static str {
    match reach {
        Reach::Hosts(Transport::Tcp, _) => "hosts tcp",
        Reach::Hosts(Transport::Udp, _) => "hosts udp",
        Reach::Hosts(Transport::Icmp | Transport::Icmpv6, _) => "hosts icmp",
        Reach::Hosts(..) => "hosts sctp",
        Reach::Ports(_, _, Some(probe)) => probe,
        Reach::Ports(Transport::Tcp, ..) => "ports tcp",
        Reach::Ports(Transport::Udp, ..) => "ports udp",
        Reach::Ports(..) => "ports sctp",
    }
}

/// Whether an address is that of one host somewhere: not of a group, of all, or of the link alone.
pub(super) const fn is_one(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, .., last] = address.octets();
            !address.is_multicast() && !address.is_broadcast() && first != 0 && last != 255
        }
        IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
    }
}

/// Length of the IP packets of an echo: all alike, and not that of an error about a packet without options and
/// data (RFC 792: a header, eight bytes, and a header and eight bytes of what it is about).
fn echo_length(contact: &Contact) -> Option<u16> {
    let length = contact.sent.bytes.checked_div(contact.sent.packets)?;
    let alike = length * contact.sent.packets == contact.sent.bytes;
    let error = match contact.server {
        IpAddr::V4(_) => length == 56,
        // Neighbours are asked by messages of 64 and 72 bytes.
        IpAddr::V6(_) => matches!(length, 64 | 72 | 96),
    };
    u16::try_from(length).ok().filter(|_| alike && !error)
}

/// A mixed number of an address: equal ones are one contact. Collisions lose a contact, no more.
fn hash(address: IpAddr) -> u32 {
    use std::hash::{BuildHasher as _, BuildHasherDefault};
    // Without a seed of its own: whoever makes addresses collide hides only from itself.
    BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(address) as u32
}
