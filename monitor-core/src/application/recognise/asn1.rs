//! The little of BER that recognising needs (X.690, 8.1).

/// A tag with the begin of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// Length of the value as it says.
    pub(super) length: usize,
    /// The value and all that follows, as far as it is there.
    pub(super) rest: &'a [u8],
    /// Bytes of tag and length.
    pub(super) header: usize,
}

impl<'a> Element<'a> {
    /// The element at the begin of bytes; lengths of one to four bytes, none indefinite.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, digits) = match first {
            0..=0x7f => (usize::from(*first), 0),
            0x81..=0x84 => {
                let digits = usize::from(first & 0x7f);
                let value = rest.get(..digits)?;
                (value.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), digits)
            }
            _ => return None,
        };
        Some(Self { tag: *tag, length, rest: rest.get(digits..)?, header: 2 + digits })
    }

    /// Bytes that it takes in all.
    pub(super) const fn whole(&self) -> usize {
        self.header.saturating_add(self.length)
    }

    /// The value, as far as it is there.
    pub(super) fn value(&self) -> &'a [u8] {
        self.rest.get(..self.length).unwrap_or(self.rest)
    }

    /// What stands behind the value.
    pub(super) fn next(&self) -> Option<Self> {
        Self::read(self.rest.get(self.length..)?)
    }
}
