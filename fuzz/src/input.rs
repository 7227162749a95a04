//! Choices taken from the bytes of an input.

/// The rest of an input; when it is used up it gives zeros.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next two bytes as a number.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// So many bytes, or as many as are left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next piece: a length of two bytes, whose highest bit says who sends it, and so many bytes.
    pub fn piece(&mut self) -> Option<(monitor_common::abi::Side, &'a [u8])> {
        use monitor_common::abi::Side;
        if self.is_empty() {
            return None;
        }
        let head = self.word();
        let side = if head & 0x8000 == 0 { Side::Lower } else { Side::Upper };
        Some((side, self.take(usize::from(head & 0x7fff))))
    }
}
