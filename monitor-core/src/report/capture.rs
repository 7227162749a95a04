//! Packets: how many, when, how long. Observed for every packet, so it is kept cheap.

use std::collections::BTreeMap;

use super::Timeline;
use crate::{
    offline::{Frame, Outcome},
    record::Time,
};

/// Upper bounds of packet lengths in bytes, inclusive; a last bucket has none. 1518 is the longest frame of
/// Ethernet without tags.
pub const SIZE_BOUNDS: [u32; 7] = [64, 127, 255, 511, 1023, 1518, 9018];

/// Totals of all packets.
#[derive(Debug, Default)]
pub struct Capture {
    /// Capture files.
    pub files: u64,
    /// Of them, those that are cut or damaged: what stands before was read.
    pub truncated: u64,
    /// Packets that were read, those of unknown link types not among them.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Packets of which not everything was captured.
    pub cut: u64,
    /// Packets without IP.
    pub not_ip: u64,
    /// Packets whose headers contradict themselves or are cut short.
    pub undecodable: u64,
    /// Packets that were captured once more: each counts once in flows, and here each time.
    pub duplicates: u64,
    /// Packets that found the flow table full.
    pub overflow: u64,
    /// Packets of unknown link types, by their number: nothing else here counts them.
    pub skipped: BTreeMap<u32, u64>,
    /// Packets by link type.
    pub links: BTreeMap<u32, u64>,
    /// Packets by length, as [`SIZE_BOUNDS`].
    pub sizes: [u64; SIZE_BOUNDS.len() + 1],
    /// Bytes and packets over time.
    pub timeline: Timeline,
    span: Option<(u64, u64)>,
    /// Link type of the packets last seen, and how many of them are not in `links` yet.
    run: (u32, u64),
}

impl Capture {
    /// Counts a packet.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>, captured: usize, link_type: u32, outcome: Outcome) {
        let length = u64::from(frame.length).max(captured as u64);
        self.packets += 1;
        self.bytes += length;
        self.cut += u64::from(length > captured as u64);
        let bucket = SIZE_BOUNDS.iter().map(|&bound| usize::from(length > u64::from(bound))).sum::<usize>();
        if let Some(count) = self.sizes.get_mut(bucket) {
            *count += 1;
        }
        self.timeline.observe(frame.time, length);
        let (first, last) = self.span.unwrap_or((frame.time, frame.time));
        self.span = Some((first.min(frame.time), last.max(frame.time)));
        match outcome {
            Outcome::Flow { again, .. } => self.duplicates += u64::from(again),
            Outcome::Overflow => self.overflow += 1,
            Outcome::NotIp => self.not_ip += 1,
            Outcome::Undecodable => self.undecodable += 1,
        }
        if self.run.0 != link_type {
            self.settle();
            self.run.0 = link_type;
        }
        self.run.1 += 1;
    }

    /// Nothing more comes.
    pub fn settle(&mut self) {
        let (link, packets) = std::mem::take(&mut self.run);
        if packets > 0 {
            *self.links.entry(link).or_default() += packets;
        }
    }

    /// Time of the earliest and the latest packet.
    pub fn span(&self) -> Option<(Time, Time)> {
        self.span.map(|(first, last)| (Time(first), Time(last)))
    }

    /// From the earliest to the latest packet, seconds.
    pub fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(first, last)| (last - first) as f64 / 1e9)
    }
}
