//! Text in the cells of a terminal: harmless, as wide as it may be, and bars of block characters.

use std::{borrow::Cow, net::IpAddr};

use monitor_core::record::Text;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text from anywhere as the terminal may have it: what is escaped already stays as it is.
pub fn safe(text: &str) -> Cow<'_, str> {
    Text::escaped(text.as_bytes())
}

/// Address and port; what has no ports says 0.
pub fn endpoint(ip: IpAddr, port: u16) -> String {
    match (ip, port) {
        (ip, 0) => ip.to_string(),
        (IpAddr::V6(ip), port) => format!("[{ip}]:{port}"),
        (ip, port) => format!("{ip}:{port}"),
    }
}

/// As many columns as fit, with a mark where something is missing.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut left = width - 1;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        out.push(c);
    }
    // A character of its own may be wider next to another.
    while out.width() >= width && out.pop().is_some() {}
    out.push('…');
    Cow::Owned(out)
}

/// Exactly so many columns, the text at the left or the right.
pub fn pad(text: &str, width: usize, right: bool) -> String {
    let text = cut(text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    if right { space + &text } else { text.into_owned() + &space }
}

/// Lines of at most `width` columns, broken at spaces where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            *line = cut(word, width).into_owned();
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(cut(word, width).into_owned());
        }
    }
    lines
}

/// A bar of eighths of a character: `share` of `width` columns; what is there at all shows.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or_default()
}

/// A character that is filled from below by so many eighths.
pub fn level(eighths: usize) -> char {
    const LEVELS: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];
    LEVELS.get(eighths).copied().unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_wide_as_asked_whatever_it_is_made_of() {
        for text in ["", "a", "plain text", "例え.テスト", "❤️❤️❤️", "e\u{301}e\u{301}"] {
            for width in 0..12 {
                assert_eq!(pad(text, width, true).width(), width, "{text} {width}");
                assert!(cut(text, width).width() <= width, "{text} {width}");
            }
        }
        assert_eq!((cut("abcdef", 4), pad("ab", 4, true)), ("abc…".into(), "  ab".to_owned()));
    }

    #[test]
    fn bars_show_what_is_there_at_all() {
        assert_eq!(
            (bar(0.0, 8), bar(1e-9, 8), bar(0.5, 2), bar(2.0, 2)),
            (String::new(), "▏".into(), "█".into(), "██".into())
        );
        assert_eq!([0, 4, 8, 80].map(level), [' ', '▄', '█', '█']);
        assert_eq!(bar(f64::NAN, 4), "");
    }

    #[test]
    fn long_facts_go_on_below() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("immeasurable", 6), ["immea…"]);
    }
}
