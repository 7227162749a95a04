//! The report on a terminal.
//!
//! Every text is escaped once more here: what was escaped for records stays as it is, and nothing that a
//! later source of text forgets reaches the terminal.

use std::fmt::Write as _;

use monitor_core::{record::Time, report::Timeline};
use unicode_width::UnicodeWidthStr as _;

use crate::view::text::{bar, level, pad, safe, wrap};

use super::document::{Block, Cell, Column, Row, Section, Table, Tone};
use super::sections::peak;

/// Between columns.
const GAP: usize = 2;
/// Width of a column of bars, and the least of it.
const BAR: usize = 10;
const SHORT_BAR: usize = 5;
/// Lines of the chart over time.
const CHART: usize = 5;
/// Columns of text do not become narrower than this.
const NARROWEST: usize = 12;

/// How the terminal is.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether it shows colours.
    pub color: bool,
}

/// Sections as lines.
pub fn render(sections: &[Section], timeline: &Timeline, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    for section in sections {
        page.section(section, timeline);
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn section(&mut self, section: &Section, timeline: &Timeline) {
        let title = section.id.title();
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.line(&[(Paint::Title, title)]);
        for line in wrap(section.about, self.style.width) {
            self.line(&[(Paint::Dim, &line)]);
        }
        if section.blocks.is_empty() {
            self.line(&[(Paint::Dim, "  none in this capture")]);
        }
        for (i, block) in section.blocks.iter().enumerate() {
            match block {
                Block::Facts(facts) => self.facts(facts),
                Block::Table(table) => {
                    if i > 0 {
                        self.out.push('\n');
                    }
                    self.table(table);
                }
                Block::Spark => self.chart(timeline, 1),
                Block::Timeline => self.chart(timeline, CHART),
            }
        }
    }

    fn line(&mut self, parts: &[(Paint, &str)]) {
        for (paint, text) in parts {
            self.paint(*paint, text);
        }
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        self.out.push('\n');
    }

    fn paint(&mut self, paint: Paint, text: &str) {
        let code = paint.code();
        if self.style.color && !code.is_empty() && !text.trim().is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(self.out, "\x1b[{code}m{text}\x1b[0m");
        } else {
            self.out.push_str(text);
        }
    }

    fn facts(&mut self, facts: &[(&'static str, Cell)]) {
        let labels = facts.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
        let room = self.style.width.saturating_sub(labels + GAP + 2).max(NARROWEST);
        for (label, cell) in facts {
            for (i, text) in wrap(&safe(&cell.text), room).iter().enumerate() {
                let label = if i == 0 { label } else { "" };
                let label = format!("  {label:<labels$}{:GAP$}", "");
                self.line(&[(Paint::Label, &label), (cell.tone.into(), text)]);
            }
        }
    }

    /// Bars over time, `height` lines high, and below them when they begin and end and how high they are.
    fn chart(&mut self, timeline: &Timeline, height: usize) {
        let rates = timeline.rates(self.style.width.saturating_sub(4));
        let most = rates.iter().copied().fold(0.0, f64::max);
        if rates.len() < 2 || most <= 0.0 {
            return;
        }
        // An empty span looks empty, a quiet one does not.
        let eighths = |rate: f64| (rate / most * (height * 8) as f64).ceil() as usize;
        for line in (0..height).rev() {
            let bars: String =
                rates.iter().map(|rate| level(eighths(*rate).saturating_sub(line * 8))).collect();
            self.line(&[(Paint::Plain, "  "), (Paint::Accent, &bars)]);
        }
        let (first, last) = timeline.span();
        // The peak of the report, which does not depend on how wide a column is.
        let middle = peak(timeline).map_or_else(String::new, |peak| format!("peak {peak}"));
        let (first, last) = (clock(first), clock(last));
        let room = rates.len().saturating_sub(first.len() + last.len() + middle.len());
        if room >= 2 {
            let (left, right) = (room / 2, room - room / 2);
            let line = format!("  {first}{:left$}{middle}{:right$}{last}", "", "");
            self.line(&[(Paint::Dim, &line)]);
        }
    }

    fn table(&mut self, table: &Table) {
        if !table.title.is_empty() {
            self.line(&[(Paint::Plain, "  "), (Paint::Label, table.title)]);
        }
        let layout = layout(table, self.style.width.saturating_sub(2));
        self.header(table, &layout);
        for row in &table.rows {
            self.row(row, &table.columns, &layout);
        }
        if let Some(note) = &table.note {
            self.line(&[(Paint::Plain, "  "), (Paint::Dim, note)]);
        }
    }

    fn header(&mut self, table: &Table, layout: &[(usize, usize)]) {
        let mut line = "  ".to_owned();
        for (column, width) in chosen(&table.columns, layout) {
            line.push_str(&pad(column.title, width, column.number));
            line.push_str(&" ".repeat(GAP));
        }
        self.line(&[(Paint::Dim, line.trim_end())]);
    }

    fn row(&mut self, row: &Row, columns: &[Column], layout: &[(usize, usize)]) {
        self.out.push_str("  ");
        for (i, (index, width)) in layout.iter().enumerate() {
            let (Some(cell), Some(column)) = (row.cells.get(*index), columns.get(*index)) else { continue };
            let paint = match cell.tone {
                Tone::Plain if row.below => Paint::Dim,
                tone => tone.into(),
            };
            match cell.bar {
                Some(share) => self.paint(Paint::Accent, &pad(&bar(share, *width), *width, false)),
                None => self.paint(paint, &pad(&shown(row, *index, cell), *width, column.number)),
            }
            if i + 1 < layout.len() {
                self.out.push_str(&" ".repeat(GAP));
            }
        }
        self.line(&[]);
    }
}

/// Text of a cell; the first of a row that belongs to another stands further in.
fn shown(row: &Row, index: usize, cell: &Cell) -> String {
    let text = safe(&cell.text);
    if row.below && index == 0 { format!("  {text}") } else { text.into_owned() }
}

/// `02:49:27` of a time.
fn clock(ns: u64) -> String {
    String::from_utf8_lossy(Time(ns).format().get(11..19).unwrap_or_default()).into_owned()
}

/// What colours mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Plain,
    Title,
    Label,
    Accent,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Paint {
    /// Parameters of SGR (ECMA-48, 8.3.117). The eight colours alone: they follow the reader's theme.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Title => "1;36",
            Self::Label => "1",
            Self::Accent => "36",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "1;31",
        }
    }
}

impl From<Tone> for Paint {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Plain => Self::Plain,
            Tone::Dim => Self::Dim,
            Tone::Good => Self::Good,
            Tone::Warn => Self::Warn,
            Tone::Bad => Self::Bad,
        }
    }
}

fn chosen<'a>(
    columns: &'a [Column],
    layout: &'a [(usize, usize)],
) -> impl Iterator<Item = (&'a Column, usize)> {
    layout.iter().filter_map(|(index, width)| columns.get(*index).map(|column| (column, *width)))
}

/// Which columns are shown, and how wide: those that may go do so while it is too narrow to read, then bars
/// become shorter, then columns of text narrower, the widest first; then the last columns go.
fn layout(table: &Table, room: usize) -> Vec<(usize, usize)> {
    let mut layout: Vec<(usize, usize)> =
        (0..table.columns.len()).map(|index| (index, natural(table, index))).collect();
    let column = |index: usize| table.columns.get(index);
    let total = |layout: &[(usize, usize)], width: &dyn Fn(&(usize, usize)) -> usize| {
        layout.iter().map(|at| width(at) + GAP).sum::<usize>().saturating_sub(GAP)
    };
    let is_bar = |index: usize| {
        table.rows.iter().any(|row| row.cells.get(index).is_some_and(|cell| cell.bar.is_some()))
    };
    let is_text = |index: usize| column(index).is_some_and(|column| !column.number) && !is_bar(index);
    // Readable: the first column with two fifths of the room, other text with a little.
    let readable = |&(index, width): &(usize, usize)| match index {
        0 if is_text(0) => width.min(room * 2 / 5),
        _ if is_text(index) => width.min(NARROWEST + 4),
        _ if is_bar(index) => width.min(SHORT_BAR),
        _ => width,
    };
    while total(&layout, &readable) > room {
        let drop = |at: &(usize, usize)| column(at.0).map_or(0, |column| column.drop);
        let Some(most) = layout.iter().map(drop).max().filter(|most| *most > 0) else { break };
        layout.retain(|at| drop(at) != most);
    }
    while total(&layout, &|at| at.1) > room {
        let bar = layout.iter().position(|at| is_bar(at.0) && at.1 > SHORT_BAR);
        let text = || {
            let texts = layout.iter().enumerate().filter(|(_, at)| is_text(at.0) && at.1 > NARROWEST);
            texts.max_by_key(|(_, at)| at.1).map(|(place, _)| place)
        };
        let Some(place) = bar.or_else(text) else { break };
        if let Some((_, width)) = layout.get_mut(place) {
            *width -= 1;
        }
    }
    while layout.len() > 1 && total(&layout, &|at| at.1) > room {
        layout.pop();
    }
    layout
}

fn natural(table: &Table, index: usize) -> usize {
    let cells = table.rows.iter().filter_map(|row| {
        let cell = row.cells.get(index)?;
        Some(if cell.bar.is_some() { BAR } else { shown(row, index, cell).width() })
    });
    let title = table.columns.get(index).map_or(0, |column| column.title.width());
    cells.chain([title]).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::report::document::SectionId;

    fn table(name: &str) -> Section {
        let columns = vec![
            Column::text("NAME"),
            Column::text("").drop(2),
            Column::number("BYTES"),
            Column::text("MORE").drop(1),
        ];
        let cells = vec![Cell::text(name), Cell::bar(0.5), Cell::bytes(1500), Cell::text("x".repeat(50))];
        let table = Table { title: "", columns, rows: vec![Row::new(cells)], note: None };
        Section { id: SectionId::Domains, about: "About.", blocks: vec![Block::Table(table)] }
    }

    fn lines(name: &str, width: usize, color: bool) -> String {
        render(&[table(name)], &Timeline::default(), Style { width, color })
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for name in ["a.example", &"long".repeat(60), &"例え".repeat(40)] {
            for width in [40, 79, 80, 132, 200] {
                for line in lines(name, width, false).lines() {
                    assert!(line.width() <= width, "{width}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_least_needed_goes_first() {
        assert!(lines("a.example", 100, false).contains("MORE"));
        let narrow = lines(&"a".repeat(60), 40, false);
        assert!(!narrow.contains("MORE") && !narrow.contains('█') && narrow.contains("1.5 kB"), "{narrow}");
    }

    #[test]
    fn no_name_reaches_the_terminal_as_a_command() {
        let hostile = "\x1b[2J\u{9b}31m\u{202e}evil\r\n\x07";
        let shown = lines(hostile, 100, true).replace("\x1b[", "").replace('\n', "");
        assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert!(!lines(hostile, 100, false).contains('\x1b'));
        let fact = Section {
            id: SectionId::Summary,
            about: "",
            blocks: vec![Block::Facts(vec![("Label", Cell::text(hostile))])],
        };
        let shown = render(&[fact], &Timeline::default(), Style { width: 80, color: false });
        assert!(!shown.replace('\n', "").chars().any(char::is_control), "{shown:?}");
    }

    #[test]
    fn colours_are_only_there_when_wanted() {
        assert!(!lines("a", 80, false).contains('\x1b') && lines("a", 80, true).contains("\x1b[1;36m"));
    }
}
