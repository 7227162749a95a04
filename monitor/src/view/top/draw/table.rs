//! A table: titles, rows, what is chosen.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::Canvas;
use crate::view::{
    text::bar,
    top::{
        grid::{self, Cell, Column, Place, Row, Value},
        model::Top,
        paint::Paint,
    },
};

/// Draws the table of the tab that is shown.
pub(in super::super) fn table(top: &mut Top, canvas: &mut Canvas<'_>, area: Rect) {
    top.follow();
    let tab = top.tab;
    let columns = tab.columns();
    // A column stays free at both sides.
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let shown = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let rows = top.rows(tab);
    let cursor = top.cursor(tab);
    let (offset, count) =
        (offset(cursor.chosen.as_ref().map(|_| cursor.at), cursor.offset, &rows, shown.height), rows.len());
    let visible = rows.iter().skip(offset).take(usize::from(shown.height));
    let layout =
        grid::layout(columns, top.is_capture(), inner.width, &needs(columns, visible.clone(), top.bits));
    titles(canvas, inner, columns, &layout, cursor.sort);
    for (y, row) in (shown.y..).zip(visible) {
        line(canvas, (shown, y), row, columns, &layout, top.bits);
        if cursor.chosen.as_deref() == Some(&*row.id) {
            canvas.over(Rect { x: area.x, y, width: area.width, height: 1 }, Paint::Chosen);
        }
    }
    if rows.is_empty() {
        canvas.put(inner.x, shown.y + shown.height.min(2) / 2, inner.width, tab.nothing(top), Paint::Dim);
    }
    drop(rows);
    let places = layout
        .iter()
        .map(|(index, x, width)| (Rect { x: inner.x + x, y: inner.y, width: *width, height: 1 }, *index));
    (top.places.columns, top.places.rows) = (places.collect(), shown);
    top.cursor_mut().offset = offset.min(count);
}

/// How wide each column must be for its title, with the mark of the order, and the rows that are shown.
fn needs<'a>(columns: &[Column], rows: impl Iterator<Item = &'a Row<'a>>, bits: bool) -> Vec<u16> {
    let mut needs: Vec<u16> = columns.iter().map(|column| column.title.width() as u16 + 1).collect();
    for row in rows {
        for (need, cell) in needs.iter_mut().zip(&row.cells) {
            if !matches!(cell.value, Value::Bar(_)) {
                *need = (*need).max(cell.value.show(bits).width() as u16);
            }
        }
    }
    needs
}

/// The first row that is shown, so that the chosen one is among them.
fn offset(chosen: Option<usize>, offset: usize, rows: &[Row<'_>], height: u16) -> usize {
    let height = usize::from(height).max(1);
    let offset = offset.min(rows.len().saturating_sub(height));
    match chosen {
        Some(at) if at < offset => at,
        Some(at) if at >= offset + height => at + 1 - height,
        _ => offset,
    }
}

fn titles(canvas: &mut Canvas<'_>, area: Rect, columns: &[Column], layout: &[Place], sort: grid::Sort) {
    for (index, x, width) in layout {
        let Some(column) = columns.get(*index) else { continue };
        let sorted = sort.column == *index;
        let mark = match (sorted, sort.down) {
            (false, _) => "",
            (true, true) => "▼",
            (true, false) => "▲",
        };
        let title = format!("{}{mark}", column.title);
        let paint = if sorted { Paint::Title } else { Paint::Dim };
        let width = (*width).min(area.width.saturating_sub(*x));
        if column.number {
            canvas.put_right(area.x + x, area.y, width, &title, paint);
        } else {
            canvas.put(area.x + x, area.y, width, &title, paint);
        }
    }
}

fn line(
    canvas: &mut Canvas<'_>,
    (area, y): (Rect, u16),
    row: &Row<'_>,
    columns: &[Column],
    layout: &[Place],
    bits: bool,
) {
    for (index, x, width) in layout {
        let (Some(column), Some(Cell { value, paint })) = (columns.get(*index), row.cells.get(*index)) else {
            continue;
        };
        let (x, width) = (area.x + x, (*width).min(area.width.saturating_sub(*x)));
        match value {
            Value::Bar(share) => canvas.glyphs(x, y, width, &bar(*share, usize::from(width)), *paint),
            value if column.number => canvas.put_right(x, y, width, &value.show(bits), *paint),
            value => {
                canvas.put(x, y, width, &value.show(bits), *paint);
            }
        }
    }
}
