//! The line in which a filter is written, checked with every key.

use monitor_core::filter::{Filter, FilterError, LENGTH_MAX};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A filter that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Prompt {
    text: Vec<char>,
    /// Before which character the next one goes.
    cursor: usize,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It goes on.
    More,
    /// It is left as it was.
    Never,
    /// This is the filter; empty: none.
    Done(String),
}

impl Prompt {
    pub(super) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self { cursor: text.len(), text }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub(super) const fn cursor(&self) -> usize {
        self.cursor
    }

    /// What is wrong with it.
    pub(super) fn error(&self) -> Option<FilterError> {
        let text = self.text();
        if text.trim().is_empty() { None } else { text.parse::<Filter>().err() }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Written {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Written::Never,
            KeyCode::Char('c') if control => return Written::Never,
            KeyCode::Enter if self.error().is_none() => return Written::Done(self.text().trim().to_owned()),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => self.word(),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char(c) if !control => self.insert(c),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
        Written::More
    }

    /// Many characters at once.
    pub(super) fn paste(&mut self, text: &str) {
        text.chars().take(LENGTH_MAX).for_each(|c| self.insert(c));
    }

    fn insert(&mut self, c: char) {
        // One more than fits, so that the filter itself can say that it is too long.
        if !c.is_control() && self.text.len() <= LENGTH_MAX {
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    /// Removes the word before the cursor.
    fn word(&mut self) {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let end = before.iter().rposition(|c| *c != ' ').map_or(0, |at| at + 1);
        let start = before.iter().take(end).rposition(|c| *c == ' ').map_or(0, |at| at + 1);
        self.text.drain(start..self.cursor);
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(prompt: &mut Prompt, text: &str) {
        for c in text.chars() {
            assert_eq!(prompt.key(KeyCode::Char(c).into()), Written::More);
        }
    }

    #[test]
    fn a_filter_is_written_mended_and_taken() {
        let mut prompt = Prompt::new("");
        typed(&mut prompt, "prot 443");
        let error = prompt.error().unwrap();
        assert_eq!((error.column, error.width), (1, 4));
        assert_eq!(prompt.key(KeyCode::Enter.into()), Written::More, "it stays open while it is wrong");
        prompt.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL));
        prompt.key(KeyCode::Right.into());
        prompt.key(KeyCode::Delete.into());
        prompt.key(KeyCode::Delete.into());
        typed(&mut prompt, "or");
        assert_eq!(prompt.key(KeyCode::Enter.into()), Written::Done("port 443".to_owned()));
        prompt.key(KeyEvent::new(KeyCode::Char('e'), KeyModifiers::CONTROL));
        prompt.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(prompt.text(), "port ");
        prompt.paste("80\u{1b}[2J\n");
        assert_eq!(prompt.text(), "port 80[2J");
        prompt.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(prompt.key(KeyCode::Enter.into()), Written::Done(String::new()));
        assert_eq!(prompt.key(KeyCode::Esc.into()), Written::Never);
    }
}
