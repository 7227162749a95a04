//! Lines of a header, gathered over segments.

/// Bytes of a line that are kept; what a longer one has beyond is skipped.
pub(super) const LINE_MAX: usize = 8 * 1024;

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// It was longer than [`LINE_MAX`].
    pub(super) cut: bool,
}

/// The beginning of a line whose end has not come.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    cut: bool,
    /// The partial line was given out and goes with the next call.
    taken: bool,
}

impl Lines {
    /// Takes the next line out of `bytes`, which are advanced behind it; `None`: they end before it does,
    /// and were taken in.
    pub(super) fn next<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Option<Line<'s>> {
        if std::mem::take(&mut self.taken) {
            self.partial.clear();
            self.cut = false;
        }
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.keep(bytes);
            *bytes = &[];
            return None;
        };
        let (line, rest) = bytes.split_at(end);
        *bytes = rest.get(1..).unwrap_or_default();
        if self.partial.is_empty() && !self.cut {
            let cut = line.len() > LINE_MAX;
            return Some(Line { bytes: without_return(line.get(..LINE_MAX).unwrap_or(line)), cut });
        }
        self.keep(line);
        self.taken = true;
        Some(Line { bytes: without_return(&self.partial), cut: self.cut })
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_MAX - self.partial.len().min(LINE_MAX);
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.cut |= bytes.len() > room;
    }

    /// Forgets what was gathered, and its memory.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.partial.capacity()
    }
}

/// Lines end with CRLF; a lone LF is accepted (RFC 9112, 2.2).
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
