//! The screen, as cells. The same code draws for a terminal, for tests, and for `--once`.

mod details;
mod footer;
mod header;
mod help;
mod panel;
mod table;

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr as _;

use super::{
    grid,
    model::{Cover, Top},
    paint::{Paint, Theme},
    tab::Tab,
};
use crate::view::{
    text::{cut, safe},
    units,
};

pub(super) use header::header;
pub(super) use panel::{Block, panel};
pub(super) use table::table;

/// Least of a screen that says something.
const LEAST: (u16, u16) = (44, 8);

/// Where on the screen a click means something.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) tabs: Vec<(Rect, Tab)>,
    /// Titles of columns, by their index.
    pub(super) columns: Vec<(Rect, usize)>,
    /// The rows that are shown.
    pub(super) rows: Rect,
    /// Lines between header and footer, and of the whole screen.
    pub(super) body: u16,
    pub(super) screen: u16,
}

impl Places {
    /// Where a column is shown.
    pub(super) fn column(&self, index: usize) -> Option<Rect> {
        self.columns.iter().find(|(_, column)| *column == index).map(|(place, _)| *place)
    }
}

/// Cells to draw on.
pub(super) struct Canvas<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
}

impl Canvas<'_> {
    /// Writes text, made harmless and cut to `width`; returns how wide it is.
    pub(super) fn put(&mut self, x: u16, y: u16, width: u16, text: &str, paint: Paint) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let text = safe(text);
        let text = cut(&text, usize::from(width));
        self.buffer.set_stringn(x, y, &text, usize::from(width), self.theme.style(paint));
        text.width() as u16
    }

    /// Writes block characters of our own, which may be many.
    pub(super) fn glyphs(&mut self, x: u16, y: u16, width: u16, text: &str, paint: Paint) {
        if self.buffer.area.contains((x, y).into()) {
            self.buffer.set_stringn(x, y, text, usize::from(width), self.theme.style(paint));
        }
    }

    /// The same as [`Self::put`], to end where `width` ends.
    pub(super) fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, paint: Paint) {
        let wide = (safe(text).width() as u16).min(width);
        self.put(x + width - wide, y, wide, text, paint);
    }

    /// Parts one after another; returns where the last one ends.
    pub(super) fn line(&mut self, x: u16, y: u16, width: u16, parts: &[(Paint, &str)]) -> u16 {
        let end = x.saturating_add(width);
        parts.iter().fold(x, |at, (paint, text)| at + self.put(at, y, end.saturating_sub(at), text, *paint))
    }

    /// Paints over what is written.
    pub(super) fn over(&mut self, place: Rect, paint: Paint) {
        let place = place.intersection(self.buffer.area);
        self.buffer.set_style(place, self.theme.style(paint));
    }
}

/// Draws all of the screen. Returns where the cursor is to be shown, if it is.
pub fn draw(top: &mut Top, buffer: &mut Buffer, theme: Theme) -> Option<(u16, u16)> {
    let area = buffer.area;
    let mut canvas = Canvas { buffer, theme };
    top.places = Places { screen: area.height, ..Places::default() };
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("too small: {} × {} at least", LEAST.0, LEAST.1);
        canvas.put(area.x, area.y, area.width, &text, Paint::Plain);
        return None;
    }
    let used = header(top, &mut canvas, area);
    let below = footer::height(top, area.width).min(area.height - used - 2);
    let foot = Rect { y: area.bottom() - below, height: below, ..area };
    let body = Rect { y: area.y + used, height: area.height - used - below, ..area };
    top.places.body = body.height;
    match std::mem::take(&mut top.cover) {
        Cover::Nothing => tab(top, &mut canvas, body),
        Cover::Help => {
            panel(&mut canvas, body, &help::blocks(top.is_capture()), &mut top.scrolled, top.bits);
            top.cover = Cover::Help;
        }
        Cover::Flow(opened) => {
            details::details(top, &mut canvas, body, &opened);
            top.cover = Cover::Flow(opened);
        }
    }
    footer::footer(top, &mut canvas, foot)
}

/// A panel, and below it a table.
fn tab(top: &mut Top, canvas: &mut Canvas<'_>, body: Rect) {
    let tab = top.tab;
    let mut scrolled = top.scrolled;
    let blocks = tab.panel(top);
    let mut rest = body;
    if !blocks.is_empty() || tab.columns().is_empty() {
        // A table below needs some room; a panel alone has all of it.
        let most = if tab.columns().is_empty() { body.height } else { body.height.saturating_sub(5) };
        let room = Rect { height: most.min(panel::height(body.width, &blocks)), ..body };
        let room = if tab.columns().is_empty() { body } else { room };
        panel(canvas, room, &blocks, &mut scrolled, top.bits);
        rest = Rect { y: body.y + room.height, height: body.height - room.height, ..body };
    }
    drop(blocks);
    top.scrolled = scrolled;
    if !tab.columns().is_empty() && rest.height > 0 {
        table(top, canvas, rest);
    }
}

/// `1,234 flows`, or how many of how many.
pub(super) fn of_total(shown: usize, all: usize) -> String {
    let all_counted = units::counted(all as u64, "flow");
    if shown < all { format!("{} of {all_counted}", units::count(shown as u64)) } else { all_counted }
}

/// A rate as it is shown.
pub(super) fn rate(top: &Top, rate: f64) -> String {
    grid::rate_text(rate, top.bits)
}
