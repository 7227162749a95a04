//! Cells to a terminal, in colours that all terminals have.
//!
//! crossterm writes the sixteen colours as of 256 (`38;5;6`), which terminals with sixteen read as something else;
//! here they are the eight of ECMA-48 (8.3.117) and their bright ones (`36`, `96`).

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};

/// crossterm's backend, but for how cells are written.
pub(super) struct Sgr<W: Write> {
    inner: CrosstermBackend<io::BufWriter<W>>,
}

impl<W: Write> Sgr<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { inner: CrosstermBackend::new(io::BufWriter::with_capacity(1 << 16, writer)) }
    }
}

/// Codes of the modifiers that are used.
const MODIFIERS: [(Modifier, u8); 4] =
    [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)];

/// Number of a colour among the sixteen; `None`: the terminal's own.
const fn number(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Reset | Color::Indexed(_) | Color::Rgb(..) => return None,
    })
}

fn style(out: &mut impl Write, cell: &Cell) -> io::Result<()> {
    out.write_all(b"\x1b[0")?;
    for (modifier, code) in MODIFIERS {
        if cell.modifier.contains(modifier) {
            write!(out, ";{code}")?;
        }
    }
    for (color, base) in [(cell.fg, 30), (cell.bg, 40)] {
        if let Some(number) = number(color) {
            let code = if number < 8 { base + number } else { base + 60 + number - 8 };
            write!(out, ";{code}")?;
        }
    }
    out.write_all(b"m")
}

impl<W: Write> Backend for Sgr<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let out = &mut self.inner;
        let mut last: Option<(u16, u16)> = None;
        let mut now = None;
        for (x, y, cell) in content {
            if last.is_none_or(|(before, line)| (before.saturating_add(1), line) != (x, y)) {
                write!(out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1)?;
            }
            last = Some((x, y));
            let wanted = (cell.fg, cell.bg, cell.modifier);
            if now != Some(wanted) {
                style(out, cell)?;
                now = Some(wanted);
            }
            out.write_all(cell.symbol().as_bytes())?;
        }
        out.write_all(b"\x1b[0m")
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // The terminal is not asked: its answer would come as keys, to the thread that waits for those. Whoever
        // clears the screen wants it, and every picture says anew where the cursor is.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn only_the_sixteen_colours_are_written() {
        let mut written = Vec::new();
        let mut cell = Cell::new("x");
        cell.set_style(Style::new().fg(Color::Cyan).bg(Color::LightRed).add_modifier(Modifier::BOLD));
        let mut backend = Sgr::new(&mut written);
        backend.draw([(2, 1, &cell), (3, 1, &cell)].into_iter()).unwrap();
        backend.flush().unwrap();
        drop(backend);
        assert_eq!(written, b"\x1b[2;3H\x1b[0;1;36;101mxx\x1b[0m");
    }
}
