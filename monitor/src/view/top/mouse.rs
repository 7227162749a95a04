//! What the mouse does: tabs and titles of columns are buttons, rows are chosen, the wheel scrolls.

use ratatui::{
    crossterm::event::{MouseButton, MouseEvent, MouseEventKind},
    layout::Position,
};

use super::model::{Cover, Top};

/// Lines of a step of the wheel.
const WHEEL: isize = 3;

impl Top {
    /// The mouse did something.
    pub fn mouse(&mut self, event: MouseEvent) {
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(Position::new(event.column, event.row)),
            MouseEventKind::ScrollDown => self.wheel(WHEEL),
            MouseEventKind::ScrollUp => self.wheel(-WHEEL),
            _ => {}
        }
    }

    /// Moves the picture and leaves what is chosen as it is.
    fn wheel(&mut self, by: isize) {
        if self.scrolls() {
            return self.go_by(by);
        }
        let count = self.rows(self.tab).len();
        let most = count.saturating_sub(usize::from(self.places.rows.height));
        let cursor = self.cursor_mut();
        cursor.offset = cursor.offset.saturating_add_signed(by).min(most);
        // What is chosen and out of sight would pull the picture back.
        cursor.chosen = None;
    }

    fn click(&mut self, at: Position) {
        if let Some(tab) = self.places.tabs.iter().find(|(place, _)| place.contains(at)).map(|(_, tab)| *tab)
        {
            return self.go(tab);
        }
        if !matches!(self.cover, Cover::Nothing) || self.prompt.is_some() {
            return;
        }
        let column = self.places.columns.iter().find(|(place, _)| place.contains(at)).map(|(_, c)| *c);
        if let Some(column) = column {
            let titled = self.tab.columns().get(column).is_some_and(|column| !column.title.is_empty());
            let sort = &mut self.cursor_mut().sort;
            if sort.column == column {
                sort.down = !sort.down;
            } else if titled {
                self.sort_column(column);
            }
            return;
        }
        if self.places.rows.contains(at) {
            let row = self.cursor(self.tab).offset + usize::from(at.y - self.places.rows.y);
            let rows = self.rows(self.tab);
            let Some(id) = rows.get(row).map(|row| row.id.clone().into_owned()) else { return };
            // A second click on the same opens it.
            if self.cursor(self.tab).chosen.as_ref() == Some(&id) {
                self.open();
            } else {
                self.choose(row);
            }
        }
    }
}
