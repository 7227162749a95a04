//! Uploads beyond what a client used to send to a server, and first contacts.

use std::{collections::HashSet, net::IpAddr};

use super::{
    Contact, Outcome, Sign, UploadConfig,
    config::NewConfig,
    scan::is_one,
    statistics::{mad, median},
};
use crate::{
    label::DetectionKind,
    lru::Lru,
    names,
    record::{DetectionCounts, Id, Text},
};

/// Length of a step, ns.
const STEP: u64 = 600_000_000_000;
/// Steps of the past that are known: twelve hours.
const STEPS: usize = 72;

/// What a client sent to a server.
#[derive(Clone, Debug)]
struct Past {
    /// Bytes in the steps before, the oldest first.
    steps: Vec<u32>,
    step: u64,
    bytes: u64,
    first: Id,
    told: bool,
}

#[derive(Debug)]
pub(super) struct Uploads {
    pasts: Lru<(IpAddr, IpAddr), Past>,
    evicted: u64,
}

impl Uploads {
    pub(super) fn new(max: u32) -> Self {
        Self { pasts: Lru::new(max), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.pasts.len() as u64, self.evicted)
    }

    /// A contact ended: what it sent counts for the step in which it did.
    pub(super) fn contact(&mut self, contact: &Contact, config: &UploadConfig, signs: &mut Vec<Sign>) {
        if contact.sent.payload == 0 || !is_one(contact.server) {
            return;
        }
        let (key, step) = ((contact.client, contact.server), contact.end / STEP);
        let fresh = Past { steps: Vec::new(), step, bytes: 0, first: contact.id, told: false };
        if self.pasts.peek(&key).is_none() && self.pasts.insert(key, fresh).is_some() {
            self.evicted += 1;
        }
        let Some(past) = self.pasts.get(&key) else { return };
        // Steps in thousands of bytes; those without anything are of the past, too.
        while past.step < step {
            if past.steps.len() == STEPS {
                past.steps.remove(0);
            }
            past.steps.push((past.bytes / 1000).min(u64::from(u32::MAX)) as u32);
            (past.bytes, past.first, past.told) = (0, contact.id, false);
            // What is long ago is not walked through step by step.
            past.step = if step - past.step > STEPS as u64 { step - STEPS as u64 } else { past.step + 1 };
        }
        past.bytes += contact.sent.payload;
        if past.told || past.bytes < config.bytes || past.steps.len() < config.steps as usize {
            return;
        }
        let steps: Vec<f64> = past.steps.iter().map(|kilobytes| f64::from(*kilobytes) * 1000.0).collect();
        let middle = median(&steps);
        // A deviation of nothing would make everything unusual: a tenth of the median is one at least.
        let deviation = (mad(&steps, middle) * 1.4826).max(middle / 10.0).max(1.0);
        let above = (past.bytes as f64 - middle) / deviation;
        if above < config.deviations {
            return;
        }
        past.told = true;
        signs.push(Sign {
            kind: DetectionKind::Upload,
            detail: "bytes",
            source: Some(contact.client),
            target: Some(contact.server),
            port: None,
            name: contact.name.clone(),
            score: 1.0 - config.deviations / (above + config.deviations),
            counts: DetectionCounts {
                bytes: Some(past.bytes),
                usual_bytes: Some(middle as u64),
                window_seconds: STEP as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: step * STEP,
            time: contact.end,
            first: past.first,
            last: contact.id,
        });
    }
}

/// First contacts of clients with domains.
#[derive(Debug)]
pub(super) struct News {
    clients: Lru<IpAddr, (u64, HashSet<Text>)>,
    evicted: u64,
}

/// Domains of a client that are known; one with more is no server, and nothing is told of it.
const DOMAINS: usize = 1024;

impl News {
    pub(super) fn new(max: u32) -> Self {
        Self { clients: Lru::new(max / 16), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.clients.len() as u64, self.evicted)
    }

    /// A contact ended.
    pub(super) fn contact(&mut self, contact: &Contact, config: &NewConfig, signs: &mut Vec<Sign>) {
        let Some(domain) = contact.name.as_ref().and_then(|name| names::domain(name.as_str())) else {
            return;
        };
        if contact.outcome != Outcome::Success {
            return;
        }
        if self.clients.peek(&contact.client).is_none()
            && self.clients.insert(contact.client, (contact.start, HashSet::new())).is_some()
        {
            self.evicted += 1;
        }
        let Some((since, known)) = self.clients.get(&contact.client) else { return };
        let domain = Text::from(domain);
        if known.len() >= DOMAINS
            || !known.insert(domain.clone())
            || contact.start.saturating_sub(*since) < config.learning
        {
            return;
        }
        signs.push(Sign {
            kind: DetectionKind::New,
            detail: "domain",
            source: Some(contact.client),
            target: Some(contact.server),
            port: Some(contact.port),
            name: Some(domain),
            score: 1.0,
            counts: DetectionCounts {
                flows: Some(1),
                names: Some(known.len() as u64),
                window_seconds: contact.start.saturating_sub(*since) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: contact.start,
            time: contact.start,
            first: contact.id,
            last: contact.id,
        });
    }
}
