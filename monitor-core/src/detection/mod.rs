//! Detections: behaviour over many flows, where a finding is about one.
//!
//! Whoever counts flows hands each over when it ends ([`Detector::flow`]), what it gained meanwhile
//! ([`Detector::gained`]), and the messages of DNS and HTTP as they come. Flows are looked at in the order in which
//! they began, at each [`Detector::advance`], so that a capture, of which all flows end at once, is read as a live
//! run is. Each kind has a room of its own that says when something is a sign of it; `Actives` makes of signs one
//! detection with a begin and an end. All tables are bounded, and what had no room is counted.

mod active;
mod beacon;
mod config;
mod contact;
mod flood;
mod guessing;
mod scan;
mod statistics;
mod tunnel;
mod upload;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use monitor_common::abi::Transport;

pub use active::{Active, Sign};
pub use config::{
    BeaconConfig, DetectionConfig, Exceptions, FloodConfig, GuessingConfig, NewConfig, ScanConfig,
    TunnelConfig, UploadConfig,
};
pub use contact::{Contact, Gain, Outcome, Volume};

use crate::{
    label::DetectionKind,
    record::{AnyRecord, DetectionRecord},
};
use active::Actives;

/// Flows that wait to be looked at in their order.
const PENDING: usize = 16_384;

/// Numbers of a [`Detector`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectionTotals {
    /// Detections that began, by [`DetectionKind`].
    pub detected: [u64; DetectionKind::COUNT],
    /// Detections that go on now, by [`DetectionKind`].
    pub active: [u64; DetectionKind::COUNT],
    /// Entries of all tables.
    pub tracked: u64,
    /// Entries that were forgotten to make room for others.
    pub evicted: u64,
    /// Signs for which no room was among the detections that go on.
    pub dropped: u64,
}

/// Looks for behaviour over many flows.
#[derive(Debug)]
pub struct Detector {
    config: DetectionConfig,
    pending: Vec<Contact>,
    /// The latest time that was heard of, flow clock.
    now: u64,
    scan: scan::Scans,
    guessing: guessing::Guesses,
    beacon: beacon::Beacons,
    tunnel: tunnel::Tunnels,
    flood: flood::Floods,
    upload: upload::Uploads,
    news: upload::News,
    actives: Actives,
    signs: Vec<Sign>,
}

impl Detector {
    /// One that has seen nothing.
    pub fn new(config: DetectionConfig) -> Self {
        Self {
            scan: scan::Scans::new(config.max_entries),
            guessing: guessing::Guesses::new(config.max_entries),
            beacon: beacon::Beacons::new(config.max_entries),
            tunnel: tunnel::Tunnels::new(config.max_entries),
            flood: flood::Floods::new(config.max_entries),
            upload: upload::Uploads::new(config.max_entries),
            news: upload::News::new(config.max_entries),
            actives: Actives::new(),
            pending: Vec::new(),
            signs: Vec::new(),
            now: 0,
            config,
        }
    }

    /// Goes on with other thresholds. With another bound what is known begins anew.
    pub fn reconfigure(&mut self, config: &DetectionConfig) {
        if self.config.max_entries == config.max_entries {
            self.config = config.clone();
        } else {
            let actives = std::mem::take(&mut self.actives);
            *self = Self { actives, now: self.now, ..Self::new(config.clone()) };
        }
    }

    /// Whether anything is looked for.
    pub const fn is_on(&self) -> bool {
        self.config.enabled
    }

    /// A flow, or one connection of it, has ended.
    pub fn flow(&mut self, contact: Contact) {
        if !self.config.enabled {
            return;
        }
        self.now = self.now.max(contact.end);
        self.pending.push(contact);
        if self.pending.len() >= PENDING {
            self.look();
        }
    }

    /// What a flow gained since the last time, for what is counted while it happens.
    pub fn gained(&mut self, gain: &Gain) {
        if self.config.enabled && self.config.flood.enabled {
            self.now = self.now.max(gain.to);
            self.flood.gained(gain);
        }
    }

    /// Packets to a server that found no slot in the flow table, from one time to another.
    pub fn overflowed(&mut self, server: IpAddr, transport: Transport, packets: u64, time: u64) {
        if self.config.enabled && self.config.flood.enabled {
            self.flood.overflowed(server, transport, packets, time);
        }
    }

    /// A message that was read. `time`: flow clock.
    pub fn message(&mut self, record: &AnyRecord, time: u64) {
        if !self.config.enabled {
            return;
        }
        match record {
            AnyRecord::Dns(dns) if self.config.tunnel.enabled => {
                self.tunnel.dns(dns, time, &self.config.tunnel, &mut self.signs);
            }
            AnyRecord::Http(http) if self.config.guessing.enabled && http.status == Some(401) => {
                self.guessing.refused(&http.identity, time, &self.config.guessing, &mut self.signs);
            }
            _ => return,
        }
        self.now = self.now.max(time);
        self.sort_out();
    }

    /// Looks at what came up to `now`.
    pub fn advance(&mut self, now: u64) {
        if !self.config.enabled {
            return;
        }
        self.now = self.now.max(now);
        self.look();
        self.flood.close(self.now, &self.config.flood, &mut self.signs);
        self.sort_out();
        self.actives.expire(self.now, self.config.hold);
    }

    /// Nothing comes any more: all that goes on ends with what was seen last.
    pub fn finish(&mut self) {
        if self.config.enabled {
            self.look();
            self.flood.close(u64::MAX, &self.config.flood, &mut self.signs);
            self.sort_out();
        }
        self.actives.end_all();
    }

    fn look(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|contact| contact.start);
        let Self { config, scan, guessing, beacon, tunnel, upload, news, signs, .. } = self;
        for contact in &pending {
            if config.scan.enabled {
                scan.contact(contact, &config.scan, signs);
            }
            if config.guessing.enabled {
                guessing.contact(contact, &config.guessing, signs);
            }
            if config.beacon.enabled {
                beacon.contact(contact, &config.beacon, signs);
            }
            if config.tunnel.enabled {
                tunnel.icmp(contact, &config.tunnel, signs);
            }
            if config.upload.enabled {
                upload.contact(contact, &config.upload, signs);
            }
            if config.new.enabled {
                news.contact(contact, &config.new, signs);
            }
        }
        pending.clear();
        self.pending = pending;
        self.sort_out();
    }

    /// Makes detections of signs, but of those that are excepted.
    fn sort_out(&mut self) {
        let mut signs = std::mem::take(&mut self.signs);
        for sign in signs.drain(..) {
            if !self.config.exceptions.has(&sign) {
                self.actives.sign(sign, self.config.hold);
            }
        }
        self.signs = signs;
    }

    /// Takes the detections that began or ended since the last call.
    pub fn take(&mut self, wall_offset: i64) -> Vec<DetectionRecord> {
        self.actives.take(wall_offset)
    }

    /// Those that go on, the latest first.
    pub fn active(&self) -> Vec<&Active> {
        self.actives.all()
    }

    /// Numbers.
    pub fn totals(&self) -> DetectionTotals {
        let (scan, guessing, beacon, tunnel, flood, upload) = (
            self.scan.numbers(),
            self.guessing.numbers(),
            self.beacon.numbers(),
            self.tunnel.numbers(),
            self.flood.numbers(),
            self.upload.numbers(),
        );
        let all = [scan, guessing, beacon, tunnel, flood, upload, self.news.numbers()];
        let mut totals = self.actives.totals();
        for (tracked, evicted) in all {
            totals.tracked += tracked;
            totals.evicted += evicted;
        }
        totals
    }

    /// The configuration.
    pub const fn config(&self) -> &DetectionConfig {
        &self.config
    }
}
