//! Domain names as they stand in messages (RFC 1035, 3.1 and 4.1.4).

use std::fmt;

use super::DnsError;
use crate::record::{TEXT_MAX, Text};

/// Longest name on the wire, bytes, length bytes included (RFC 1035, 2.3.4).
const NAME_MAX: usize = 255;

/// Most pointers that are followed within one name. One for each label of the longest name would be
/// legitimate; no writer comes near.
const JUMPS_MAX: u8 = 128;

/// A name that was read once and found whole: its labels, without the root's.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Name<'a> {
    /// Reads the name at `at` of a message. Returns it and the offset of what follows.
    ///
    /// A pointer may lead anywhere in the message, forward too, as some writers have it; the bounds on
    /// length and jumps end every walk.
    pub(super) fn read(message: &'a [u8], at: usize) -> Result<(Self, usize), DnsError> {
        let mut labels = Labels::new(message, at);
        for label in &mut labels {
            label?;
        }
        Ok((Self { message, at }, labels.end))
    }

    /// Its labels from the left.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        Labels::new(self.message, self.at).map_while(Result::ok)
    }

    /// Whether it is the root, the empty name.
    pub fn is_root(self) -> bool {
        self.labels().next().is_none()
    }

    /// Whether both are the same name: case does not matter (RFC 4343).
    pub fn is_same(self, other: Name<'_>) -> bool {
        let (mut left, mut right) = (self.labels(), other.labels());
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
                _ => return false,
            }
        }
    }

    /// Its text: labels joined by dots, without a last dot. Bytes outside printable ASCII, and dots and
    /// backslashes within labels, are written `\xNN`. What does not fit [`TEXT_MAX`] is left out.
    pub fn text(self) -> NameText {
        let mut text = NameText::default();
        for (index, label) in self.labels().enumerate() {
            if (index != 0 && !text.push(b".")) || !text.push_label(label) {
                break;
            }
        }
        text
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text().as_str(), f)
    }
}

/// Walks over labels.
struct Labels<'a> {
    message: &'a [u8],
    at: usize,
    /// Bytes that the name may still take.
    left: usize,
    jumps: u8,
    done: bool,
    /// Offset behind the name where it was met; known when the walk is over.
    end: usize,
}

impl<'a> Labels<'a> {
    const fn new(message: &'a [u8], at: usize) -> Self {
        Self { message, at, left: NAME_MAX, jumps: 0, done: false, end: 0 }
    }

    #[inline]
    fn step(&mut self) -> Result<Option<&'a [u8]>, DnsError> {
        loop {
            let first = *self.message.get(self.at).ok_or(DnsError::Truncated)?;
            match first {
                0 => {
                    if self.jumps == 0 {
                        self.end = self.at + 1;
                    }
                    return Ok(None);
                }
                1..=0x3f => {
                    let length = usize::from(first);
                    let begin = self.at + 1;
                    let label = self.message.get(begin..begin + length).ok_or(DnsError::Truncated)?;
                    // The root's byte must fit too.
                    self.left = self.left.checked_sub(length + 1).ok_or(DnsError::NameTooLong)?;
                    if self.left == 0 {
                        return Err(DnsError::NameTooLong);
                    }
                    self.at = begin + length;
                    return Ok(Some(label));
                }
                0xc0.. => {
                    let low = *self.message.get(self.at + 1).ok_or(DnsError::Truncated)?;
                    if self.jumps == 0 {
                        self.end = self.at + 2;
                    }
                    if self.jumps == JUMPS_MAX {
                        return Err(DnsError::Pointers);
                    }
                    self.jumps += 1;
                    self.at = usize::from(first & 0x3f) << 8 | usize::from(low);
                }
                _ => return Err(DnsError::Label(first)),
            }
        }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = Result<&'a [u8], DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// The text of a name, without memory of its own on the heap.
#[derive(Clone, Copy)]
pub struct NameText {
    bytes: [u8; TEXT_MAX],
    length: u8,
}

impl Default for NameText {
    fn default() -> Self {
        Self { bytes: [0; TEXT_MAX], length: 0 }
    }
}

impl NameText {
    /// The text: ASCII.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The same in lower case: names are equal whatever their case.
    #[must_use]
    pub fn to_lowercase(mut self) -> Self {
        self.bytes.make_ascii_lowercase();
        self
    }

    /// Appends all of `bytes`, which are ASCII, or nothing.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let begin = usize::from(self.length);
        let Some(room) = self.bytes.get_mut(begin..begin + bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.length += bytes.len() as u8;
        true
    }

    fn push_label(&mut self, label: &[u8]) -> bool {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        if label.iter().all(|&b| is_plain(b)) && self.push(label) {
            return true;
        }
        label.iter().all(|&byte| {
            if is_plain(byte) {
                self.push(&[byte])
            } else {
                let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
                self.push(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)])
            }
        })
    }
}

/// Whether a byte of a label is written as it is.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'.' && byte != b'\\'
}

impl From<&NameText> for Text {
    fn from(text: &NameText) -> Self {
        Self::from(text.as_str())
    }
}
