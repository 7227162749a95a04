//! The lines at the top: where the numbers come from, how much flows, what is lost, and the tabs.

use std::collections::VecDeque;

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::{Canvas, panel::chart, rate};
use crate::view::{
    live::{Io, Snapshot},
    text::level,
    top::{asked::Viewed, grid::clock, model::Top, paint::Paint, tab::Tab, trend},
    units,
};

/// From this height on the charts have three lines.
const TALL: u16 = 28;
/// Lines of those.
const CHART: u16 = 3;
/// Columns of the numbers beside the charts, and most of them where there is room.
const NUMBERS: u16 = 34;
const NUMBERS_MOST: u16 = 56;
/// Below this width words are left out.
const WORDS: u16 = 100;

/// Draws the header; returns its height.
pub(in super::super) fn header(top: &mut Top, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    source(top, canvas, area);
    let used = if area.height >= TALL {
        tall(top, canvas, Rect { y: area.y + 2, height: CHART + 1, ..area }) + 3
    } else {
        short(top, canvas, Rect { y: area.y + 1, height: 2, ..area }) + 1
    };
    tabs(top, canvas, Rect { y: area.y + used, height: 1, ..area });
    used + if area.height >= TALL { 2 } else { 1 }
}

/// Who it is, and whose numbers these are.
fn source(top: &Top, canvas: &mut Canvas<'_>, area: Rect) {
    let time = top.time().map(|time| clock(time) + " UTC").unwrap_or_default();
    let (what, paint) = match (&top.viewed, &top.lost) {
        (_, Some(why)) => (why.clone(), Paint::Bad),
        (Viewed::Instance(url), None) => {
            (format!("attached to {}", url.trim_start_matches("http://")), Paint::Dim)
        }
        (Viewed::Own, None) => ("standalone".to_owned(), Paint::Dim),
        (Viewed::Capture(files), None) => (format!("capture {files}"), Paint::Dim),
    };
    let mut right = format!("{what}  {time}");
    if top.lost.is_some() {
        right = what;
    }
    let wide = (right.width() as u16 + 2).min(area.width * 2 / 3);
    canvas.put_right(
        area.x,
        area.y,
        area.width - 1,
        &crate::view::text::cut(&right, usize::from(wide)),
        paint,
    );
    let mut parts = vec![(Paint::Title, "weir".to_owned())];
    if let (Some(snapshot), false) = (top.snapshot(), top.is_capture()) {
        parts.push((Paint::Label, format!("  {}", snapshot.host)));
        let names: Vec<&str> = snapshot.interfaces.iter().map(|interface| &*interface.name).collect();
        parts.push((Paint::Plain, format!("  {}", names.join(" "))));
        parts.push((Paint::Dim, format!("  up {}", up(snapshot.uptime_seconds))));
    }
    let parts: Vec<(Paint, &str)> = parts.iter().map(|(paint, text)| (*paint, &**text)).collect();
    canvas.line(area.x + 1, area.y, area.width.saturating_sub(wide + 2), &parts);
    if top.is_paused() {
        let text = " PAUSED ";
        let x = area.x + (area.width - text.len() as u16) / 2;
        canvas.put(x, area.y, area.width, text, Paint::Warn);
        canvas.over(Rect { x, y: area.y, width: text.len() as u16, height: 1 }, Paint::Chosen);
    }
}

/// Whole seconds: tenths of them would only flicker.
fn up(seconds: f64) -> String {
    if seconds < 119.5 { format!("{} s", seconds.max(0.0).floor()) } else { units::seconds(seconds) }
}

/// What a side is called, its line, and its numbers.
type Side<'a> = (&'static str, Paint, &'a VecDeque<f64>, Io);

fn sides<'a>(top: &'a Top, snapshot: &Snapshot) -> Vec<Side<'a>> {
    let trends = top.trends();
    let mut sides = vec![("in", Paint::Accent, &trends.received, snapshot.received)];
    if top.is_capture() {
        // Nobody's in or out.
        if let Some(first) = sides.first_mut() {
            first.0 = "mean";
        }
    } else {
        sides.push(("out", Paint::Second, &trends.transmitted, snapshot.transmitted));
    }
    sides
}

/// Two lines: each a number and its line over time, and beside them flows and losses.
fn short(top: &Top, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let Some(snapshot) = top.snapshot() else { return 2 };
    let numbers = NUMBERS.min(area.width / 2);
    let right = area.right() - numbers;
    for (y, (name, paint, values, io)) in (area.y..).zip(sides(top, snapshot)) {
        canvas.put(area.x + 1, y, 4, name, Paint::Dim);
        canvas.put_right(area.x + 5, y, 12, &rate(top, io.bytes_per_second), Paint::Label);
        let wide = right.saturating_sub(area.x + 20);
        let values = trend::columns(values, usize::from(wide), top.is_capture());
        let most = values.iter().copied().fold(0.0, f64::max);
        let line: String = values
            .iter()
            .map(|value| level(if most > 0.0 { (value / most * 8.0).ceil() as usize } else { 1 }.max(1)))
            .collect();
        let x = right.saturating_sub(2 + values.len() as u16);
        canvas.glyphs(x, y, wide, &line, paint);
    }
    numbers_of(top, snapshot, canvas, Rect { x: right, width: numbers - 1, ..area });
    2
}

/// The same with charts of several lines side by side.
fn tall(top: &Top, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let Some(snapshot) = top.snapshot() else { return area.height };
    let sides = sides(top, snapshot);
    let numbers = (area.width / 4).clamp(NUMBERS, NUMBERS_MOST);
    let wide = area.width.saturating_sub(numbers + 1) / sides.len().max(1) as u16;
    for (n, (name, paint, values, io)) in (0_u16..).zip(sides) {
        let place = Rect { x: area.x + 1 + n * wide, width: wide.saturating_sub(3), ..area };
        let packets = format!("  {} packets/s", units::count(io.packets_per_second.round() as u64));
        let rate = rate(top, io.bytes_per_second);
        let name = format!("{name}  ");
        let parts = [(Paint::Dim, &*name), (Paint::Label, &rate), (Paint::Dim, &packets)];
        canvas.line(place.x, place.y, place.width, &parts);
        let below = Rect { y: place.y + 1, height: CHART, ..place };
        let values = trend::columns(values, usize::from(place.width), top.is_capture());
        chart(canvas, below, &values, paint);
    }
    let right = Rect { x: area.right() - numbers, width: numbers - 1, ..area };
    numbers_of(top, snapshot, canvas, right);
    area.height
}

/// Flows and losses, as many lines as there are.
fn numbers_of(top: &Top, snapshot: &Snapshot, canvas: &mut Canvas<'_>, area: Rect) {
    let flows = &snapshot.flows;
    let losses = &snapshot.losses;
    let lost: Vec<String> = [
        (losses.overflow_packets, "flow table overflow"),
        (losses.violations, "violations"),
        (losses.records, "records"),
        (losses.samples, "samples"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", units::count(count)))
    .collect();
    let grave = losses.overflow_packets > 0 || losses.violations > 0;
    let (lost, paint) = match lost.as_slice() {
        [] => ("no drops".to_owned(), Paint::Good),
        lost => (lost.join(", "), if grave { Paint::Bad } else { Paint::Warn }),
    };
    let mut transports: Vec<_> = flows.by_transport.iter().collect();
    transports.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let transports: Vec<String> = transports
        .into_iter()
        .map(|(transport, count)| format!("{transport} {}", units::count(*count)))
        .collect();
    let pace = |pace: f64| if pace < 9.95 { format!("{pace:.1}") } else { units::count(pace.round() as u64) };
    let mut lines = vec![
        ("flows", Paint::Label, units::count(flows.active)),
        ("drops", paint, lost),
        ("transport", Paint::Plain, transports.join(", ")),
        (
            "rate",
            Paint::Plain,
            format!("{} new/s, {} closed/s", pace(flows.started_per_second), pace(flows.ended_per_second)),
        ),
    ];
    if top.is_capture() {
        lines.pop();
        lines.push(("duration", Paint::Plain, units::seconds(snapshot.covered_seconds)));
        lines.swap(0, 3);
        lines.swap(2, 3);
        if area.height < 4 {
            lines.swap(0, 2);
        }
    } else if area.height >= 4 {
        // With room for all, losses stand last.
        lines.swap(1, 3);
        lines.swap(1, 2);
    }
    for (y, (label, paint, text)) in (area.y..area.bottom()).zip(lines) {
        canvas.put(area.x, y, area.width, label, Paint::Dim);
        canvas.put(area.x + 10, y, area.width.saturating_sub(10), &text, paint);
    }
}

fn tabs(top: &mut Top, canvas: &mut Canvas<'_>, area: Rect) {
    let told = told(top, area.width < WORDS);
    // A filter says more than the titles of other tabs.
    let named: u16 = Tab::ALL.iter().map(|tab| tab.title().len() as u16 + 4).sum();
    let filtered = top.tab == Tab::Flows && !top.filter.is_empty();
    let narrow = area.width < 72 || (filtered && named + told.width() as u16 + 3 > area.width);
    // Titles stay where they have room side by side.
    let close = !narrow && named + told.width() as u16 + 1 > area.width;
    let mut x = area.x;
    let mut places = Vec::new();
    for tab in Tab::ALL {
        let number = tab.index() + 1;
        let text = match tab {
            _ if narrow && tab != top.tab => format!(" {number} "),
            _ if close => format!(" {number} {}", tab.title()),
            _ => format!(" {number} {} ", tab.title()),
        };
        let wide = canvas.put(x, area.y, area.right().saturating_sub(x), &text, Paint::Plain);
        let place = Rect { x, y: area.y, width: wide, height: 1 };
        canvas.over(place, if tab == top.tab { Paint::Chosen } else { Paint::Dim });
        places.push((place, tab));
        x += wide;
    }
    top.places.tabs = places;
    let room = area.right().saturating_sub(x + 1);
    let paint = if filtered { Paint::Warn } else { Paint::Dim };
    let text = crate::view::text::cut(&told, usize::from(room)).into_owned();
    canvas.put_right(x + 1, area.y, room, &text, paint);
}

/// What stands beside the tabs: how many of how many flows and which, or how far sums go back.
fn told(top: &Top, short: bool) -> String {
    match top.tab {
        Tab::Flows => {
            let (shown, all) = (top.flows().len(), top.matched);
            let shown = if short && shown < all {
                format!("{}/{}", units::count(shown as u64), units::count(all as u64))
            } else {
                super::of_total(shown, all)
            };
            if top.filter.is_empty() { shown } else { format!("{shown}  {}", top.filter) }
        }
        Tab::Events => String::new(),
        _ if top.is_capture() => String::new(),
        _ => format!("last {}", super::footer::window(top.window)),
    }
}
