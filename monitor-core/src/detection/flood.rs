//! Floods: more packets at one host than it answers, by the second.
//!
//! What flows gained is summed by victim in short steps, so that a flood is seen while it goes on and its flows are
//! not over. A host that answers is busy: of SYNs those count that became no connection, of datagrams those that
//! nobody answered; reflected are answers of amplifiers that nobody asked. Who is scanned on many ports is no victim
//! of a flood of SYNs: that of one goes to few.

use std::{collections::HashMap, net::IpAddr};

use monitor_common::abi::Transport;

use super::{FloodConfig, Gain, Sign, scan::is_one};
use crate::{
    label::DetectionKind,
    record::{DetectionCounts, Id},
};

/// Length of a step, ns.
const STEP: u64 = 2_000_000_000;
const STEP_SECONDS: u64 = STEP / 1_000_000_000;
/// Most steps over which what a flow gained is spread.
const SPREAD: u64 = 64;
/// Steps of a victim that are held.
const STEPS: usize = 128;
/// Sources and ports of a step that are told apart.
const DIFFERENT: usize = 64;
/// Flows that are a flood of datagrams together; fewer must have [`HEAVY`] times the rate.
const FLOWS: u64 = 50;
const HEAVY: u64 = 20;

/// Ports of services that answer many times what they were asked.
const AMPLIFIERS: [u16; 19] =
    [17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 520, 1434, 1900, 3283, 3702, 5093, 5353, 5683, 11_211];

/// What a victim received in a step.
#[derive(Clone, Debug, Default)]
struct Step {
    syn: u64,
    established: u64,
    udp: u64,
    udp_flows: u64,
    icmp: u64,
    reflected: u64,
    overflowed: u64,
    bytes: u64,
    ports: Vec<u16>,
    sources: Vec<IpAddr>,
    first: Id,
    last: Id,
}

#[derive(Debug)]
pub(super) struct Floods {
    victims: HashMap<IpAddr, Vec<(u64, Step)>>,
    max: usize,
    evicted: u64,
}

/// What a gain is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Syn,
    Udp,
    Icmp,
    Reflected,
}

impl Floods {
    pub(super) fn new(max: u32) -> Self {
        Self { victims: HashMap::new(), max: max as usize, evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.victims.len() as u64, self.evicted)
    }

    /// A flow gained packets.
    pub(super) fn gained(&mut self, gain: &Gain) {
        let (part, victim, source, packets, bytes) = match gain.transport {
            Transport::Tcp if gain.syn != 0 => {
                (Part::Syn, gain.server, gain.client, u64::from(gain.syn), gain.sent.bytes)
            }
            Transport::Udp
                if gain.sent.packets == 0
                    && gain.received.packets != 0
                    && AMPLIFIERS.contains(&gain.port) =>
            {
                (Part::Reflected, gain.client, gain.server, gain.received.packets, gain.received.bytes)
            }
            Transport::Udp if gain.received.packets == 0 && gain.sent.packets != 0 => {
                let reflected = AMPLIFIERS.contains(&gain.client_port) && gain.client_port != gain.port;
                let part = if reflected { Part::Reflected } else { Part::Udp };
                (part, gain.server, gain.client, gain.sent.packets, gain.sent.bytes)
            }
            Transport::Icmp | Transport::Icmpv6 if gain.sent.packets != 0 => {
                (Part::Icmp, gain.server, gain.client, gain.sent.packets, gain.sent.bytes)
            }
            _ => return,
        };
        if !is_one(victim) {
            return;
        }
        if self.victims.len() >= self.max && !self.victims.contains_key(&victim) {
            self.evicted += 1;
            return;
        }
        let steps = self.victims.entry(victim).or_default();
        let (from, to) = (gain.from / STEP, gain.to.max(gain.from) / STEP);
        let count = (to - from + 1).min(SPREAD);
        let share = |all: u64, at: u64| all / count + u64::from(at < all % count);
        for at in 0..count {
            let Some(step) = step_at(steps, from + at) else { continue };
            let packets = share(packets, at);
            if packets == 0 {
                continue;
            }
            step.bytes += share(bytes, at);
            match part {
                Part::Syn => {
                    step.syn += packets;
                    step.established += if gain.established { packets } else { 0 };
                }
                Part::Udp => {
                    step.udp += packets;
                    step.udp_flows += 1;
                }
                Part::Icmp => step.icmp += packets,
                Part::Reflected => step.reflected += packets,
            }
            if step.first == Id::default() {
                step.first = gain.id;
            }
            step.last = gain.id;
            add(&mut step.ports, gain.port);
            add(&mut step.sources, source);
        }
    }

    /// Packets to a server found no slot: they count for a flood that the others show.
    pub(super) fn overflowed(&mut self, server: IpAddr, transport: Transport, packets: u64, time: u64) {
        if matches!(transport, Transport::Tcp | Transport::Udp)
            && let Some(steps) = self.victims.get_mut(&server)
            && let Some(step) = step_at(steps, time / STEP)
        {
            step.overflowed += packets;
        }
    }

    /// Looks at all steps up to `now`, and forgets those that are over.
    pub(super) fn close(&mut self, now: u64, config: &FloodConfig, signs: &mut Vec<Sign>) {
        for (victim, steps) in &mut self.victims {
            for (at, step) in steps.iter() {
                let time = (at * STEP + STEP - 1).min(now);
                signs.extend(step.signs(*victim, time, config));
            }
            steps.retain(|(at, _)| (at + 1).saturating_mul(STEP) > now);
        }
        self.victims.retain(|_, steps| !steps.is_empty());
    }
}

fn step_at(steps: &mut Vec<(u64, Step)>, at: u64) -> Option<&mut Step> {
    let place = match steps.binary_search_by_key(&at, |(at, _)| *at) {
        Ok(place) => place,
        Err(_) if steps.len() >= STEPS => return None,
        Err(place) => {
            steps.insert(place, (at, Step::default()));
            place
        }
    };
    steps.get_mut(place).map(|(_, step)| step)
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if all.len() < DIFFERENT && !all.contains(&one) {
        all.push(one);
    }
}

impl Step {
    fn signs(&self, victim: IpAddr, time: u64, config: &FloodConfig) -> impl Iterator<Item = Sign> {
        let reached = |packets: u64, rate: u64| rate != 0 && packets >= rate * STEP_SECONDS;
        let open = self.syn.saturating_sub(self.established);
        // Four fifths became no connection, and they go to few ports.
        let few = self.ports.len() < DIFFERENT && self.ports.len() as u64 * 5 <= self.syn;
        let unanswered = open * 5 >= self.syn * 4 && few;
        let syn = if unanswered && open * 5 >= config.syn { open + self.overflowed } else { open };
        let udp = if self.udp_flows >= FLOWS { self.udp + self.overflowed } else { self.udp / HEAVY };
        let one = |detail, packets: u64, rate: u64| {
            reached(packets, rate).then(|| Sign {
                kind: DetectionKind::Flood,
                detail,
                source: if let [source] = self.sources.as_slice() { Some(*source) } else { None },
                target: Some(victim),
                port: if let [port] = self.ports.as_slice() {
                    Some(*port).filter(|port| *port != 0)
                } else {
                    None
                },
                name: None,
                score: 1.0 - (rate * STEP_SECONDS) as f64 / (packets + rate * STEP_SECONDS) as f64,
                counts: DetectionCounts {
                    // Of those that were told apart.
                    hosts: Some(self.sources.len() as u64),
                    ports: Some(self.ports.len() as u64),
                    packets: Some(packets),
                    bytes: Some(self.bytes),
                    window_seconds: STEP_SECONDS as f64,
                    ..DetectionCounts::default()
                },
                since: time - time % STEP,
                time,
                first: self.first,
                last: self.last,
            })
        };
        [
            if unanswered { one("syn", syn, config.syn) } else { None },
            one("udp", udp, config.udp),
            one("icmp", self.icmp, config.icmp),
            one("reflection", self.reflected, config.reflection),
        ]
        .into_iter()
        .flatten()
    }
}
