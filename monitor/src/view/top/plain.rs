//! The screen's tables as lines, for scripts and pipes.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    draw::{Canvas, header, panel, table},
    model::Top,
    paint::Theme,
    tab::Tab,
};

/// Rows of a table that nobody scrolls.
const ROWS: usize = 1_000;
/// Lines of a panel.
const LINES: u16 = 60;

/// What is known now: the header, and the given tabs one after another. Lines are at most `width` wide.
pub fn plain(top: &mut Top, tabs: &[Tab], width: u16) -> String {
    let mut out = String::new();
    let area = Rect { x: 0, y: 0, width, height: 3 };
    let mut buffer = Buffer::empty(Rect { height: 6, ..area });
    header(top, &mut Canvas { buffer: &mut buffer, theme: Theme::Plain }, area);
    lines(&buffer, 0..3, &mut out);
    for tab in tabs {
        top.go(*tab);
        out.push('\n');
        if tabs.len() > 1 {
            out.push_str(tab.title());
            out.push('\n');
        }
        let blocks = tab.panel(top);
        if !blocks.is_empty() {
            let area = Rect { x: 0, y: 0, width, height: LINES };
            let mut buffer = Buffer::empty(area);
            panel(&mut Canvas { buffer: &mut buffer, theme: Theme::Plain }, area, &blocks, &mut 0, top.bits);
            lines(&buffer, 0..LINES, &mut out);
        }
        drop(blocks);
        if !tab.columns().is_empty() {
            let rows = top.rows(*tab).len().clamp(1, ROWS) as u16 + 1;
            let area = Rect { x: 0, y: 0, width, height: rows };
            let mut buffer = Buffer::empty(area);
            table(top, &mut Canvas { buffer: &mut buffer, theme: Theme::Plain }, area);
            lines(&buffer, 0..rows, &mut out);
        }
    }
    out
}

/// Lines of cells, without what is empty at their ends and at the end of them all.
fn lines(buffer: &Buffer, rows: std::ops::Range<u16>, out: &mut String) {
    let start = out.len();
    for y in rows {
        let mut x = buffer.area.left();
        while let Some(cell) = buffer.cell((x, y)) {
            out.push_str(cell.symbol());
            // The second half of a wide character is a cell of its own.
            x += (unicode_width::UnicodeWidthStr::width(cell.symbol()) as u16).max(1);
        }
        let kept = out.trim_end_matches(' ').len();
        out.truncate(kept);
        out.push('\n');
    }
    let kept = out.trim_end_matches('\n').len().max(start);
    out.truncate(kept);
    out.push('\n');
}
