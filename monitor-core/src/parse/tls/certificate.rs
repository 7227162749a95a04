//! What a server's certificate says of itself (X.509, RFC 5280), in TLS 1.2 and before.
//!
//! Nothing is verified, so a small reader of DER suffices: it finds the few fields that are wanted by
//! their places, and libraries for certificates refuse the odd ones that are of interest here.

use super::Cursor;

/// Most names that are kept of a certificate.
const NAMES_MAX: usize = 64;

/// Fields of the first certificate of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// DNS names of the subject's alternative names, else its common name; bytes as sent.
    pub names: Vec<Box<[u8]>>,
    /// It has more names than were kept.
    pub more_names: bool,
    /// Begin of validity, seconds since the epoch.
    pub not_before: Option<i64>,
    /// End of validity, seconds since the epoch.
    pub not_after: Option<i64>,
    /// Issuer and subject are the same.
    pub self_signed: bool,
}

/// Tags (X.690, 8.1.2) that are met on the way.
mod tag {
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const OCTETS: u8 = 0x04;
    pub(super) const OBJECT: u8 = 0x06;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    /// `[0]`, constructed: the version.
    pub(super) const VERSION: u8 = 0xa0;
    /// `[3]`, constructed: the extensions.
    pub(super) const EXTENSIONS: u8 = 0xa3;
    /// `[2]`, primitive, of a general name.
    pub(super) const DNS_NAME: u8 = 0x82;
}

/// id-at-commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-ce-subjectAltName.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    /// Reads the body of a Certificate message (RFC 5246, 7.4.2): the first of the chain.
    pub fn from_message(body: &[u8]) -> Option<Self> {
        let mut chain = Cursor(body).vector24()?;
        Self::from_der(chain.vector24()?.0)
    }

    /// Reads a certificate in DER; `None` if it is none.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let mut certificate = expect(&mut Cursor(der), tag::SEQUENCE)?;
        let mut fields = expect(&mut certificate, tag::SEQUENCE)?;
        if fields.0.first() == Some(&tag::VERSION) {
            element(&mut fields)?;
        }
        expect(&mut fields, tag::INTEGER)?;
        expect(&mut fields, tag::SEQUENCE)?;
        let issuer = expect(&mut fields, tag::SEQUENCE)?;
        let mut validity = expect(&mut fields, tag::SEQUENCE)?;
        let subject = expect(&mut fields, tag::SEQUENCE)?;
        expect(&mut fields, tag::SEQUENCE)?;
        let mut out = Self {
            names: Vec::new(),
            more_names: false,
            not_before: element(&mut validity).and_then(seconds),
            not_after: element(&mut validity).and_then(seconds),
            self_signed: issuer.0 == subject.0,
        };
        while let Some((kind, mut value)) = element(&mut fields) {
            if kind == tag::EXTENSIONS
                && let Some(extensions) = expect(&mut value, tag::SEQUENCE)
            {
                out.alternative_names(extensions);
            }
        }
        if out.names.is_empty()
            && let Some(name) = common_name(subject)
        {
            out.names.push(name.into());
        }
        Some(out)
    }

    fn alternative_names(&mut self, mut extensions: Cursor<'_>) {
        while let Some(mut extension) = expect(&mut extensions, tag::SEQUENCE) {
            if expect(&mut extension, tag::OBJECT).is_none_or(|object| object.0 != ALTERNATIVE_NAMES) {
                continue;
            }
            let mut value = element(&mut extension);
            if value.is_some_and(|(kind, _)| kind == tag::BOOLEAN) {
                value = element(&mut extension);
            }
            let Some((tag::OCTETS, mut value)) = value else { continue };
            let Some(mut names) = expect(&mut value, tag::SEQUENCE) else { continue };
            while let Some((kind, name)) = element(&mut names) {
                if kind != tag::DNS_NAME {
                    continue;
                }
                if self.names.len() < NAMES_MAX {
                    self.names.push(name.0.into());
                } else {
                    self.more_names = true;
                }
            }
        }
    }
}

/// The next tag, length and value (X.690, 8.1): definite lengths of at most three bytes.
fn element<'a>(from: &mut Cursor<'a>) -> Option<(u8, Cursor<'a>)> {
    let kind = from.u8()?;
    let length = match from.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => from.u8()?.into(),
        0x82 => from.u16()?.into(),
        0x83 => from.u24()? as usize,
        _ => return None,
    };
    Some((kind, Cursor(from.take(length)?)))
}

fn expect<'a>(from: &mut Cursor<'a>, tag: u8) -> Option<Cursor<'a>> {
    element(from).filter(|(kind, _)| *kind == tag).map(|(_, value)| value)
}

fn common_name(mut name: Cursor<'_>) -> Option<&[u8]> {
    while let Some(mut set) = expect(&mut name, tag::SET) {
        while let Some(mut attribute) = expect(&mut set, tag::SEQUENCE) {
            if expect(&mut attribute, tag::OBJECT)?.0 == COMMON_NAME {
                return element(&mut attribute).map(|(_, value)| value.0);
            }
        }
    }
    None
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5) as seconds since the epoch.
fn seconds((kind, text): (u8, Cursor<'_>)) -> Option<i64> {
    let mut text = text;
    let mut two = || {
        let [tens, ones] = text.array::<2>()?;
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let year = match kind {
        tag::UTC_TIME => {
            let year = two()?;
            if year < 50 { 2000 + year } else { 1900 + year }
        }
        tag::GENERALIZED_TIME => two()? * 100 + two()?,
        _ => return None,
    };
    let (month, day, hour, minute, second) = (two()?, two()?, two()?, two()?, two()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since the epoch of a civil date, the year beginning in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
