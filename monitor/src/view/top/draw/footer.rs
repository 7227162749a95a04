//! The lines at the bottom: keys, or the filter that is being written and what is wrong with it.

use monitor_core::live::Window;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthChar as _;

use super::Canvas;
use crate::view::{
    text::wrap,
    top::{
        model::{Cover, Top},
        paint::Paint,
        prompt::Prompt,
        tab::Tab,
    },
};

/// Before the filter.
const ASKED: &str = "filter: ";

/// Lines that it takes.
pub(super) fn height(top: &Top, width: u16) -> u16 {
    let Some(prompt) = &top.prompt else { return 1 };
    2 + (wrong(prompt, width).len() as u16).clamp(1, 3)
}

/// What is wrong with a filter, in lines.
fn wrong(prompt: &Prompt, width: u16) -> Vec<String> {
    prompt.error().map(|error| wrap(&error.to_string(), usize::from(width - 2))).unwrap_or_default()
}

/// A window in words.
pub(super) const fn window(window: Window) -> &'static str {
    match window {
        Window::Minute => "minute",
        Window::FiveMinutes => "5 minutes",
        Window::Hour => "hour",
    }
}

/// Draws it. Returns where the cursor is.
pub(super) fn footer(top: &Top, canvas: &mut Canvas<'_>, area: Rect) -> Option<(u16, u16)> {
    if top.prompt.is_some() {
        return prompt(top, canvas, area);
    }
    if let Some((notice, _)) = &top.notice {
        canvas.put(area.x + 1, area.y, area.width - 2, notice, Paint::Warn);
        return None;
    }
    let keys = keys(top);
    let right = "? help  q quit";
    let mut x = area.x + 1;
    let end = area.right().saturating_sub(right.len() as u16 + 3);
    for (key, what) in keys {
        let wide = (key.chars().count() + what.len() + 1) as u16;
        if x + wide > end {
            break;
        }
        x += canvas.put(x, area.y, wide, key, Paint::Label);
        x += canvas.put(x, area.y, wide, &format!(" {what}"), Paint::Dim) + 2;
    }
    let at = area.right().saturating_sub(right.len() as u16 + 1);
    canvas.line(
        at,
        area.y,
        area.width,
        &[(Paint::Label, "?"), (Paint::Dim, " help  "), (Paint::Label, "q"), (Paint::Dim, " quit")],
    );
    None
}

/// What may be pressed now.
fn keys(top: &Top) -> Vec<(&'static str, &'static str)> {
    if !matches!(top.cover, Cover::Nothing) {
        return vec![("Esc", "back"), ("↑↓", "scroll"), ("1-8", "tabs")];
    }
    let table = !top.tab.columns().is_empty();
    let mut keys = vec![("/", "filter")];
    if table {
        keys.extend([("←→", "sort"), ("r", "reverse")]);
    }
    match top.tab {
        Tab::Flows => keys.push(("Enter", "details")),
        Tab::Domains | Tab::Services | Tab::Dns | Tab::Hosts => keys.push(("Enter", "its flows")),
        _ => {}
    }
    if !top.is_capture() {
        keys.push(("space", if top.is_paused() { "resume" } else { "pause" }));
    }
    keys.push(("b", if top.bits { "bytes" } else { "bits" }));
    if !top.is_capture() {
        keys.push(("w", "window"));
    }
    keys
}

/// The filter, and where it is wrong.
fn prompt(top: &Top, canvas: &mut Canvas<'_>, area: Rect) -> Option<(u16, u16)> {
    let prompt = top.prompt.as_ref()?;
    let room = usize::from(area.width.saturating_sub(ASKED.len() as u16 + 3)).max(1);
    // Long ones are shown from where the cursor still is on the screen.
    let first = prompt.cursor().saturating_sub(room - 1);
    let text: Vec<char> = prompt.text().chars().collect();
    let columns = |to: usize| -> u16 {
        let shown = text.iter().skip(first).take(to.saturating_sub(first));
        shown.map(|c| c.width().unwrap_or(0) as u16).sum()
    };
    let x = area.x + 1 + canvas.put(area.x + 1, area.y, area.width, ASKED, Paint::Label);
    let shown: String = text.iter().skip(first).collect();
    canvas.put(x, area.y, area.right().saturating_sub(x + 1), &shown, Paint::Plain);
    match prompt.error() {
        None => {
            let hint = "Enter applies, Esc cancels; such as: port https and bytes > 1MB, or \"text\"";
            canvas.put(area.x + 1, area.y + 1, area.width - 2, hint, Paint::Dim);
        }
        Some(error) => {
            let from = error.column.saturating_sub(1);
            if from >= first {
                let mark = "^".repeat(error.width.min(room));
                let at = x + columns(from);
                canvas.put(at, area.y + 1, area.right().saturating_sub(at + 1), &mark, Paint::Bad);
            }
            for (y, line) in (area.y + 2..area.bottom()).zip(wrong(prompt, area.width)) {
                canvas.put(area.x + 1, y, area.width - 2, &line, Paint::Bad);
            }
        }
    }
    Some((x + columns(prompt.cursor()), area.y))
}
