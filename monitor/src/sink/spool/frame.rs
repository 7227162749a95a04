//! Frames of a spool: a length, a checksum, and what was written.

/// Bytes before what was written: its length and checksum.
const HEAD: usize = 8;
/// Bytes of the fixed part of what was written.
const FIXED: usize = 17;
/// The longest frame that is believed.
const LONGEST: usize = 16 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record.
    Record,
    /// A mark.
    Mark,
    /// What the frames after it are of; the first of each segment.
    Header,
}

/// A frame in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it holds.
    pub(crate) kind: Kind,
    /// Which stream it is of.
    pub(crate) stream: u8,
    /// The record's number in its stream; of a mark, the last one.
    pub(crate) number: u64,
    /// The flow that it is of, or 0.
    pub(crate) flow: u64,
    /// The record as the sink's kind sends it.
    pub(crate) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let length = (FIXED + self.body.len()) as u32;
        let kind = match self.kind {
            Kind::Record => 0,
            Kind::Mark => 0x40,
            Kind::Header => 0x80,
        };
        out.extend_from_slice(&length.to_le_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(kind | self.stream & 0x3f);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.flow.to_le_bytes());
        out.extend_from_slice(self.body);
        let sum = out.get(at + 4..).map_or(0, crc32c::crc32c);
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// The frame at the beginning of a buffer, with its length there. `None`: it is not whole, or damaged.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = Self::length(bytes)?;
        let sum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
        let rest = bytes.get(HEAD..length)?;
        if crc32c::crc32c(rest) != sum {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (flow, body) = rest.split_first_chunk()?;
        let kind = match first >> 6 {
            0 => Kind::Record,
            1 => Kind::Mark,
            2 => Kind::Header,
            _ => return None,
        };
        let frame = Self {
            kind,
            stream: first & 0x3f,
            number: u64::from_le_bytes(*number),
            flow: u64::from_le_bytes(*flow),
            body,
        };
        Some((frame, length))
    }

    /// How long the frame at the beginning of a buffer says to be, head included.
    pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        (FIXED..=LONGEST).contains(&length).then_some(HEAD + length)
    }
}

/// The frames of a buffer, until one is not whole.
pub(crate) fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (Frame<'_>, usize)> {
    std::iter::from_fn(move || {
        let (frame, length) = Frame::read(bytes)?;
        bytes = bytes.get(length..)?;
        Some((frame, length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_cut_or_changed_anywhere_is_none() {
        let frame = Frame { kind: Kind::Record, stream: 5, number: 7, flow: 1 << 60, body: b"body" };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        assert_eq!(Frame::read(&bytes), Some((frame, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(Frame::read(&bytes[..cut]), None, "{cut}");
            let mut changed = bytes.clone();
            changed[cut] ^= 1;
            assert_ne!(Frame::read(&changed).map(|(frame, _)| frame), Some(frame), "{cut}");
        }
        let two = [bytes.clone(), bytes.clone(), bytes[..9].to_vec()].concat();
        assert_eq!(frames(&two).count(), 2);
    }
}
