//! Text that came from outside, made harmless once.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Longest text, bytes, after escaping.
pub const TEXT_MAX: usize = 255;

/// Writes bytes that anyone may have chosen as text that is safe in a terminal, a log line and a
/// record: control characters and bytes that are no UTF-8 as `\xNN`, characters beyond ASCII that
/// control, reorder or hide what stands around them as `\u{…}`, all else as it is. At most
/// [`TEXT_MAX`] bytes are added; what does not fit whole is left out, with all that follows.
///
/// A backslash stays: nothing reads the escapes back, and DNS names bring their own.
pub fn escape(bytes: &[u8], out: &mut String) {
    let mut left = TEXT_MAX;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let fits = if c.is_ascii_control() {
                push(out, &mut left, format_args!("\\x{:02x}", c as u32))
            } else if misleads(c) {
                push(out, &mut left, format_args!("\\u{{{:x}}}", c as u32))
            } else {
                push(out, &mut left, format_args!("{c}"))
            };
            if !fits {
                return;
            }
        }
        for byte in chunk.invalid() {
            if !push(out, &mut left, format_args!("\\x{byte:02x}")) {
                return;
            }
        }
    }
}

/// Whether a character beyond ASCII must not reach a reader as it is: C1 controls, bidirectional
/// marks, embeddings, overrides and isolates (UAX 9), the line and paragraph separators, and
/// characters without a shape that make two different names look alike.
const fn misleads(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn push(out: &mut String, left: &mut usize, piece: fmt::Arguments<'_>) -> bool {
    let before = out.len();
    // Writing to a string cannot fail.
    let _ = fmt::Write::write_fmt(out, piece);
    let added = out.len() - before;
    if added > *left {
        out.truncate(before);
        return false;
    }
    *left -= added;
    true
}

/// Escaped text of at most [`TEXT_MAX`] bytes. Clones share it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<str>);

impl Text {
    /// From bytes of the wire, or of anything else that others write.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Self::escaped(bytes).into())
    }

    /// The same without a copy where nothing needs it.
    pub fn escaped(bytes: &[u8]) -> Cow<'_, str> {
        if bytes.len() <= TEXT_MAX
            && bytes.iter().all(|b| (0x20..0x7f).contains(b))
            && let Ok(plain) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(plain);
        }
        let mut out = String::new();
        escape(bytes, &mut out);
        Cow::Owned(out)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn escaped(bytes: &[u8]) -> String {
        Text::new(bytes).as_str().to_owned()
    }

    #[test]
    fn harmless_text_stays() {
        for text in ["", "www.example.com", "bücher.example", "a\\b \"c\" <d>", "例え.テスト"] {
            assert_eq!(escaped(text.as_bytes()), text);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped(b"a\x1b[31mb\nc\0\x7f"), "a\\x1b[31mb\\x0ac\\x00\\x7f");
        assert_eq!(escaped("\u{9b}31m".as_bytes()), "\\u{9b}31m");
    }

    #[test]
    fn bidi_overrides_and_invisible_characters_are_escaped() {
        assert_eq!(escaped("moc.\u{202e}live".as_bytes()), "moc.\\u{202e}live");
        for c in
            ['\u{202a}', '\u{2066}', '\u{2069}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{feff}', '\u{200b}']
        {
            assert_eq!(escaped(c.to_string().as_bytes()), format!("\\u{{{:x}}}", c as u32));
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_escaped_one_by_one() {
        assert_eq!(escaped(b"a\xff\xfeb\xc3"), "a\\xff\\xfeb\\xc3");
        assert_eq!(escaped(b"\xed\xa0\x80"), "\\xed\\xa0\\x80");
    }

    #[test]
    fn long_text_is_cut_between_characters_and_never_in_an_escape() {
        assert_eq!(escaped(&[b'a'; 1000]).len(), 255);
        assert_eq!(escaped("é".repeat(200).as_bytes()), "é".repeat(127));
        assert_eq!(escaped(&[0xff; 100]), "\\xff".repeat(63));
        let exact = [b'a'; 255];
        assert_eq!(escaped(&exact).len(), 255);
    }

    #[test]
    fn no_bytes_make_dangerous_text() {
        let mut random = Random(1);
        for length in 0..2_000 {
            let bytes: Vec<u8> = (0..length % 300).map(|_| random.bits() as u8).collect();
            let text = escaped(&bytes);
            assert!(text.len() <= TEXT_MAX);
            assert!(!text.chars().any(|c| c.is_control() || misleads(c)), "{text:?}");
        }
    }
}
