//! pcapng: blocks, in sections, of several interfaces (draft-ietf-opsawg-pcapng).

use std::io::Read;

use monitor_common::abi::Direction;

use super::{Found, Interface, Interfaces, Located, MAX_RECORD, Order, buffer::Buffer, error::Damage};

/// Type of the block that begins a section: the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Block types.
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface.
const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Option of a packet: its lowest two bits are a direction.
const EPB_FLAGS: u16 = 2;

/// Bytes of an interface's name that are kept: no system has longer ones.
const MAX_NAME: usize = 256;

/// The versions that are known: 1.0, which one writer calls 1.2.
const VERSIONS: [(u16, u16); 2] = [(1, 0), (1, 2)];

/// Length of a unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// So many of them are a nanosecond.
    Finer(u64),
    /// 2 to this power of them are a second.
    Binary(u32),
}

impl Resolution {
    /// As `if_tsresol` writes it: a negative power of 10, or of 2 where the upper bit is set.
    fn from_option(value: u8) -> Self {
        let power = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            Self::Binary(power.min(63))
        } else if power <= 9 {
            Self::Nanoseconds(10_u64.pow(9 - power))
        } else {
            Self::Finer(10_u64.saturating_pow(power - 9))
        }
    }

    fn nanoseconds(self, units: u64) -> u64 {
        match self {
            Self::Nanoseconds(n) => units.saturating_mul(n),
            Self::Finer(n) => units / n,
            Self::Binary(power) => {
                let exact = (u128::from(units) * 1_000_000_000) >> power;
                u64::try_from(exact).unwrap_or(u64::MAX)
            }
        }
    }
}

/// How an interface writes times.
#[derive(Clone, Copy, Debug)]
struct Times {
    resolution: Resolution,
    /// Nanoseconds to add.
    offset: i64,
}

/// The section that is being read.
#[derive(Debug)]
pub(super) struct Ng {
    order: Order,
    /// How the interfaces of this section write times.
    times: Vec<Times>,
    /// The first interface of this section among those of the file.
    section: usize,
    /// It is of another version: its blocks are passed over.
    unknown: bool,
    /// Sections that were passed over, and the version of the last.
    skipped: Option<(u64, u16, u16)>,
}

impl Ng {
    /// Checks that a section begins here; it is read with the blocks.
    pub(super) fn open<R: Read>(buffer: &mut Buffer<R>) -> Result<Self, Damage> {
        let order = section_order(buffer.need(12)?)?;
        Ok(Self { order, times: Vec::new(), section: 0, unknown: false, skipped: None })
    }

    /// The next packet; blocks of other kinds are read or skipped on the way.
    pub(super) fn next<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        interfaces: &mut Interfaces,
    ) -> Result<Found, Damage> {
        loop {
            let head = buffer.need(12)?;
            if head.is_empty() {
                return self.end(buffer.is_held());
            }
            let section = head.starts_with(&SECTION_HEADER);
            let order = if section { section_order(head)? } else { self.order };
            let (Some(kind), Some(total)) = (order.u32(head, 0), order.u32(head, 4)) else {
                return Err(Damage::Cut);
            };
            if kind > 0xffff && super::header_follows(buffer)? && !section {
                return Ok(Found::Capture);
            }
            let size = total as usize;
            if size < 12 || !size.is_multiple_of(4) || size > MAX_RECORD {
                return Err(Damage::Length(total.into()));
            }
            let block = buffer.need(size)?;
            let (Some(body), Some(again)) = (block.get(8..size - 4), order.u32(block, size - 4)) else {
                return Err(Damage::Cut);
            };
            if again != total {
                return Err(Damage::Lengths(total, again));
            }
            if section {
                self.begin_section(order, body, interfaces);
                buffer.consume(size);
                continue;
            }
            let all = interfaces.all();
            let located = match kind {
                _ if self.unknown => None,
                ENHANCED_PACKET => Some(self.enhanced(body, size, all)?),
                OLD_PACKET => Some(self.old(body, size, all)?),
                SIMPLE_PACKET => Some(self.simple(body, size, all)?),
                INTERFACE => {
                    let (interface, times) = interface(order, body).ok_or(Damage::Short)?;
                    interfaces.add(interface)?;
                    self.times.push(times);
                    None
                }
                _ => None,
            };
            if let Some(located) = located {
                return Ok(Found::Packet(located));
            }
            buffer.consume(size);
        }
    }

    /// The end, or what has to be said there; while bytes are held it may be none.
    fn end(&mut self, held: bool) -> Result<Found, Damage> {
        match self.skipped {
            Some((sections, major, minor)) if !held => {
                self.skipped = None;
                Err(Damage::Sections(sections, major, minor))
            }
            _ => Ok(Found::End),
        }
    }

    /// A section begins: byte order, version, interfaces of its own.
    fn begin_section(&mut self, order: Order, body: &[u8], interfaces: &Interfaces) {
        self.order = order;
        self.section = interfaces.all().len();
        self.times.clear();
        let version = order.u16(body, 4).zip(order.u16(body, 6));
        self.unknown = version.is_some_and(|version| !VERSIONS.contains(&version));
        if let (true, Some((major, minor))) = (self.unknown, version) {
            let before = self.skipped.map_or(0, |(sections, ..)| sections);
            self.skipped = Some((before + 1, major, minor));
        }
    }

    /// Place of an interface of this section among those of the file.
    fn interface<'a>(
        &self,
        number: u32,
        all: &'a [Interface],
    ) -> Result<(u32, &'a Interface, Times), Damage> {
        let at = self.section.saturating_add(number as usize);
        match (all.get(at), self.times.get(number as usize)) {
            (Some(interface), Some(times)) => Ok((at as u32, interface, *times)),
            _ => Err(Damage::Interface(number)),
        }
    }

    fn enhanced(&self, body: &[u8], record: usize, all: &[Interface]) -> Result<Located, Damage> {
        let number = self.order.u32(body, 0).ok_or(Damage::Short)?;
        self.timed(body, record, number, all)
    }

    /// The Packet Block of the first drafts: a 16-bit interface, and a count of drops beside it.
    fn old(&self, body: &[u8], record: usize, all: &[Interface]) -> Result<Located, Damage> {
        let number = self.order.u16(body, 0).ok_or(Damage::Short)?;
        self.timed(body, record, number.into(), all)
    }

    /// What both packet blocks with a time share: time at 4, lengths at 12 and 16, packet at 20, options
    /// behind it.
    fn timed(&self, body: &[u8], record: usize, number: u32, all: &[Interface]) -> Result<Located, Damage> {
        let (at, interface, times) = self.interface(number, all)?;
        let word = |at| self.order.u32(body, at).ok_or(Damage::Short);
        let units = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        let time = times.resolution.nanoseconds(units).saturating_add_signed(times.offset);
        let (captured, length) = (word(12)? as usize, word(16)?);
        if captured > body.len().saturating_sub(20) {
            return Err(Damage::Length(captured as u64));
        }
        let options = body.get(20 + captured.next_multiple_of(4)..).unwrap_or_default();
        Ok(Located {
            time: Some(time),
            length,
            link_type: interface.link_type,
            interface: at,
            way: way(self.order, options),
            skip: 28,
            captured,
            record,
        })
    }

    /// Only a length, of a packet of the section's first interface; what was captured is cut to its bound.
    fn simple(&self, body: &[u8], record: usize, all: &[Interface]) -> Result<Located, Damage> {
        let (at, interface, _) = self.interface(0, all)?;
        let length = self.order.u32(body, 0).ok_or(Damage::Short)?;
        let bound = if interface.snapshot == 0 { u32::MAX } else { interface.snapshot };
        let captured = (length.min(bound) as usize).min(body.len().saturating_sub(4));
        Ok(Located {
            time: None,
            length,
            link_type: interface.link_type,
            interface: at,
            way: None,
            skip: 12,
            captured,
            record,
        })
    }
}

/// Byte order of a section, from the first twelve bytes of its header.
fn section_order(head: &[u8]) -> Result<Order, Damage> {
    match head.get(8..12) {
        Some([0x4d, 0x3c, 0x2b, 0x1a]) => Ok(Order::Little),
        Some([0x1a, 0x2b, 0x3c, 0x4d]) => Ok(Order::Big),
        Some(_) => Err(Damage::ByteOrder),
        None => Err(Damage::Cut),
    }
}

fn interface(order: Order, body: &[u8]) -> Option<(Interface, Times)> {
    let mut interface =
        Interface { link_type: order.u16(body, 0)?.into(), snapshot: order.u32(body, 4)?, name: Vec::new() };
    let mut times = Times { resolution: Resolution::Nanoseconds(1000), offset: 0 };
    options(order, body.get(8..)?, |code, value| match (code, value) {
        (IF_NAME, name) => interface.name = name.get(..MAX_NAME).unwrap_or(name).to_vec(),
        (IF_TSRESOL, [resolution]) => times.resolution = Resolution::from_option(*resolution),
        (IF_TSOFFSET, value) => {
            if let (8, Some(seconds)) = (value.len(), order.u64(value, 0)) {
                times.offset = (seconds as i64).saturating_mul(1_000_000_000);
            }
        }
        _ => {}
    })?;
    Some((interface, times))
}

/// The direction that a packet's options say.
fn way(order: Order, rest: &[u8]) -> Option<Direction> {
    let mut way = None;
    // Options that reach beyond the block say nothing; the packet before them is whole.
    let _ = options(order, rest, |code, value| {
        if code == EPB_FLAGS {
            way = match order.u32(value, 0).map(|flags| flags & 3) {
                Some(1) => Some(Direction::Receive),
                Some(2) => Some(Direction::Transmit),
                _ => None,
            };
        }
    });
    way
}

/// Calls `each` with the options of a block, code and value. `None`: one reaches beyond the block.
fn options(order: Order, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> Option<()> {
    let mut at = 0;
    while let (Some(code), Some(length)) = (order.u16(body, at), order.u16(body, at + 2)) {
        if code == END_OF_OPTIONS {
            break;
        }
        let length = usize::from(length);
        each(code, body.get(at + 4..at + 4 + length)?);
        // Values are padded to words.
        at += 4 + length.next_multiple_of(4);
    }
    Some(())
}
