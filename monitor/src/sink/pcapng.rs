//! Blocks of a pcapng file (draft-ietf-opsawg-pcapng), in this machine's byte order.

use std::io::{self, Write};

use monitor_common::abi::Direction;

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

/// Options: the end of them, an interface's name and resolution, a packet's flags, and of an interface's
/// statistics when it was captured on, what was received and what was dropped.
const END: u16 = 0;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const FLAGS: u16 = 2;
const BEGIN: u16 = 2;
const UNTIL: u16 = 3;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;

/// Longest name of an interface that is written: its block's length has room for it.
const NAME_MAX: usize = 255;

/// A packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// Number of its interface, in the order in which they were described.
    pub(super) interface: u32,
    /// Nanoseconds since the epoch.
    pub(super) time: u64,
    /// Bytes on the wire.
    pub(super) length: u32,
    /// Its direction, if it is known.
    pub(super) way: Option<Direction>,
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
}

/// What was captured on an interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statistics {
    /// Number of the interface.
    pub(super) interface: u32,
    /// From when to when, nanoseconds since the epoch.
    pub(super) times: (u64, u64),
    /// Packets that came.
    pub(super) received: u64,
    /// Packets of these that are not in the file, since nobody took them in time.
    pub(super) dropped: u64,
}

/// Writes blocks.
#[derive(Debug)]
pub(super) struct Blocks<W> {
    to: W,
    block: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    pub(super) const fn new(to: W) -> Self {
        Self { to, block: Vec::new() }
    }

    pub(super) const fn to_mut(&mut self) -> &mut W {
        &mut self.to
    }

    pub(super) fn into_inner(self) -> W {
        self.to
    }

    /// Begins a section: interfaces are numbered anew.
    pub(super) fn section(&mut self) -> io::Result<()> {
        self.block.extend(0x1a2b_3c4d_u32.to_ne_bytes());
        // Version 1.0, of a section whose length is not said.
        self.block.extend(1_u16.to_ne_bytes());
        self.block.extend(0_u16.to_ne_bytes());
        self.block.extend(u64::MAX.to_ne_bytes());
        self.write(SECTION)
    }

    /// Describes an interface, with times in nanoseconds; `snapshot` is 0 where packets are whole.
    pub(super) fn interface(&mut self, name: &[u8], link_type: u16, snapshot: u32) -> io::Result<()> {
        self.block.extend(link_type.to_ne_bytes());
        self.block.extend(0_u16.to_ne_bytes());
        self.block.extend(snapshot.to_ne_bytes());
        if !name.is_empty() {
            self.option(NAME, name.get(..NAME_MAX).unwrap_or(name));
        }
        self.option(RESOLUTION, &[9]);
        self.option(END, &[]);
        self.write(INTERFACE)
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let captured = packet.bytes.len() as u32;
        let [high, low] = time(packet.time);
        for word in [packet.interface, high, low, captured, packet.length.max(captured)] {
            self.block.extend(word.to_ne_bytes());
        }
        self.block.extend(packet.bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        if let Some(way) = packet.way {
            let flags: u32 = if way == Direction::Receive { 1 } else { 2 };
            self.option(FLAGS, &flags.to_ne_bytes());
            self.option(END, &[]);
        }
        self.write(PACKET)
    }

    pub(super) fn statistics(&mut self, statistics: &Statistics) -> io::Result<()> {
        let (begin, end) = (time(statistics.times.0), time(statistics.times.1));
        for word in [statistics.interface, end[0], end[1]] {
            self.block.extend(word.to_ne_bytes());
        }
        for (code, [high, low]) in [(BEGIN, begin), (UNTIL, end)] {
            let mut value = [0; 8];
            value[..4].copy_from_slice(&high.to_ne_bytes());
            value[4..].copy_from_slice(&low.to_ne_bytes());
            self.option(code, &value);
        }
        self.option(RECEIVED, &statistics.received.to_ne_bytes());
        self.option(DROPPED, &statistics.dropped.to_ne_bytes());
        self.option(END, &[]);
        self.write(STATISTICS)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.block.extend(code.to_ne_bytes());
        self.block.extend((value.len() as u16).to_ne_bytes());
        self.block.extend(value);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Writes the block at hand.
    fn write(&mut self, kind: u32) -> io::Result<()> {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        let length = (self.block.len() as u32 + 12).to_ne_bytes();
        let parts = [&kind.to_ne_bytes()[..], &length, &self.block, &length];
        let written = parts.iter().try_for_each(|part| self.to.write_all(part));
        self.block.clear();
        written
    }
}

/// A time as two words, the higher first.
const fn time(ns: u64) -> [u32; 2] {
    [(ns >> 32) as u32, ns as u32]
}
