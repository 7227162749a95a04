//! Facts, bars and charts side by side, as many as the width allows.

use std::{borrow::Cow, collections::VecDeque};

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr as _;

use super::Canvas;
use crate::view::{
    text::{bar, level},
    top::{
        grid::{Cell, Value},
        paint::Paint,
        trend,
    },
    units,
};

/// Width of a block that its words do not need wider, and how many stand side by side at most.
const BLOCK: u16 = 38;
const WIDEST: usize = 72;
const ABREAST: u16 = 3;
/// Lines of a chart, and of each of several that stand one above the other.
const CHART: u16 = 6;
const LOW: u16 = 4;
/// Widest label of a bar.
const LABEL: u16 = 14;

/// Something to read.
pub(in super::super) enum Block<'a> {
    Facts {
        title: &'static str,
        facts: Vec<(&'static str, Cell<'a>)>,
    },
    /// Numbers by name, each with a bar.
    Bars {
        title: &'static str,
        bars: Vec<(Cow<'a, str>, u64, Paint)>,
    },
    /// Lines over time, one above the other.
    Chart {
        title: &'static str,
        lines: Vec<(Paint, &'a VecDeque<f64>)>,
        /// What the numbers are.
        value: fn(f64) -> Value<'static>,
    },
}

impl Block<'_> {
    /// So wide that nothing is cut.
    fn width(&self) -> u16 {
        let Self::Facts { facts, .. } = self else { return BLOCK };
        let label = facts.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
        let value = facts.iter().map(|(_, cell)| cell.value.show(false).width()).max().unwrap_or(0);
        (label + value + 4).min(WIDEST) as u16
    }

    fn height(&self) -> u16 {
        let lines = match self {
            Self::Facts { facts, .. } => facts.len(),
            Self::Bars { bars, .. } => bars.len().max(1),
            Self::Chart { lines, .. } => lines.len() * usize::from(each(lines.len())),
        };
        // A title, and a free line below.
        lines.min(200) as u16 + 2
    }
}

const fn each(lines: usize) -> u16 {
    if lines > 1 { LOW } else { CHART }
}

/// Where each block stands, from the top left, and how high all is.
fn places(width: u16, blocks: &[Block<'_>]) -> (Vec<Rect>, u16) {
    let widest = blocks.iter().map(Block::width).max().unwrap_or(0).max(BLOCK);
    let abreast = (width / widest).clamp(1, ABREAST).min((blocks.len() as u16).max(1));
    let wide = width / abreast;
    let mut filled = vec![0_u16; usize::from(abreast)];
    let mut places = Vec::with_capacity(blocks.len());
    for block in blocks {
        // A chart takes a line of its own: time needs room.
        if matches!(block, Block::Chart { .. }) {
            let y = filled.iter().copied().max().unwrap_or(0);
            places.push(Rect { x: 0, y, width, height: block.height() });
            filled.fill(y.saturating_add(block.height()));
            continue;
        }
        let Some((column, y)) = filled.iter_mut().enumerate().min_by_key(|(_, y)| **y) else { continue };
        places.push(Rect { x: column as u16 * wide, y: *y, width: wide, height: block.height() });
        *y = y.saturating_add(block.height());
    }
    (places, filled.into_iter().max().unwrap_or(0))
}

/// Lines that blocks take.
pub(super) fn height(width: u16, blocks: &[Block<'_>]) -> u16 {
    places(width.saturating_sub(2), blocks).1
}

/// Draws blocks from line `scrolled` on, which is kept where there is something to see.
pub(in super::super) fn panel(
    canvas: &mut Canvas<'_>,
    area: Rect,
    blocks: &[Block<'_>],
    scrolled: &mut u16,
    bits: bool,
) {
    let (places, height) = places(area.width.saturating_sub(2), blocks);
    *scrolled = (*scrolled).min(height.saturating_sub(area.height));
    let whole = Rect { x: 0, y: 0, width: area.width, height: height.max(1) };
    let mut buffer = Buffer::empty(whole);
    let mut sheet = Canvas { buffer: &mut buffer, theme: canvas.theme };
    for (block, place) in blocks.iter().zip(places) {
        let place = Rect { x: place.x + 1, width: place.width.saturating_sub(2).max(1), ..place };
        draw(block, &mut sheet, place, bits);
    }
    for y in 0..area.height.min(height.saturating_sub(*scrolled)) {
        for x in 0..area.width {
            let (from, to) = ((x, y + *scrolled), (area.x + x, area.y + y));
            if let (Some(from), Some(to)) = (buffer.cell(from), canvas.buffer.cell_mut(to)) {
                to.clone_from(from);
            }
        }
    }
}

fn draw(block: &Block<'_>, canvas: &mut Canvas<'_>, place: Rect, bits: bool) {
    let title = match block {
        Block::Facts { title, .. } | Block::Bars { title, .. } | Block::Chart { title, .. } => title,
    };
    canvas.put(place.x, place.y, place.width, title, Paint::Label);
    let inner = Rect { y: place.y + 1, height: place.height.saturating_sub(2), ..place };
    match block {
        Block::Facts { facts, .. } => {
            let label = facts.iter().map(|(label, _)| label.width() as u16).max().unwrap_or(0) + 2;
            for (y, (name, cell)) in (inner.y..inner.bottom()).zip(facts) {
                canvas.put(inner.x, y, label, name, Paint::Dim);
                let text =
                    if cell.value == Value::Empty { Cow::Borrowed("–") } else { cell.value.show(bits) };
                canvas.put(inner.x + label, y, inner.width.saturating_sub(label), &text, cell.paint);
            }
        }
        Block::Bars { bars, .. } if bars.is_empty() => {
            canvas.put(inner.x, inner.y, inner.width, "none", Paint::Dim);
        }
        Block::Bars { bars, .. } => {
            let most = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
            let number = units::count(most).len() as u16;
            let wide = inner.width.saturating_sub(LABEL + number + 4).min(24);
            for (y, (name, count, paint)) in (inner.y..inner.bottom()).zip(bars) {
                canvas.put(inner.x, y, LABEL, name, Paint::Plain);
                canvas.put_right(inner.x + LABEL + 1, y, number, &units::count(*count), Paint::Label);
                let share = *count as f64 / most as f64;
                let x = inner.x + LABEL + number + 3;
                canvas.glyphs(x, y, wide, &bar(share, usize::from(wide)), *paint);
            }
        }
        Block::Chart { lines, value, .. } => {
            for (n, (paint, values)) in (0_u16..).zip(lines) {
                let high = each(lines.len());
                let place = Rect { y: inner.y + n * high, height: high - 1, ..inner };
                let values = trend::columns(values, usize::from(place.width), false);
                let most = chart(canvas, place, &values, *paint);
                let text = format!("peak {}", value(most).show(bits));
                canvas.put(place.x, place.bottom(), place.width, &text, Paint::Dim);
            }
        }
    }
}

/// Bars over time that end at the right; returns how high the highest is.
pub(super) fn chart(canvas: &mut Canvas<'_>, place: Rect, values: &[f64], paint: Paint) -> f64 {
    let most = values.iter().copied().fold(0.0, f64::max);
    let full = usize::from(place.height) * 8;
    let start = place.right().saturating_sub(values.len().min(usize::from(place.width)) as u16);
    for line in 0..place.height {
        let below = usize::from(place.height - 1 - line) * 8;
        let text: String = values
            .iter()
            .map(|value| {
                // What is there at all shows.
                let eighths = if most > 0.0 { (value / most * full as f64).ceil() as usize } else { 0 };
                level(eighths.saturating_sub(below).min(8))
            })
            .collect();
        canvas.glyphs(start, place.y + line, place.right() - start, &text, paint);
    }
    // A quiet time is a line, not nothing.
    if let Some(y) = place.bottom().checked_sub(1) {
        for x in place.left()..place.right() {
            if let Some(cell) = canvas.buffer.cell_mut((x, y)).filter(|cell| cell.symbol() == " ") {
                cell.set_symbol("▁").set_style(canvas.theme.style(Paint::Dim));
            }
        }
    }
    most
}
