//! What keys do.

use monitor_core::live::Window;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    grid::Sort,
    model::{Cover, Top},
    prompt::{Prompt, Written},
    tab::Tab,
};

/// What a key or a click leads to, beside another picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Stay,
    /// It ends.
    Quit,
    /// The whole screen is to be written anew.
    Redraw,
    /// It is to stop until the shell says otherwise.
    Suspend,
}

impl Top {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        if key.kind == KeyEventKind::Release {
            return Outcome::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Char('z') && control {
            return Outcome::Suspend;
        }
        if let Some(prompt) = &mut self.prompt {
            match prompt.key(key) {
                Written::More => {}
                Written::Never => self.prompt = None,
                Written::Done(filter) => {
                    self.prompt = None;
                    self.set_filter(filter);
                }
            }
            return Outcome::Stay;
        }
        match key.code {
            KeyCode::Char('c') if control => return Outcome::Quit,
            KeyCode::Char('l') if control => return Outcome::Redraw,
            KeyCode::Char(_) if control => {}
            KeyCode::Char('q') => return Outcome::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help(),
            KeyCode::Char(' ') if !self.is_capture() => self.pause(),
            KeyCode::Char('b') => self.bits = !self.bits,
            KeyCode::Char('w') if !self.is_capture() => self.next_window(),
            KeyCode::Char('/') => {
                self.go(Tab::Flows);
                self.prompt = Some(Prompt::new(&self.filter));
            }
            KeyCode::Tab => self.step(1),
            KeyCode::BackTab => self.step(Tab::ALL.len() - 1),
            KeyCode::Char(c) if c.is_ascii_digit() => {
                let number = c.to_digit(10).unwrap_or_default() as usize;
                if let Some(tab) = number.checked_sub(1).and_then(|at| Tab::ALL.get(at)) {
                    self.go(*tab);
                }
            }
            KeyCode::Enter if matches!(self.cover, Cover::Nothing) => self.open(),
            KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace => self.back(),
            KeyCode::Left | KeyCode::Char('<') => self.sort_by(false),
            KeyCode::Right | KeyCode::Char('>') => self.sort_by(true),
            KeyCode::Char('r') => {
                let sort = &mut self.cursor_mut().sort;
                sort.down = !sort.down;
            }
            KeyCode::Up | KeyCode::Char('k') => self.go_by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go_by(1),
            KeyCode::PageUp => self.go_by(-self.page()),
            KeyCode::PageDown => self.go_by(self.page()),
            KeyCode::Home | KeyCode::Char('g') => self.go_by(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.go_by(isize::MAX),
            _ => {}
        }
        Outcome::Stay
    }

    /// Text was put in at once.
    pub fn paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.paste(text);
        }
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        let cursor = self.cursor_mut();
        (cursor.chosen, cursor.at, cursor.offset) = (None, 0, 0);
    }

    fn help(&mut self) {
        self.scrolled = 0;
        self.cover = match self.cover {
            Cover::Help => Cover::Nothing,
            _ => Cover::Help,
        };
    }

    /// One thing back: what covers, then what is chosen, then the filter.
    pub(super) fn back(&mut self) {
        if !matches!(self.cover, Cover::Nothing) {
            (self.cover, self.scrolled) = (Cover::Nothing, 0);
        } else if self.cursor(self.tab).chosen.is_some() {
            let cursor = self.cursor_mut();
            (cursor.chosen, cursor.at, cursor.offset) = (None, 0, 0);
        } else if self.tab == Tab::Flows {
            self.set_filter(String::new());
        }
    }

    fn step(&mut self, by: usize) {
        let next = (self.tab.index() + by) % Tab::ALL.len();
        if let Some(tab) = Tab::ALL.get(next) {
            self.go(*tab);
        }
    }

    fn next_window(&mut self) {
        let at = Window::ALL.iter().position(|window| *window == self.window).unwrap_or_default();
        self.window = Window::ALL.get((at + 1) % Window::ALL.len()).copied().unwrap_or_default();
    }

    /// The next column that is shown and has a title.
    fn sort_by(&mut self, right: bool) {
        let columns = self.tab.columns();
        let shown = |at: &usize| {
            columns.get(*at).is_some_and(|c| !c.title.is_empty() && self.places.column(*at).is_some())
        };
        let now = self.cursor(self.tab).sort.column;
        let next = if right { (now + 1..columns.len()).find(shown) } else { (0..now).rev().find(shown) };
        if let Some(column) = next {
            self.sort_column(column);
        }
    }

    /// Sorts by a column: numbers downwards, texts upwards.
    pub(super) fn sort_column(&mut self, column: usize) {
        if let Some(of) = self.tab.columns().get(column) {
            let down = of.number;
            self.cursor_mut().sort = Sort { column, down };
        }
    }

    /// Whether lines are scrolled, and not rows chosen: of what covers, or of a panel without a table.
    pub(super) fn scrolls(&self) -> bool {
        !matches!(self.cover, Cover::Nothing) || self.tab.columns().is_empty()
    }

    fn page(&self) -> isize {
        let lines = if self.scrolls() { self.places.body } else { self.places.rows.height };
        isize::try_from(lines.max(2) - 1).unwrap_or(1)
    }

    /// Up or down, by lines or rows.
    pub(super) fn go_by(&mut self, by: isize) {
        if self.scrolls() {
            self.scrolled =
                (isize::try_from(self.scrolled).unwrap_or(0)).saturating_add(by).clamp(0, 1_000) as u16;
            return;
        }
        let count = self.follow();
        let cursor = self.cursor(self.tab);
        let at = match &cursor.chosen {
            Some(_) => cursor.at.saturating_add_signed(by),
            None if by == isize::MIN => 0,
            // The first step chooses what is seen first.
            None if by < 0 || by == 1 => cursor.offset,
            None => cursor.offset.saturating_add_signed(by),
        };
        self.choose(at.min(count.saturating_sub(1)));
    }
}
