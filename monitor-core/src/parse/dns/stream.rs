//! Messages in a TCP stream, each behind its length of two bytes (RFC 1035, 4.2.2).

use super::Message;

/// Length of the length.
const PREFIX: usize = 2;

/// One direction of a connection that carries messages.
///
/// Holds nothing but the beginning of a message that is not whole: at most 64 KiB.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// While it is lost: too few bytes to tell whether a message begins with them.
    partial: Vec<u8>,
    /// Where the next message begins is not known: bytes are missing or the stream was found running.
    lost: bool,
}

impl Stream {
    /// A stream of which the beginning was not seen.
    pub const fn midway() -> Self {
        Self { partial: Vec::new(), lost: true }
    }

    /// Takes the next bytes and gives every message that is whole to `each`, without its length.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        if !self.lost {
            return self.read(bytes, &mut each);
        }
        // Writers begin messages at segments, if only with a length: what looks like one is taken for one.
        let waited = !self.partial.is_empty();
        self.partial.extend_from_slice(bytes);
        let mut found = begins_message(&self.partial);
        if found == Some(false) {
            self.partial.clear();
            if waited {
                found = begins_message(bytes);
            }
            if found != Some(false) {
                self.partial.extend_from_slice(bytes);
            }
        }
        if found == Some(true) {
            self.lost = false;
            let bytes = std::mem::take(&mut self.partial);
            self.read(&bytes, &mut each);
        }
    }

    /// Takes the next bytes of a stream of which it is known where messages begin.
    fn read(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        while !self.partial.is_empty() {
            let wanted = match whole(&self.partial) {
                Some(wanted) => wanted,
                None => PREFIX,
            };
            let (now, rest) = bytes.split_at(bytes.len().min(wanted - self.partial.len()));
            self.partial.extend_from_slice(now);
            bytes = rest;
            if self.partial.len() < wanted {
                return;
            }
            if whole(&self.partial) == Some(self.partial.len()) {
                if let Some(message) = self.partial.get(PREFIX..) {
                    each(message);
                }
                self.partial.clear();
            }
        }
        while let Some(length) = whole(bytes)
            && let Some((message, rest)) = bytes.split_at_checked(length)
        {
            if let Some(message) = message.get(PREFIX..) {
                each(message);
            }
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    /// Bytes are missing before the next ones: goes on where a message seems to begin. What was not whole
    /// is dropped.
    pub fn gap(&mut self) {
        self.partial = Vec::new();
        self.lost = true;
    }

    /// The beginning of a message whose rest has not come, without its length.
    pub fn unfinished(&self) -> Option<&[u8]> {
        self.partial.get(PREFIX..).filter(|partial| !self.lost && !partial.is_empty())
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.partial.capacity()
    }
}

/// Length of the message that begins here, with its prefix; `None` if not even that is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<PREFIX>()?;
    Some(PREFIX + usize::from(u16::from_be_bytes(*prefix)))
}

/// Whether a length and a message stand here; `None`: it takes more bytes to tell, of which there are few, as
/// no name is long.
fn begins_message(bytes: &[u8]) -> Option<bool> {
    let length = whole(bytes)?;
    let message = bytes.get(PREFIX..bytes.len().min(length)).unwrap_or_default();
    let more = bytes.len() < length;
    match Message::new(message).map(|message| message.is_plausible()) {
        Ok(Some(plausible)) => Some(plausible),
        // Shorter than a header is none.
        _ if more && length >= PREFIX + Message::HEADER => None,
        _ => Some(false),
    }
}
