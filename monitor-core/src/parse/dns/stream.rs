//! Messages in a TCP stream, each behind its length of two bytes (RFC 1035, 4.2.2).

use super::Message;

/// Length of the length.
const PREFIX: usize = 2;

/// One direction of a connection that carries messages.
///
/// Holds nothing but the beginning of a message that is not whole: at most 64 KiB.
#[derive(Clone, Debug, Default)]
pub struct Stream {
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
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        if self.lost {
            // Writers begin messages at segments: what looks like one is taken for one.
            if !begins_message(bytes) {
                return;
            }
            self.lost = false;
        }
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
        self.partial.get(PREFIX..).filter(|partial| !partial.is_empty())
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

/// Whether a length and a message stand here.
fn begins_message(bytes: &[u8]) -> bool {
    let Some(length) = whole(bytes) else { return false };
    let message = bytes.get(PREFIX..bytes.len().min(length)).unwrap_or_default();
    Message::new(message).is_ok_and(|message| message.is_plausible())
}
