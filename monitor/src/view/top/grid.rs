//! Tables: columns that fit the room, values that sort and show themselves.

use std::{borrow::Cow, cmp::Ordering, net::IpAddr};

use monitor_core::record::Time;

use super::paint::Paint;
use crate::view::{text::endpoint, units};

/// Between columns.
pub(super) const GAP: u16 = 2;

/// A value of a cell: sorts by what it is, shows as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Not known.
    Empty,
    Text(Cow<'a, str>),
    Endpoint(IpAddr, u16),
    Count(u64),
    Bytes(u64),
    /// Bytes a second.
    Rate(f64),
    /// Anything a second.
    Pace(f64),
    Seconds(f64),
    /// 0 to 1.
    Share(f64),
    /// 0 to 1, as a bar.
    Bar(f64),
    /// The time of day, UTC.
    Clock(Time),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    pub(super) fn seconds(seconds: Option<f64>) -> Self {
        seconds.map_or(Self::Empty, Self::Seconds)
    }

    /// As it is shown; rates in bits where they are wanted. A bar shows nothing here.
    pub(super) fn show(&self, bits: bool) -> Cow<'_, str> {
        match self {
            Self::Empty | Self::Bar(_) => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Endpoint(ip, port) => Cow::Owned(endpoint(*ip, *port)),
            Self::Count(n) => Cow::Owned(units::count(*n)),
            Self::Bytes(n) => Cow::Owned(units::bytes(*n as f64)),
            Self::Rate(rate) => Cow::Owned(rate_text(*rate, bits)),
            Self::Pace(pace) if *pace < 9.95 => Cow::Owned(format!("{pace:.1}/s")),
            Self::Pace(pace) => Cow::Owned(format!("{}/s", units::count(pace.round() as u64))),
            Self::Seconds(seconds) => Cow::Owned(units::seconds(*seconds)),
            Self::Share(share) if *share > 0.0 && *share < 0.000_5 => Cow::Borrowed("<0.1 %"),
            Self::Share(share) => Cow::Owned(format!("{:.1} %", share * 100.0)),
            Self::Clock(time) => Cow::Owned(clock(*time)),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Endpoint(a, p), Self::Endpoint(b, q)) => (a, p).cmp(&(b, q)),
            (Self::Clock(a), Self::Clock(b)) => a.0.cmp(&b.0),
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Count(n) | Self::Bytes(n) => *n as f64,
            Self::Rate(n) | Self::Pace(n) | Self::Seconds(n) | Self::Share(n) | Self::Bar(n) => *n,
            Self::Empty | Self::Text(_) | Self::Endpoint(..) | Self::Clock(_) => 0.0,
        }
    }
}

/// A rate in bytes or bits a second.
pub(super) fn rate_text(rate: f64, bits: bool) -> String {
    if bits { units::bit_rate(rate) } else { units::bytes(rate) + "/s" }
}

/// `02:49:27` of a time.
pub(super) fn clock(time: Time) -> String {
    String::from_utf8_lossy(time.format().get(11..19).unwrap_or_default()).into_owned()
}

/// Columns of a lower rank go only where all others are as narrow as they can be.
const NEEDED: u8 = 5;

/// Where a column has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Both,
    Live,
    Capture,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Narrowest and widest.
    width: (u16, u16),
    /// Narrowest where a column that is needed to tell rows apart would have to go.
    tight: u16,
    /// Share of the room that is left.
    weight: u16,
    /// Numbers end at the right and sort downwards.
    pub(super) number: bool,
    /// The highest goes first where there is no room; 0 stays.
    rank: u8,
    of: Of,
}

impl Column {
    /// Text that grows from one width to another.
    pub(super) const fn text(title: &'static str, width: (u16, u16), weight: u16) -> Self {
        Self { title, width, tight: width.0, weight, number: false, rank: 0, of: Of::Both }
    }

    /// A number of a fixed width.
    pub(super) const fn number(title: &'static str, width: u16) -> Self {
        Self { title, width: (width, width), tight: width, weight: 0, number: true, rank: 0, of: Of::Both }
    }

    pub(super) const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// As narrow as this before a column of a rank below [`NEEDED`] goes.
    pub(super) const fn shrink(self, tight: u16) -> Self {
        Self { tight, ..self }
    }

    pub(super) const fn only(self, of: Of) -> Self {
        Self { of, ..self }
    }

    pub(super) fn is_of(&self, capture: bool) -> bool {
        match self.of {
            Of::Both => true,
            Of::Live => !capture,
            Of::Capture => capture,
        }
    }
}

/// A cell.
#[derive(Clone, Debug)]
pub(super) struct Cell<'a> {
    pub(super) value: Value<'a>,
    pub(super) paint: Paint,
}

impl<'a> Cell<'a> {
    pub(super) fn new(value: Value<'a>) -> Self {
        Self { value, paint: Paint::Plain }
    }

    pub(super) fn paint(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }
}

/// A row. The same thing has the same id from one picture to the next.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    pub(super) id: Cow<'a, str>,
    /// Which of what the table shows it is.
    pub(super) at: usize,
    pub(super) cells: Vec<Cell<'a>>,
    /// Stays below all others.
    pub(super) last: bool,
}

/// By which column, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) down: bool,
}

/// Puts rows in order; what is not known comes last either way.
pub(super) fn sort(rows: &mut [Row<'_>], by: Sort) {
    rows.sort_by(|a, b| {
        let of = |row: &Row<'_>| row.cells.get(by.column).is_none_or(|cell| cell.value == Value::Empty);
        let values = || match (a.cells.get(by.column), b.cells.get(by.column)) {
            (Some(a), Some(b)) if by.down => b.value.compare(&a.value),
            (Some(a), Some(b)) => a.value.compare(&b.value),
            _ => Ordering::Equal,
        };
        a.last.cmp(&b.last).then_with(|| of(a).cmp(&of(b))).then_with(values)
    });
}

/// A column's index, where it begins, and its width.
pub(super) type Place = (usize, u16, u16);

/// Columns that fit, given how wide the contents of each are: those that may go do so while it is too narrow, then the
/// others grow until nothing is cut, or into what is left.
pub(super) fn layout(columns: &[Column], capture: bool, room: u16, needs: &[u16]) -> Vec<Place> {
    let mut kept: Vec<(usize, &Column)> =
        columns.iter().enumerate().filter(|(_, column)| column.is_of(capture)).collect();
    let least = |kept: &[(usize, &Column)]| {
        kept.iter().map(|(_, column)| column.width.0 + GAP).sum::<u16>().saturating_sub(GAP)
    };
    let tight = |kept: &[(usize, &Column)]| {
        kept.iter().map(|(_, column)| column.tight + GAP).sum::<u16>().saturating_sub(GAP)
    };
    let mut is_tight = false;
    while least(&kept) > room {
        let Some(most) = kept.iter().map(|(_, column)| column.rank).max().filter(|rank| *rank > 0) else {
            is_tight = true;
            break;
        };
        is_tight = most < NEEDED && tight(&kept) <= room;
        if is_tight {
            break;
        }
        kept.retain(|(_, column)| column.rank != most);
    }
    // Bars have no contents: they take their widest.
    let need = |index: usize, column: &Column| match needs.get(index) {
        Some(need) if !column.title.is_empty() => *need,
        _ => column.width.1,
    };
    let narrowest = |column: &Column| if is_tight { column.tight } else { column.width.0 };
    let mut widths: Vec<u16> = kept.iter().map(|(_, column)| narrowest(column)).collect();
    for _ in if is_tight { tight(&kept) } else { least(&kept) }..room {
        // Whoever has the least of its share is next.
        let hungry = kept.iter().zip(&mut widths).filter(|((i, c), width)| **width < need(*i, c));
        let next = hungry.min_by(|((_, a), x), ((_, b), y)| {
            let share = |column: &Column, width: u16| {
                f64::from(width - narrowest(column) + 1) / f64::from(column.weight.max(1))
            };
            share(a, **x).total_cmp(&share(b, **y))
        });
        let Some((_, width)) = next else { break };
        *width += 1;
    }
    let mut x = 0;
    kept.iter()
        .zip(widths)
        .map(|((index, _), width)| {
            let place = (*index, x, width);
            x += width + GAP;
            place
        })
        .filter(|(_, x, _)| *x < room)
        .collect()
}
