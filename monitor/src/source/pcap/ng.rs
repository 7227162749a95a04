//! pcapng: blocks, in sections, of several interfaces (draft-ietf-opsawg-pcapng).

use std::io::Read;

use super::{Located, MAX_RECORD, Order, buffer::Buffer, error::Damage};

/// Type of the block that begins a section: the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Block types.
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface.
const END_OF_OPTIONS: u16 = 0;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Interfaces of a section that are remembered; a file with more is not believed.
const MAX_INTERFACES: usize = 1 << 16;

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

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u32,
    /// Longest packet that is kept; 0: all of it.
    snapshot: u32,
    resolution: Resolution,
    /// Nanoseconds to add.
    offset: i64,
}

/// The section that is being read.
#[derive(Debug)]
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
}

impl Ng {
    /// Checks that a section begins here; it is read with the blocks.
    pub(super) fn open<R: Read>(buffer: &mut Buffer<R>) -> Result<Self, Damage> {
        let order = section_order(buffer.need(12)?)?;
        Ok(Self { order, interfaces: Vec::new() })
    }

    /// The next packet; blocks of other kinds are read or skipped on the way.
    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Option<Located>, Damage> {
        loop {
            let head = buffer.need(12)?;
            if head.is_empty() {
                return Ok(None);
            }
            let section = head.starts_with(&SECTION_HEADER);
            if section {
                self.order = section_order(head)?;
                self.interfaces.clear();
            }
            let order = self.order;
            let (Some(kind), Some(total)) = (order.u32(head, 0), order.u32(head, 4)) else {
                return Err(Damage::Cut);
            };
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
            let located = match kind {
                ENHANCED_PACKET => Some(self.enhanced(body, size)?),
                OLD_PACKET => Some(self.old(body, size)?),
                SIMPLE_PACKET => Some(self.simple(body, size)?),
                INTERFACE => {
                    let interface = interface(order, body).ok_or(Damage::Short)?;
                    if self.interfaces.len() >= MAX_INTERFACES {
                        return Err(Damage::Interface(MAX_INTERFACES as u32));
                    }
                    self.interfaces.push(interface);
                    None
                }
                _ => None,
            };
            if located.is_some() {
                return Ok(located);
            }
            buffer.consume(size);
        }
    }

    fn interface(&self, number: u32) -> Result<Interface, Damage> {
        self.interfaces.get(number as usize).copied().ok_or(Damage::Interface(number))
    }

    fn enhanced(&self, body: &[u8], record: usize) -> Result<Located, Damage> {
        let number = self.order.u32(body, 0).ok_or(Damage::Short)?;
        self.timed(body, record, number)
    }

    /// The Packet Block of the first drafts: a 16-bit interface, and a count of drops beside it.
    fn old(&self, body: &[u8], record: usize) -> Result<Located, Damage> {
        let number = self.order.u16(body, 0).ok_or(Damage::Short)?;
        self.timed(body, record, number.into())
    }

    /// What both packet blocks with a time share: time at 4, lengths at 12 and 16, packet at 20.
    fn timed(&self, body: &[u8], record: usize, number: u32) -> Result<Located, Damage> {
        let interface = self.interface(number)?;
        let word = |at| self.order.u32(body, at).ok_or(Damage::Short);
        let units = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        let time = interface.resolution.nanoseconds(units).saturating_add_signed(interface.offset);
        let (captured, length) = (word(12)? as usize, word(16)?);
        if captured > body.len().saturating_sub(20) {
            return Err(Damage::Length(captured as u64));
        }
        Ok(Located { time: Some(time), length, link_type: interface.link_type, skip: 28, captured, record })
    }

    /// Only a length, of a packet of the section's first interface; what was captured is cut to its bound.
    fn simple(&self, body: &[u8], record: usize) -> Result<Located, Damage> {
        let interface = self.interface(0)?;
        let length = self.order.u32(body, 0).ok_or(Damage::Short)?;
        let bound = if interface.snapshot == 0 { u32::MAX } else { interface.snapshot };
        let captured = (length.min(bound) as usize).min(body.len().saturating_sub(4));
        Ok(Located { time: None, length, link_type: interface.link_type, skip: 12, captured, record })
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

fn interface(order: Order, body: &[u8]) -> Option<Interface> {
    let mut interface = Interface {
        link_type: order.u16(body, 0)?.into(),
        snapshot: order.u32(body, 4)?,
        resolution: Resolution::Nanoseconds(1000),
        offset: 0,
    };
    let mut at = 8;
    while let (Some(code), Some(length)) = (order.u16(body, at), order.u16(body, at + 2)) {
        let length = usize::from(length);
        let value = body.get(at + 4..at + 4 + length)?;
        match (code, value) {
            (END_OF_OPTIONS, _) => break,
            (IF_TSRESOL, [resolution]) => interface.resolution = Resolution::from_option(*resolution),
            (IF_TSOFFSET, seconds) if length == 8 => {
                interface.offset = (order.u64(seconds, 0)? as i64).saturating_mul(1_000_000_000);
            }
            _ => {}
        }
        // Values are padded to words.
        at += 4 + length.next_multiple_of(4);
    }
    Some(interface)
}
