//! pcap: a header of 24 bytes, then records of 16 bytes and a packet each (pcap-savefile(5)).

use std::io::Read;

use super::{Found, Interface, Interfaces, Located, MAX_RECORD, Order, buffer::Buffer, error::Damage};

/// The file's header.
#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds in a unit of the fraction.
    unit: u64,
    /// All packets are of one.
    link_type: u32,
    /// Its place among those of all captures in the file.
    interface: u32,
    /// Bytes of a record's header.
    header: usize,
    /// Before version 2.3 the two lengths stood the other way round; in 2.3 either way.
    minor: u16,
}

impl Classic {
    /// Reads the header; `None`: the magic number is another format's.
    pub(super) fn open<R: Read>(
        magic: [u8; 4],
        buffer: &mut Buffer<R>,
        interfaces: &mut Interfaces,
    ) -> Result<Option<Self>, Damage> {
        let Some((order, unit, header)) = form(magic) else { return Ok(None) };
        let h = buffer.need(24)?;
        let version = order.u16(h, 4).zip(order.u16(h, 6));
        let (Some((major, minor)), Some(snapshot), Some(network)) =
            (version, order.u32(h, 16), order.u32(h, 20))
        else {
            return Err(Damage::Cut);
        };
        if major != 2 {
            return Err(Damage::Version(major, minor));
        }
        buffer.consume(24);
        // The upper bits say whether frames end with their check sequence.
        let link_type = network & 0x03ff_ffff;
        let interface = interfaces.add(Interface { link_type, snapshot, name: Vec::new() })?;
        Ok(Some(Self { order, unit, link_type, interface, header, minor }))
    }

    /// The next record.
    #[inline]
    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Found, Damage> {
        let h = buffer.need(self.header)?;
        if h.is_empty() {
            return Ok(Found::End);
        }
        if matches!(h, [0xa1, 0xb2, ..] | [_, _, 0xb2, 0xa1, ..] | [0x0a, 0x0d, 0x0d, 0x0a, ..])
            && super::header_follows(buffer)?
        {
            return Ok(Found::Capture);
        }
        let h = buffer.need(self.header)?;
        let Some([seconds, fraction, captured, length]) = words(self.order, h) else {
            return Err(Damage::Cut);
        };
        if h.len() < self.header {
            return Err(Damage::Cut);
        }
        let swapped = self.minor < 3 || (self.minor == 3 && captured > length);
        let (captured, length) = if swapped { (length, captured) } else { (captured, length) };
        let size = captured as usize;
        if size > MAX_RECORD {
            return Err(Damage::Length(captured.into()));
        }
        let record = self.header + size;
        if buffer.need(record)?.len() < record {
            return Err(Damage::Cut);
        }
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit;
        Ok(Found::Packet(Located {
            time: Some(time),
            length,
            link_type: self.link_type,
            interface: self.interface,
            way: None,
            skip: self.header,
            captured: size,
            record,
        }))
    }
}

/// Byte order, nanoseconds in a unit of the fraction, and bytes of a record's header, by the magic number.
pub(super) const fn form(magic: [u8; 4]) -> Option<(Order, u64, usize)> {
    Some(match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1000, 16),
        [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1000, 16),
        [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1, 16),
        [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1, 16),
        // Alexey Kuznetzov's patches: eight bytes more in each record.
        [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1000, 24),
        [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1000, 24),
        _ => return None,
    })
}

fn words(order: Order, h: &[u8]) -> Option<[u32; 4]> {
    Some([order.u32(h, 0)?, order.u32(h, 4)?, order.u32(h, 8)?, order.u32(h, 12)?])
}
