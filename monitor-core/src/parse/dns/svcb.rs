//! Parameters of SVCB and HTTPS records (RFC 9460), and what an encrypted hello shows instead of the true
//! name (RFC 9849).

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{Name, Record, RecordType, rdata::Cut};

/// Number of the parameter `ech`.
const ECH: u16 = 5;

/// Version of the one `ECHConfig` that there is; it is also the number of the TLS extension.
const ECH_VERSION: u16 = 0xfe0d;

/// The parameters of a record; `None` if it is none that has them.
pub(super) fn parameters<'a>(record: &Record<'a>) -> Option<Parameters<'a>> {
    if !matches!(record.kind, RecordType::SVCB | RecordType::HTTPS) {
        return None;
    }
    let data = record.data?;
    // The target is not compressed (RFC 9460, 2.2): its end within the data is known by itself.
    let (_, end) = Name::read(data, 2).ok()?;
    Some(Parameters { rest: data.get(end..)? })
}

/// Keys and values in their order; ends where they contradict themselves.
pub(super) struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = word(self.rest)?;
        let (value, rest) = sized(rest)?;
        self.rest = rest;
        Some((key, value))
    }
}

fn word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*word), rest))
}

/// Bytes behind their length of two bytes.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = word(bytes)?;
    rest.split_at_checked(usize::from(length))
}

/// Writes ` key=value` for each.
pub(super) fn write_parameters(parameters: Parameters<'_>, out: &mut Cut) -> Option<()> {
    const NAMES: [&str; 9] =
        ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];
    for (key, value) in parameters {
        match NAMES.get(usize::from(key)) {
            Some(name) => write!(out, " {name}").ok()?,
            None => write!(out, " key{key}").ok()?,
        }
        if value.is_empty() {
            continue;
        }
        out.write_char('=').ok()?;
        let mut comma = "";
        let mut separate = |out: &mut Cut| out.write_str(std::mem::replace(&mut comma, ",")).ok();
        match key {
            0 => {
                for pair in value.as_chunks::<2>().0 {
                    separate(out)?;
                    match NAMES.get(usize::from(u16::from_be_bytes(*pair))) {
                        Some(name) => out.write_str(name).ok()?,
                        None => write!(out, "key{}", u16::from_be_bytes(*pair)).ok()?,
                    }
                }
            }
            1 => {
                let mut rest = value;
                while let Some((length, tail)) = rest.split_first() {
                    // A length beyond the end means what is there.
                    let (id, tail) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
                    separate(out)?;
                    out.push_escaped(id)?;
                    rest = tail;
                }
            }
            3 if value.len() == 2 => write!(out, "{}", word(value)?.0).ok()?,
            4 => {
                for address in value.as_chunks::<4>().0 {
                    separate(out)?;
                    write!(out, "{}", Ipv4Addr::from(*address)).ok()?;
                }
            }
            6 => {
                for address in value.as_chunks::<16>().0 {
                    separate(out)?;
                    write!(out, "{}", Ipv6Addr::from(*address)).ok()?;
                }
            }
            7 => out.push_escaped(value)?,
            _ => value.iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok()?,
        }
    }
    Some(())
}

/// The public names in the `ech` parameter of an SVCB or HTTPS record: names that hellos show in place of
/// the true one. At most as many as the record holds; bytes as they stand there.
pub fn public_names<'a>(record: &Record<'a>) -> impl Iterator<Item = &'a [u8]> {
    let list = parameters(record).into_iter().flatten().find(|(key, _)| *key == ECH);
    let configs = list.and_then(|(_, value)| sized(value)).map_or(&[][..], |(configs, _)| configs);
    Configs { rest: configs }
        .filter_map(|(version, contents)| (version == ECH_VERSION).then(|| public_name(contents)).flatten())
}

/// The entries of an `ECHConfigList`.
struct Configs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Configs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (version, rest) = word(self.rest)?;
        let (contents, rest) = sized(rest)?;
        self.rest = rest;
        Some((version, contents))
    }
}

/// `ECHConfigContents.public_name` (RFC 9849, 4).
fn public_name(contents: &[u8]) -> Option<&[u8]> {
    // config_id, kem_id
    let rest = contents.get(3..)?;
    let (_public_key, rest) = sized(rest)?;
    let (_cipher_suites, rest) = sized(rest)?;
    let (_maximum_name_length, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first()?;
    let name = rest.get(..usize::from(*length))?;
    (!name.is_empty()).then_some(name)
}
