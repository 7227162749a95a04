//! Data of resource records in presentation form.

use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Name, Record, RecordType, svcb};
use crate::record::{TEXT_MAX, Text, escape};

impl<'a> Record<'a> {
    /// The address of an A or AAAA record (RFC 1035, 3.4.1; RFC 3596).
    pub fn address(&self) -> Option<IpAddr> {
        let data = self.data?;
        match self.kind {
            RecordType::A => <[u8; 4]>::try_from(data).ok().map(|o| Ipv4Addr::from(o).into()),
            RecordType::AAAA => <[u8; 16]>::try_from(data).ok().map(|o| Ipv6Addr::from(o).into()),
            _ => None,
        }
    }

    /// The name that a CNAME record gives (RFC 1035, 3.3.1).
    pub fn alias(&self) -> Option<Name<'a>> {
        if self.kind == RecordType::CNAME { self.name_at(0) } else { None }
    }

    /// The name at an offset of the data. It must begin there; a pointer may lead it out.
    pub(super) fn name_at(&self, offset: usize) -> Option<Name<'a>> {
        let length = self.data?.len();
        let (name, end) = Name::read(self.message, self.data_at + offset).ok()?;
        (offset < length && end <= self.data_at + length).then_some(name)
    }

    /// The data in presentation form (RFC 1035, 5.1; RFC 3597, 5 where nothing better is known), cut to
    /// [`TEXT_MAX`] bytes; `None` if it was cut off or does not have its type's form.
    pub fn text(&self) -> Option<Text> {
        let mut out = Cut { text: String::new() };
        // What does not fit ends the writing; the beginning is kept.
        let written = self.present(&mut out);
        (written.is_some() || !out.text.is_empty()).then(|| Text::from(out.text.as_str()))
    }

    fn present(&self, out: &mut Cut) -> Option<()> {
        let data = self.data?;
        let word = |at: usize| Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?));
        match self.kind {
            RecordType::A | RecordType::AAAA => write!(out, "{}", self.address()?).ok(),
            RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => {
                write!(out, "{}", self.name_at(0)?).ok()
            }
            RecordType::MX => write!(out, "{} {}", word(0)?, self.name_at(2)?).ok(),
            RecordType::SRV => {
                write!(out, "{} {} {} {}", word(0)?, word(2)?, word(4)?, self.name_at(6)?).ok()
            }
            RecordType::SOA => self.start_of_authority(out),
            RecordType::TXT | RecordType::SPF => strings(data, out),
            RecordType::CAA => {
                let (flags, rest) = data.split_first()?;
                let (length, rest) = rest.split_first()?;
                let (tag, value) = rest.split_at_checked(usize::from(*length))?;
                write!(out, "{flags} {} \"{}\"", Text::escaped(tag), Text::escaped(value)).ok()
            }
            RecordType::SVCB | RecordType::HTTPS => {
                write!(out, "{} {}", word(0)?, self.name_at(2)?).ok()?;
                svcb::write_parameters(svcb::parameters(self)?, out)
            }
            _ => {
                write!(out, "\\# {}", data.len()).ok()?;
                if !data.is_empty() {
                    out.write_char(' ').ok()?;
                }
                data.iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok()
            }
        }
    }

    fn start_of_authority(&self, out: &mut Cut) -> Option<()> {
        let data = self.data?;
        let base = self.data_at;
        let (primary, next) = Name::read(self.message, base).ok()?;
        let (mailbox, next) = Name::read(self.message, next).ok()?;
        write!(out, "{primary} {mailbox}").ok()?;
        let numbers = data.get(next.checked_sub(base)?..)?;
        let (numbers, _) = numbers.as_chunks::<4>();
        numbers.iter().take(5).try_for_each(|n| write!(out, " {}", u32::from_be_bytes(*n))).ok()
    }
}

/// Character strings, each in quotation marks.
fn strings(mut data: &[u8], out: &mut Cut) -> Option<()> {
    let mut separator = "";
    while let Some((length, rest)) = data.split_first() {
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        write!(out, "{separator}\"{}\"", Text::escaped(text)).ok()?;
        separator = " ";
        data = rest;
    }
    Some(())
}

/// Takes text until it is longer than a [`Text`] can be: what comes from outside must not decide how much
/// is written only to be thrown away.
pub(super) struct Cut {
    text: String,
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() > TEXT_MAX {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

impl Cut {
    /// Appends bytes of the wire.
    pub(super) fn push_escaped(&mut self, bytes: &[u8]) -> Option<()> {
        if self.text.len() > TEXT_MAX {
            return None;
        }
        escape(bytes, &mut self.text);
        Some(())
    }
}
